//! What only a file can say: tokens, sources, heartbeats, and the words for severities.
//!
//! Every field is read even when another one is wrong, so that all problems are told at once.
//! Called by `load` and `web_file`.

use std::collections::BTreeMap;

use crate::domain::rules::{HeartbeatRule, WEIGHTS};
use crate::domain::{ChangeReport, Matcher, Name, Severity, SourceType, Span};

use super::document::{Body, Document, Entry, Node};
use super::layers::{text_of, texts_of};
use super::problem::{Mark, Place, Report, quote};
use super::schema::{BASIC_AUTH_KEYS, HEARTBEAT_KEYS, SOURCE_KEYS, TOKEN_KEYS, unknown_key};
use super::values::resolve;
use super::{Scope, Secret, Source, Token, scalar, secret};

/// Longest silence that a heartbeat may be given.
const WITHIN_MOST: Span = Span::from_hours(365 * 24);
/// Deliveries a second beyond which a limit means nothing.
const RATE_MOST: f64 = 1e6;

/// More points than this would outweigh anything else.
const POINTS_MOST: f64 = 1_000.0;

/// Reads lists of objects out of one document.
pub(super) struct Lists<'a> {
    document: &'a Document,
    report: &'a mut Report,
}

/// One object with its path, such as `sources[2]`.
pub(super) struct Object<'d> {
    path: String,
    /// Where it begins.
    pub(super) mark: Mark,
    entries: &'d [Entry],
}

impl<'d> Object<'d> {
    /// The value of a key that is set.
    pub(super) fn get(&self, key: &str) -> Option<&'d Node> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(&entry.node).filter(|node| !node.is_null())
    }

    /// Where the value of a key stands, or else the object.
    fn mark_of(&self, key: &str) -> Mark {
        self.get(key).map_or(self.mark, |node| node.mark)
    }

    /// The path of a key, for messages.
    pub(super) fn path_of(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }
}

impl<'a> Lists<'a> {
    /// Reads from a document.
    pub(super) fn new(document: &'a Document, report: &'a mut Report) -> Self {
        Self { document, report }
    }

    /// `auth.tokens`, each with the spots of its scopes that name a source.
    pub(super) fn tokens(&mut self, node: &'a Node) -> (Vec<Token>, Vec<(Name, Place, String)>) {
        let mut tokens: Vec<Token> = Vec::new();
        let mut named_sources = Vec::new();
        for object in self.objects(node, "auth.tokens", TOKEN_KEYS) {
            let name = self.required(&object, "name", scalar::name);
            let sha256 = self.token_hash(&object);
            let scopes = self.scopes(&object, &mut named_sources);
            let (Some(name), Some(sha256)) = (name, sha256) else { continue };
            if tokens.iter().any(|token| token.name == name) {
                self.note_twice(&object, "name", name.as_str());
            }
            if let Some(other) = tokens.iter().find(|token| token.sha256 == sha256) {
                let text = format!("is the token of {} again; give each its own", other.name);
                self.note(object.mark, &object.path, text);
            }
            tokens.push(Token { name, sha256, scopes });
        }
        (tokens, named_sources)
    }

    /// `sources`.
    pub(super) fn sources(&mut self, node: &'a Node) -> Vec<Source> {
        let mut sources: Vec<Source> = Vec::new();
        for object in self.objects(node, "sources", SOURCE_KEYS) {
            let name = self.required(&object, "name", scalar::name);
            let types = SourceType::ALL.map(|kind| (kind.as_str(), kind));
            let kind = self.required(&object, "type", |text| scalar::word(text, &types));
            let namespace = self.optional(&object, "namespace", scalar::namespace);
            let token = self.secret(&object, "token_file", secret::read_token);
            let basic_auth = self.basic_auth(&object);
            let hmac_secret = self.secret(&object, "hmac_secret_file", secret::read);
            let rate_limit = self.optional(&object, "rate_limit", |text| {
                scalar::number(text, f64::MIN_POSITIVE, RATE_MOST).map_err(|_| {
                    format!("{} is no rate; write deliveries a second above 0", quote(text))
                })
            });
            let (Some(name), Some(kind)) = (name, kind) else { continue };
            if name.as_str() == ChangeReport::OWN_SOURCE {
                let text = format!(
                    "`{name}` is the source of what comes in our own form, at /api/v1/changes and \
                     /api/v1/topology; choose another name"
                );
                self.note(object.mark_of("name"), &object.path_of("name"), text);
            }
            if sources.iter().any(|source| source.name == name) {
                self.note_twice(&object, "name", name.as_str());
            }
            if hmac_secret.is_some() && !signs(kind) {
                let text =
                    format!("a source of type {kind} does not sign; only grafana and github do");
                self.note(object.mark, &object.path_of("hmac_secret_file"), text);
            }
            sources.push(Source {
                name,
                kind,
                namespace,
                token,
                basic_auth,
                hmac_secret,
                rate_limit,
            });
        }
        sources
    }

    /// `heartbeats`.
    pub(super) fn heartbeats(&mut self, node: &'a Node) -> Vec<HeartbeatRule> {
        let mut heartbeats: Vec<HeartbeatRule> = Vec::new();
        for object in self.objects(node, "heartbeats", HEARTBEAT_KEYS) {
            let name = self.required(&object, "name", scalar::name);
            let matchers = self.matchers(&object);
            let within = self.optional(&object, "within", |text| {
                scalar::span(text, Span::from_seconds(1), WITHIN_MOST)
            });
            let Some(name) = name else { continue };
            if heartbeats.iter().any(|heartbeat| heartbeat.name == name) {
                self.note_twice(&object, "name", name.as_str());
            }
            heartbeats.push(HeartbeatRule { name, matchers, within });
        }
        heartbeats
    }

    /// `alerts.severities`: words of rule sets and what they stand for.
    pub(super) fn severities(&mut self, node: &'a Node) -> Vec<(String, Severity)> {
        let path = "alerts.severities";
        let Body::Map(entries) = &node.body else {
            let text = format!("is {}; write a mapping such as page: critical", node.shape());
            self.note(node.mark, path, text);
            return Vec::new();
        };
        let mut severities: Vec<(String, Severity)> = Vec::new();
        for entry in entries {
            let key = format!("{path}.{}", entry.key);
            if severities.iter().any(|(word, _)| word.eq_ignore_ascii_case(&entry.key)) {
                let text = "comes twice, only large and small letters differ; keep one";
                self.note(entry.mark, &key, text.to_owned());
            }
            let read = self.read(&entry.node, &key, scalar::severity);
            severities.extend(read.map(|severity| (entry.key.clone(), severity)));
        }
        severities
    }

    /// `incidents.weights`: points for pieces of evidence, by their names.
    pub(super) fn weights(&mut self, node: &'a Node) -> BTreeMap<String, f64> {
        let path = "incidents.weights";
        let Body::Map(entries) = &node.body else {
            let text = format!("is {}; write a mapping such as same_node: 4", node.shape());
            self.note(node.mark, path, text);
            return BTreeMap::new();
        };
        let mut weights = BTreeMap::new();
        for entry in entries {
            let key = format!("{path}.{}", entry.key);
            if !WEIGHTS.contains(&entry.key.as_str()) {
                let text =
                    format!("no evidence has this name; write one of {}", WEIGHTS.join(", "));
                self.note(entry.mark, &key, text);
            }
            if entry.node.is_null() {
                continue;
            }
            let points = self
                .read(&entry.node, &key, |text| scalar::number(text, -POINTS_MOST, POINTS_MOST));
            weights.extend(points.map(|points| (entry.key.clone(), points)));
        }
        weights
    }

    /// The hash of a token, from exactly one of its two keys.
    fn token_hash(&mut self, object: &Object<'a>) -> Option<[u8; 32]> {
        match (object.get("token_file"), object.get("token_sha256")) {
            (Some(_), None) => self
                .secret(object, "token_file", secret::read_token)
                .map(|token| secret::hash(&token)),
            (None, Some(node)) => {
                self.read(node, &object.path_of("token_sha256"), secret::parse_hash)
            }
            (Some(_), Some(_)) => {
                let text = "has both token_file and token_sha256; keep one".to_owned();
                self.note(object.mark, &object.path, text);
                None
            }
            (None, None) => {
                let text = "has no token; write token_file or token_sha256".to_owned();
                self.note(object.mark, &object.path, text);
                None
            }
        }
    }

    fn scopes(
        &mut self,
        object: &Object<'a>,
        named_sources: &mut Vec<(Name, Place, String)>,
    ) -> Vec<Scope> {
        let path = object.path_of("scopes");
        let texts = object
            .get("scopes")
            .map(|node| texts_of(self.document, node, &path, self.report).unwrap_or_default());
        if texts.as_ref().is_none_or(Vec::is_empty) {
            let mark = object.get("scopes").map_or(object.mark, |node| node.mark);
            self.note(mark, &path, format!("is missing; write some of {SCOPE_WORDS}"));
        }
        let mut scopes = Vec::new();
        for text in texts.unwrap_or_default() {
            match parse_scope(&text.text) {
                Ok(scope) => {
                    if let Scope::Ingest(Some(source)) = &scope {
                        named_sources.push((source.clone(), text.place, path.clone()));
                    }
                    if !scopes.contains(&scope) {
                        scopes.push(scope);
                    }
                }
                Err(problem) => self.report.add(text.place, &path, problem),
            }
        }
        scopes
    }

    fn basic_auth(&mut self, object: &Object<'a>) -> Option<(String, Secret)> {
        let node = object.get("basic_auth")?;
        let inner = self.object(node, object.path_of("basic_auth"), BASIC_AUTH_KEYS)?;
        let username = self.required(&inner, "username", |text| {
            // The colon ends the user name in the header that carries it.
            scalar::filled(text).and_then(|name| match name.contains(':') {
                false => Ok(name),
                true => Err(format!("{} holds a colon, which no user name can", quote(text))),
            })
        });
        if inner.get("password_file").is_none() {
            let text = "is missing; write the path of a file with the password".to_owned();
            self.note(inner.mark, &inner.path_of("password_file"), text);
        }
        let password = self.secret(&inner, "password_file", secret::read);
        Some((username?, password?))
    }

    fn matchers(&mut self, object: &Object<'a>) -> Vec<Matcher> {
        let path = object.path_of("matchers");
        let texts = object
            .get("matchers")
            .map(|node| texts_of(self.document, node, &path, self.report).unwrap_or_default());
        let mut matchers = Vec::new();
        let mut all_read = true;
        for text in texts.unwrap_or_default() {
            match Matcher::parse_list(&text.text) {
                Ok(list) => matchers.extend(list),
                Err(error) => {
                    all_read = false;
                    self.report.add(text.place, &path, error.to_string());
                }
            }
        }
        if matchers.is_empty() && all_read {
            // Without a condition it would swallow every alert there is.
            let mark = object.get("matchers").map_or(object.mark, |node| node.mark);
            let text = "is missing; write matchers such as [alertname=\"Watchdog\"]".to_owned();
            self.note(mark, &path, text);
        }
        matchers
    }

    /// The values of a list, each read; empty when the key is not set.
    pub(super) fn many<T>(
        &mut self,
        object: &Object<'a>,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let path = object.path_of(key);
        let texts = object
            .get(key)
            .and_then(|node| texts_of(self.document, node, &path, self.report))
            .unwrap_or_default();
        let mut values = Vec::new();
        for text in texts {
            match read(&text.text) {
                Ok(value) => values.push(value),
                Err(problem) => self.report.add(text.place, &path, problem),
            }
        }
        values
    }

    /// The secret in the file that a key names.
    fn secret(
        &mut self,
        object: &Object<'a>,
        key: &str,
        read: impl Fn(&std::path::Path) -> Result<Secret, String>,
    ) -> Option<Secret> {
        let node = object.get(key)?;
        let place = self.document.place(node.mark);
        self.read(node, &object.path_of(key), |text| {
            scalar::filled(text).and_then(|text| read(&resolve(&place, &text)))
        })
    }

    /// A value that must be there.
    pub(super) fn required<T>(
        &mut self,
        object: &Object<'a>,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        if object.get(key).is_none() {
            self.note(object.mark, &object.path_of(key), "is missing; write it".to_owned());
        }
        self.optional(object, key, read)
    }

    /// A value that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        object: &Object<'a>,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        object.get(key).and_then(|node| self.read(node, &object.path_of(key), read))
    }

    fn read<T>(
        &mut self,
        node: &Node,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = text_of(self.document, node, key, self.report)?;
        read(&text.text).map_err(|problem| self.report.add(text.place, key, problem)).ok()
    }

    /// The objects of a list, with their unknown keys told.
    pub(super) fn objects(
        &mut self,
        node: &'a Node,
        path: &str,
        known: &[&str],
    ) -> Vec<Object<'a>> {
        let Body::List(items) = &node.body else {
            let text = format!("is {}; write a list, each item with `- name: …`", node.shape());
            self.note(node.mark, path, text);
            return Vec::new();
        };
        let numbered = items.iter().enumerate();
        numbered.filter_map(|(i, item)| self.object(item, format!("{path}[{i}]"), known)).collect()
    }

    /// One object, with its unknown keys told.
    pub(super) fn object(
        &mut self,
        node: &'a Node,
        path: String,
        known: &[&str],
    ) -> Option<Object<'a>> {
        let Body::Map(entries) = &node.body else {
            let text =
                format!("is {}; write a mapping with the keys {}", node.shape(), known.join(", "));
            self.note(node.mark, &path, text);
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            self.note(entry.mark, &format!("{path}.{}", entry.key), unknown_key(known));
        }
        Some(Object { path, mark: node.mark, entries })
    }

    /// Notes that a value came before.
    pub(super) fn note_twice(&mut self, object: &Object<'a>, key: &str, value: &str) {
        let text = format!("{} comes twice; give each its own", quote(value));
        self.note(object.mark_of(key), &object.path_of(key), text);
    }

    /// Notes a problem.
    pub(super) fn note(&mut self, mark: Mark, key: &str, text: String) {
        self.report.add(self.document.place(mark), key, text);
    }
}

/// The words for scopes, for messages.
const SCOPE_WORDS: &str = "ingest, ingest:SOURCE, read, write, replay, admin";

/// Whether senders of a type can sign their bodies.
fn signs(kind: SourceType) -> bool {
    match kind {
        SourceType::Grafana | SourceType::Github => true,
        SourceType::Alertmanager
        | SourceType::Prometheus
        | SourceType::Pagerduty
        | SourceType::Cloudevents
        | SourceType::Argocd
        | SourceType::UptimeKuma
        | SourceType::Annotations
        | SourceType::Generic => false,
    }
}

/// Reads a scope.
pub(super) fn parse_scope(text: &str) -> Result<Scope, String> {
    match (text, text.strip_prefix("ingest:")) {
        ("ingest", _) => Ok(Scope::Ingest(None)),
        ("read", _) => Ok(Scope::Read),
        ("write", _) => Ok(Scope::Write),
        ("replay", _) => Ok(Scope::Replay),
        ("admin", _) => Ok(Scope::Admin),
        (_, Some(source)) => scalar::name(source).map(|name| Scope::Ingest(Some(name))),
        (_, None) => Err(format!("{} is no scope; write some of {SCOPE_WORDS}", quote(text))),
    }
}

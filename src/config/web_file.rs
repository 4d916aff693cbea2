//! The file of `--web.config.file`, in the form of the exporter-toolkit of Prometheus: TLS, headers
//! of answers, users with passwords.
//!
//! A value of it that is in a [`WebFile`] can be used as it is: certificates and keys are read and
//! belong together, hashes have the form of bcrypt. Whoever names the file relies on it, so what we
//! cannot do is refused and never passed over. No secret stands in a message. Called by `load`, and
//! by the server when one of the files changed.

mod clients;
mod tls;
mod users;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderName, HeaderValue};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::document::{Body, Document, Entry, Node};
use super::lists::Lists;
use super::problem::{ConfigErrors, Mark, Report, quote};
use super::schema::unknown_key;
use super::{Secret, scalar};
use crate::domain::Name;

/// The sections that we know.
const SECTIONS: [&str; 3] = ["tls_server_config", "http_server_config", "basic_auth_users"];
const HTTP_KEYS: [&str; 2] = ["http2", "headers"];
/// The headers that the toolkit lets a file set, and the values where it names some.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];
/// Longest certificate file: the bundle of all public authorities is a fifth of it.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What the file asks for. The default asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct WebFile {
    /// How connections are encrypted, if they are.
    pub tls: Option<Tls>,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Who may log in with a password. When there is anybody, everything needs a login.
    pub users: Vec<User>,
    /// The files that this was read from.
    pub watched: Watched,
}

/// How connections are encrypted.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate, key, versions and what is asked of clients.
    pub server: Arc<ServerConfig>,
    /// What a client's certificate says about who it is.
    pub clients: ClientCertificates,
}

/// What a client's certificate says about who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nothing: none is asked for, or nobody checks who issued it.
    Unverified,
    /// One that is shown was issued by an authority of ours.
    VerifiedIfShown,
    /// Nobody gets through without one that was issued by an authority of ours.
    Required,
}

impl Tls {
    /// The name in a client's certificate, when it can be believed.
    #[must_use]
    pub fn client(&self, certificates: &[CertificateDer<'_>]) -> Option<Name> {
        match self.clients {
            ClientCertificates::Unverified => None,
            ClientCertificates::VerifiedIfShown | ClientCertificates::Required => {
                certificates.first().map(clients::name_of)
            }
        }
    }
}

/// Somebody with a password.
#[derive(Clone, Debug)]
pub struct User {
    /// The user name: the principal.
    pub name: Name,
    /// The bcrypt hash of the password.
    pub hash: Secret,
    /// How much work checking a password takes: two to this power.
    pub cost: u32,
}

impl WebFile {
    /// True when nobody from elsewhere gets in without a password or a certificate.
    #[must_use]
    pub fn keeps_strangers_out(&self) -> bool {
        let asks_certificates =
            self.tls.as_ref().is_some_and(|tls| tls.clients == ClientCertificates::Required);
        asks_certificates || !self.users.is_empty()
    }
}

/// Files that were read, as they were just before.
#[derive(Clone, Debug, Default)]
pub struct Watched(Vec<(PathBuf, Option<Stamp>)>);

/// By what a changed file is known; links are followed, since secrets are often swapped by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified_at: Option<SystemTime>,
    bytes: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { modified_at: metadata.modified().ok(), bytes: metadata.len() })
    }
}

impl Watched {
    /// True when one of the files is not as it was. Asks the file system.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.0.iter().any(|(path, stamp)| Stamp::of(path) != *stamp)
    }

    /// Notes a file that is about to be read.
    fn add(&mut self, path: &Path) {
        if !self.0.iter().any(|(known, _)| known == path) {
            self.0.push((path.to_owned(), Stamp::of(path)));
        }
    }

    /// Notes a file and reads it.
    fn read(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        self.add(path);
        let shown = path.display();
        let cannot = |error: std::io::Error| format!("the file {shown} cannot be read: {error}");
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(cannot)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("the file {shown} is longer than 1 MiB; name another one"));
        }
        Ok(bytes)
    }
}

/// Reads the file and all files that it names. The files come back also when something is wrong,
/// so that it is noticed when they are put right.
pub fn load_web_file(path: &Path) -> (Result<WebFile, ConfigErrors>, Watched) {
    let mut report = Report::default();
    let file = read(path, &mut report);
    let watched = file.watched.clone();
    (report.finish(file), watched)
}

/// As [`load_web_file`], what is wrong going to a report.
pub(super) fn read(path: &Path, report: &mut Report) -> WebFile {
    let mut file = WebFile::default();
    file.watched.add(path);
    let document = Document::open(path, report);
    let Some(root) = document.root.as_ref().filter(|root| !root.is_null()) else { return file };
    let Some(sections) = mapping(&document, root, "web configuration", report) else {
        return file;
    };
    let is_set = |entry: &&Entry| !entry.node.is_null();
    let section = |key: &str| sections.iter().find(|entry| entry.key == key).filter(is_set);
    for entry in sections.iter().filter(|entry| !SECTIONS.contains(&entry.key.as_str())) {
        let text = match entry.key.as_str() {
            "rate_limit" => "is not supported; use rate_limit of a source".to_owned(),
            _ => unknown_key(&SECTIONS),
        };
        report.add(document.place(entry.mark), &entry.key, text);
    }
    let mut has_http2 = true;
    if let Some(entry) = section("http_server_config") {
        (has_http2, file.headers) = http(&document, &entry.node, report);
    }
    if let Some(entry) = section("tls_server_config") {
        file.tls = tls::read(&document, &entry.node, has_http2, &mut file.watched, report);
    }
    if let Some(entry) = section("basic_auth_users")
        && let Some(entries) = mapping(&document, &entry.node, "basic_auth_users", report)
    {
        file.users = users::read(&document, entries, report);
    }
    file
}

/// The entries of a mapping, or a problem.
fn mapping<'d>(
    document: &Document,
    node: &'d Node,
    key: &str,
    report: &mut Report,
) -> Option<&'d [Entry]> {
    match &node.body {
        Body::Map(entries) => Some(entries),
        Body::Null | Body::Scalar(_) | Body::List(_) => {
            let text = format!("is {}; write a mapping", node.shape());
            report.add(document.place(node.mark), key, text);
            None
        }
    }
}

/// `http_server_config`: whether HTTP/2 is spoken, and the headers.
fn http(
    document: &Document,
    node: &Node,
    report: &mut Report,
) -> (bool, Vec<(HeaderName, HeaderValue)>) {
    let Some(entries) = mapping(document, node, "http_server_config", report) else {
        return (true, Vec::new());
    };
    let mut lists = Lists::new(document, report);
    let object = lists.object(node, "http_server_config".to_owned(), &HTTP_KEYS);
    let has_http2 = object.and_then(|object| lists.optional(&object, "http2", scalar::truth));
    let has_http2 = has_http2.unwrap_or(true);
    let path = "http_server_config.headers";
    let headers = entries.iter().find(|entry| entry.key == "headers" && !entry.node.is_null());
    let Some(entries) = headers.and_then(|entry| mapping(document, &entry.node, path, report))
    else {
        return (has_http2, Vec::new());
    };
    let read = entries.iter().filter_map(|entry| {
        let key = format!("{path}.{}", entry.key);
        header(entry)
            .map_err(|(mark, text)| report.add(document.place(mark), key, text))
            .ok()
            .flatten()
    });
    (has_http2, read.collect())
}

/// One header; `None` when it has no value.
fn header(entry: &Entry) -> Result<Option<(HeaderName, HeaderValue)>, (Mark, String)> {
    let Some((name, values)) = HEADERS.iter().find(|(name, _)| *name == entry.key) else {
        let names = HEADERS.map(|(name, _)| name).join(", ");
        return Err((entry.mark, format!("cannot be set here; the headers are {names}")));
    };
    let mark = entry.node.mark;
    let text = match &entry.node.body {
        Body::Null => return Ok(None),
        Body::Scalar(text) => text,
        Body::List(_) | Body::Map(_) => {
            return Err((mark, format!("is {}; write one value", entry.node.shape())));
        }
    };
    if !values.is_empty() && !values.contains(&text.as_str()) {
        return Err((mark, format!("{} is not one of {}", quote(text), values.join(", "))));
    }
    let wrong = || (mark, format!("{} cannot stand in a header", quote(text)));
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    let value = HeaderValue::from_str(text).map_err(|_| wrong())?;
    Ok(Some((name, value)))
}

#[cfg(test)]
mod tests;

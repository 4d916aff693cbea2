//! The API and the pages over a real store, with an engine that says what a test tells it to.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::clock::Clock;
use crate::config::{Auth, Config, Log, LogFormat, Storage, Timeouts, Web, WebFile};
use crate::domain::facts::Revision;
use crate::domain::incident::{Finalised, Note, NoteKind, Opening};
use crate::domain::record::{OperationAction, Outcome};
use crate::domain::words::{TakenBack, Which, Words};
use crate::domain::{
    EpisodeId, Incident, IncidentId, NoteId, Record, RecordBody, Rules, Seq, Span, Timestamp,
};
use crate::http::server::Connection;
use crate::http::{Reloader, Shared, routes};
use crate::metrics::Metrics;
use crate::shutdown::Stopper;
use crate::store::{Append, EngineCommit, Store, StoreOptions};

/// A title that tries everything.
const HOSTILE: &str = "<script>alert(1)</script> & \u{202e}down";

fn revision(revision: u64, changes: Vec<String>) -> (IncidentId, Revision) {
    let (by, about, about_changes) = (None, Vec::new(), Vec::new());
    (IncidentId(1), Revision { revision, at: now(), by, changes, about, about_changes })
}

struct Scene {
    shared: Arc<Shared>,
    _folder: tempfile::TempDir,
    _stopper: Stopper,
}

struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn detail(&self) -> String {
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json", "{}", self.body);
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

fn now() -> Timestamp {
    Timestamp::parse("2026-03-04T03:00:00Z").unwrap()
}

fn config(folder: &tempfile::TempDir, settle: Span) -> Config {
    Config {
        web: Web {
            listen_addresses: Vec::new(),
            external_url: None,
            max_body: 1 << 20,
            max_connections: 10,
            timeouts: Timeouts {
                header: Span::from_seconds(10),
                body: Span::from_seconds(10),
                settle,
                drain: Span::from_seconds(1),
            },
            config_file: None,
        },
        web_file: WebFile::default(),
        storage: Storage {
            path: folder.path().to_owned(),
            retention: None,
            raw_retention: Span::from_hours(1),
            size_limit: None,
        },
        log: Log { level: "info".to_owned(), format: LogFormat::Logfmt },
        timezone: "UTC".to_owned(),
        templates_dir: None,
        templates: Arc::default(),
        topology: None,
        auth: Auth::default(),
        sources: Vec::new(),
        redaction: Vec::new(),
        rules: Rules::default(),
        replay_allow: false,
    }
}

fn incident(revision: u64) -> Incident {
    let at = Timestamp::parse("2026-03-04T02:14:07Z").unwrap();
    let opening = Opening::Alert { episode: EpisodeId(1), at };
    Incident {
        revision,
        notes: vec![Note {
            id: NoteId(1),
            text: "Looked at the database".to_owned(),
            kind: NoteKind::Investigation,
            kind_inferred: false,
            at,
            received_at: at,
            author: Some("Ada".to_owned()),
            pinned: false,
            hidden: true,
            withdrawn: None,
            history: Vec::new(),
        }],
        ..Incident::new(IncidentId(1), opening, HOSTILE.to_owned(), at)
    }
}

impl Scene {
    /// An empty store.
    fn new(settle: Span) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, metrics) = (Clock::manual(now()), Metrics::new());
        let options = StoreOptions {
            path: folder.path().to_owned(),
            queue_capacity: 16,
            queue_bytes: 1 << 20,
        };
        let store = Store::open(options, clock.clone(), metrics.clone()).unwrap();
        let config = Arc::new(config(&folder, settle));
        let (stopper, stop) = Stopper::new();
        let reloader = Reloader::channel().0;
        let shared = Arc::new(Shared::new(store, metrics, clock, config, reloader, stop));
        Self { shared, _folder: folder, _stopper: stopper }
    }

    /// A store with one incident at revision 3.
    fn with_incident(settle: Span) -> Self {
        let scene = Self::new(settle);
        scene.commit(EngineCommit {
            incidents: vec![incident(3)],
            revisions: vec![revision(3, vec!["Something changed".to_owned()])],
            ..EngineCommit::default()
        });
        scene
    }

    fn commit(&self, commit: EngineCommit) {
        let cursor = *self.shared.store.head().borrow();
        self.shared.store.commit(EngineCommit { cursor, ..commit }).unwrap();
    }

    /// One request; the engine answers its operation, if it is one, with `outcome`.
    async fn ask(&self, request: Request, outcome: Option<Outcome>) -> Answered {
        let router = routes::router(&self.shared);
        let answering = router.oneshot(request);
        let working = async {
            let Some(outcome) = outcome else { return };
            let mut head = self.shared.store.head();
            let before = *self.shared.store.cursor().borrow();
            let seq = *head.wait_for(|head| *head > before).await.unwrap();
            self.commit(EngineCommit {
                incidents: vec![incident(4)],
                outcomes: vec![(seq, outcome)],
                ..EngineCommit::default()
            });
        };
        let (response, ()) = tokio::join!(answering, working);
        let (parts, body) = response.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Answered { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answered {
        self.ask(request(Method::GET, path, &[], None), None).await
    }

    /// The operation that the last request put into the ledger.
    fn last_operation(&self) -> Option<OperationAction> {
        let records = self.shared.store.records_after(Seq(0), 100).unwrap();
        match records.into_iter().last() {
            Some(Record { body: RecordBody::Operation(operation), .. }) => Some(operation.action),
            _ => None,
        }
    }
}

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Request {
    let mut request = Request::builder().method(method).uri(path).header(HOST, "127.0.0.1:7274");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let connection = Connection {
        remote: ([127, 0, 0, 1], 4000).into(),
        is_on_loopback: true,
        is_encrypted: false,
        client: None,
    };
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    request.extension(connection).body(body).unwrap()
}

fn post(path: &str, body: Value) -> Request {
    request(Method::POST, path, &[("content-type", "application/json")], Some(body))
}

fn done(made: Option<&str>) -> Option<Outcome> {
    Some(Outcome::Done { incident: Some(IncidentId(1)), made: made.map(str::to_owned) })
}

const PATIENT: Span = Span::from_seconds(30);

#[tokio::test]
async fn incidents_are_listed_and_read_with_their_revision_as_tag() {
    let scene = Scene::with_incident(PATIENT);
    let list = scene.get("/api/v1/incidents?state=open,acknowledged&q=DOWN").await;
    assert_eq!(list.json()["items"][0]["id"], 1);
    assert_eq!(list.json()["next_cursor"], Value::Null);
    let one = scene.get("/api/v1/incidents/1").await;
    assert_eq!(one.headers[ETAG], "\"3\"");
    let known =
        request(Method::GET, "/api/v1/incidents/1", &[(IF_NONE_MATCH.as_str(), "\"3\"")], None);
    assert_eq!(scene.ask(known, None).await.status, StatusCode::NOT_MODIFIED);
    for (path, status) in [
        ("/api/v1/incidents/2", 404),
        ("/api/v1/incidents/x", 404),
        ("/api/v1/incidents?limit=0", 400),
        ("/api/v1/incidents?cursor=nonsense", 400),
        ("/api/v1/alerts/e9/explain", 404),
        ("/api/v1/alerts?filter=%7Bbroken", 400),
        ("/api/v1/deliveries/d9/raw", 404),
        ("/api/v1/incidents/1/notes/n9", 404),
        ("/api/v1/incidents/1/timeline?tz=Mars/Base", 400),
        ("/api/v1/incidents/1/timeline?collapse=maybe", 400),
        ("/api/v1/incidents/1/draft?format=pdf", 400),
        ("/api/v1/incidents/1/draft?template=other", 400),
        ("/api/v1/incidents/1/draft?since_revision=4", 400),
        ("/api/v1/incidents/1/draft?since_revision=x", 400),
        ("/api/v1/incidents/2/draft", 404),
    ] {
        let answer = scene.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(!answer.detail().is_empty());
    }
}

#[tokio::test]
async fn a_write_is_answered_with_what_became_of_it() {
    let check = async |outcome: Outcome, status: u16, detail: &str| {
        let scene = Scene::with_incident(PATIENT);
        let request = post("/api/v1/incidents/1/acknowledge", json!({"by": "Ada"}));
        let answer = scene.ask(request, Some(outcome)).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(scene.last_operation(), Some(OperationAction::Acknowledge(IncidentId(1))));
        if detail.is_empty() {
            assert_eq!(
                (answer.headers[ETAG].as_bytes(), &answer.json()["revision"]),
                (&b"\"4\""[..], &json!(4))
            );
        } else {
            assert!(answer.detail().contains(detail), "{}", answer.body);
        }
    };
    check(Outcome::Done { incident: Some(IncidentId(1)), made: None }, 200, "").await;
    check(Outcome::Unknown("there is no incident 1".to_owned()), 404, "no incident 1").await;
    check(Outcome::Conflict("it is resolved".to_owned()), 409, "it is resolved").await;
    check(Outcome::Stale { revision: 9 }, 412, "it is 9 now").await;
}

#[tokio::test]
async fn what_is_not_worked_in_yet_is_answered_202_with_its_place() {
    let scene = Scene::with_incident(Span::ZERO);
    let answer = scene.ask(post("/api/v1/incidents/1/notes", json!({"text": "x"})), None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.headers[LOCATION], "/api/v1/incidents/1");
}

#[tokio::test]
async fn what_cannot_be_meant_never_reaches_the_ledger() {
    let scene = Scene::with_incident(PATIENT);
    for (path, body, part) in [
        ("/api/v1/incidents/1/resolve", json!({"at": "soon"}), "`at` must be a time"),
        ("/api/v1/incidents/1/reopen", json!({"why": "x"}), "unknown field `why`"),
        ("/api/v1/incidents/1/merge", json!({}), "`into` is missing"),
        ("/api/v1/incidents/1/merge", json!({"into": "x"}), "`into` must be the number"),
        ("/api/v1/incidents/1/split", json!({"alerts": []}), "`alerts` must be a list"),
        ("/api/v1/incidents/1/alerts", json!({"alerts": ["x"]}), "there is no alert `x`"),
        ("/api/v1/incidents/1/notes", json!({"kind": "decision"}), "`text` is missing"),
        ("/api/v1/incidents/1/actions", json!({"text": "x"}), "`kind` is missing"),
        ("/api/v1/incidents/1/notes", json!([]), "the body is a list"),
    ] {
        let answer = scene.ask(post(path, body), None).await;
        assert!(answer.detail().contains(part), "{path}: {}", answer.body);
        assert_eq!(scene.last_operation(), None, "{path}");
    }
}

#[tokio::test]
async fn a_note_is_answered_as_its_entry_even_when_hidden() {
    let scene = Scene::with_incident(PATIENT);
    let new = post("/api/v1/incidents/1/notes", json!({"text": "x", "kind": "diagnosis"}));
    let answer = scene.ask(new, done(Some("n1"))).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(answer.headers[LOCATION], "/api/v1/incidents/1/notes/n1");
    let entry = answer.json();
    assert_eq!(
        (&entry["id"], &entry["kind"], &entry["hidden"]),
        (&json!("n1"), &json!("note"), &json!(true))
    );
    let gone = request(Method::DELETE, "/api/v1/incidents/1/notes/n1", &[], None);
    assert_eq!(scene.ask(gone, done(None)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        scene.last_operation(),
        Some(OperationAction::WithdrawNote(IncidentId(1), NoteId(1)))
    );
}

#[tokio::test]
async fn what_came_since_final_is_told_as_of_any_other_draft() {
    let scene = Scene::with_incident(PATIENT);
    let finalised = Some(Finalised { revision: 4, at: now(), by: None });
    scene.commit(EngineCommit {
        incidents: vec![Incident { finalised: finalised.clone(), ..incident(4) }],
        revisions: vec![revision(4, vec!["Status set to final".to_owned()])],
        ..EngineCommit::default()
    });
    let joined = (0..25).map(|number| format!("Alert{number} joined")).collect();
    scene.commit(EngineCommit {
        incidents: vec![Incident { finalised, ..incident(5) }],
        revisions: vec![revision(5, joined)],
        ..EngineCommit::default()
    });
    let answer = scene.get("/api/v1/incidents/1/draft?format=json&since_revision=4").await;
    let revisions = &answer.json()["since"]["revisions"];
    assert_eq!(revisions.as_array().map(Vec::len), Some(1), "{}", answer.body);
    let told = revisions[0]["changes"].as_array().unwrap();
    assert_eq!(
        (told.len(), &told[19], &told[20]),
        (21, &json!("Alert19 joined"), &json!("and 5 more"))
    );
}

#[tokio::test]
async fn drafts_have_a_type_a_tag_and_a_sandbox() {
    let scene = Scene::with_incident(PATIENT);
    for (accept, media) in [
        ("*/*", "text/markdown; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("application/json", "application/json; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
    ] {
        let path = "/api/v1/incidents/1/draft";
        let answer = scene.ask(request(Method::GET, path, &[("accept", accept)], None), None).await;
        assert_eq!(
            (answer.status, answer.headers[CONTENT_TYPE].as_bytes()),
            (StatusCode::OK, media.as_bytes())
        );
        assert!(answer.headers[CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("sandbox;"));
        let tag = answer.headers[ETAG].to_str().unwrap().to_owned();
        assert_eq!(tag.len(), 66);
        let known = [("accept", accept), (IF_NONE_MATCH.as_str(), tag.as_str())];
        let again = scene.ask(request(Method::GET, path, &known, None), None).await;
        assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    }
    let chart = scene.get("/api/v1/incidents/1/timeline.svg").await;
    assert_eq!(chart.headers[CONTENT_TYPE], "image/svg+xml; charset=utf-8");
}

#[tokio::test]
async fn pages_show_hostile_titles_as_text_under_a_strict_policy() {
    let scene = Scene::with_incident(PATIENT);
    for path in ["/", "/incidents/1", "/alerts", "/status", "/login"] {
        let page = scene.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
        assert_eq!(page.headers[CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = page.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(!page.body.contains("<script>alert") && !page.body.contains('\u{202e}'));
        let shows_title = ["/", "/incidents/1"].contains(&path);
        assert_eq!(page.body.contains("&lt;script&gt;alert(1)"), shows_title, "{path}");
    }
    assert_eq!(scene.get("/incidents/9").await.status, StatusCode::NOT_FOUND);
    assert_eq!(scene.get("/?state=none").await.status, StatusCode::BAD_REQUEST);
    for asset in ["/assets/app.js", "/assets/style.css"] {
        assert_eq!(scene.get(asset).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn an_empty_store_says_how_to_send_the_first_alert() {
    let page = Scene::new(PATIENT).get("/").await.body;
    assert!(page.contains("http://127.0.0.1:7274/api/v1/ingest/alertmanager"), "{page}");
}

#[tokio::test]
async fn a_form_without_script_writes_a_note_and_comes_back() {
    let scene = Scene::with_incident(PATIENT);
    let form = |origin: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin)];
        let mut request = request(Method::POST, "/incidents/1/notes", &headers, None);
        *request.body_mut() = Body::from("text=Rolled+back&kind=&at=&author=Ada");
        request
    };
    let answer = scene.ask(form("http://127.0.0.1:7274"), done(Some("n1"))).await;
    assert_eq!(
        (answer.status, &answer.headers[LOCATION]),
        (StatusCode::SEE_OTHER, &"/incidents/1?done=note&note=n1".parse().unwrap())
    );
    assert!(
        matches!(scene.last_operation(), Some(OperationAction::AddNote(_, draft)) if draft.text == "Rolled back")
    );
    let answer = scene.ask(form("https://evil.example"), None).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[test]
fn what_is_no_number_names_no_incident() {
    assert_eq!(incident_id("12").unwrap(), IncidentId(12));
    for bad in ["", "x", "-1", "+1", "1.0", "9223372036854775808", "99999999999999999999"] {
        assert!(matches!(incident_id(bad), Err(Problem::NotFound(_))), "{bad}");
    }
}

#[test]
fn a_known_draft_is_not_sent_again() {
    let mut headers = HeaderMap::new();
    let answer = |headers: &HeaderMap| {
        sandboxed(headers, "text/html; charset=utf-8", "<p>".to_owned(), "ab").unwrap()
    };
    let first = answer(&headers);
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers()[ETAG], "\"ab\"");
    assert_eq!(first.headers()[SECURITY_POLICY], SANDBOX);
    headers.insert(http::header::IF_NONE_MATCH, HeaderValue::from_static("\"ab\""));
    let again = answer(&headers);
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()[ETAG], "\"ab\"");
    assert!(!again.headers().contains_key(CONTENT_TYPE));
}

/// Joins the stream of a router.
async fn listen(router: &axum::Router, headers: &[(&str, &str)]) -> Body {
    let request = request(Method::GET, "/api/v1/stream", headers, None);
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    response.into_body()
}

/// The next piece of a stream.
async fn heard(stream: &mut Body) -> String {
    let frame = stream.frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn what_was_taken_back_is_told_to_no_listener_however_slow() {
    let scene = Scene::new(PATIENT);
    let router = routes::router(&scene.shared);
    let (mut quick, mut slow) = (listen(&router, &[]).await, listen(&router, &[]).await);
    for stream in [&mut quick, &mut slow] {
        assert!(heard(stream).await.starts_with("retry: "));
    }
    // The engine has something to have read.
    let record = || scene.shared.store.append_blocking(Append::own(RecordBody::Stop, now()));
    let mut story = incident(1);
    story.notes[0].hidden = false;
    record().unwrap();
    scene.commit(EngineCommit { incidents: vec![story.clone()], ..EngineCommit::default() });
    assert!(heard(&mut quick).await.contains("Looked at the database"));

    let which = Which::of(Words::Note(NoteId(1)), &story).unwrap();
    let taken = TakenBack { incidents: vec![IncidentId(1)], which };
    taken.redact_incident(&mut story);
    story.revision = 2;
    record().unwrap();
    scene.commit(EngineCommit {
        incidents: vec![story],
        taken_back: vec![taken],
        ..EngineCommit::default()
    });
    assert_eq!(heard(&mut slow).await, "event: lagged\ndata: {}\n\n");
    let news = heard(&mut quick).await;
    assert!(news.contains("[redacted, sha256 ") && !news.contains("lagged"), "{news}");
    let news = heard(&mut slow).await;
    assert!(news.contains("[redacted, sha256 "), "{news}");
}

#[tokio::test]
async fn a_listener_hears_of_a_change_and_of_what_it_missed() {
    let scene = Scene::with_incident(PATIENT);
    let listen = async |headers| listen(&routes::router(&scene.shared), headers).await;
    let mut stream = listen(&[]).await;
    assert!(heard(&mut stream).await.starts_with("retry: "));
    let request = post("/api/v1/incidents/1/mitigate", json!({}));
    assert_eq!(scene.ask(request, done(None)).await.status, StatusCode::OK);
    let news = heard(&mut stream).await;
    let told = "event: incident\ndata: {\"id\":1,\"merged_into\":null,\"revision\":4,\"state\":\"open\"}\n\n";
    assert!(news.contains(told), "{news}");
    let cursor = *scene.shared.store.cursor().borrow();
    assert!(news.contains(&format!("id: {cursor}\n")), "{news}");

    let mut again = listen(&[("last-event-id", "0")]).await;
    let missed = heard(&mut again).await;
    assert!(missed.contains(told), "{missed}");
    let mut foreign = listen(&[("last-event-id", "999")]).await;
    assert!(heard(&mut foreign).await.contains("event: lagged"));
}

//! The client against a server of the tests.

use serde_json::{Value, json};

use super::super::fake::{Fake, Reply};
use super::*;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn status() -> Target {
    Target::new("/api/v1/status")
}

#[test]
fn a_request_names_host_token_time_of_receipt_and_type() {
    let fake = Fake::start(|_| Reply::json(201, r#"{"id": "c1"}"#));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let token = read_token(&file).unwrap();
    assert!(!format!("{token:?}").contains("s3cret"));
    let mut client = Client::new(fake.url.clone(), Some(token), Span::from_seconds(30));
    let call = Call::send(Method::POST, Target::new("/api/v1/changes"), &json!({"a": 1}))
        .received_at("2024-06-22T15:15:30Z");
    let answer = block_on(client.call(&call)).unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.read::<Value>().unwrap(), json!({"id": "c1"}));
    let asked = &fake.asked()[0];
    assert_eq!(asked.line(), "POST /api/v1/changes");
    for (name, value) in [
        ("host", fake.url.authority().as_str()),
        ("authorization", "Bearer s3cret"),
        ("content-type", "application/json"),
        ("scribed-received-at", "2024-06-22T15:15:30Z"),
        ("content-length", "7"),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
}

#[test]
fn a_refusal_is_told_in_the_servers_own_words() {
    for (reply, expect) in [
        (
            Reply::json(
                404,
                r#"{"type": "about:blank", "title": "Not Found", "status": 404,
                    "detail": "There is no incident 9.", "request_id": "r1"}"#,
            ),
            "the server refused GET /api/v1/status (404 Not Found): There is no incident 9 \
             [request r1]",
        ),
        (
            Reply::json(401, "{}"),
            "the server refused GET /api/v1/status (401 Unauthorized); name a valid token with \
             --token-file",
        ),
        (
            Reply::json(502, "<html>proxy</html>"),
            "the server refused GET /api/v1/status (502 Bad Gateway)",
        ),
        (
            Reply::json(301, "").header("location", "http://other/"),
            "the server refused GET /api/v1/status (301 Moved Permanently); it points to \
             http://other/: name that with --url",
        ),
    ] {
        let fake = Fake::start(move |_| reply.clone());
        let error = block_on(fake.client().read::<Value>(status())).unwrap_err();
        assert_eq!(error.to_string(), expect);
        assert_eq!(error.retry_after(), None);
    }
}

#[test]
fn a_busy_server_says_when_to_come_again() {
    for (reply, seconds) in [
        (Reply::json(503, "{}").header("retry-after", "7"), 7),
        (Reply::json(503, "{}").header("retry-after", "soon"), 1),
        (Reply::json(503, "{}"), 1),
    ] {
        let fake = Fake::start(move |_| reply.clone());
        let error = block_on(fake.client().read::<Value>(status())).unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
    }
}

#[test]
fn the_connection_is_kept_and_made_anew_once_the_server_ends_it() {
    let mut count = 0;
    let fake = Fake::start(move |_| {
        count += 1;
        let reply = Reply::json(200, "{}");
        if count == 2 { reply.header("connection", "close") } else { reply }
    });
    block_on(async {
        let mut client = fake.client();
        for _ in 0..4 {
            client.read::<Value>(status()).await.unwrap();
        }
    });
    let connections: Vec<usize> = fake.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [1, 1, 2, 2]);
}

#[test]
fn silence_ends_at_the_limit() {
    let fake = Fake::start(|_| Reply::never());
    let mut client = Client::new(fake.url.clone(), None, Span::from_millis(20));
    let error = block_on(client.read::<Value>(status())).unwrap_err().to_string();
    assert!(error.contains("did not answer GET /api/v1/status within 20ms"), "{error}");
}

#[test]
fn nobody_there_is_said_with_what_to_do() {
    let url = Fake::start(|_| Reply::json(200, "")).url.clone();
    let mut client = Client::new(url, None, Span::from_seconds(30));
    let error = block_on(client.read::<Value>(status())).unwrap_err().to_string();
    assert!(error.starts_with("cannot reach http://127.0.0.1:"), "{error}");
    assert!(error.contains("refused") && error.contains("--url"), "{error}");
}

#[test]
fn an_answer_of_another_program_is_not_believed() {
    let fake = Fake::start(|_| Reply::json(200, "<html>hello</html>"));
    let error = block_on(fake.client().read::<Value>(status())).unwrap_err().to_string();
    assert!(error.contains("is not what scribed answers"), "{error}");
}

#[test]
fn a_token_file_holds_one_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    for (text, is_good) in [
        ("abc", true),
        (" abc \n", true),
        ("", false),
        ("\n", false),
        ("two words", false),
        ("a\nb", false),
        ("caf\u{e9}", false),
    ] {
        std::fs::write(&file, text).unwrap();
        let token = read_token(&file);
        assert_eq!(token.is_ok(), is_good, "{text:?}");
        assert!(token.map_or_else(|error| error.is_usage(), |_| true));
    }
    assert!(read_token(&folder.path().join("none")).is_err());
}

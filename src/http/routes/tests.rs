//! What every answer has, tried on a router of a few paths.

use axum::body::Body;
use axum::extract::Query;
use axum::routing::{get, post};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::clock::Clock;
use crate::domain::{Span, Timestamp};
use crate::http::answer::Answer;
use crate::metrics::Metrics;

struct Answered {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

impl Answered {
    fn problem(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn limit(Query(limit): Query<Vec<(String, u32)>>) -> String {
    format!("{limit:?}")
}

async fn broken() -> Answer {
    Err(Problem::Internal("the secret cause".to_owned()))
}

async fn panicking(_: Request<Body>) -> Answer {
    panic!("a test panics on purpose")
}

fn run(metrics: &Metrics, requests: &[(Method, &str)]) -> Vec<Answered> {
    let clock = Clock::manual(Timestamp::EPOCH + Span::from_seconds(1));
    let rooms = Router::new()
        .route("/things/{id}", get(|| async { "a thing" }))
        .route("/things", post(|| async { "made" }).put(|| async { "put" }))
        .route("/limit", get(limit))
        .route("/broken", get(broken))
        .route("/panic", get(panicking));
    let router = observed(with_refusals(rooms), Observer::new(metrics.clone(), clock));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut answers = Vec::new();
        for (method, path) in requests {
            let request = Request::builder().method(method).uri(*path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            answers.push(Answered { status: parts.status, headers: parts.headers, body });
        }
        answers
    })
}

fn one(method: Method, path: &str) -> Answered {
    run(&Metrics::new(), &[(method, path)]).remove(0)
}

#[test]
fn every_request_gets_an_id_of_its_own_and_the_headers_of_safety() {
    let answers = run(&Metrics::new(), &[(Method::GET, "/things/1"), (Method::GET, "/nothing")]);
    let ids: Vec<&str> =
        answers.iter().map(|a| a.headers["x-request-id"].to_str().unwrap()).collect();
    assert_eq!(ids, ["3e8-0", "3e8-1"]);
    for answer in &answers {
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    }
    assert_eq!(answers[1].problem()["request_id"], "3e8-1");
}

#[test]
fn unknown_paths_are_problems_and_never_redirects() {
    for path in ["/nothing", "/things/", "//things", "/things/1/"] {
        let answer = one(Method::GET, path);
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.problem()["status"], 404, "{path}");
    }
}

#[test]
fn a_wrong_method_is_told_which_ones_there_are() {
    for (method, path, expect) in [
        (Method::GET, "/things", "POST,PUT"),
        (Method::DELETE, "/things", "POST,PUT"),
        (Method::POST, "/things/1", "GET,HEAD"),
    ] {
        let answer = one(method, path);
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.headers["allow"], expect, "{path}");
        assert_eq!(answer.problem()["type"], "/problems/method-not-allowed");
    }
}

#[test]
fn head_is_answered_where_get_is() {
    let answer = one(Method::HEAD, "/things/1");
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
}

#[test]
fn what_an_extractor_refuses_is_a_problem_too() {
    let answer = one(Method::GET, "/limit?limit=many");
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.problem()["detail"].as_str().unwrap().contains("invalid digit"));
}

#[test]
fn a_fault_of_ours_is_500_and_keeps_its_secrets() {
    for path in ["/broken", "/panic"] {
        let answer = one(Method::GET, path);
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert_eq!(answer.problem()["type"], "/problems/internal", "{path}");
        assert!(!answer.body.contains("secret") && !answer.body.contains("purpose"), "{path}");
    }
}

#[test]
fn requests_are_counted_by_route_and_never_by_path() {
    let metrics = Metrics::new();
    let odd = Method::from_bytes(b"BREW").unwrap();
    run(
        &metrics,
        &[
            (Method::GET, "/things/1"),
            (Method::GET, "/things/2"),
            (Method::GET, "/anything/else"),
            (odd, "/anything/more"),
        ],
    );
    let count = |labels: [&str; 3]| metrics.http_requests.with_label_values(&labels).get();
    assert_eq!(count(["/things/{id}", "GET", "200"]), 2);
    assert_eq!(count(["unmatched", "GET", "404"]), 1);
    assert_eq!(count(["unmatched", "other", "404"]), 1);
}

//! Who may do what, as the contract says it.

use sha2::{Digest, Sha256};

use super::*;
use crate::clock::Clock;
use crate::config::Token;
use crate::domain::Timestamp;

pub(in crate::http) fn token(name: &str, secret: &str, scopes: &[Scope]) -> Token {
    Token {
        name: Name::from(name),
        sha256: Sha256::digest(secret.as_bytes()).into(),
        scopes: scopes.to_vec(),
    }
}

pub(in crate::http) fn sessions() -> Sessions {
    Sessions::new(Clock::manual(Timestamp::EPOCH))
}

/// A request to this machine, on a connection to a loopback listener or another one.
pub(in crate::http) fn parts(is_on_loopback: bool, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().uri("/").header("host", "127.0.0.1:7274");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let remote = ([127, 0, 0, 1], 9).into();
    let is_encrypted = false;
    let connection = Connection { remote, is_on_loopback, is_encrypted, client: None };
    let request = request.extension(connection);
    request.body(()).unwrap().into_parts().0
}

/// Who asks and a status: 200 when they may.
fn asked(auth: &Auth, parts: &Parts, need: Need) -> (Option<Name>, u16) {
    let sessions = sessions();
    match allow(Known { auth, sessions: &sessions }, parts, Csrf::InHeader, &[need]) {
        Ok(principal) => (principal.name, 200),
        Err(problem) => (None, problem.status().as_u16()),
    }
}

fn ingest() -> Need {
    Need::Ingest(Name::from("grafana"))
}

#[test]
fn without_configuration_this_machine_may_do_everything_but_state_times() {
    let auth = Auth::default();
    for (need, expect) in [
        (ingest(), 200),
        (Need::Read, 200),
        (Need::Write, 200),
        (Need::Admin, 200),
        (Need::Replay, 403),
    ] {
        assert_eq!(asked(&auth, &parts(true, &[]), need.clone()), (None, expect), "{need:?}");
        // Nobody may anything on another listener, which the configuration would refuse anyway.
        assert_eq!(asked(&auth, &parts(false, &[]), need.clone()), (None, 401), "{need:?}");
    }
    let foreign = parts(true, &[("origin", "https://evil.example")]);
    assert_eq!(asked(&auth, &foreign, Need::Read), (None, 403));
    // Senders that always send credentials are heard.
    let eager = parts(true, &[("authorization", "Bearer anything")]);
    assert_eq!(asked(&auth, &eager, ingest()), (None, 200));
}

#[test]
fn anonymous_access_goes_as_far_as_the_operator_says() {
    use Anonymous::{Ingest, None as Nothing, Read, Write};
    for (access, expect) in [
        (Nothing, [401, 401, 401, 401]),
        (Ingest, [200, 403, 403, 403]),
        (Read, [200, 200, 403, 403]),
        (Write, [200, 200, 200, 403]),
    ] {
        let auth = Auth { anonymous: Some(access), ..Auth::default() };
        let parts = parts(false, &[]);
        let got = [ingest(), Need::Read, Need::Write, Need::Admin]
            .map(|need| asked(&auth, &parts, need).1);
        assert_eq!(got, expect, "{access:?}");
    }
}

#[test]
fn a_token_may_what_its_scopes_say() {
    let scoped = Scope::Ingest(Some(Name::from("grafana")));
    for (scopes, expect) in [
        (vec![scoped.clone()], [200, 403, 403, 403, 403, 403]),
        (vec![Scope::Ingest(None)], [200, 200, 403, 403, 403, 403]),
        (vec![Scope::Read], [403, 403, 200, 403, 403, 403]),
        (vec![Scope::Write], [403, 403, 200, 200, 403, 403]),
        (vec![Scope::Admin], [403, 403, 200, 403, 200, 403]),
        (vec![Scope::Replay, scoped], [200, 403, 403, 403, 403, 200]),
    ] {
        let auth = Auth {
            anonymous: None,
            tokens: vec![token("t", "secret", &scopes)],
            ..Auth::default()
        };
        let parts = parts(true, &[("authorization", "Bearer secret")]);
        let other = Need::Ingest(Name::from("alertmanager"));
        let got = [ingest(), other, Need::Read, Need::Write, Need::Admin, Need::Replay]
            .map(|need| asked(&auth, &parts, need).1);
        assert_eq!(got, expect, "{scopes:?}");
    }
}

#[test]
fn with_tokens_nobody_gets_in_without_one() {
    let auth = Auth {
        anonymous: None,
        tokens: vec![token("t", "secret", &[Scope::Read])],
        ..Auth::default()
    };
    for (headers, expect) in [
        (vec![("authorization", "Bearer secret")], (Some(Name::from("t")), 200)),
        (vec![("authorization", "Bearer wrong")], (None, 401)),
        (vec![("authorization", "Basic dTpw")], (None, 401)),
        (vec![("authorization", "nonsense")], (None, 401)),
        (vec![], (None, 401)),
    ] {
        assert_eq!(asked(&auth, &parts(true, &headers), Need::Read), expect, "{headers:?}");
    }
}

#[test]
fn beside_tokens_anonymous_access_is_asked_for_a_token_where_one_would_help() {
    let tokens = vec![token("t", "secret", &[Scope::Write])];
    let auth = Auth { anonymous: Some(Anonymous::Read), tokens, ..Auth::default() };
    assert_eq!(asked(&auth, &parts(true, &[]), Need::Read), (None, 200));
    assert_eq!(asked(&auth, &parts(true, &[]), Need::Write), (None, 401));
    let wrong = parts(true, &[("authorization", "Bearer wrong")]);
    assert_eq!(asked(&auth, &wrong, Need::Read), (None, 401));
}

#[test]
fn metrics_are_open_unless_auth_says_who_may_read() {
    let tokens = vec![token("t", "secret", &[Scope::Read])];
    for (anonymous, tokens, expect) in [
        (None, vec![], true),
        (Some(Anonymous::Read), vec![], true),
        (Some(Anonymous::Ingest), vec![], false),
        (Some(Anonymous::None), vec![], false),
        (None, tokens.clone(), false),
        (Some(Anonymous::Read), tokens, true),
    ] {
        let auth = Auth { anonymous, tokens, ..Auth::default() };
        let known = Known { auth: &auth, sessions: &sessions() };
        let is_open = require_scraper(known, &parts(true, &[])).is_ok();
        assert_eq!(is_open, expect, "{auth:?}");
    }
}

/// A request as the gate hands it on where there are users.
fn parts_with(login: Login, is_on_loopback: bool, headers: &[(&str, &str)]) -> Parts {
    let mut parts = parts(is_on_loopback, headers);
    parts.extensions.insert(login);
    parts
}

#[test]
fn a_user_may_everything_but_state_times_and_nobody_else_gets_in() {
    let tokens = vec![token("t", "secret", &[Scope::Read])];
    let auth = Auth { anonymous: None, tokens, ..Auth::default() };
    let (basic, bearer) = (("authorization", "Basic YTpi"), ("authorization", "Bearer secret"));
    let ada = || Login::User(Name::from("ada"));
    let needs = || [ingest(), Need::Read, Need::Write, Need::Admin, Need::Replay];
    for (login, headers, expect) in [
        (ada(), vec![basic], [200, 200, 200, 200, 403]),
        (Login::Refused, vec![basic], [401, 401, 401, 401, 401]),
        // The password of a source is none of a user.
        (Login::Absent, vec![basic], [401, 401, 401, 401, 401]),
        (Login::Absent, vec![bearer], [403, 200, 403, 403, 403]),
        (Login::Absent, vec![("authorization", "Bearer wrong")], [401; 5]),
        (Login::Absent, vec![], [401; 5]),
    ] {
        let parts = parts_with(login.clone(), true, &headers);
        let got = needs().map(|need| asked(&auth, &parts, need).1);
        assert_eq!(got, expect, "{login:?} {headers:?}");
    }
    // Users end anonymous access on loopback, unless the operator wrote otherwise.
    let none = Auth::default();
    assert_eq!(asked(&none, &parts_with(Login::Absent, true, &[]), Need::Read), (None, 401));
    let open = Auth { anonymous: Some(Anonymous::Read), ..Auth::default() };
    assert_eq!(asked(&open, &parts_with(Login::Absent, true, &[]), Need::Read), (None, 200));
    assert_eq!(asked(&open, &parts_with(Login::Absent, true, &[]), Need::Write), (None, 401));
}

#[test]
fn a_browser_that_sends_a_password_by_itself_changes_nothing_for_a_foreign_page() {
    let foreign = [("authorization", "Basic YTpi"), ("origin", "https://evil.example")];
    for (method, expect) in [("GET", 200), ("POST", 403)] {
        let mut parts = parts_with(Login::User(Name::from("ada")), false, &foreign);
        parts.method = method.parse().unwrap();
        assert_eq!(asked(&Auth::default(), &parts, Need::Write).1, expect, "{method}");
    }
}

#[test]
fn a_verified_certificate_is_a_credential_where_there_is_no_other() {
    let tokens = vec![token("t", "secret", &[Scope::Read])];
    for (auth, login, expect) in [
        (Auth::default(), None, (Some(Name::from("a.example")), 200)),
        (Auth { anonymous: None, tokens, ..Auth::default() }, None, (None, 401)),
        (Auth { anonymous: Some(Anonymous::Read), ..Auth::default() }, None, (None, 403)),
        (Auth::default(), Some(Login::Absent), (None, 401)),
    ] {
        let mut parts = parts(false, &[]);
        if let Some(connection) = parts.extensions.get_mut::<Connection>() {
            connection.client = Some(Name::from("a.example"));
        }
        if let Some(login) = &login {
            parts.extensions.insert(login.clone());
        }
        assert_eq!(asked(&auth, &parts, Need::Write), expect, "{auth:?} {login:?}");
    }
}

#[test]
fn a_session_may_what_its_token_may_and_changes_only_from_our_own_pages() {
    let sessions = sessions();
    let set_cookie = sessions.open(&Name::from("ada"), false).unwrap();
    let cookie = session::tests::cookie_of(&set_cookie);
    let csrf = sessions.find(&cookie).unwrap().csrf;
    let cookie = cookie["cookie"].to_str().unwrap();
    let auth = |name: &str| Auth {
        anonymous: None,
        tokens: vec![token(name, "secret", &[Scope::Write])],
        ..Auth::default()
    };
    let own = ("origin", "http://127.0.0.1:7274");
    let foreign = ("origin", "https://evil.example");
    let repeated = ("x-csrf-token", csrf.as_str());
    for (name, method, form, headers, expect) in [
        ("ada", "GET", Csrf::InHeader, vec![], 200),
        ("ada", "POST", Csrf::InHeader, vec![repeated, own], 200),
        ("ada", "POST", Csrf::InHeader, vec![repeated], 200),
        ("ada", "POST", Csrf::InHeader, vec![own], 403),
        ("ada", "POST", Csrf::InHeader, vec![("x-csrf-token", "guess")], 403),
        ("ada", "POST", Csrf::InHeader, vec![repeated, foreign], 403),
        ("ada", "POST", Csrf::InForm, vec![own], 200),
        ("ada", "POST", Csrf::InForm, vec![foreign], 403),
        // The token was taken away, and its sessions with it.
        ("eve", "GET", Csrf::InHeader, vec![], 401),
    ] {
        let mut parts = parts(false, &[&[("cookie", cookie)], &headers[..]].concat());
        parts.method = method.parse().unwrap();
        let auth = auth(name);
        let known = Known { auth: &auth, sessions: &sessions };
        let got = allow(known, &parts, form, &[Need::Read])
            .map_or_else(|problem| problem.status().as_u16(), |_| 200);
        assert_eq!(got, expect, "{name} {method} {form:?} {headers:?}");
    }
}

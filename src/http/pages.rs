//! The pages that people open in a browser.
//!
//! Made on the server from templates in `src/web`, complete without script: every list is a link
//! away, everything that can be done is a form. The one script only saves waiting. Everything that
//! comes from outside passes the one escaper; nothing is loaded from other hosts, which the policy
//! on every page enforces. What a page lets people do goes through the same operations as the API.
//! Caller: `routes`.

mod acts;
mod alerts;
mod assets;
mod audit;
mod changes;
mod compress;
mod deliveries;
mod forms;
mod incident;
mod incidents;
mod login;
mod preview;
mod quarantine;
mod report;
mod status;
mod templates;
mod timeline;
mod view;
mod visit;

use std::sync::Arc;

use axum::extract::Extension;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, WWW_AUTHENTICATE,
};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use super::Shared;
use super::answer::{Answer, Problem};
use super::api::route_table;
use crate::domain::zone::Zone;
use crate::domain::{Episode, Span, Timestamp};
use crate::render::escape;
use templates::{Markup, Templates};

/// Only our own style, script and pictures; forms and the stream only back to us.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

route_table! {
    "/": get incidents::list;
    "/incidents/{id}": get incident::show;
    "/incidents/{id}/notes": post acts::add_note;
    "/incidents/{id}/notes/{note}": post acts::change_note;
    "/incidents/{id}/step": post acts::take_step;
    "/incidents/{id}/report": post report::write;
    "/incidents/{id}/actions": post report::add_action;
    "/incidents/{id}/actions/{action}": post report::change_action;
    "/incidents/{id}/merge": post acts::merge;
    "/incidents/{id}/alerts": post acts::take_alerts;
    "/alerts": get alerts::list, post acts::place_alerts;
    "/alerts/{id}": get alerts::show;
    "/changes": get changes::list;
    "/deliveries": get deliveries::list;
    "/deliveries/{id}": get deliveries::show;
    "/quarantine": get quarantine::list;
    "/quarantine/{id}": get quarantine::show;
    "/quarantine/{id}/replay": post quarantine::replay;
    "/status": get status::show;
    "/audit": get audit::list;
    "/login": get login::show, post login::log_in;
    "/logout": post login::log_out;
    "/display": post visit::keep_liking;
    "/assets/app.js": get assets::script;
    "/assets/style.css": get assets::style;
    "/assets/icon.svg": get assets::icon;
}

/// What tells alerts of one name and service apart, the best first.
const PLACE_LABELS: [&str; 4] = ["pod", "instance", "node", "device"];

/// The routes of the pages.
pub fn routes() -> axum::Router<Arc<Shared>> {
    table().layer(axum::middleware::from_fn(compress::packed)).layer(Extension(Pages::default()))
}

/// What pages are made with; cheap to clone.
#[derive(Clone, Debug)]
struct Pages {
    templates: Arc<Templates>,
    assets: Arc<str>,
}

impl Default for Pages {
    fn default() -> Self {
        Self { templates: Arc::default(), assets: assets::mark().into() }
    }
}

impl Pages {
    /// The mark of the script and style that these pages need.
    fn assets(&self) -> &str {
        &self.assets
    }

    /// A page from its template.
    ///
    /// # Errors
    /// When the template and its values do not fit, which would be a fault of ours.
    fn page(&self, status: StatusCode, template: &str, values: Value, markup: Markup) -> Answer {
        let html = self
            .templates
            .render(template, values, markup)
            .map_err(|error| Problem::Internal(format!("the page {template}: {}", told(&error))))?;
        let mut response = Response::new(html.into());
        *response.status_mut() = status;
        let sent = response.headers_mut();
        sent.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        sent.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        // Pages show what is known now, and only to who may see it.
        sent.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // With `no-referrer` a browser hides the origin of our own forms, too.
        sent.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        Ok(response)
    }

    /// A problem as a page, where the visitor can do something about it; others stay as they are.
    fn problem(&self, frame: Value, problem: Problem, back: &str) -> Answer {
        let (title, detail) = match &problem {
            Problem::Invalid(detail) => ("This cannot be read", detail.clone()),
            Problem::NotFound(detail) => ("Not here", detail.clone()),
            Problem::Conflict(detail) => ("Not possible now", detail.clone()),
            Problem::Stale { .. } => {
                ("Changed in the meantime", "somebody was faster; look again".to_owned())
            }
            Problem::Unauthenticated(_) => ("Log in first", "this page needs a token".to_owned()),
            Problem::Forbidden(detail) => ("Not allowed", detail.clone()),
            Problem::Unavailable { detail, .. } => ("Not available now", detail.clone()),
            Problem::BadTemplate(detail) => ("The template does not fit", detail.clone()),
            Problem::Unusable(_)
            | Problem::MethodNotAllowed
            | Problem::TooLarge { .. }
            | Problem::HeadTooLarge { .. }
            | Problem::TooManyAttempts { .. }
            | Problem::UnsupportedMedia(_)
            | Problem::Misconfigured(_)
            | Problem::Internal(_) => return Err(problem),
        };
        let values = json!({ "title": title, "detail": detail, "back": back });
        let values = merged(frame, values);
        let mut response =
            self.page(problem.status(), "problem.html", values, Markup::default())?;
        if matches!(problem, Problem::Unauthenticated(_)) {
            // RFC 9110, section 15.5.2: a 401 says how to authenticate.
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Ok(response)
    }
}

/// An error with its causes: a fault in an included template is told by the innermost.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Two objects as one.
fn merged(frame: Value, values: Value) -> Value {
    let object = |value| match value {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    Value::Object(object(frame).into_iter().chain(object(values)).collect())
}

/// A moment for a template: as machines and as people read it.
fn moment(at: Timestamp, zone: &Zone) -> Value {
    let clock = zone.wall_clock(at);
    json!({
        "utc": at.to_string(),
        "date": clock.date(),
        "clock": format!("{}:{:02}", clock.minutes(), clock.second),
    })
}

/// A moment that may not be known.
fn moment_if_any(at: Option<Timestamp>, zone: &Zone) -> Value {
    at.map_or(Value::Null, |at| moment(at, zone))
}

/// `1 alert`, `14 alerts`.
fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// A length as people say it: its two largest units.
fn length(span: Span) -> String {
    const UNITS: [(&str, i64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let mut seconds = span.seconds().abs();
    let sign = if span.is_negative() { "-" } else { "" };
    let mut parts = Vec::new();
    for (unit, size) in UNITS {
        let count = seconds / size;
        seconds %= size;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { format!("{sign}{}", parts.join(" ")) }
}

/// A size in its largest unit of which there is at least one, with one decimal.
fn bytes_text(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, size) in UNITS {
        if bytes >= size {
            return format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size);
        }
    }
    format!("{bytes} bytes")
}

/// An alert as the templates show it.
fn alert(episode: &Episode, zone: &Zone) -> Value {
    json!({
        "id": episode.id.to_string(),
        "name": episode.alertname(),
        "kind": episode.kind.as_str(),
        "deliveries": episode.deliveries,
        "length": episode.ends_at().map(|end| length(end - episode.starts_at())),
        "service": episode.service,
        "place": PLACE_LABELS.iter().find_map(|name| episode.labels.get(name)),
        "severity": episode.severity.as_str(),
        "status": episode.status().as_str(),
        "starts_at": moment(episode.starts_at(), zone),
        "ends_at": moment_if_any(episode.ends_at(), zone),
        "incident": episode.incident(),
        "reason": episode.reason,
        "labels": episode.labels.iter().collect::<Vec<_>>(),
        "links": links(&episode.links),
    })
}

/// The links that may be shown: only what a browser should follow.
fn links(links: &[crate::domain::Link]) -> Vec<Value> {
    let is_shown = |link: &&crate::domain::Link| escape::url(&link.url).is_some();
    links.iter().filter(is_shown).map(|link| json!({ "rel": link.rel, "url": link.url })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_show_their_two_largest_units() {
        let check = |seconds: i64, expect: &str| {
            assert_eq!(length(Span::from_seconds(seconds)), expect, "{seconds}");
        };
        check(0, "0s");
        check(59, "59s");
        check(60, "1m");
        check(3_661, "1h 1m");
        check(3_601, "1h");
        check(90_061, "1d 1h");
        check(-300, "-5m");
    }

    #[test]
    fn only_web_addresses_become_links() {
        let link = |url: &str| crate::domain::Link { rel: "generator".into(), url: url.into() };
        let shown = links(&[
            link("https://prometheus.example/graph"),
            link("javascript:alert(1)"),
            link("data:text/html,x"),
            link("http://a.example/\"onmouseover=\"x"),
        ]);
        assert!(shown.iter().all(|link| link["url"].as_str().unwrap().starts_with("http")));
        assert_eq!(shown[0]["url"], "https://prometheus.example/graph");
    }

    #[test]
    fn sizes_are_told_in_one_unit() {
        for (bytes, expect) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(bytes_text(bytes), expect);
        }
    }
}

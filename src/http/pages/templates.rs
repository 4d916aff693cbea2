//! The templates of the pages, compiled into the program.
//!
//! The one escaper of `render` stands behind every value; a template can say nothing raw. Caller:
//! `pages`.

use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value};

use crate::render::escape;

/// Every template by its name.
const TEMPLATES: [(&str, &str); 9] = [
    ("base.html", include_str!("../../web/base.html")),
    ("macros.html", include_str!("../../web/macros.html")),
    ("incidents.html", include_str!("../../web/incidents.html")),
    ("incident.html", include_str!("../../web/incident.html")),
    ("alerts.html", include_str!("../../web/alerts.html")),
    ("audit.html", include_str!("../../web/audit.html")),
    ("status.html", include_str!("../../web/status.html")),
    ("login.html", include_str!("../../web/login.html")),
    ("problem.html", include_str!("../../web/problem.html")),
];

/// All templates, ready to render.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
    /// What is wrong with a template; a test shows that nothing is.
    broken: Option<String>,
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(write_value);
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        let broken = TEMPLATES.into_iter().find_map(|(name, source)| {
            environment.add_template(name, source).err().map(|error| format!("{error:#}"))
        });
        Self { environment, broken }
    }
}

impl Templates {
    /// Renders a template.
    ///
    /// # Errors
    /// When the template and its values do not fit.
    pub(super) fn render(&self, name: &str, values: serde_json::Value) -> Result<String, Error> {
        if let Some(problem) = &self.broken {
            return Err(Error::new(minijinja::ErrorKind::SyntaxError, problem.clone()));
        }
        self.environment.get_template(name)?.render(Value::from(Serde(values)))
    }
}

/// Writes one value into the page: text through the escaper, what a macro made as it is.
fn write_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if value.kind() == ValueKind::String && !value.is_safe() => {
            out.write_str(escape::html(text).as_str()).map_err(Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What somebody might put into a label.
    const HOSTILE: &str =
        "<script>alert(1)</script><b x=\"y\" onload='z'>&amp;\u{202e}\u{200b}\u{1b}[31m{{ 7*7 }}";

    fn check_harmless(html: &str, name: &str) {
        for raw in ["<script>alert", "<b ", "onload='", "x=\"y\"", "\u{202e}", "\u{200b}", "\u{1b}"]
        {
            assert!(!html.contains(raw), "{name} holds {raw:?}:\n{html}");
        }
        assert!(html.contains("&lt;script&gt;"), "{name} does not show the text:\n{html}");
        assert!(!html.contains("49"), "{name} runs text as a template");
    }

    fn frame(values: serde_json::Value) -> serde_json::Value {
        let frame = json!({
            "page": "x", "place": 1, "zone": HOSTILE, "csrf": "c", "has_tokens": true,
        });
        super::super::merged(frame, values)
    }

    fn at() -> serde_json::Value {
        json!({"utc": "2026-03-04T02:14:07.000Z", "text": "2026-03-04 02:14:07"})
    }

    fn alert() -> serde_json::Value {
        json!({
            "name": HOSTILE, "service": HOSTILE, "severity": "critical", "status": "firing",
            "starts_at": at(), "ends_at": null, "incident": 1, "reason": HOSTILE,
            "labels": [[HOSTILE, HOSTILE]], "links": [{"rel": HOSTILE, "url": "https://a.example/?a=1&b=2"}],
        })
    }

    fn entry() -> serde_json::Value {
        json!({
            "at": at(), "until": at(), "kind": "note", "phase": "diagnosis", "text": HOSTILE,
            "actor": HOSTILE, "provenance": "entered", "count": 3, "pinned": true,
            "links": [{"rel": "runbook", "url": "https://a.example/"}],
            "rows": [{"at": at(), "text": HOSTILE, "actor": null, "count": 1, "links": []}],
            "corrections": [HOSTILE],
        })
    }

    #[test]
    fn every_page_shows_hostile_text_and_runs_none() {
        let templates = Templates::default();
        let summary = json!({
            "id": 1, "title": HOSTILE, "state": "open", "severity": "high", "services": [HOSTILE],
            "started_at": at(), "length": "3m", "firing": 1, "total": 2,
        });
        let incident = json!({
            "id": 1, "title": HOSTILE, "state": "merged", "severity": "high", "status": "in_review",
            "services": [HOSTILE], "revision": 3, "firing": 1, "total": 2, "merged_into": 2,
            "follows": 3, "lead": HOSTILE, "related": [{"id": 4, "reason": HOSTILE}],
        });
        let pages = [
            (
                "incidents.html",
                json!({
                    "asked": {"q": HOSTILE, "service": HOSTILE, "state": "open", "severity": ""},
                    "states": ["open"], "severities": ["high"], "running": [summary], "others": [summary],
                    "others_title": "Over", "next": "cursor=x&q=y", "is_filtered": true, "floating": 0,
                    "own_url": HOSTILE, "now": "2026-03-04T02:14:07Z",
                }),
            ),
            (
                "incidents.html",
                json!({
                    "asked": {"q": "", "service": "", "state": "", "severity": ""},
                    "states": ["open"], "severities": ["high"], "running": [], "others": [],
                    "others_title": "Over", "next": null, "is_filtered": false, "floating": 2,
                    "own_url": HOSTILE, "now": "2026-03-04T02:14:07Z",
                }),
            ),
            (
                "incident.html",
                json!({
                    "incident": incident, "api": "/api/v1/incidents/1", "may_write": true,
                    "steps": [["acknowledge", "Acknowledge"]],
                    "milestones": [{"name": "onset", "state": "recorded", "at": at(), "provenance": "inferred"},
                        {"name": "mitigation", "state": "pending", "at": null, "provenance": null}],
                    "measures": [{"name": "time to detect", "text": "5m", "formula": "a - b"}],
                    "timeline": [entry()], "note_kinds": ["observation"], "alerts": [alert()],
                    "context": [alert()],
                    "candidates": [{"kind": "change", "ref": HOSTILE, "summary": HOSTILE, "why": [HOSTILE]}],
                    "caveats": [{"at": at(), "text": HOSTILE}],
                    "actions": [{"text": HOSTILE, "done": true, "owner": HOSTILE, "due": HOSTILE, "link": null}],
                }),
            ),
            ("alerts.html", json!({"floating": [alert()], "members": [alert()], "is_cut": true})),
            (
                "status.html",
                json!({
                    "missing": HOSTILE, "version": "1", "head": 3, "cursor": 2, "store_bytes": "1 MiB",
                    "is_writable": false, "incidents": [["open", 1]], "floating": 1,
                    "sources": [{"name": HOSTILE, "last": at(), "deliveries": 1}],
                    "heartbeats": [{"name": HOSTILE, "last": at(), "deadline": null, "state": "armed"}],
                    "quarantine": [{"at": at(), "source": HOSTILE, "problem": HOSTILE}],
                }),
            ),
            ("login.html", json!({"name": HOSTILE, "problem": null})),
            ("login.html", json!({"name": null, "problem": HOSTILE})),
            ("problem.html", json!({"title": HOSTILE, "detail": HOSTILE, "back": "/"})),
        ];
        for (name, values) in pages {
            let html =
                templates.render(name, frame(values)).unwrap_or_else(|e| panic!("{name}: {e:#}"));
            check_harmless(&html, name);
            assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
        }
    }

    #[test]
    fn pages_load_nothing_from_elsewhere_and_hold_no_script_or_style_of_their_own() {
        for (name, source) in TEMPLATES {
            for forbidden in ["style=", "<style", "onclick", "src=\"http", "|safe", "autoescape"] {
                assert!(!source.contains(forbidden), "{name} holds {forbidden}");
            }
            let scripts = source.matches("<script").count();
            assert_eq!(scripts, source.matches("<script src=\"/assets/").count(), "{name}");
        }
    }
}

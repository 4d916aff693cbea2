//! The templates of the pages, compiled into the program.
//!
//! The one escaper of `render` stands behind every value; a template can say nothing raw. What
//! `render` made as markup already is handed over as [`Markup`]. Caller: `pages`.

use std::collections::BTreeMap;

use minijinja::value::{Serde, ValueKind, merge_maps};
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value};

use crate::render::escape;

/// Every template by its name.
const TEMPLATES: [(&str, &str); 17] = [
    ("base.html", include_str!("../../web/base.html")),
    ("macros.html", include_str!("../../web/macros.html")),
    ("incidents.html", include_str!("../../web/incidents.html")),
    ("incident.html", include_str!("../../web/incident.html")),
    ("timeline.html", include_str!("../../web/timeline.html")),
    ("report.html", include_str!("../../web/report.html")),
    ("alerts.html", include_str!("../../web/alerts.html")),
    ("alert.html", include_str!("../../web/alert.html")),
    ("audit.html", include_str!("../../web/audit.html")),
    ("changes.html", include_str!("../../web/changes.html")),
    ("deliveries.html", include_str!("../../web/deliveries.html")),
    ("quarantine.html", include_str!("../../web/quarantine.html")),
    ("body.html", include_str!("../../web/body.html")),
    ("status.html", include_str!("../../web/status.html")),
    ("login.html", include_str!("../../web/login.html")),
    ("problem.html", include_str!("../../web/problem.html")),
    ("ask.html", include_str!("../../web/ask.html")),
];

/// Parts of a page that `render` made and escaped, by their names in the template.
#[derive(Clone, Debug, Default)]
pub(super) struct Markup(pub(super) Vec<(&'static str, String)>);

impl Markup {
    fn into_value(self) -> Value {
        let values = self.0.into_iter().map(|(name, html)| (name, Value::from_safe_string(html)));
        Value::from(values.collect::<BTreeMap<_, _>>())
    }
}

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
        // A longer text of people, and bytes of strangers, keep their lines.
        environment.add_filter("editable", |text: &str| {
            Value::from_safe_string(escape::html_editable(text).to_string())
        });
        environment.add_filter("revealed", |text: &str| {
            Value::from_safe_string(escape::html_revealed(text).to_string())
        });
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
    pub(super) fn render(
        &self,
        name: &str,
        values: serde_json::Value,
        markup: Markup,
    ) -> Result<String, Error> {
        if let Some(problem) = &self.broken {
            return Err(Error::new(minijinja::ErrorKind::SyntaxError, problem.clone()));
        }
        let values = merge_maps([Value::from(Serde(values)), markup.into_value()]);
        self.environment.get_template(name)?.render(values)
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
pub(super) mod tests {
    use serde_json::json;

    use super::super::merged;
    use super::*;

    /// What somebody might put into a label.
    pub(in super::super) const HOSTILE: &str = "<script>alert(1)</script><b x=\"y\" onload='z'>&amp;\u{202e}\u{200b}\u{1b}[31m{{ 1337*1337 }}";

    /// Nothing of [`HOSTILE`] has become markup or runs.
    pub(in super::super) fn check_harmless(html: &str, name: &str) {
        for raw in ["<script>alert", "<b ", "onload='", "x=\"y\"", "\u{202e}", "\u{200b}", "\u{1b}"]
        {
            assert!(!html.contains(raw), "{name} holds {raw:?}:\n{html}");
        }
        assert!(html.contains("&lt;script&gt;"), "{name} does not show the text:\n{html}");
        assert!(!html.contains("1787569"), "{name} runs text as a template");
    }

    /// What the frame of a page needs.
    pub(in super::super) fn frame(values: serde_json::Value) -> serde_json::Value {
        let frame = json!({
            "page": "x", "place": 1, "zone": HOSTILE, "zone_name": "UTC", "own_zone": null,
            "theme": "dark", "here": "/?q=x", "assets": "0", "csrf": "c", "visitor": HOSTILE,
            "has_tokens": true, "may_write": true, "may_administer": true,
            "said": HOSTILE, "watch": "all",
            "ticking": true,
        });
        merged(frame, values)
    }

    fn at() -> serde_json::Value {
        json!({"utc": "2026-03-04T02:14:07.000Z", "date": "2026-03-04", "clock": "02:14:07"})
    }

    fn alert() -> serde_json::Value {
        json!({
            "id": "e1", "name": HOSTILE, "service": HOSTILE, "severity": "critical",
            "status": "firing", "kind": "errors", "deliveries": 3, "length": null,
            "starts_at": at(), "ends_at": null, "incident": 1, "reason": HOSTILE,
            "labels": [[HOSTILE, HOSTILE]],
            "links": [{"rel": HOSTILE, "url": "https://a.example/?a=1&b=2"}], "place": HOSTILE,
        })
    }

    /// The keys of a list with pages.
    fn paged(values: serde_json::Value) -> serde_json::Value {
        let paging = json!({"next": "cursor=x&q=y", "is_later_page": true, "newest": ""});
        merged(paging, values)
    }

    fn lists() -> Vec<(&'static str, serde_json::Value)> {
        let summary = json!({
            "id": 1, "title": HOSTILE, "state": "open", "severity": "high", "services": [HOSTILE],
            "started_at": at(), "length": "3m", "firing": 1, "total": 2, "lead": HOSTILE,
            "acknowledged_by": HOSTILE, "status": "draft", "is_running": true,
        });
        let front = |rows: serde_json::Value, asked: &str| {
            paged(json!({
                "asked": {"q": asked, "service": asked, "state": "open,x", "severity": "",
                    "filter": asked},
                "states": ["open"], "severities": ["high"], "running": rows, "others": rows,
                "others_title": "Resolved", "is_filtered": !asked.is_empty(), "floating": 2,
                "own_url": HOSTILE, "now": "2026-03-04T02:14:07Z", "all_running": "state=open",
                "counts": [{"state": "open", "count": 3, "query": "state=open"}], "problem": null,
            }))
        };
        let body = json!({"id": "q1", "at": at(), "source": HOSTILE, "reason": "not_json",
            "problem": HOSTILE, "delivery": "d2", "size": "1 KiB", "redacted": "2 values",
            "replayed": null});
        let again = merged(body.clone(), json!({"replayed": {"at": at(), "delivery": "d3"}}));
        let replayed = json!({"id": "q1", "delivery": "d3", "left": "1 alert"});
        let deed = json!({"at": at(), "action": HOSTILE, "principal": HOSTILE, "actor": HOSTILE,
            "remote": HOSTILE, "agent": HOSTILE, "incident": 1, "target": HOSTILE,
            "outcome": HOSTILE});
        let delivery = json!({"id": "d1", "source": HOSTILE, "at": at(), "size": "1 KiB",
            "alerts": 1, "rejected": 1, "remote": HOSTILE, "is_test": true, "has_raw": true});
        let change = json!({"id": "c1", "at": at(), "ends_at": at(), "kind": "deploy",
            "service": HOSTILE, "summary": HOSTILE, "author": HOSTILE, "source": HOSTILE,
            "link": "https://a.example/"});
        vec![
            ("incidents.html", front(json!([summary]), HOSTILE)),
            ("incidents.html", front(json!([]), "")),
            (
                "alerts.html",
                paged(json!({"alerts": [alert()], "which": "floating", "incident": HOSTILE,
                    "filter": HOSTILE, "problem": HOSTILE})),
            ),
            ("changes.html", paged(json!({"changes": [change], "service": HOSTILE}))),
            ("deliveries.html", paged(json!({"rows": [delivery], "may_see_bodies": true}))),
            (
                "quarantine.html",
                paged(json!({"rows": [body, again], "may_see_bodies": true, "replayed": replayed,
                    "cursor": HOSTILE})),
            ),
            (
                "audit.html",
                paged(json!({"rows": [deed], "actor": HOSTILE, "action": HOSTILE,
                    "incident": HOSTILE, "problem": HOSTILE})),
            ),
        ]
    }

    fn others() -> Vec<(&'static str, serde_json::Value)> {
        let more = json!({
            "annotations": [[HOSTILE, HOSTILE]], "values": [[HOSTILE, 5.0]], "namespace": HOSTILE,
            "fingerprint": HOSTILE, "sources": [HOSTILE], "received_at": at(),
            "last_word_at": at(), "starts": [at(), at()], "ending": "reported",
            "ending_reason": HOSTILE, "context_of": [2], "standing": HOSTILE,
            "is_by_person": true, "is_lead_up": true,
            "weighed": {"incident": 1, "score": "+1.00", "needed": "+2.00", "is_enough": false,
                "nearest": {"id": "e2", "name": HOSTILE, "service": HOSTILE},
                "terms": [{"name": HOSTILE, "points": "-1.00", "text": HOSTILE}],
                "rivals": [{"incident": 2, "score": "+0.50"}]},
        });
        let ask = |conflict: serde_json::Value| {
            merged(
                json!({"title": HOSTILE, "detail": HOSTILE, "sure": HOSTILE, "back": "/",
                    "action": "/incidents/1/report", "kept": [["text", HOSTILE]]}),
                conflict,
            )
        };
        let conflict = json!({"conflict": {"label": HOSTILE, "name": "value", "theirs": HOSTILE,
            "yours": HOSTILE}});
        vec![
            ("alert.html", json!({"alert": merged(alert(), more)})),
            (
                "body.html",
                json!({"title": HOSTILE, "size": "1 KiB", "is_cut": true, "is_pretty": true,
                    "text": HOSTILE, "raw": "/api", "back": "/deliveries"}),
            ),
            (
                "status.html",
                json!({
                    "missing": HOSTILE, "version": "1", "head": 3, "cursor": 2,
                    "store_bytes": "1 MiB", "is_writable": false, "incidents": [["open", 1]],
                    "floating": 1, "started_at": at(), "up": "1h", "silent": [HOSTILE],
                    "sources": [{"name": HOSTILE, "last": at(), "ago": "1m", "deliveries": 1}],
                    "heartbeats": [{"name": HOSTILE, "last": at(), "ago": "1m", "deadline": null,
                        "state": "heard"}],
                    "has_quarantine": true,
                }),
            ),
            ("login.html", json!({"name": HOSTILE, "problem": null})),
            ("login.html", json!({"name": null, "problem": HOSTILE})),
            ("problem.html", json!({"title": HOSTILE, "detail": HOSTILE, "back": "/"})),
            ("ask.html", ask(json!({}))),
            ("ask.html", ask(conflict)),
        ]
    }

    #[test]
    fn every_page_shows_hostile_text_and_runs_none() {
        let templates = Templates::default();
        for (name, values) in lists().into_iter().chain(others()) {
            let html = templates
                .render(name, frame(values), Markup::default())
                .unwrap_or_else(|e| panic!("{name}: {e:#}"));
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

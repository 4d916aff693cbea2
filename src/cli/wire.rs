//! What the server's answers look like, as far as the commands need it.
//!
//! Fields may be added on the server's side at any time, so unknown ones are ignored and most
//! known ones may be absent. Texts in here are not cleaned; whoever prints them does that.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::domain::{Labels, Span, Timestamp};

/// Longest plain text of a refusal that is told.
const SENTENCE_BYTES_MAX: usize = 200;

/// An error as RFC 9457 writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    title: Option<String>,
    detail: Option<String>,
    pub(super) request_id: Option<String>,
}

impl Problem {
    /// Reads the body of a refusal: a problem, or a sentence of who answers in our place, such as a
    /// proxy.
    pub(super) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| {
            let sentence = std::str::from_utf8(body).ok().map(str::trim);
            let is_sentence =
                |text: &&str| text.len() <= SENTENCE_BYTES_MAX && !text.contains(['<', '\n']);
            Self { detail: sentence.filter(is_sentence).map(str::to_owned), ..Self::default() }
        })
    }

    /// What it says to a person.
    pub(super) fn text(&self) -> Option<&str> {
        self.detail.as_deref().or(self.title.as_deref()).filter(|text| !text.is_empty())
    }
}

/// One page of a list.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    #[serde(default = "Option::default")]
    pub(super) next_cursor: Option<String>,
}

impl Page<Raw> {
    /// The page as the server would have written it.
    ///
    /// # Errors
    /// Never, as far as known: each item was JSON when it came.
    pub(super) fn to_json(&self) -> std::io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }
}

/// A thing as the server wrote it, kept for printing it unchanged.
pub(super) type Raw = Box<RawValue>;

/// How far the server is.
#[derive(Debug, Deserialize)]
pub(super) struct Progress {
    /// The last record of the ledger.
    pub(super) head: u64,
    /// The last record worked in.
    pub(super) cursor: u64,
}

/// The answer to a delivery, as far as it tells of trouble.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Receipt {
    pub(super) errors: Vec<serde_json::Value>,
}

/// An incident.
#[derive(Debug, Deserialize)]
pub(super) struct Incident {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) title: String,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) severity: Option<String>,
    #[serde(default)]
    pub(super) services: Vec<String>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) started_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) detected_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) notified_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) acknowledged_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) mitigated_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) resolved_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) timezone: Option<String>,
    #[serde(default)]
    pub(super) alerts: Tally,
    #[serde(default)]
    pub(super) merged_into: Option<u64>,
    #[serde(default)]
    pub(super) follows: Option<u64>,
    #[serde(default)]
    pub(super) pinned: bool,
    #[serde(default)]
    pub(super) lead: Option<String>,
    #[serde(default)]
    pub(super) impact: Option<String>,
    #[serde(default)]
    pub(super) root_cause: Option<String>,
    #[serde(default)]
    pub(super) resolution: Option<String>,
}

impl Incident {
    /// From its start to its end, or to `now` while it runs.
    pub(super) fn duration(&self, now: Timestamp) -> Option<Span> {
        Some(self.resolved_at.unwrap_or(now) - self.started_at?)
    }
}

/// How many alerts an incident has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tally {
    pub(super) total: u64,
    pub(super) firing: u64,
}

impl fmt::Display for Tally {
    /// `firing/total`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.firing, self.total)
    }
}

/// One episode of an alert.
#[derive(Debug, Deserialize)]
pub(super) struct Alert {
    pub(super) id: String,
    #[serde(default)]
    pub(super) labels: Labels,
    #[serde(default, deserialize_with = "moment")]
    pub(super) starts_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    pub(super) ends_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) severity: Option<String>,
    #[serde(default)]
    pub(super) service: Option<String>,
    #[serde(default)]
    pub(super) incident: Option<u64>,
}

impl Alert {
    /// Its name, or its labels where it has none.
    pub(super) fn name(&self) -> String {
        self.labels.value("alertname").map_or_else(
            || {
                let pairs: Vec<String> =
                    self.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                pairs.join(",")
            },
            str::to_owned,
        )
    }
}

/// One line of a timeline.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    pub(super) id: String,
    #[serde(default, deserialize_with = "moment")]
    pub(super) occurred_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) phase: Option<String>,
    #[serde(default)]
    pub(super) text: String,
    #[serde(default)]
    pub(super) actor: Option<String>,
    #[serde(default)]
    pub(super) service: Option<String>,
}

/// Something that was made, of which only the id matters.
#[derive(Debug, Deserialize)]
pub(super) struct Made {
    pub(super) id: String,
}

/// Reads a time; null and absent alike are none, and so is one outside the years that can be
/// held.
pub(super) fn moment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| Timestamp::parse_rfc3339(&text).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_read_from_the_shape_of_the_contract_and_from_less() {
        let full = r#"{"id": 12, "title": "t", "state": "open", "status": "draft",
            "severity": "critical", "services": ["a"], "started_at": "2024-06-22T15:15:00.000Z",
            "resolved_at": null, "timezone": "UTC", "alerts": {"total": 3, "firing": 1},
            "merged_into": null, "follows": null, "revision": 17, "impact": null, "lead": null,
            "actions": [], "brand_new": {}}"#;
        let incident: Incident = serde_json::from_str(full).unwrap();
        assert_eq!(incident.alerts.to_string(), "1/3");
        let now = Timestamp::parse("2024-06-22T16:00:00Z").unwrap();
        assert_eq!(incident.duration(now), Some(Span::from_minutes(45)));
        let bare: Incident = serde_json::from_str(r#"{"id": 1}"#).unwrap();
        assert_eq!(bare.duration(now), None);
    }

    #[test]
    fn the_detail_of_a_problem_goes_before_its_title() {
        for (json, expect) in [
            (
                r#"{"title": "Not Found", "detail": "There is no incident 9."}"#,
                Some("There is no incident 9."),
            ),
            (r#"{"title": "Not Found"}"#, Some("Not Found")),
            ("{}", None),
        ] {
            let problem: Problem = serde_json::from_str(json).unwrap();
            assert_eq!(problem.text(), expect);
        }
    }

    #[test]
    fn a_sentence_in_place_of_a_problem_is_told_and_a_page_is_not() {
        for (body, expect) in [
            (r#"{"detail": "no"}"#, Some("no")),
            ("this port speaks https\n", Some("this port speaks https")),
            ("", None),
            ("<html>Bad Gateway</html>", None),
            ("one\ntwo", None),
        ] {
            assert_eq!(Problem::read(body.as_bytes()).text(), expect, "{body}");
        }
    }
}

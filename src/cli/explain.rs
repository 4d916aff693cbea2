//! `scribed explain`: why an alert is where it is.

use clap::Args;
use http::StatusCode;
use serde::Deserialize;

use super::arguments::{Form, ServerArguments, ShowArguments, filled};
use super::client::{Answer, Call, Client, ClientError};
use super::console::Console;
use super::failure::Failure;
use super::text::{Table, minute_utc, pairs};
use super::url::Target;
use super::wire::{Alert, Page, moment};
use crate::domain::Timestamp;

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub(super) struct ExplainArguments {
    /// Id of the alert as `incident show -o extended` lists it, or its fingerprint, with
    /// `@` and the time it started where it fired more than once.
    #[arg(value_name = "ALERT", value_parser = filled)]
    alert: String,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    show: ShowArguments,
}

/// The reason with what it speaks of, as far as the server tells.
#[derive(Deserialize)]
struct Explanation {
    reason: String,
    alert: Option<String>,
    alertname: Option<String>,
    severity: Option<String>,
    service: Option<String>,
    status: Option<String>,
    #[serde(default, deserialize_with = "moment")]
    starts_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    ends_at: Option<Timestamp>,
    incident: Option<u64>,
    weighed_against: Option<u64>,
    score: Option<f64>,
    needed: Option<f64>,
    #[serde(default)]
    terms: Vec<Term>,
    #[serde(default)]
    rivals: Vec<Rival>,
}

/// One piece of evidence.
#[derive(Deserialize)]
struct Term {
    name: String,
    points: f64,
    text: String,
}

/// Another incident that was weighed.
#[derive(Deserialize)]
struct Rival {
    incident: u64,
    score: f64,
}

impl Explanation {
    /// Every term and every rival, as far as something was weighed.
    fn weighing(&self) -> String {
        let number = |value: Option<f64>| value.map(|v| format!("{v:+.2}")).unwrap_or_default();
        let mut text = pairs(&[
            (
                "Weighed against",
                self.weighed_against.map(|id| format!("incident {id}")).unwrap_or_default(),
            ),
            ("Score", number(self.score)),
            ("Needed", number(self.needed)),
        ]);
        if !self.terms.is_empty() {
            let mut table = Table::new(&["POINTS", "WEIGHT", "EVIDENCE"]);
            for term in &self.terms {
                table.row([format!("{:+.2}", term.points), term.name.clone(), term.text.clone()]);
            }
            text.push_str(&format!("\n{}", table.render()));
        }
        if !self.rivals.is_empty() {
            let mut table = Table::new(&["SCORE", "RIVAL"]);
            for rival in &self.rivals {
                table.row([format!("{:+.2}", rival.score), format!("incident {}", rival.incident)]);
            }
            text.push_str(&format!("\n{}", table.render()));
        }
        text
    }

    /// What it speaks of, a line each.
    fn sheet(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        pairs(&[
            ("Alert", text(&self.alert)),
            ("Name", text(&self.alertname)),
            ("Severity", text(&self.severity)),
            ("Service", text(&self.service)),
            ("Status", text(&self.status)),
            ("Started", minute_utc(self.starts_at)),
            ("Ended", minute_utc(self.ends_at)),
            ("Incident", self.incident.map(|id| id.to_string()).unwrap_or_default()),
        ])
    }
}

/// Says why.
///
/// # Errors
/// When there is no such alert, or the server cannot be asked.
pub(super) async fn run(
    arguments: &ExplainArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut client = arguments.server.client()?;
    let answer = find(&mut client, &arguments.alert, console).await?;
    if arguments.show.form == Form::Json {
        return console.json(&answer.body);
    }
    let explanation: Explanation = answer.read()?;
    console.line(&explanation.reason)?;
    if arguments.show.form == Form::Extended {
        console.block(&explanation.sheet())?;
        console.block(&explanation.weighing())?;
    }
    Ok(())
}

/// The explanation of what was named. The server is asked for the text as it stands; where it
/// knows no such id, the text is a fingerprint, and the episode is looked up.
async fn find(
    client: &mut Client,
    alert: &str,
    console: &mut Console<'_>,
) -> Result<Answer, Failure> {
    match client.call(&Call::get(explain_target(alert))).await {
        Err(error) if is_unknown(&error) => {}
        result => return Ok(result?),
    }
    let (fingerprint, start) = split(alert);
    let target =
        Target::new("/api/v1/alerts").query("fingerprint", fingerprint).query("limit", "500");
    let page: Page<Alert> = client.read(target).await?;
    let chosen = choose(&page.items, start).ok_or_else(|| {
        Failure::NotFound(match start {
            Some(start) if !page.items.is_empty() => format!(
                "the alert {fingerprint} did not start at {start}; its starts are {}",
                starts(&page.items)
            ),
            _ => format!("there is no alert with the id or the fingerprint {fingerprint}"),
        })
    })?;
    if start.is_none() && page.items.len() > 1 {
        console.notice(&format!(
            "{fingerprint} fired {} times; this is {} of {}",
            page.items.len(),
            chosen.id,
            minute_utc(chosen.starts_at)
        ));
    }
    Ok(client.call(&Call::get(explain_target(&chosen.id))).await?)
}

fn explain_target(id: &str) -> Target {
    Target::new("/api/v1/alerts").segment(id).segment("explain")
}

fn is_unknown(error: &ClientError) -> bool {
    matches!(error.status(), Some(StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST))
}

/// `fingerprint@start`, or a fingerprint alone; a sender's own may hold an `@`.
fn split(alert: &str) -> (&str, Option<Timestamp>) {
    alert
        .rsplit_once('@')
        .and_then(|(fingerprint, start)| Some((fingerprint, Some(Timestamp::parse(start).ok()?))))
        .unwrap_or((alert, None))
}

/// The episode that began at that time, to the millisecond that the server writes; without a
/// time, the latest.
fn choose(alerts: &[Alert], start: Option<Timestamp>) -> Option<&Alert> {
    match start {
        Some(start) => {
            alerts.iter().find(|a| a.starts_at.is_some_and(|at| at.millis() == start.millis()))
        }
        None => alerts.iter().max_by_key(|alert| alert.starts_at),
    }
}

fn starts(alerts: &[Alert]) -> String {
    let list: Vec<String> =
        alerts.iter().filter_map(|alert| alert.starts_at.map(|at| at.to_string())).collect();
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_an_id_or_a_fingerprint_with_its_start() {
        let start = Timestamp::parse("2024-06-22T15:15:00Z").ok();
        for (text, expect) in [
            ("e17", ("e17", None)),
            ("9ba69599550c63f0", ("9ba69599550c63f0", None)),
            ("9ba6@2024-06-22T15:15:00Z", ("9ba6", start)),
            ("9ba6@1719069300", ("9ba6", start)),
            ("host@site", ("host@site", None)),
            ("host@site@1719069300", ("host@site", start)),
        ] {
            assert_eq!(split(text), expect, "{text}");
        }
    }

    #[test]
    fn the_latest_episode_is_meant_unless_a_start_is_named() {
        let alerts: Vec<Alert> = serde_json::from_str(
            r#"[{"id": "e1", "starts_at": "2024-06-22T15:15:00.000Z"},
                {"id": "e3", "starts_at": "2024-06-23T15:15:00.000Z"},
                {"id": "e2", "starts_at": "2024-06-22T18:00:00.000Z"}]"#,
        )
        .unwrap();
        for (start, expect) in [
            (None, Some("e3")),
            (Some("2024-06-22T18:00:00.000400Z"), Some("e2")),
            (Some("2024-06-22T18:00:01Z"), None),
        ] {
            let start = start.map(|text| Timestamp::parse(text).unwrap());
            assert_eq!(choose(&alerts, start).map(|alert| alert.id.as_str()), expect);
        }
    }
}

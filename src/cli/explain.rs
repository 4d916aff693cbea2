//! `scribed explain`: why an alert is where it is.

use clap::Args;
use http::StatusCode;
use serde::Deserialize;

use super::arguments::{Form, ServerArguments, ShowArguments, filled};
use super::client::{Answer, Call, Client, ClientError};
use super::console::Console;
use super::failure::Failure;
use super::incident::alert_table;
use super::text::minute_utc;
use super::url::Target;
use super::wire::{Alert, Page};
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

/// The reason, as far as this command reads it.
#[derive(Deserialize)]
struct Explanation {
    reason: String,
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
    console.line(&answer.read::<Explanation>()?.reason)?;
    if arguments.show.form == Form::Extended
        && let Ok(alert) = answer.read::<Alert>()
    {
        console.block(&format!("\n{}", alert_table(&[alert])))?;
    }
    Ok(())
}

/// The explanation of an alert named by its id, or else by its fingerprint.
async fn find(
    client: &mut Client,
    alert: &str,
    console: &mut Console<'_>,
) -> Result<Answer, Failure> {
    let (fingerprint, start) = split(alert)?;
    if start.is_none() {
        match client.call(&Call::get(explain_target(alert))).await {
            Err(error) if is_unknown(&error) => {}
            result => return Ok(result?),
        }
    }
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

/// `fingerprint@start`, or what has no start.
fn split(alert: &str) -> Result<(&str, Option<Timestamp>), Failure> {
    match alert.split_once('@') {
        None => Ok((alert, None)),
        Some((fingerprint, start)) => Timestamp::parse(start)
            .map(|start| (fingerprint, Some(start)))
            .map_err(|error| Failure::Usage(error.to_string())),
    }
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
            ("e17", Some(("e17", None))),
            ("9ba69599550c63f0", Some(("9ba69599550c63f0", None))),
            ("9ba6@2024-06-22T15:15:00Z", Some(("9ba6", start))),
            ("9ba6@1719069300", Some(("9ba6", start))),
            ("9ba6@noon", None),
        ] {
            assert_eq!(split(text).ok(), expect, "{text}");
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

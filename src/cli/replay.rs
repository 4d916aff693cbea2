//! `scribed replay`: plays scenario files into a running server.

use std::path::PathBuf;

use clap::Args;

use super::arguments::{Form, ServerArguments, ShowArguments};
use super::console::Console;
use super::failure::Failure;
use super::incident::table;
use super::player::{Player, Summary};
use super::progress;
use super::scenario::{Scenario, load};
use super::text::count;
use crate::clock::Clock;

/// Arguments of `replay`.
#[derive(Args, Debug)]
pub(super) struct ReplayArguments {
    /// Scenario files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How fast: 1 is the pace of the time lived, 60 an hour in a minute, 0 as fast as accepted.
    #[arg(long, default_value = "0", value_name = "FACTOR", value_parser = speed)]
    speed: f64,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    show: ShowArguments,
}

/// Plays the files, merged by time.
///
/// # Errors
/// When a file is no scenario, or the server does not take an event.
pub(super) async fn run(
    arguments: &ReplayArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut client = arguments.server.client()?;
    let scenarios = load(&arguments.files)?;
    let speed = (arguments.speed > 0.0).then_some(arguments.speed);
    let played = Player::new(&mut client, &scenarios, speed)
        .play(&mut |report| progress::show(console, &report))
        .await;
    if console.can_draw() {
        console.clear();
    }
    let summary = played?;
    match arguments.show.form {
        Form::Json => console.json(json(&summary, &scenarios).to_string().as_bytes()),
        form => {
            console.line(&sentence(&summary, &scenarios))?;
            if form == Form::Extended {
                console.block(&homes(&summary, &scenarios))?;
            }
            if summary.made.is_empty() {
                return Ok(());
            }
            console.block(&table(&summary.made, form, Clock::system().now()))
        }
    }
}

/// `Played 25 events of 1 scenario; 1 new incident`.
fn sentence(summary: &Summary, scenarios: &[Scenario]) -> String {
    format!(
        "Played {} of {}; {}",
        count(summary.events, "event"),
        count(scenarios.len(), "scenario"),
        count(summary.made.len(), "new incident")
    )
}

/// Where the people of each scenario spoke.
fn homes(summary: &Summary, scenarios: &[Scenario]) -> String {
    scenarios
        .iter()
        .zip(&summary.homes)
        .filter_map(|(scenario, home)| Some(format!("{}: incident {}\n", scenario.name, (*home)?)))
        .collect()
}

fn json(summary: &Summary, scenarios: &[Scenario]) -> serde_json::Value {
    let made: Vec<u64> = summary.made.iter().map(|incident| incident.id).collect();
    let played: Vec<serde_json::Value> = scenarios
        .iter()
        .zip(&summary.homes)
        .map(|(scenario, home)| {
            serde_json::json!({
                "file": scenario.file,
                "name": scenario.name,
                "events": scenario.events.len(),
                "incident": home,
            })
        })
        .collect();
    serde_json::json!({ "events": summary.events, "incidents": made, "scenarios": played })
}

/// A pace: a number that is not negative.
fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed >= 0.0 => Ok(speed),
        Ok(_) | Err(_) => Err("a number such as 1, 60 or 0.5 is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_a_number_that_is_not_negative() {
        for (text, expect) in
            [("0", Some(0.0)), ("1.5", Some(1.5)), ("-1", None), ("inf", None), ("fast", None)]
        {
            assert_eq!(speed(text).ok(), expect, "{text}");
        }
    }
}

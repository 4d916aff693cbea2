//! How far a replay is: a moving bar for a person, a line now and then for a log.
//!
//! Diagnostics only; nothing of this reaches standard output.

use super::console::Console;
use super::player::Report;
use super::text::minute;

/// Width of the bar in characters.
const BAR_WIDTH: usize = 24;
/// About how many lines are written where nobody watches.
const LINES_MAX: usize = 20;

/// Shows what a player reports.
pub(super) fn show(console: &mut Console<'_>, report: &Report<'_>) {
    match report {
        Report::Notice(text) => {
            if console.can_draw() {
                console.clear();
            }
            console.notice(text);
        }
        Report::Turn { number, total, scenario, event } => {
            let at = minute(scenario.events[*event].at);
            if console.can_draw() {
                let bar = bar(*number, *total);
                console.draw(&format!("{bar} {number}/{total}  {at}  {}", scenario.name));
            } else if is_told(*number, *total) {
                console.notice(&format!("{number}/{total}  {at}  {}", scenario.name));
            }
        }
    }
}

/// `[########----------------]`.
fn bar(number: usize, total: usize) -> String {
    let filled = (BAR_WIDTH * number) / total.max(1);
    format!("[{}{}]", "#".repeat(filled), "-".repeat(BAR_WIDTH.saturating_sub(filled)))
}

/// True for the last event, and for some before it.
fn is_told(number: usize, total: usize) -> bool {
    number == total || number.is_multiple_of(total.div_ceil(LINES_MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::scenario::parse;

    fn said(is_seen: bool, number: usize, total: usize) -> String {
        let text = r#"{"name": "night\u001b[2J", "events": [
            {"at": "2024-01-30T11:00:00Z", "type": "note", "note": {}}]}"#;
        let scenario = parse("f.json", text).unwrap();
        let (mut results, mut diagnostics) = (Vec::new(), Vec::new());
        let mut console = Console::captured(&mut results, &mut diagnostics, is_seen);
        show(&mut console, &Report::Turn { number, total, scenario: &scenario, event: 0 });
        assert!(results.is_empty());
        String::from_utf8(diagnostics).unwrap()
    }

    #[test]
    fn a_person_sees_a_bar_that_draws_over_itself() {
        assert_eq!(
            said(true, 12, 24),
            "\r\u{1b}[K[############------------] 12/24  2024-01-30 11:00  night[2J"
        );
    }

    #[test]
    fn a_log_gets_about_twenty_plain_lines_and_the_last_one() {
        let lines = |total: usize| (1..=total).filter(|number| is_told(*number, total)).count();
        for (total, expect) in [(1, 1), (20, 20), (25, 13), (1000, 20), (1001, 20)] {
            assert_eq!(lines(total), expect, "{total}");
        }
        assert_eq!(said(false, 24, 24), "24/24  2024-01-30 11:00  night[2J\n");
    }
}

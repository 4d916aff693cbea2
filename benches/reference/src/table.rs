//! The table that a person reads, and the figures that a release keeps.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::rows::Figure;
use crate::{Failure, median};

/// A figure that is this much worse than the kept one is pointed at. Rates on a shared machine
/// differ by more; ratios and bytes seldom do.
const WORSE_BY: f64 = 1.25;

/// One figure for each thing measured: the median of its ratios, with the medians of both sides.
pub(crate) fn medians(figures: &[Figure]) -> Vec<Figure> {
    let mut all: Vec<&Figure> = figures.iter().collect();
    all.sort_by_key(|figure| figure.row);
    let mut found: Vec<Figure> = Vec::new();
    for figure in &all {
        if found.iter().any(|known| known.what == figure.what) {
            continue;
        }
        let same: Vec<&Figure> = all.iter().copied().filter(|f| f.what == figure.what).collect();
        let middle =
            |of: fn(&Figure) -> f64| median(&same.iter().map(|f| of(f)).collect::<Vec<_>>());
        let (ratio, ours) = (middle(Figure::value), middle(|figure| figure.ours));
        // The ratio is what counts, so the shown reference is the one that gives it.
        let reference = if figure.reference.is_nan() { f64::NAN } else { ours / ratio };
        found.push(Figure { reference, ours, ..(*figure).clone() });
    }
    found
}

fn is_reached(figure: &Figure) -> bool {
    if figure.at_most { figure.value() <= figure.goal } else { figure.value() >= figure.goal }
}

/// The table, in Markdown.
pub(crate) fn text(figures: &[Figure], kept: &BTreeMap<String, f64>) -> String {
    let mut out = String::from("| # | what | goal | reference | ours | ratio | |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for figure in figures {
        let sign = if figure.at_most { "≤" } else { "≥" };
        let is_ratio = !figure.reference.is_nan();
        let mut verdict = if is_reached(figure) { "reached" } else { "**missed**" }.to_owned();
        if let Some(before) = kept.get(&figure.what) {
            let by = if figure.at_most { figure.value() / before } else { before / figure.value() };
            if by > WORSE_BY {
                write!(verdict, ", **worse**: was {}", short(*before)).ok();
            }
        }
        writeln!(
            out,
            "| {} | {} | {sign} {}{} | {} | {} | {} | {verdict} |",
            figure.row,
            figure.what,
            short(figure.goal),
            if is_ratio { "×".to_owned() } else { format!(" {}", figure.unit) },
            if is_ratio { with_unit(figure.reference, figure.unit) } else { "–".to_owned() },
            with_unit(figure.ours, figure.unit),
            if is_ratio { format!("{}×", short(figure.value())) } else { "–".to_owned() },
        )
        .ok();
    }
    out
}

fn with_unit(value: f64, unit: &str) -> String {
    if unit.starts_with('/') {
        format!("{}{unit}", short(value))
    } else {
        format!("{} {unit}", short(value))
    }
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 10_000.0 => format!("{:.0}k", value / 1000.0),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Keeps the figures for later comparison.
pub(crate) fn save(path: &Path, figures: &[Figure]) -> Result<(), Failure> {
    let kept: Vec<serde_json::Value> = figures
        .iter()
        .map(|figure| {
            serde_json::json!({
                "row": figure.row,
                "what": figure.what,
                "goal": figure.goal,
                "value": rounded(figure.value()),
                "reference": rounded(figure.reference),
                "ours": rounded(figure.ours),
                "unit": figure.unit,
                "reached": is_reached(figure),
            })
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&kept)?;
    text.push('\n');
    Ok(std::fs::write(path, text)?)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The kept values by what they measure.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, f64>, Failure> {
    let kept: Vec<serde_json::Value> = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    Ok(kept
        .iter()
        .filter_map(|row| Some((row["what"].as_str()?.to_owned(), row["value"].as_f64()?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(goal: f64, at_most: bool, reference: f64, ours: f64) -> Figure {
        Figure { row: 1, what: "w".to_owned(), goal, at_most, unit: "us", reference, ours }
    }

    #[test]
    fn the_median_is_that_of_the_ratios() {
        let figures = [(2.0, 4.0), (1.0, 3.0), (1.0, 9.0)].map(|(r, o)| figure(2.5, true, r, o));
        let [middle] = &medians(&figures)[..] else { panic!("one figure") };
        assert_eq!((middle.value(), middle.ours), (3.0, 4.0));
    }

    #[test]
    fn a_goal_is_held_from_its_side_and_what_got_worse_is_pointed_at() {
        for (figure, before, expect) in [
            (figure(2.5, true, 2.0, 4.0), None, "≤ 2.50× | 2.00 us | 4.00 us | 2.00× | reached |"),
            (figure(1.5, true, 2.0, 4.0), None, "| **missed** |"),
            (figure(1.5, false, 2.0, 4.0), None, "≥ 1.50×"),
            (figure(96.0, true, f64::NAN, 40.0), None, "≤ 96.0 us | – | 40.0 us | – | reached |"),
            (figure(2.5, true, 2.0, 4.0), Some(1.0), "**worse**: was 1.00"),
            (figure(1.5, false, 2.0, 4.0), Some(1.9), "| reached |"),
        ] {
            let kept = before.map(|value| ("w".to_owned(), value)).into_iter().collect();
            let text = text(&[figure], &kept);
            assert!(text.contains(expect), "`{text}` lacks `{expect}`");
        }
    }
}

//! Snapshots of every format, and what must hold for all of them.

use super::{Format, draft, escape, svg};
use crate::domain::draft::Draft;
use crate::domain::{Facts, Zone};
use crate::timeline::{DraftOptions, compose, examples};

fn composed(facts: &Facts) -> Draft {
    let zone = facts.incident.report.timezone.as_deref().unwrap_or("UTC");
    let zone = Zone::parse(zone).unwrap();
    compose(facts, &DraftOptions { zone, ..DraftOptions::default() })
}

fn printed(facts: &Facts, format: Format) -> String {
    draft(&composed(facts), format)
}

#[test]
fn every_example_prints_as_it_was_reviewed() {
    for (name, facts) in examples::all() {
        insta::assert_snapshot!(format!("{name}.md"), printed(&facts, Format::Markdown));
        insta::assert_snapshot!(format!("{name}.txt"), printed(&facts, Format::Text));
    }
    for (name, facts) in [("bookstore", examples::bookstore()), ("hostile", examples::hostile())] {
        insta::assert_snapshot!(format!("{name}.html"), printed(&facts, Format::Html));
        insta::assert_snapshot!(format!("{name}.json"), printed(&facts, Format::Json));
        insta::assert_snapshot!(format!("{name}.svg"), svg::lanes(&facts, &Zone::utc()));
    }
}

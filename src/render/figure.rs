//! The swim-lane chart as a part of the page of an incident: every mark leads to its line of the
//! timeline, and a stretch of it can be looked at more closely.
//!
//! The same lanes as in [`super::svg`], without a style of its own (the page has it), and with a
//! limit on what is drawn: where many firings touch, one bar stands for them until the reader looks
//! closer. Pure; called by the pages.

use super::escape::html;
use super::svg::{Bar, Lane, Mark, Scale, lanes_of, stretch};
use super::time::Clocks;
use crate::domain::timeline::{Entry, EntryId, EntryKind};
use crate::domain::{Facts, Severity, Timestamp, Zone};
use crate::timeline::{self, words};

const WIDTH: i64 = 720;
const LABELS: i64 = 136;
const RIGHT: i64 = 14;
const TOP: i64 = 38;
const BAR: i64 = 10;
const BAR_STEP: i64 = 13;
const LANE_GAP: i64 = 10;
/// Half of what a date takes, with a gap.
const EDGE: i64 = 38;
const LABEL_CHARS_MAX: usize = 21;
/// More lanes than this are only counted.
const LANES_MAX: usize = 40;
/// Firings of one lane that are drawn one by one even where they touch.
const BARS_APART_MAX: usize = 60;
/// The shortest stretch that is shown, in seconds.
const SPAN_MIN: i64 = 60;

/// A stretch of time.
pub type Stretch = (Timestamp, Timestamp);

/// A chart, and what it shows.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The chart; every text in it is escaped.
    pub svg: String,
    /// From when to when it shows.
    pub shown: Stretch,
    /// From when to when there is something to show.
    pub whole: Stretch,
    /// How many lanes are left out.
    pub lanes_left_out: usize,
}

/// How the moments of the chart are written.
struct Moments<'a> {
    clocks: &'a Clocks,
    utc: Option<Clocks>,
}

impl Moments<'_> {
    /// A stretch on both clocks: `02:14–02:20 (01:14–01:20 UTC)`.
    fn range(&self, from: Timestamp, to: Timestamp) -> String {
        let here = self.clocks.range(from, to);
        match &self.utc {
            Some(utc) => format!("{here} ({} UTC)", utc.range(from, to)),
            None => here,
        }
    }

    /// What a mark says: when, what, and how much later it was heard.
    fn tip(&self, from: Timestamp, to: Timestamp, received_at: Timestamp, title: &str) -> String {
        let heard = timeline::delay(from, received_at)
            .map_or_else(String::new, |delay| format!("; heard {delay} later"));
        format!("{} {title}{heard}", self.range(from, to))
    }
}

/// Draws the chart of an incident whose entries these are; `asked` limits it to a stretch, and
/// `address` says where an entry is shown. `None` when there is nothing to draw.
#[must_use]
pub fn figure(
    facts: &Facts,
    entries: &[Entry],
    zone: &Zone,
    asked: Option<Stretch>,
    address: &dyn Fn(&EntryId) -> String,
) -> Option<Figure> {
    let incident = &facts.incident;
    let notes: Vec<&Entry> = entries.iter().filter(|e| e.kind == EntryKind::Note).collect();
    let changes = timeline::changes_told(&facts.changes, entries);
    let mut lanes =
        lanes_of(&incident.tally.services, &facts.members, &changes, &notes, incident.as_of);
    let (first, last) = stretch(&lanes)?;
    let shown = asked.map_or((first, last), |(from, to)| (from.min(to), from.max(to)));
    let span = (shown.1 - shown.0).seconds().max(SPAN_MIN);
    let shown = (shown.0, shown.0 + crate::domain::Span::from_seconds(span));
    let lanes_left_out = lanes.len().saturating_sub(LANES_MAX);
    lanes.truncate(LANES_MAX);
    let clocks = Clocks::for_entries(zone.clone(), entries);
    let is_utc = zone.offset_at(shown.0).seconds == 0;
    let utc = (!is_utc).then(|| Clocks::for_entries(Zone::utc(), entries));
    let moments = Moments { clocks: &clocks, utc };
    let scale = Scale { from: shown.0, span, left: LABELS, width: WIDTH - LABELS - RIGHT };
    let heights: Vec<i64> = lanes.iter().map(height_of).collect();
    let height = TOP + heights.iter().sum::<i64>() + LANE_GAP / 2;
    let mut svg = format!(
        "<svg id=\"chart\" class=\"sc\" role=\"group\" aria-labelledby=\"chart-name\" \
         viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         data-from=\"{}\" data-to=\"{}\" data-left=\"{LABELS}\" data-right=\"{}\" \
         data-zone=\"{}\">\n",
        shown.0.millis(),
        shown.1.millis(),
        WIDTH - RIGHT,
        html(zone.name())
    );
    axis(&mut svg, &scale, zone, height);
    let mut y = TOP;
    let mut is_first = true;
    for (lane, lane_height) in lanes.iter().zip(heights) {
        lane_name(&mut svg, lane, y, lane_height);
        for bar in drawn(lane, &scale, shown) {
            bar.print(&mut svg, y, &moments, address, &mut is_first);
        }
        let is_shown = |mark: &&Mark| mark.at >= shown.0 && mark.at <= shown.1;
        for mark in lane.marks.iter().filter(is_shown) {
            print_mark(&mut svg, mark, &scale, (y, lane_height), &moments, address, &mut is_first);
        }
        y += lane_height;
    }
    svg.push_str(&format!("<line class=\"cursor\" y1=\"{TOP}\" y2=\"{height}\"/></svg>\n"));
    Some(Figure { svg, shown, whole: (first, last), lanes_left_out })
}

fn height_of(lane: &Lane) -> i64 {
    i64::try_from(lane.rows.len().max(1)).unwrap_or(1) * BAR_STEP + LANE_GAP
}

fn axis(out: &mut String, scale: &Scale, zone: &Zone, height: i64) {
    let mut day = String::new();
    let mut free_from = 0;
    for tick in scale.ticks(zone) {
        let (x, wall) = (scale.x(tick), zone.wall_clock(tick));
        let (at, anchor) = if x > WIDTH - EDGE { (WIDTH - 2, "end") } else { (x, "middle") };
        out.push_str(&format!(
            "<line class=\"rule\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{height}\"/>\
             <text class=\"axis\" x=\"{at}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            TOP - 8,
            TOP - 12,
            html(&wall.minutes())
        ));
        // Of days that stand close only those are named that have the room for it.
        if day != wall.date() && at - EDGE >= free_from {
            day = wall.date();
            free_from = at + EDGE;
            out.push_str(&format!(
                "<text class=\"axis\" x=\"{at}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                TOP - 26,
                html(&day)
            ));
        }
    }
    let abbreviation = zone.offset_at(scale.from).abbreviation;
    out.push_str(&format!(
        "<text class=\"axis\" x=\"4\" y=\"{}\">{}</text>\n",
        TOP - 12,
        html(&abbreviation)
    ));
}

fn lane_name(out: &mut String, lane: &Lane, y: i64, height: i64) {
    out.push_str(&format!(
        "<line class=\"rule\" x1=\"0\" y1=\"{y}\" x2=\"{WIDTH}\" y2=\"{y}\"/>\
         <text x=\"4\" y=\"{}\">{}<title>{}</title></text>\n",
        y + height / 2 + 4,
        html(&words::cut(&lane.name, LABEL_CHARS_MAX)),
        html(&lane.name)
    ));
}

/// A bar as it is drawn: one firing, or several that touch.
struct Drawn<'a> {
    first: &'a Bar,
    x: i64,
    width: i64,
    to: Timestamp,
    severity: Severity,
    is_open: bool,
    count: usize,
}

/// The bars of a lane that lie in a stretch, in the order of their rows and times.
fn drawn<'a>(lane: &'a Lane, scale: &Scale, shown: Stretch) -> Vec<Drawn<'a>> {
    let mut bars: Vec<&Bar> =
        lane.bars.iter().filter(|bar| bar.to >= shown.0 && bar.from <= shown.1).collect();
    bars.sort_by_key(|bar| (bar.row, bar.from, bar.to));
    let are_many = bars.len() > BARS_APART_MAX;
    let mut drawn: Vec<Drawn<'a>> = Vec::new();
    for bar in bars {
        let x = scale.x(bar.from.max(shown.0));
        let width = (scale.x(bar.to.min(shown.1)) - x).max(4);
        let touched = drawn.last_mut().filter(|before| {
            are_many && before.first.row == bar.row && x <= before.x + before.width
        });
        match touched {
            Some(before) => {
                before.width = before.width.max(x + width - before.x);
                before.to = before.to.max(bar.to);
                before.severity = before.severity.worse(bar.severity);
                before.is_open |= bar.is_open;
                before.count += 1;
            }
            None => drawn.push(Drawn {
                first: bar,
                x,
                width,
                to: bar.to,
                severity: bar.severity,
                is_open: bar.is_open,
                count: 1,
            }),
        }
    }
    drawn
}

impl Drawn<'_> {
    fn print(
        &self,
        out: &mut String,
        y: i64,
        moments: &Moments<'_>,
        address: &dyn Fn(&EntryId) -> String,
        is_first: &mut bool,
    ) {
        let title = if self.count == 1 {
            moments.tip(self.first.from, self.to, self.first.received_at, &self.first.title)
        } else {
            format!("{} {} firings", moments.range(self.first.from, self.to), self.count)
        };
        let row = i64::try_from(self.first.row).unwrap_or(0);
        let open = if self.is_open { " open" } else { "" };
        open_link(out, &address(&self.first.entry), &title, is_first);
        out.push_str(&format!(
            "<rect class=\"{}{open}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{BAR}\" rx=\"2\"/></a>\n",
            self.severity,
            self.x,
            y + LANE_GAP / 2 + row * BAR_STEP + 1,
            self.width,
        ));
    }
}

fn print_mark(
    out: &mut String,
    mark: &Mark,
    scale: &Scale,
    (y, height): (i64, i64),
    moments: &Moments<'_>,
    address: &dyn Fn(&EntryId) -> String,
    is_first: &mut bool,
) {
    let x = scale.x(mark.at);
    let title = moments.tip(mark.at, mark.at, mark.received_at, &mark.title);
    open_link(out, &address(&mark.entry), &title, is_first);
    out.push_str(&if mark.class == "change" {
        format!("<path class=\"change\" d=\"M{} {y}h14l-7 12z\"/></a>\n", x - 7)
    } else {
        format!("<circle class=\"note\" cx=\"{x}\" cy=\"{}\" r=\"5\"/></a>\n", y + height / 2)
    });
}

/// Begins the link around a mark. One of them is met by the Tab key; arrows lead to the others.
fn open_link(out: &mut String, address: &str, title: &str, is_first: &mut bool) {
    let index = if *is_first { 0 } else { -1 };
    *is_first = false;
    out.push_str(&format!(
        "<a href=\"{}\" tabindex=\"{index}\"><title>{}</title>",
        html(address),
        html(title)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::examples;

    fn draw(facts: &Facts, asked: Option<Stretch>) -> Figure {
        let entries = timeline::entries(facts);
        let zone = Zone::parse("Africa/Lagos").unwrap();
        figure(facts, &entries, &zone, asked, &|id| format!("#t-{id}")).unwrap()
    }

    #[test]
    fn every_mark_leads_to_its_entry_and_shows_both_clocks() {
        let facts = examples::bookstore();
        let figure = draw(&facts, None);
        let entries = timeline::entries(&facts);
        let links: Vec<&str> = figure
            .svg
            .split("href=\"#t-")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert!(!links.is_empty());
        for link in links {
            assert!(entries.iter().any(|entry| entry.id.0 == link), "{link} leads nowhere");
        }
        assert!(figure.svg.contains(" UTC)"), "{}", figure.svg);
        assert_eq!(figure.svg.matches("tabindex=\"0\"").count(), 1);
    }

    #[test]
    fn a_page_can_hold_it() {
        let svg = draw(&examples::hostile(), None).svg;
        for forbidden in ["<style", "style=", "<script", "onload", "\u{202e}"] {
            assert!(!svg.contains(forbidden), "{forbidden} in {svg}");
        }
    }

    #[test]
    fn a_stretch_shows_what_lies_in_it() {
        let facts = examples::bookstore();
        let whole = draw(&facts, None);
        let (from, to) = whole.whole;
        let before =
            (from - crate::domain::Span::from_hours(2), from - crate::domain::Span::from_hours(1));
        assert!(!draw(&facts, Some(before)).svg.contains("<rect"), "nothing was there yet");
        let part = draw(&facts, Some((to, from)));
        assert_eq!(part.shown.0, from, "a stretch the wrong way round is turned");
        assert!(part.svg.matches("<a ").count() >= whole.svg.matches("<a ").count());
    }

    #[test]
    fn firings_that_touch_are_drawn_as_one_where_there_are_many() {
        let storm = examples::storm();
        let firings = storm.members.len();
        let mut facts = storm;
        while facts.members.len() < 20 * BARS_APART_MAX {
            facts.members.extend(facts.members.clone());
        }
        let drawn = draw(&facts, None).svg.matches("<rect").count();
        assert!(drawn < facts.members.len() / 4, "{drawn} bars for {}", facts.members.len());
        assert!(firings > 1);
    }
}

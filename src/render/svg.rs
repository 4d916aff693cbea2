//! The swim-lane chart: services as lanes, firings as bars, changes and notes as marks, over an
//! axis of local times, the parts of the incident shaded. Readable with three lanes and with two hundred, in light and in dark.

use std::collections::BTreeMap;

use super::escape::html;
use super::time::Clocks;
use crate::domain::draft::Draft;
use crate::domain::milestone::{self, Milestone, MilestoneState, MilestoneValue};
use crate::domain::timeline::{Entry, EntryId, EntryKind};
use crate::domain::{Change, Episode, Facts, Name, Severity, Timestamp, Zone};
use crate::timeline::words;

const WIDTH: i64 = 960;
const LABELS: i64 = 190;
const RIGHT: i64 = 26;
const TOP: i64 = 40;
const BAR: i64 = 9;
const BAR_STEP: i64 = 12;
/// Firings of one service that overlap stack up to so many rows; more lie over the last one.
const STACK_MAX: usize = 8;
const TICKS_MAX: i64 = 8;
const LABEL_CHARS_MAX: usize = 26;
/// Longest label of the zone, in characters: it stands in smaller letters.
const ZONE_CHARS_MAX: usize = 32;
/// From this height on, the times stand below the lanes too.
const TALL: i64 = 900;
const NOTES_LANE: &str = "people";
/// The line under the lanes that says what the colours and marks mean.
const LEGEND: i64 = 22;

const STYLE: &str = "\
.sc{--ink:#1c2024;--soft:#5b6570;--line:#d8dde3;--paper:#fff;--critical:#b3261e;--error:#d9542b;\
--warning:#d99a00;--info:#3a7bd5;--none:#8a94a0;--change:#7b3fb5;--note:#0b7a5c}\
@media (prefers-color-scheme:dark){.sc{--ink:#e6e8eb;--soft:#9aa4af;--line:#343a41;--paper:#15181c;\
--critical:#ff6b60;--error:#ff8a5c;--warning:#ffc24d;--info:#7ab7ff;--none:#8a94a0;\
--change:#c79bff;--note:#5fd3ae}}\
.sc text{font:12px system-ui,sans-serif;fill:var(--ink)}.sc .axis{fill:var(--soft)}\
.sc .rule{stroke:var(--line)}.sc .paper{fill:var(--paper)}\
.sc .critical{fill:var(--critical)}.sc .error,.sc .high{fill:var(--error)}\
.sc .warning{fill:var(--warning)}.sc .info{fill:var(--info)}.sc .none{fill:var(--none)}\
.sc .change{fill:var(--change)}.sc .note{fill:var(--note)}\
.sc .open{stroke:var(--ink);stroke-dasharray:3 2}\
.sc .unseen{fill:var(--critical)}.sc .fight{fill:var(--warning)}.sc .mend{fill:var(--note)}\
.sc .band{fill-opacity:.1}";

/// The parts of an incident that are shaded: between which milestones, how they look, what they are
/// called.
const PHASES: [(Milestone, Milestone, &str, &str); 3] = [
    (Milestone::Onset, Milestone::Detection, "unseen", "undetected"),
    (Milestone::Detection, Milestone::Mitigation, "fight", "until mitigated"),
    (Milestone::Mitigation, Milestone::Resolution, "mend", "until resolved"),
];

/// One firing.
pub(super) struct Bar {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) received_at: Timestamp,
    pub(super) is_open: bool,
    pub(super) severity: Severity,
    pub(super) title: String,
    pub(super) row: usize,
    /// The line of the timeline that tells its begin.
    pub(super) entry: EntryId,
}

/// One change or note.
pub(super) struct Mark {
    pub(super) at: Timestamp,
    pub(super) received_at: Timestamp,
    pub(super) class: &'static str,
    pub(super) title: String,
    /// The line of the timeline that tells it.
    pub(super) entry: EntryId,
}

/// A shaded part of the incident.
struct Band {
    from: Timestamp,
    to: Timestamp,
    class: &'static str,
    name: &'static str,
}

/// One service, or the people.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) bars: Vec<Bar>,
    pub(super) marks: Vec<Mark>,
    /// When each of its rows is free again.
    pub(super) rows: Vec<Timestamp>,
}

/// The chart of an incident.
#[must_use]
pub fn lanes(facts: &Facts, zone: &Zone) -> String {
    let entries = crate::timeline::entries(facts);
    let notes: Vec<&Entry> = entries.iter().filter(|e| e.kind == EntryKind::Note).collect();
    let clocks = Clocks::for_entries(zone.clone(), &entries);
    let services = &facts.incident.tally.services;
    let changes = crate::timeline::changes_told(&facts.changes, &entries);
    let lanes = lanes_of(services, &facts.members, &changes, &notes, facts.incident.as_of);
    let bands = bands_of(&milestone::milestones(&facts.incident), facts.incident.as_of);
    chart(facts.incident.display_title(), &lanes, &bands, zone, &clocks)
}

/// The chart of a draft; empty when there is nothing to show.
pub(super) fn of_draft(draft: &Draft) -> String {
    let notes: Vec<&Entry> = draft.timeline.iter().filter(|e| e.kind == EntryKind::Note).collect();
    let changes = crate::timeline::changes_told(&draft.changes, &draft.timeline);
    let lanes = lanes_of(&draft.services, &draft.alerts, &changes, &notes, draft.as_of);
    if lanes.is_empty() {
        return String::new();
    }
    let bands = bands_of(&draft.milestones, draft.as_of);
    chart(&draft.title, &lanes, &bands, &draft.zone, &Clocks::for_draft(draft))
}

/// The shaded parts. One without an end yet reaches to the moment of the revision; one whose end was
/// never recorded gives way to the next.
fn bands_of(milestones: &[MilestoneValue], as_of: Timestamp) -> Vec<Band> {
    let value = |which| milestones.iter().find(|value| value.milestone == which);
    let at = |which| value(which).and_then(|value: &MilestoneValue| value.at);
    let is_pending =
        |which| value(which).is_some_and(|value| value.state == MilestoneState::Pending);
    let mut bands = Vec::new();
    for (start, end, class, name) in PHASES {
        let until = at(end).or_else(|| match end {
            Milestone::Mitigation => at(Milestone::Resolution),
            _ => None,
        });
        let until = until.or_else(|| is_pending(end).then_some(as_of));
        if let (Some(from), Some(to)) = (at(start), until)
            && to > from
        {
            bands.push(Band { from, to, class, name });
        }
    }
    bands
}

pub(super) fn lanes_of(
    services: &[Name],
    episodes: &[Episode],
    changes: &[&Change],
    notes: &[&Entry],
    as_of: Timestamp,
) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut place = |lanes: &mut Vec<Lane>, name: Option<&Name>| -> usize {
        let name = name.map_or("no service", |name| name.as_str()).to_owned();
        *places.entry(name.clone()).or_insert_with(|| {
            lanes.push(Lane { name, ..Lane::default() });
            lanes.len() - 1
        })
    };
    for service in services {
        place(&mut lanes, Some(service));
    }
    for episode in episodes {
        let index = place(&mut lanes, episode.service.as_ref());
        add_bar(&mut lanes[index], episode, as_of);
    }
    for change in changes {
        let index = place(&mut lanes, change.report.service.as_ref());
        let title = format!("{}: {}", change.report.kind, change.report.summary);
        lanes[index].marks.push(Mark {
            at: change.report.at,
            received_at: change.received_at,
            class: "change",
            title,
            entry: EntryId::change(change.id),
        });
    }
    if !notes.is_empty() {
        let marks = notes.iter().map(|note| Mark {
            at: note.occurred_at,
            received_at: note.received_at,
            class: "note",
            title: format!("{}: {}", note.phase.as_str(), note.text),
            entry: note.id.clone(),
        });
        let marks = marks.collect();
        lanes.push(Lane { name: NOTES_LANE.to_owned(), bars: Vec::new(), marks, rows: Vec::new() });
    }
    lanes
}

/// Puts a firing into the first row of its lane that is free.
fn add_bar(lane: &mut Lane, episode: &Episode, as_of: Timestamp) {
    let from = episode.starts_at();
    let to = episode.ends_at().unwrap_or(as_of).max(from);
    let free = lane.rows.iter().position(|free_from| *free_from <= from);
    let row = free.unwrap_or_else(|| lane.rows.len().min(STACK_MAX - 1));
    match lane.rows.get_mut(row) {
        Some(free_from) => *free_from = to.max(*free_from),
        None => lane.rows.push(to),
    }
    let length = words::duration(to - from);
    let how = if episode.is_firing() { ", still firing" } else { "" };
    lane.bars.push(Bar {
        from,
        to,
        received_at: episode.received_at,
        is_open: episode.is_firing(),
        severity: episode.severity,
        title: format!("{}, {length}{how}", words::symptom(episode, None)),
        row,
        entry: EntryId::episode_start(episode.id),
    });
}

/// The first and the last moment of some lanes.
pub(super) fn stretch(lanes: &[Lane]) -> Option<(Timestamp, Timestamp)> {
    let moments = || {
        lanes.iter().flat_map(|lane| {
            let bars = lane.bars.iter().flat_map(|bar| [bar.from, bar.to]);
            bars.chain(lane.marks.iter().map(|mark| mark.at))
        })
    };
    Some((moments().min()?, moments().max()?))
}

/// Where moments lie on the chart.
pub(super) struct Scale {
    pub(super) from: Timestamp,
    /// How long the whole axis is, in seconds.
    pub(super) span: i64,
    /// Where the axis begins and how wide it is.
    pub(super) left: i64,
    pub(super) width: i64,
}

impl Scale {
    fn over(lanes: &[Lane]) -> Option<Self> {
        let (from, to) = stretch(lanes)?;
        let span = (to - from).seconds().max(60);
        Some(Self { from, span, left: LABELS, width: WIDTH - LABELS - RIGHT })
    }

    pub(super) fn x(&self, at: Timestamp) -> i64 {
        let seconds = i128::from((at - self.from).seconds());
        let x = seconds * i128::from(self.width) / i128::from(self.span);
        self.left + i64::try_from(x).unwrap_or(0)
    }

    /// Moments at round local times, few enough to read.
    pub(super) fn ticks(&self, zone: &Zone) -> Vec<Timestamp> {
        const STEPS: [i64; 15] = [
            60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800,
            604_800, 2_592_000,
        ];
        let step = STEPS.into_iter().find(|step| self.span / step < TICKS_MAX).unwrap_or(
            // Months on end: an eighth of the whole, in days.
            (self.span / TICKS_MAX / 86_400 + 1) * 86_400,
        );
        let from = self.from.millis().div_euclid(1_000);
        let offset = i64::from(zone.offset_at(self.from).seconds);
        let first = (from + offset + step - 1).div_euclid(step) * step - offset;
        (0..=TICKS_MAX)
            .map(|index| first + index * step)
            .take_while(|tick| *tick <= from + self.span)
            .map(Timestamp::from_seconds)
            .collect()
    }
}

fn chart(title: &str, lanes: &[Lane], bands: &[Band], zone: &Zone, clocks: &Clocks) -> String {
    let heights: Vec<i64> = lanes
        .iter()
        .map(|lane| i64::try_from(lane.rows.len().max(1)).unwrap_or(1) * BAR_STEP + BAR_STEP)
        .collect();
    let floor = TOP + heights.iter().sum::<i64>() + BAR_STEP;
    let height = floor + LEGEND;
    let firings: usize = lanes.iter().map(|lane| lane.bars.len()).sum();
    let mut about = format!(
        "{} in {}; times in {}",
        words::count(firings, "firing"),
        words::count(lanes.len(), "lane"),
        zone.name()
    );
    for band in bands {
        let (times, length) =
            (clocks.range(band.from, band.to), words::duration(band.to - band.from));
        about.push_str(&format!("; {} {times} ({length})", band.name));
    }
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"sc\" role=\"img\" \
         viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\
         <title>{}</title><desc>{}</desc><style>{STYLE}</style>\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n",
        html(title),
        html(&about)
    );
    if let Some(scale) = Scale::over(lanes) {
        print_bands(&mut out, bands, &scale, clocks, floor);
        axis(&mut out, &scale, zone, clocks, floor);
        let mut y = TOP;
        for (lane, lane_height) in lanes.iter().zip(heights) {
            print_lane(&mut out, lane, &scale, clocks, y, lane_height);
            y += lane_height;
        }
        legend(&mut out, lanes, bands, floor);
    }
    out.push_str("</svg>\n");
    out
}

/// Shades the parts of the incident: a strip over the lanes, and faintly all the way down.
fn print_bands(out: &mut String, bands: &[Band], scale: &Scale, clocks: &Clocks, floor: i64) {
    for band in bands {
        let right = LABELS + WIDTH - LABELS - RIGHT;
        let x = scale.x(band.from).clamp(LABELS, right);
        let width = (scale.x(band.to).clamp(LABELS, right) - x).max(2);
        let title = html(&format!("{} {}", clocks.range(band.from, band.to), band.name));
        out.push_str(&format!(
            "<rect class=\"{0} band\" x=\"{x}\" y=\"{TOP}\" width=\"{width}\" height=\"{1}\"/>\
             <rect class=\"{0}\" x=\"{x}\" y=\"{2}\" width=\"{width}\" height=\"4\">\
             <title>{title}</title></rect>\n",
            band.class,
            floor - BAR_STEP - TOP,
            TOP - 5,
        ));
    }
}

/// What the colours and marks mean, of those that are there.
fn legend(out: &mut String, lanes: &[Lane], bands: &[Band], floor: i64) {
    let has_mark =
        |class: &str| lanes.iter().flat_map(|lane| &lane.marks).any(|m| m.class == class);
    let has_bar = |severity: Severity| {
        lanes.iter().flat_map(|lane| &lane.bars).any(|bar| bar.severity == severity)
    };
    let severities = Severity::ALL.into_iter().filter(|severity| has_bar(*severity));
    let marks = ["change", "note"].into_iter().filter(|class| has_mark(class));
    let names = severities
        .map(|severity| (severity.as_str(), severity.as_str()))
        .chain(marks.map(|class| (class, class)))
        .chain(bands.iter().map(|band| (band.class, band.name)));
    let (mut x, y) = (LABELS, floor + 4);
    for (class, name) in names {
        let sign = match class {
            "change" => format!("<path class=\"change\" d=\"M{x} {y}h10l-5 9z\"/>"),
            "note" => format!("<circle class=\"note\" cx=\"{}\" cy=\"{}\" r=\"4\"/>", x + 5, y + 5),
            class => format!(
                "<rect class=\"{class} key\" x=\"{x}\" y=\"{}\" width=\"10\" height=\"{}\"/>",
                if bands.iter().any(|band| band.class == class) { y + 3 } else { y },
                if bands.iter().any(|band| band.class == class) { 4 } else { BAR },
            ),
        };
        let text_x = x + 15;
        out.push_str(&format!(
            "{sign}<text class=\"axis\" x=\"{text_x}\" y=\"{}\">{name}</text>",
            y + 9
        ));
        x = text_x + 7 * i64::try_from(name.len()).unwrap_or(0) + 16;
    }
    out.push('\n');
}

fn axis(out: &mut String, scale: &Scale, zone: &Zone, clocks: &Clocks, height: i64) {
    let mut day = String::new();
    for tick in scale.ticks(zone) {
        let (x, wall) = (scale.x(tick), zone.wall_clock(tick));
        out.push_str(&format!(
            "<line class=\"rule\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\"/>\
             <text class=\"axis\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            TOP - 8,
            height - BAR_STEP,
            TOP - 12,
            html(&wall.minutes())
        ));
        if height > TALL {
            out.push_str(&format!(
                "<text class=\"axis\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                height - BAR_STEP + 14,
                html(&wall.minutes())
            ));
        }
        if day != wall.date() {
            day = wall.date();
            out.push_str(&format!(
                "<text class=\"axis\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                TOP - 26,
                html(&day)
            ));
        }
    }
    let whole = clocks.zone_label(scale.from);
    // Of a long one the clock counts more than the place, which the description names.
    let clock = whole.split_once(" (").map_or(whole.as_str(), |(_, clock)| clock);
    let is_short = whole.chars().count() <= ZONE_CHARS_MAX;
    let label = if is_short { &whole } else { clock.trim_end_matches(')') };
    out.push_str(&format!(
        "<text class=\"axis\" x=\"4\" y=\"{}\">{}</text>\n",
        TOP - 12,
        html(&words::cut(label, ZONE_CHARS_MAX))
    ));
}

fn print_lane(out: &mut String, lane: &Lane, scale: &Scale, clocks: &Clocks, y: i64, height: i64) {
    let middle = y + height / 2;
    out.push_str(&format!(
        "<line class=\"rule\" x1=\"0\" y1=\"{y}\" x2=\"{WIDTH}\" y2=\"{y}\"/>\
         <text x=\"4\" y=\"{}\">{}<title>{}</title></text>",
        middle + 4,
        html(&words::cut(&lane.name, LABEL_CHARS_MAX)),
        html(&lane.name)
    ));
    for bar in &lane.bars {
        let (x, row) = (scale.x(bar.from), i64::try_from(bar.row).unwrap_or(0));
        let width = (scale.x(bar.to) - x).max(3);
        let open = if bar.is_open { " open" } else { "" };
        let times = clocks.range(bar.from, bar.to);
        out.push_str(&format!(
            "<rect class=\"{}{open}\" x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{BAR}\" \
             rx=\"2\"><title>{} {}</title></rect>",
            bar.severity,
            y + BAR_STEP / 2 + row * BAR_STEP,
            html(&times),
            html(&bar.title)
        ));
    }
    for mark in &lane.marks {
        let x = scale.x(mark.at);
        let title = html(&format!("{} {}", clocks.short(mark.at), mark.title));
        out.push_str(&if mark.class == "change" {
            let x = x - 6;
            format!("<path class=\"change\" d=\"M{x} {y}h12l-6 11z\"><title>{title}</title></path>")
        } else {
            format!(
                "<circle class=\"note\" cx=\"{x}\" cy=\"{middle}\" r=\"4\">\
                 <title>{title}</title></circle>"
            )
        });
    }
    out.push('\n');
}

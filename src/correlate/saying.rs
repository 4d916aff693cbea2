//! The words of a revision: what one step changed about an incident, in sentences a person reads.
//!
//! Old and new values stand in them where they are short and belong to the machine: severities,
//! times, counts, kinds. What people wrote is only pointed at, because they can take it back; the
//! timeline puts the words there as they stand when somebody reads. Called by whatever changes an
//! incident; decides nothing.

use crate::domain::change::ChangeReport;
use crate::domain::facts::Revision;
use crate::domain::incident::{ActionDraft, DraftStatus, Note, Report};
use crate::domain::milestone::{self, Milestone};
use crate::domain::words::{TextField, Words};
use crate::domain::{ChangeId, Episode, Incident, Severity, Span, Timestamp, symptom};

/// What was heard later than this after it happened is said to be late.
const LATE: Span = Span::from_minutes(5);
/// As [`LATE`], for ends: Alertmanager tells of them up to a group interval later.
const LATE_END: Span = Span::from_minutes(10);
/// Longest text of a sender in a sentence, in characters.
const TEXT_CHARS_MAX: usize = 120;

/// What a sentence points at, because it can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Nothing,
    /// What a person wrote.
    Words(Words),
    /// A change, which stands in the slot of the sentence.
    Change(ChangeId),
}

/// A sentence, with what it points at.
pub(super) type Sentence = (String, About);

/// `by dana`, once somebody reads it: see [`Revision::SLOT`].
pub(super) fn by() -> String {
    format!("by {}", Revision::SLOT)
}

/// A moment in UTC, without seconds that are zero: `2024-06-22 15:45 UTC`.
pub(super) fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let time = time.get(..8).unwrap_or(time);
    format!("{date} {} UTC", time.strip_suffix(":00").unwrap_or(time))
}

/// What a person's report changed, one sentence for each field.
pub(super) fn report(before: &Incident, after: &Report) -> Vec<Sentence> {
    let by = by();
    let was = &before.report;
    let mut said = Vec::new();
    let texts = [
        (TextField::Title, "Title", &was.title, &after.title),
        (TextField::Impact, "Impact", &was.impact, &after.impact),
        (TextField::RootCause, "Root cause", &was.root_cause, &after.root_cause),
        (TextField::Resolution, "Resolution", &was.resolution, &after.resolution),
        (TextField::Lead, "Lead", &was.lead, &after.lead),
    ];
    for (field, name, was, is) in texts {
        let how = match (was, is) {
            _ if was == is => continue,
            (None, Some(_)) => "set",
            (_, Some(_)) => "changed",
            (_, None) => "taken back",
        };
        said.push((format!("{name} {how} {by}"), About::Words(Words::Field(field))));
    }
    let mut value = |name: &str, was: Option<String>, is: Option<String>| {
        let sentence = match (was, is) {
            (was, is) if was == is => return,
            (None, Some(is)) => format!("{name} set to {is} {by}"),
            (Some(was), Some(is)) => format!("{name} set from {was} to {is} {by}"),
            (was, None) => {
                let was = was.map_or_else(String::new, |was| format!(", was {was}"));
                format!("{name} taken back {by}{was}")
            }
        };
        said.push((sentence, About::Nothing));
    };
    if was.severity != after.severity {
        let of = |severity: Severity| Some(severity.as_str().to_owned());
        value("Severity", of(before.severity()), after.severity.and_then(of));
    }
    let percent = |share: Option<f64>| share.map(|share| format!("{}%", symptom::number(share)));
    let users = |number: Option<u64>| number.map(|number| number.to_string());
    value("Users affected", users(was.impact_users), users(after.impact_users));
    value(
        "Share of users affected",
        percent(was.impact_users_percent),
        percent(after.impact_users_percent),
    );
    value("Time zone", was.timezone.clone(), after.timezone.clone());
    let status = |status: DraftStatus| Some(status.as_str().replace('_', " "));
    value("Status", status(was.status), status(after.status));
    for which in Milestone::ALL {
        if was.milestones.get(&which) != after.milestones.get(&which) {
            let is = after.milestones.get(&which).copied();
            let was = milestone::value_of(before, which).at;
            // Set to what was derived is news too: from now on it stays.
            let was = was.filter(|was| Some(*was) != is);
            value(&capital(which.as_str()), was.map(moment), is.map(moment));
        }
    }
    said
}

/// What was corrected in a note.
pub(super) fn correction(before: &Note, after: &Note) -> Sentence {
    let mut what = Vec::new();
    if before.text != after.text {
        what.push("text".to_owned());
    }
    if before.kind != after.kind {
        what.push(format!("kind from {} to {}", before.kind.as_str(), after.kind.as_str()));
    } else if before.kind_inferred != after.kind_inferred {
        what.push(format!("kind {} confirmed", after.kind.as_str()));
    }
    if before.at != after.at {
        what.push(format!("time from {} to {}", moment(before.at), moment(after.at)));
    }
    if before.pinned != after.pinned {
        what.push(if after.pinned { "pinned" } else { "no longer pinned" }.to_owned());
    }
    if before.hidden != after.hidden {
        what.push(if after.hidden { "hidden" } else { "shown again" }.to_owned());
    }
    let sentence = format!("Note changed {} ({})", by(), what.join(", "));
    (sentence, About::Words(Words::Note(after.id)))
}

/// What was changed about a measure to take.
pub(super) fn action(before: &ActionDraft, after: &ActionDraft) -> String {
    let fields = [
        (before.text != after.text, "text"),
        (before.kind != after.kind, "kind"),
        (before.horizon != after.horizon, "horizon"),
        (before.owner != after.owner, "owner"),
        (before.due != after.due, "due date"),
        (before.link != after.link, "link"),
    ];
    let mut what: Vec<&str> =
        fields.into_iter().filter_map(|(is_other, name)| is_other.then_some(name)).collect();
    if before.done != after.done {
        what.push(if after.done { "done" } else { "not done after all" });
    }
    format!("Action changed {} ({})", by(), what.join(", "))
}

/// A change that was heard of, once somebody reads it.
pub(super) fn change(report: &ChangeReport, received_at: Timestamp, is_anew: bool) -> String {
    let anew = if is_anew { "Told anew: " } else { "" };
    let late = late(report.at, received_at, LATE, "it was made");
    format!("{anew}{}{late}", Revision::SLOT)
}

/// An alert that became a member.
pub(super) fn joined(name: &str, episode: &Episode) -> String {
    let late = late(episode.starts_at(), episode.received_at, LATE, "it began");
    format!("{name} joined{late}")
}

/// An alert that ended.
pub(super) fn ended(name: &str, at: Timestamp, heard_at: Timestamp) -> String {
    format!("{name} ended{}", late(at, heard_at, LATE_END, "it did"))
}

/// What a running alert says: its text and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    text: String,
    value: Option<String>,
}

impl Told {
    /// As it says now.
    pub(super) fn of(episode: &Episode) -> Self {
        let text = symptom::what(episode).replace('"', "'");
        let text = symptom::one_line(&text, TEXT_CHARS_MAX);
        Self { text, value: symptom::value_text(episode) }
    }
}

/// What a sender changed about a running alert.
pub(super) fn news(name: &str, before: &Told, after: &Told) -> String {
    let number = |text: &str| -> Option<f64> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        digits.replace(',', "").parse().ok()
    };
    match (&before.value, &after.value) {
        (Some(was), Some(is)) if was != is => {
            let verb = match (number(was), number(is)) {
                (Some(was), Some(is)) if is > was => "rose",
                (Some(was), Some(is)) if is < was => "fell",
                _ => "went",
            };
            format!("{name} {verb} from {was} to {is}")
        }
        (_, _) if before.text != after.text => format!("{name} now says \"{}\"", after.text),
        (_, _) => format!("{name} carries new annotations or values"),
    }
}

/// What a step did to the figures that are derived from an incident's alerts. Nothing of the step
/// that opened it, which set them first.
pub(super) fn derived(before: &Figures, after: &Incident) -> Vec<String> {
    let now = Figures::of(after);
    let mut said = Vec::new();
    if now.severity != before.severity && before.severity.is_some() {
        let word = |severity: Option<Severity>| severity.unwrap_or(Severity::Warning);
        let (was, is) = (word(before.severity), word(now.severity));
        let verb = if is.rank() > was.rank() { "rose" } else { "fell" };
        said.push(format!("Severity {verb} from {was} to {is}"));
    }
    for (name, was, is) in
        [("Onset", before.onset, now.onset), ("Detection", before.detection, now.detection)]
    {
        if let (Some(was), Some(is)) = (was, is)
            && was != is
        {
            said.push(format!("{name} moved from {} to {}", moment(was), moment(is)));
        }
    }
    said
}

/// What is derived from an incident's alerts and worth a word when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    severity: Option<Severity>,
    onset: Option<Timestamp>,
    detection: Option<Timestamp>,
}

impl Figures {
    /// As they stand; empty where a person's word covers them.
    pub(super) fn of(incident: &Incident) -> Self {
        let report = &incident.report;
        let derived = |which: Milestone| {
            let is_covered = report.milestones.contains_key(&which);
            milestone::value_of(incident, which).at.filter(|_| !is_covered)
        };
        Self {
            severity: incident.tally.severity.filter(|_| report.severity.is_none()),
            onset: derived(Milestone::Onset),
            detection: derived(Milestone::Detection),
        }
    }
}

/// `, 25m after it began`, or nothing when it was heard in time.
fn late(at: Timestamp, heard_at: Timestamp, from: Span, since: &str) -> String {
    let delay = heard_at - at;
    if delay <= from {
        return String::new();
    }
    format!(", heard {} after {since}", symptom::duration(delay))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

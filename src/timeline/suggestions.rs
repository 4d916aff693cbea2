//! Measures that the evidence suggests. Each names its evidence; none is ever presented as agreed.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::{HashMap, HashSet};

use super::entries::Lateness;
use super::{episodes, words};
use crate::domain::alert::EndKind;
use crate::domain::draft::{Suggestion, SuggestionKind};
use crate::domain::incident::{CandidateKind, CaveatKind};
use crate::domain::milestone::{Measure, MilestoneState, measures};
use crate::domain::timeline::EntryId;
use crate::domain::{AlertKey, Change, Episode, Facts, Span};

/// A detection later than this after the onset is worth a word.
const SLOW_DETECTION: Span = Span::from_minutes(1);
/// An alert that was heard of later than this after it began to fire; senders group for 5m.
const SLOW_DELIVERY: Span = Span::from_minutes(10);
/// An alert on the changed service that comes this long after the first symptom came too late to
/// point at it.
const SLOW_CAUSE: Span = Span::from_minutes(10);
/// A rule that fired so often in one incident is unsteady.
const UNSTEADY_FIRINGS: usize = 3;
/// How many alerts a suggestion names before it counts the others.
const NAMES_MAX: usize = 5;

/// All suggestions, the most telling first.
pub(super) fn suggestions(facts: &Facts) -> Vec<Suggestion> {
    let mut all = Vec::new();
    all.extend(detect_earlier(facts));
    all.extend(deliver_sooner(facts));
    all.extend(alert_on_cause(facts));
    all.extend(unsteady(facts));
    all.extend(runbooks(facts));
    all.extend(resolves(facts));
    all.extend(truncated(facts));
    all
}

fn suggestion(kind: SuggestionKind, text: String, entries: Vec<EntryId>) -> Suggestion {
    Suggestion { kind, text, entries }
}

fn detect_earlier(facts: &Facts) -> Option<Suggestion> {
    let measure =
        measures(&facts.incident).into_iter().find(|m| m.measure == Measure::TimeToDetect)?;
    let length = measure.length.filter(|l| *l >= SLOW_DETECTION)?;
    if measure.state != MilestoneState::Recorded {
        return None;
    }
    let detection = episodes::detection_episode(facts)?;
    let early = facts.members.first().filter(|e| e.id != detection);
    let early = early.map_or_else(String::new, |e| {
        format!("; {} ({}) had fired before it", words::name(e), e.severity)
    });
    let does_page = facts.incident.tally.first_paging.is_some();
    let what =
        if does_page { "the first alert that would page" } else { "the alert that opened it" };
    let text =
        format!("Detect earlier: {what} came {} after the onset{early}.", words::duration(length));
    let entries = [measure.from, measure.to].into_iter().flatten().collect();
    Some(suggestion(SuggestionKind::DetectEarlier, text, entries))
}

/// The alert that should have made somebody act, when it was heard of late.
fn deliver_sooner(facts: &Facts) -> Option<Suggestion> {
    let detection = episodes::detection_episode(facts)?;
    let alert = facts.members.iter().find(|e| e.id == detection)?;
    let delay = alert.received_at - alert.starts_at();
    // What was late because we were down is none of the senders' doing.
    let were_down = facts.incident.caveats.iter().any(|caveat| {
        caveat.kind == CaveatKind::Deaf
            && caveat.at <= alert.received_at
            && caveat.until.is_none_or(|until| until >= alert.starts_at())
    });
    if delay < SLOW_DELIVERY || were_down || Lateness::judge(facts).is_afterthought() {
        return None;
    }
    let text = format!(
        "Deliver alerts sooner: {} was heard of {} after it began to fire.",
        words::name(alert),
        words::duration(delay)
    );
    Some(suggestion(SuggestionKind::DetectEarlier, text, vec![EntryId::episode_start(detection)]))
}

/// The best candidate among changes, when its service raised no alert, or a late one.
fn alert_on_cause(facts: &Facts) -> Option<Suggestion> {
    let best = facts.incident.candidates.iter().find(|c| c.kind == CandidateKind::Change)?;
    let change: &Change = facts.changes.iter().find(|c| c.id.to_string() == best.reference)?;
    let service = change.report.service.as_ref()?;
    let first = facts.members.first()?;
    let own = facts.members.iter().find(|e| e.service.as_ref() == Some(service));
    let told = "it was changed before the trouble (a candidate, not a finding)";
    match own {
        None => Some(suggestion(
            SuggestionKind::AlertOnCause,
            format!("Alert on {service}: {told}, and no alert of its own fired."),
            vec![EntryId::change(change.id), EntryId::episode_start(first.id)],
        )),
        Some(own) => {
            let delay = own.starts_at() - first.starts_at();
            (delay >= SLOW_CAUSE).then(|| {
                suggestion(
                    SuggestionKind::AlertOnCause,
                    format!(
                        "Alert on {service} sooner: {told}, and its first alert, {}, came {} after \
                         the first symptom.",
                        own.alertname(),
                        words::duration(delay)
                    ),
                    vec![
                        EntryId::change(change.id),
                        EntryId::episode_start(first.id),
                        EntryId::episode_start(own.id),
                    ],
                )
            })
        }
    }
}

fn unsteady(facts: &Facts) -> Vec<Suggestion> {
    let mut counts: HashMap<&AlertKey, usize> = HashMap::with_capacity(facts.members.len());
    for episode in &facts.members {
        *counts.entry(&episode.key).or_default() += 1;
    }
    counts.retain(|_, number| *number >= UNSTEADY_FIRINGS);
    let mut firings: BTreeMap<&AlertKey, Vec<&Episode>> = BTreeMap::new();
    for episode in facts.members.iter().filter(|episode| counts.contains_key(&episode.key)) {
        firings.entry(&episode.key).or_default().push(episode);
    }
    // One rule that flaps on many pods is one suggestion.
    let mut by_subject: Vec<(String, usize, Vec<EntryId>)> = Vec::new();
    for episodes in firings.into_values() {
        let subject = words::subject(episodes[0]);
        let entries: Vec<EntryId> = episodes.iter().map(|e| EntryId::episode_start(e.id)).collect();
        match by_subject.iter_mut().find(|(name, ..)| *name == subject) {
            Some((_, number, all)) => {
                *number += episodes.len();
                all.extend(entries);
            }
            None => by_subject.push((subject, episodes.len(), entries)),
        }
    }
    by_subject
        .into_iter()
        .map(|(subject, number, entries)| {
            let text = format!("Steady the rule: {subject} fired {number} times.");
            suggestion(SuggestionKind::SteadyRule, text, entries)
        })
        .collect()
}

fn has_runbook(episode: &Episode) -> bool {
    episode.links.iter().any(|link| link.rel.as_str() == "runbook")
        || ["runbook_url", "runbook"].iter().any(|n| episode.annotations.value(n).is_some())
}

fn runbooks(facts: &Facts) -> Option<Suggestion> {
    let mut names: Vec<&str> = Vec::new();
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for episode in &facts.members {
        if !seen.contains(episode.alertname()) && !has_runbook(episode) {
            seen.insert(episode.alertname());
            names.push(episode.alertname());
            entries.push(EntryId::episode_start(episode.id));
        }
    }
    if names.is_empty() {
        return None;
    }
    let verb = if names.len() == 1 { "carries" } else { "carry" };
    let text = format!("Link runbooks: {} {verb} none.", words::short_list(&names, NAMES_MAX));
    Some(suggestion(SuggestionKind::Runbook, text, entries))
}

fn resolves(facts: &Facts) -> Option<Suggestion> {
    let unknown: Vec<&Episode> = facts
        .members
        .iter()
        .filter(|e| e.end.as_ref().is_some_and(|end| end.how == EndKind::Unknown))
        .collect();
    let names: BTreeSet<String> = unknown.iter().map(|e| words::name(e)).collect();
    if names.is_empty() {
        return None;
    }
    let names: Vec<String> = names.into_iter().collect();
    let text = format!(
        "Send resolves: no end was reported for {} (silenced, inhibited, or send_resolved is off).",
        words::short_list(&names, NAMES_MAX)
    );
    let entries = unknown.iter().map(|e| EntryId::episode_end(e.id)).collect();
    Some(suggestion(SuggestionKind::SendResolves, text, entries))
}

fn truncated(facts: &Facts) -> Option<Suggestion> {
    let caveats = facts.incident.caveats.iter().enumerate();
    let entries: Vec<EntryId> = caveats
        .filter(|(_, caveat)| caveat.kind == CaveatKind::Truncated)
        .map(|(index, _)| EntryId::caveat(index))
        .collect();
    (!entries.is_empty()).then(|| {
        let text = "Raise max_alerts at the sender: it left alerts out.".to_owned();
        suggestion(SuggestionKind::RaiseLimit, text, entries)
    })
}

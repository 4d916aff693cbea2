//! Changes as lines of a timeline, and the printed rule by which a busy fleet's are left out.

use std::collections::BTreeSet;

use super::entries::{Lateness, Row};
use crate::domain::change::{Change, ChangeKind};
use crate::domain::incident::CandidateKind;
use crate::domain::milestone::{self, Milestone};
use crate::domain::timeline::{Aside, EntryId, EntryKind, Phase, Provenance};
use crate::domain::{Episode, Facts, Link, Name, Span, Timestamp, symptom};

/// A change that was made longer than this before the onset is told only as a candidate cause.
const LONG_BEFORE: Span = Span::from_hours(1);
/// The score from which a change may be the cause; the least that is listed with the candidates.
pub const CAUSE_SCORE_MIN: f64 = 0.05;

/// A change as a line.
pub(super) fn row(change: &Change, noticed: Option<Timestamp>, lateness: &Lateness) -> Row {
    let report = &change.report;
    let told = symptom::change(report);
    let late = lateness.mark(report.at, change.received_at);
    // A change after the trouble was noticed may be an answer to it or not; before that it is none.
    let phase = match noticed {
        Some(noticed) if report.at >= noticed => Phase::Mitigation,
        Some(_) | None => Phase::LeadUp,
    };
    let mut row = Row::new(
        EntryId::change(change.id),
        EntryKind::Change,
        phase,
        report.at,
        format!("{told}{late}"),
    );
    row.number = change.id.0;
    row.entry.ended_at = report.ends_at.filter(|end| *end > report.at);
    row.entry.received_at = change.received_at;
    row.entry.actor = Some(report.author.clone().unwrap_or_else(|| report.source.to_string()));
    row.entry.service.clone_from(&report.service);
    row.entry.provenance = Provenance::Reported;
    row.entry.links = report
        .link
        .iter()
        .map(|url| Link { rel: Name::from("change"), url: url.as_str().into() })
        .collect();
    row
}

/// What the rule needs to know of an incident.
pub(super) struct Scene<'a> {
    facts: &'a Facts,
    onset: Option<Timestamp>,
    detection: Option<Timestamp>,
    /// The changes that may be the cause.
    suspects: BTreeSet<&'a str>,
    /// The services of those, and the one that ranks first as the origin.
    suspected: BTreeSet<&'a str>,
}

impl<'a> Scene<'a> {
    pub(super) fn of(facts: &'a Facts) -> Self {
        let incident = &facts.incident;
        let at = |which| milestone::value_of(incident, which).at;
        let of = |kind| incident.candidates.iter().filter(move |c| c.kind == kind);
        let suspects: BTreeSet<&str> = of(CandidateKind::Change)
            .filter(|candidate| candidate.score >= CAUSE_SCORE_MIN)
            .map(|candidate| candidate.reference.as_str())
            .collect();
        let first = of(CandidateKind::Service).next().map(|first| first.reference.as_str());
        let changed = facts.changes.iter().filter(|c| suspects.contains(c.id.to_string().as_str()));
        let services = changed.filter_map(|c| c.report.service.as_ref().map(Name::as_str));
        Self {
            facts,
            onset: at(Milestone::Onset),
            detection: at(Milestone::Detection),
            suspected: services.chain(first).collect(),
            suspects,
        }
    }

    /// The printed rule. Told one by one is a change that may be the cause, by its score; and from
    /// an hour before the onset on what names no service, every rollback, what was made on the
    /// service of such a change or of the likely origin, and what was made on a service with
    /// alerts: until the detection at any time, later only while one of them fired.
    pub(super) fn aside(&self, change: &Change) -> Option<Aside> {
        let report = &change.report;
        if self.suspects.contains(change.id.to_string().as_str()) {
            return None;
        }
        if self.onset.is_some_and(|onset| onset - report.at > LONG_BEFORE) {
            return Some(Aside::LongBefore);
        }
        let service = report.service.as_ref()?;
        if report.kind == ChangeKind::Rollback || self.suspected.contains(service.as_str()) {
            return None;
        }
        if !self.facts.incident.tally.services.contains(service) {
            return Some(Aside::Elsewhere);
        }
        let fired_then = |alert: &Episode| {
            alert.service.as_ref() == Some(service)
                && alert.starts_at() <= report.at
                && alert.ends_at().is_none_or(|end| end >= report.at)
        };
        let is_early = self.detection.is_none_or(|detection| report.at < detection);
        let is_told = is_early || self.facts.members.iter().any(fired_then);
        (!is_told).then_some(Aside::AtRest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ChangeId;
    use crate::timeline::{changes_told, collapse, entries, examples};

    /// The bookstore's outage (15:15 to 17:00; its database has alerts from 16:00 to 16:55) with one
    /// more change.
    fn changed(facts: &mut Facts, at: &str, service: Option<&str>, kind: ChangeKind) -> ChangeId {
        let mut change = facts.changes[0].clone();
        change.id = ChangeId(facts.changes.len() as u64 + 100);
        change.report.at = examples::at("2024-06-22", at);
        change.received_at = change.report.at;
        change.report.service = service.map(Name::from);
        change.report.kind = kind;
        facts.changes.push(change.clone());
        change.id
    }

    #[test]
    fn a_change_is_told_by_the_printed_rule() {
        let check = |at: &str, service: Option<&str>, kind: ChangeKind, expect: Option<Aside>| {
            let mut facts = examples::bookstore();
            facts.incident.candidates.clear();
            changed(&mut facts, at, service, kind);
            let change = facts.changes.last().unwrap();
            assert_eq!(Scene::of(&facts).aside(change), expect, "{at} {service:?} {kind}");
        };
        let (web, db) = (Some("bookstore-web"), Some("bookstore-db"));
        check("14:16", web, ChangeKind::Deploy, None);
        check("14:14", web, ChangeKind::Deploy, Some(Aside::LongBefore));
        check("15:00", Some("mail"), ChangeKind::Deploy, Some(Aside::Elsewhere));
        check("15:00", Some("mail"), ChangeKind::Rollback, None);
        check("15:00", None, ChangeKind::Deploy, None);
        check("15:30", web, ChangeKind::Config, None);
        check("15:30", db, ChangeKind::Config, Some(Aside::AtRest));
        check("16:30", db, ChangeKind::Config, None);
    }

    #[test]
    fn what_may_be_the_cause_is_told_wherever_and_whenever_it_was_made() {
        let mut facts = examples::bookstore();
        let id = changed(&mut facts, "13:30", Some("mail"), ChangeKind::Config);
        facts.incident.candidates[0].reference = id.to_string();
        let scene = Scene::of(&facts);
        assert_eq!(scene.aside(facts.changes.last().unwrap()), None);
        let mut later = facts.changes.last().unwrap().clone();
        later.id = ChangeId(999);
        later.report.at = examples::at("2024-06-22", "16:40");
        assert_eq!(scene.aside(&later), None, "what is done about it is told as well");
    }

    #[test]
    fn from_three_on_those_left_out_are_one_line_that_opens_to_all() {
        let mut facts = examples::bookstore();
        let told = facts.changes.len();
        let row = |facts: &Facts| {
            let folded = collapse(entries(facts));
            folded.into_iter().find(|entry| entry.text.contains("are left out"))
        };
        for (index, at) in ["14:30", "15:30"].into_iter().enumerate() {
            changed(&mut facts, at, Some("mail"), ChangeKind::Deploy);
            assert_eq!(row(&facts), None);
            let all = entries(&facts);
            assert_eq!(changes_told(&facts.changes, &all).len(), told + index + 1);
        }
        changed(&mut facts, "13:50", Some("mail"), ChangeKind::Deploy);
        let row = row(&facts).unwrap();
        assert_eq!(
            row.text,
            "3 more changes are left out: 2 on services without alerts here and 1 more than 1h before \
             the onset"
        );
        assert_eq!((row.rows.len(), row.count, row.phase), (3, 3, Phase::LeadUp));
        assert_eq!(changes_told(&facts.changes, &entries(&facts)).len(), told);
    }
}

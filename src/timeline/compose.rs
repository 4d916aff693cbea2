//! The draft of an incident, composed from its facts.

use super::entries::Lateness;
use super::{caveats, collapse, entries, episodes, impact, suggestions, told};
use crate::domain::draft::{Detection, Draft, Question, Section, Since, Summary, Template};
use crate::domain::milestone::{self, Measure, Milestone, MilestoneState};
use crate::domain::timeline::{Entry, EntryKind, Phase, Provenance};
use crate::domain::{Episode, Facts, IncidentState, Zone};

/// How a reader wants a draft. Nothing here changes what is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DraftOptions {
    /// The zone its times are shown in.
    pub zone: Zone,
    /// How it is laid out.
    pub template: Template,
    /// The revision that the reader knows already.
    pub since_revision: Option<u64>,
    /// Where scribed is reached.
    pub external_url: Option<String>,
}

/// Composes the draft. What is known is filled in; what only people know becomes a question.
#[must_use]
pub fn compose(facts: &Facts, options: &DraftOptions) -> Draft {
    compose_from(facts.clone(), options)
}

/// As [`compose`], of facts that are not needed any more: their alerts are not copied, which for a
/// long outage is much of the work.
#[must_use]
pub fn compose_from(facts: Facts, options: &DraftOptions) -> Draft {
    let all = entries(&facts);
    let notes_of = |phase: Phase| -> Vec<Entry> {
        let is_told = |e: &&Entry| e.phase == phase && e.kind == EntryKind::Note;
        all.iter().filter(is_told).cloned().collect()
    };
    let (wrong_leads, escalations) = (notes_of(Phase::WrongLead), notes_of(Phase::Escalation));
    let caveats = caveats::all(&facts, &all);
    let (summary, detection) = (summary(&facts), detection(&facts));
    let (suggestions, todo) = (suggestions::suggestions(&facts), questions(&facts));
    let is_afterthought = Lateness::judge(&facts).is_afterthought();
    let since = options.since_revision.map(|revision| since(&facts, revision));
    let Facts { incident, members, context, changes, revisions: _ } = facts;
    Draft {
        incident: incident.id,
        revision: incident.revision,
        as_of: incident.as_of,
        zone: options.zone.clone(),
        template: options.template.clone(),
        title: incident.display_title().to_owned(),
        state: incident.state,
        status: incident.report.status,
        severity: incident.severity(),
        summary,
        milestones: milestone::milestones(&incident),
        measures: milestone::measures(&incident),
        services: incident.tally.services,
        lead: incident.report.lead,
        timeline: collapse(all),
        detection,
        wrong_leads,
        escalations,
        actions: incident.actions,
        suggestions,
        alerts: members,
        context,
        changes,
        caveats,
        is_afterthought,
        todo,
        candidate_causes: incident.candidates,
        follows: incident.follows,
        similar: incident.similar,
        related: incident.related,
        finalised: incident.finalised,
        is_reprint: false,
        since,
        external_url: options.external_url.clone(),
    }
}

/// What changed since the revision that the reader knows.
#[must_use]
pub fn since(facts: &Facts, revision: u64) -> Since {
    let known = facts.revisions.partition_point(|known| known.revision <= revision);
    let revisions = told(&facts.incident, &facts.changes, &facts.revisions[known..]);
    Since { revision, revisions }
}

fn summary(facts: &Facts) -> Summary {
    let incident = &facts.incident;
    let report = &incident.report;
    let duration = milestone::measures(incident)
        .into_iter()
        .find(|m| m.measure == Measure::Duration && m.state == MilestoneState::Recorded)
        .and_then(|m| m.length);
    Summary {
        started_at: milestone::value_of(incident, Milestone::Onset).at,
        ended_at: milestone::value_of(incident, Milestone::Resolution).at,
        duration,
        impact: said(report.impact.as_ref()),
        impact_users: report.impact_users,
        impact_users_percent: report.impact_users_percent,
        evidence: impact::evidence(facts),
        root_cause: said(report.root_cause.as_ref()),
        resolution: said(report.resolution.as_ref()),
        is_end_unknown: incident.tally.has_unknown_end
            && milestone::value_of(incident, Milestone::Resolution).provenance
                == Some(Provenance::Inferred),
    }
}

/// What a person said, unless it is blank.
fn said(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty()).cloned()
}

fn detection(facts: &Facts) -> Detection {
    let episode = episodes::detection_episode(facts);
    let start = |id| facts.members.iter().find(|e| Some(e.id) == id).map(Episode::starts_at);
    let first = facts.members.first().filter(|e| Some(e.starts_at()) < start(episode));
    let first = first.map(|e| e.id);
    let value = |m| milestone::value_of(&facts.incident, m);
    let (onset, detected) = (value(Milestone::Onset), value(Milestone::Detection));
    Detection {
        episode,
        first_sign: first.filter(|first| episode.is_some_and(|episode| episode != *first)),
        onset_is_detection: onset.entry.is_some()
            && onset.entry == detected.entry
            && onset.at == detected.at
            && onset.provenance != Some(Provenance::Entered),
    }
}

/// What only people know and nobody has said.
fn questions(facts: &Facts) -> Vec<Question> {
    let incident = &facts.incident;
    let report = &incident.report;
    let is_running = incident.state.is_running();
    let acknowledged = milestone::value_of(incident, Milestone::Acknowledgement).at.is_some();
    let is_merged = matches!(incident.state, IncidentState::Merged { .. });
    if is_merged {
        return Vec::new();
    }
    let rows = [
        (
            Section::Lead,
            report.lead.is_none(),
            if is_running { "Who leads the response?" } else { "Who led the response?" },
        ),
        (
            Section::Impact,
            said(report.impact.as_ref()).is_none(),
            "What did users see, and how many of them?",
        ),
        (
            Section::Acknowledgement,
            !acknowledged && !is_running,
            "Who took the incident, and when?",
        ),
        (Section::RootCause, said(report.root_cause.as_ref()).is_none(), "Why did it happen?"),
        (
            Section::Resolution,
            said(report.resolution.as_ref()).is_none() && !is_running,
            "What ended it?",
        ),
        (
            Section::Actions,
            incident.actions.is_empty(),
            "What keeps it from happening again, who does it, and by when?",
        ),
    ];
    rows.into_iter()
        .filter(|(_, is_open, _)| *is_open)
        .map(|(section, _, question)| Question { section, question })
        .collect()
}

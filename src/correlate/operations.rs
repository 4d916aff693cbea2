//! What people do. Their word is a constraint that the machine never undoes.
//!
//! Every operation has an outcome for whoever waits. One that is refused changes nothing.

use super::lifecycle::state_before_resolution;
use super::machine::Machine;
use super::saying;
use crate::domain::incident::{
    Action, ActionDraft, ActionPatch, DraftStatus, Finalised, LifecycleKind, Note, NoteVersion,
    Opening, Patch, Report, Withdrawal,
};
use crate::domain::note_kind::suggest_kind;
use crate::domain::record::{NoteDraft, NotePatch, Operation, OperationAction, Outcome};
use crate::domain::symptom;
use crate::domain::words::Words;
use crate::domain::{
    ActionId, Claim, EpisodeId, Incident, IncidentId, IncidentState, Membership, NoteId, Timestamp,
};

/// Why an operation was refused; becomes its outcome.
pub(super) type Refused = Outcome;

/// What every operation of one request has in common.
struct Doing<'a> {
    operation: &'a Operation,
    /// When it happened: as claimed, unless that cannot be true.
    at: Timestamp,
    received_at: Timestamp,
}

impl Doing<'_> {
    /// For whom it was done, else who did it.
    fn actor(&self) -> Option<String> {
        self.operation
            .actor
            .clone()
            .or_else(|| self.operation.principal.as_ref().map(ToString::to_string))
    }

    /// A name for the life-cycle event of a person, which must tell it from the machine's own.
    fn person(&self) -> Option<String> {
        self.actor().or_else(|| Some("someone".to_owned()))
    }
}

impl Machine {
    /// Does what a person asks, or says why not.
    pub(super) fn operate(&mut self, operation: &Operation, received_at: Timestamp) -> Outcome {
        let at = operation
            .at
            .filter(|at| *at - received_at <= Claim::FUTURE_LIMIT)
            .unwrap_or(received_at);
        let doing = Doing { operation, at, received_at };
        if let OperationAction::ReportChange(change) = &operation.action {
            let id = self.learn_change(change, received_at);
            return Outcome::Done { incident: None, made: Some(id.to_string()) };
        }
        if let OperationAction::RedactPerson(replacement) = &operation.action {
            return self.redact_person(replacement);
        }
        if let OperationAction::RedactChange(id) = &operation.action {
            return self.redact_change(*id).unwrap_or_else(|refused| refused);
        }
        self.dirt.by = doing.actor();
        match self.operate_on_incident(&doing) {
            Ok(done) | Err(done) => done,
        }
    }

    fn operate_on_incident(&mut self, doing: &Doing<'_>) -> Result<Outcome, Refused> {
        let asked = doing.operation.action.incident().ok_or_else(|| unknown_incident(None))?;
        let id = self.survivor(asked)?;
        let revision = self.incident(id)?.revision;
        if doing.operation.if_revision.is_some_and(|seen| seen != revision) {
            return Err(Outcome::Stale { revision });
        }
        let made = match &doing.operation.action {
            OperationAction::Acknowledge(_) => self.acknowledge(id, doing)?,
            OperationAction::Mitigate(_) => self.mitigate(id, doing)?,
            OperationAction::Resolve(_) => self.resolve_by_hand(id, doing)?,
            OperationAction::Reopen(_) => self.reopen_by_hand(id, doing)?,
            OperationAction::Patch(_, patch) => self.patch(id, patch, doing)?,
            OperationAction::Merge { into, .. } => return self.merge(id, *into, doing),
            OperationAction::Split(_, episodes) => return self.split(id, episodes, doing),
            OperationAction::Move(_, episodes) => self.move_in(id, episodes, doing)?,
            OperationAction::AddNote(_, draft) => self.add_note(id, draft, doing)?,
            OperationAction::CorrectNote(_, note, patch) => {
                self.correct_note(id, *note, patch, doing)?
            }
            OperationAction::WithdrawNote(_, note) => self.withdraw_note(id, *note, doing)?,
            OperationAction::AddAction(_, draft) => self.add_action(id, draft)?,
            OperationAction::PatchAction(_, action, patch) => {
                self.patch_action(id, *action, patch)?
            }
            OperationAction::Redact(_, words) => self.redact(id, *words)?,
            OperationAction::ReportChange(_)
            | OperationAction::RedactPerson(_)
            | OperationAction::RedactChange(_) => None,
        };
        Ok(Outcome::Done { incident: Some(id), made })
    }

    /// The incident that writes to `id` act on: itself, or the one it was merged into.
    pub(super) fn survivor(&self, id: IncidentId) -> Result<IncidentId, Refused> {
        match self.incident(id)?.state {
            // The younger points to the older, so this ends.
            IncidentState::Merged { into } => self.survivor(into),
            IncidentState::Open
            | IncidentState::Acknowledged
            | IncidentState::Mitigated
            | IncidentState::Resolved => Ok(id),
        }
    }

    pub(super) fn incident(&self, id: IncidentId) -> Result<&Incident, Refused> {
        self.memory.incidents.get(&id).ok_or_else(|| unknown_incident(Some(id)))
    }

    fn incident_mut(&mut self, id: IncidentId) -> Result<&mut Incident, Refused> {
        self.memory.incidents.get_mut(&id).ok_or_else(|| unknown_incident(Some(id)))
    }

    fn acknowledge(
        &mut self,
        id: IncidentId,
        doing: &Doing<'_>,
    ) -> Result<Option<String>, Refused> {
        match self.incident(id)?.state {
            IncidentState::Open => {}
            state => return Err(impossible(id, "acknowledged", state)),
        }
        self.incident_mut(id)?.state = IncidentState::Acknowledged;
        self.record_event(id, LifecycleKind::Acknowledged, doing.at, doing.person());
        self.dirt.say(id, format!("Acknowledged {}", saying::by()));
        Ok(None)
    }

    fn mitigate(&mut self, id: IncidentId, doing: &Doing<'_>) -> Result<Option<String>, Refused> {
        match self.incident(id)?.state {
            IncidentState::Open | IncidentState::Acknowledged => {}
            state => return Err(impossible(id, "mitigated", state)),
        }
        self.incident_mut(id)?.state = IncidentState::Mitigated;
        self.record_event(id, LifecycleKind::Mitigated, doing.at, doing.person());
        self.dirt.say(id, format!("Mitigated {}", saying::by()));
        Ok(None)
    }

    fn resolve_by_hand(
        &mut self,
        id: IncidentId,
        doing: &Doing<'_>,
    ) -> Result<Option<String>, Refused> {
        let state = self.incident(id)?.state;
        if !state.is_running() {
            return Err(impossible(id, "resolved", state));
        }
        self.incident_mut(id)?.state = IncidentState::Resolved;
        self.record_event(id, LifecycleKind::Resolved, doing.at, doing.person());
        self.dirt.say(id, format!("Resolved {}", saying::by()));
        Ok(None)
    }

    fn reopen_by_hand(
        &mut self,
        id: IncidentId,
        doing: &Doing<'_>,
    ) -> Result<Option<String>, Refused> {
        let incident = self.incident_mut(id)?;
        if incident.state != IncidentState::Resolved {
            return Err(impossible(id, "reopened", incident.state));
        }
        incident.state = state_before_resolution(&incident.lifecycle);
        let reason = "a person reopened it".to_owned();
        self.record_event(id, LifecycleKind::Reopened(reason), doing.at, doing.person());
        self.dirt.say(id, format!("Reopened {}", saying::by()));
        Ok(None)
    }

    fn patch(
        &mut self,
        id: IncidentId,
        patch: &Patch,
        doing: &Doing<'_>,
    ) -> Result<Option<String>, Refused> {
        let now = self.now();
        if let Some(pinned) = patch.pinned {
            self.pin(id, pinned)?;
        }
        let incident = self.incident_mut(id)?;
        let mut after = incident.report.clone();
        apply(patch, &mut after);
        if incident.report == after {
            return Ok(None);
        }
        let said = saying::report(incident, &after);
        let before = std::mem::replace(&mut incident.report, after);
        if incident.report.status != before.status {
            incident.finalised = (incident.report.status == DraftStatus::Final)
                .then(|| Finalised { revision: incident.revision + 1, at: now, by: doing.actor() });
        }
        let is_final = incident.finalised.is_some() && before.status != DraftStatus::Final;
        self.dirt.finalised |= is_final;
        self.dirt.step.entry(id).or_default().extend(said);
        Ok(None)
    }

    /// Keeps an incident from retention, or no longer. Its facts stay, so there is no revision.
    fn pin(&mut self, id: IncidentId, pinned: bool) -> Result<(), Refused> {
        let incident = self.incident_mut(id)?;
        if incident.pinned != pinned {
            incident.pinned = pinned;
            self.dirt.incidents.insert(id);
        }
        Ok(())
    }

    /// Two incidents are one story: the younger points to the older, and what people wrote in
    /// both is kept.
    fn merge(
        &mut self,
        asked: IncidentId,
        into: IncidentId,
        doing: &Doing<'_>,
    ) -> Result<Outcome, Refused> {
        let into = self.survivor(into)?;
        if asked == into {
            return Err(Outcome::Conflict(format!(
                "Incident {asked} cannot be merged into itself"
            )));
        }
        let (older, younger) = (asked.min(into), asked.max(into));
        let reason = format!("Member of incident {older} since a person merged {younger} into it.");
        self.fold_into(younger, older, &reason, (doing.at, doing.person()));
        Ok(Outcome::Done { incident: Some(older), made: None })
    }

    fn split(
        &mut self,
        id: IncidentId,
        episodes: &[EpisodeId],
        doing: &Doing<'_>,
    ) -> Result<Outcome, Refused> {
        for episode in episodes {
            if self.incident_of(*episode) != Some(id) {
                return Err(Outcome::Unknown(format!("Incident {id} has no alert {episode}")));
            }
        }
        let Some(first) = episodes.first() else {
            return Err(Outcome::Conflict("A split needs at least one alert".to_owned()));
        };
        if self.memory.member_ids(id).iter().all(|member| episodes.contains(member)) {
            return Err(Outcome::Conflict(format!(
                "Incident {id} would be left without any alert; leave one or rename it instead"
            )));
        }
        let title =
            self.memory.episodes.get(first).map_or_else(|| first.to_string(), symptom::headline);
        let opening = Opening::Split { from: id, at: doing.at };
        let new = self.open_incident(opening, title, doing.at);
        for episode in episodes {
            let reason = format!("Member of incident {new}: a person split it off from {id}.");
            self.join(*episode, new, reason, true);
            self.clear_lead_up(*episode);
        }
        self.record_event(id, LifecycleKind::SplitInto(new), doing.at, doing.person());
        self.dirt.say(id, format!("{} alerts were split off into incident {new}", episodes.len()));
        Ok(Outcome::Done { incident: Some(new), made: Some(new.to_string()) })
    }

    fn move_in(
        &mut self,
        id: IncidentId,
        episodes: &[EpisodeId],
        doing: &Doing<'_>,
    ) -> Result<Option<String>, Refused> {
        for episode in episodes {
            let Some(known) = self.memory.episodes.get(episode) else {
                return Err(Outcome::Unknown(format!("There is no alert {episode}")));
            };
            if known.standing == crate::domain::Standing::Heartbeat {
                return Err(Outcome::Conflict(format!(
                    "Alert {episode} is a heartbeat, which never joins an incident"
                )));
            }
        }
        for episode in episodes {
            let reason = format!("Member of incident {id}: a person put it there.");
            self.join(*episode, id, reason, true);
        }
        self.record_event(id, LifecycleKind::MovedIn(episodes.to_vec()), doing.at, doing.person());
        Ok(None)
    }

    /// What opened a split-off incident is not its lead-up.
    fn clear_lead_up(&mut self, id: EpisodeId) {
        if let Some(episode) = self.memory.episodes.get_mut(&id)
            && let Membership::Member { lead_up, .. } = &mut episode.membership
        {
            *lead_up = false;
        }
        self.memory.recount(id);
    }

    fn add_note(
        &mut self,
        id: IncidentId,
        draft: &NoteDraft,
        doing: &Doing<'_>,
    ) -> Result<Option<String>, Refused> {
        self.incident(id)?;
        self.memory.counters.note += 1;
        let note = NoteId(self.memory.counters.note);
        let suggested = || draft.suggested.unwrap_or_else(|| suggest_kind(&draft.text));
        let kind = draft.kind.unwrap_or_else(suggested);
        let incident = self.incident_mut(id)?;
        incident.notes.push(Note {
            id: note,
            text: draft.text.clone(),
            kind,
            kind_inferred: draft.kind.is_none(),
            at: doing.at,
            received_at: doing.received_at,
            author: doing.actor(),
            pinned: false,
            hidden: false,
            withdrawn: None,
            history: Vec::new(),
        });
        let suggested = if draft.kind.is_none() { ", suggested" } else { "" };
        let said = format!("Note added {} ({}{suggested})", saying::by(), kind.as_str());
        self.dirt.say_of_words(id, said, Words::Note(note));
        Ok(Some(note.to_string()))
    }

    fn correct_note(
        &mut self,
        id: IncidentId,
        note: NoteId,
        patch: &NotePatch,
        doing: &Doing<'_>,
    ) -> Result<Option<String>, Refused> {
        let now = self.now();
        let actor = doing.actor();
        let known = self.note_mut(id, note)?;
        if known.withdrawn.is_some() {
            return Err(Outcome::Conflict(format!(
                "Note {note} was withdrawn; write a new one instead of correcting it"
            )));
        }
        let before = known.clone();
        if let Some(text) = &patch.text {
            known.text.clone_from(text);
        }
        if let Some(kind) = patch.kind {
            known.kind = kind;
            known.kind_inferred = false;
        }
        if let Some(at) = patch.at {
            known.at = at;
        }
        known.pinned = patch.pinned.unwrap_or(known.pinned);
        known.hidden = patch.hidden.unwrap_or(known.hidden);
        if *known == before {
            return Ok(Some(note.to_string()));
        }
        let is_correction =
            (&known.text, known.kind, known.at) != (&before.text, before.kind, before.at);
        if is_correction {
            known.history.push(NoteVersion {
                text: before.text.clone(),
                kind: before.kind,
                at: before.at,
                corrected_at: now,
                corrected_by: actor,
            });
        }
        let (said, of) = saying::correction(&before, known);
        self.dirt.step.entry(id).or_default().push((said, of));
        Ok(Some(note.to_string()))
    }

    fn withdraw_note(
        &mut self,
        id: IncidentId,
        note: NoteId,
        doing: &Doing<'_>,
    ) -> Result<Option<String>, Refused> {
        let withdrawal = Withdrawal { at: self.now(), by: doing.actor() };
        let known = self.note_mut(id, note)?;
        if known.withdrawn.is_none() {
            known.withdrawn = Some(withdrawal);
            let said = format!("Note withdrawn {}", saying::by());
            self.dirt.say_of_words(id, said, Words::Note(note));
        }
        Ok(Some(note.to_string()))
    }

    fn note_mut(&mut self, id: IncidentId, note: NoteId) -> Result<&mut Note, Refused> {
        self.incident_mut(id)?
            .notes
            .iter_mut()
            .find(|known| known.id == note)
            .ok_or_else(|| Outcome::Unknown(format!("Incident {id} has no note {note}")))
    }

    fn add_action(
        &mut self,
        id: IncidentId,
        draft: &ActionDraft,
    ) -> Result<Option<String>, Refused> {
        self.incident(id)?;
        self.memory.counters.action += 1;
        let action = ActionId(self.memory.counters.action);
        let recorded_at = self.now();
        self.incident_mut(id)?.actions.push(Action {
            id: action,
            draft: draft.clone(),
            recorded_at,
        });
        let said = format!("Action added {}", saying::by());
        self.dirt.say_of_words(id, said, Words::Action(action));
        Ok(Some(action.to_string()))
    }

    fn patch_action(
        &mut self,
        id: IncidentId,
        action: ActionId,
        patch: &ActionPatch,
    ) -> Result<Option<String>, Refused> {
        let known = self
            .incident_mut(id)?
            .actions
            .iter_mut()
            .find(|known| known.id == action)
            .ok_or_else(|| Outcome::Unknown(format!("Incident {id} has no action {action}")))?;
        let before = known.draft.clone();
        let draft = &mut known.draft;
        set(&mut draft.text, patch.text.as_ref());
        set(&mut draft.kind, patch.kind.as_ref());
        set(&mut draft.horizon, patch.horizon.as_ref());
        set(&mut draft.owner, patch.owner.as_ref());
        set(&mut draft.due, patch.due.as_ref());
        set(&mut draft.link, patch.link.as_ref());
        set(&mut draft.done, patch.done.as_ref());
        if *draft != before {
            let said = saying::action(&before, draft);
            self.dirt.say_of_words(id, said, Words::Action(action));
        }
        Ok(Some(action.to_string()))
    }
}

fn unknown_incident(id: Option<IncidentId>) -> Outcome {
    Outcome::Unknown(id.map_or_else(
        || "There is no such incident".to_owned(),
        |id| format!("There is no incident {id}"),
    ))
}

fn impossible(id: IncidentId, wanted: &str, state: IncidentState) -> Outcome {
    Outcome::Conflict(format!("Incident {id} cannot be {wanted}: it is {}", state.as_str()))
}

fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

fn apply(patch: &Patch, report: &mut Report) {
    set(&mut report.title, patch.title.as_ref());
    set(&mut report.severity, patch.severity.as_ref());
    set(&mut report.impact, patch.impact.as_ref());
    set(&mut report.impact_users, patch.impact_users.as_ref());
    set(&mut report.impact_users_percent, patch.impact_users_percent.as_ref());
    set(&mut report.root_cause, patch.root_cause.as_ref());
    set(&mut report.resolution, patch.resolution.as_ref());
    set(&mut report.timezone, patch.timezone.as_ref());
    set(&mut report.lead, patch.lead.as_ref());
    if let Some(status) = patch.status {
        report.status = status.unwrap_or_default();
    }
    for (milestone, at) in &patch.milestones {
        match at {
            Some(at) => report.milestones.insert(*milestone, *at),
            None => report.milestones.remove(milestone),
        };
    }
}

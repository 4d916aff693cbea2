//! Notes who did what, from where: every doing of people and administrators, beside the ledger.
//!
//! What becomes a record is noted in the same commit; everything else before it is answered, so
//! that nobody sees a raw body without a trace. Never holds what people wrote, nor a credential.
//! Callers: handlers that do something for a principal.

use super::Shared;
use super::answer::Problem;
use super::auth::{Origin, Principal};
use crate::domain::record::OperationAction;
use crate::domain::{IncidentId, Name};
use crate::store::AuditEntry;

/// What is done in this room beside operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// A session was opened, or not.
    LogIn,
    /// A session was closed.
    LogOut,
    /// The configuration was loaded again.
    Reload,
    /// A raw body was handed out.
    ViewRaw,
    /// A body of the quarantine was handed out.
    ViewQuarantined,
    /// A body of the quarantine was read again.
    Replay,
    /// The service graph was replaced.
    ReplaceTopology,
}

impl Deed {
    /// The word for it.
    #[must_use]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::LogIn => "session.log_in",
            Self::LogOut => "session.log_out",
            Self::Reload => "configuration.reload",
            Self::ViewRaw => "delivery.view_raw",
            Self::ViewQuarantined => "quarantine.view_raw",
            Self::Replay => "quarantine.replay",
            Self::ReplaceTopology => "topology.replace",
        }
    }
}

/// The word for an operation.
#[must_use]
pub(super) const fn word(action: &OperationAction) -> &'static str {
    match action {
        OperationAction::Acknowledge(_) => "incident.acknowledge",
        OperationAction::Mitigate(_) => "incident.mitigate",
        OperationAction::Resolve(_) => "incident.resolve",
        OperationAction::Reopen(_) => "incident.reopen",
        OperationAction::Patch(..) => "incident.patch",
        OperationAction::Merge { .. } => "incident.merge",
        OperationAction::Split(..) => "incident.split",
        OperationAction::Move(..) => "incident.take_alerts",
        OperationAction::AddNote(..) => "note.add",
        OperationAction::CorrectNote(..) => "note.correct",
        OperationAction::WithdrawNote(..) => "note.withdraw",
        OperationAction::AddAction(..) => "action.add",
        OperationAction::PatchAction(..) => "action.change",
        OperationAction::ReportChange(_) => "change.report",
        OperationAction::Redact(..) => "incident.redact",
        OperationAction::RedactPerson(_) => "person.redact",
        OperationAction::RedactChange(_) => "change.redact",
    }
}

/// What an operation is about, beside its incident.
fn target(action: &OperationAction) -> Option<String> {
    match action {
        OperationAction::Merge { into, .. } => Some(into.to_string()),
        OperationAction::Split(_, episodes) | OperationAction::Move(_, episodes) => {
            Some(format!("{} alerts", episodes.len()))
        }
        OperationAction::CorrectNote(_, note, _) | OperationAction::WithdrawNote(_, note) => {
            Some(note.to_string())
        }
        OperationAction::PatchAction(_, action, _) => Some(action.to_string()),
        OperationAction::Redact(_, words) => Some(words.to_string()),
        OperationAction::RedactPerson(replacement) => Some(replacement.clone()),
        OperationAction::RedactChange(change) => Some(change.to_string()),
        OperationAction::Acknowledge(_)
        | OperationAction::Mitigate(_)
        | OperationAction::Resolve(_)
        | OperationAction::Reopen(_)
        | OperationAction::Patch(..)
        | OperationAction::AddNote(..)
        | OperationAction::AddAction(..)
        | OperationAction::ReportChange(_) => None,
    }
}

/// The entry of an operation; what comes of it is noted when it is worked in.
pub(super) fn of_operation(
    shared: &Shared,
    principal: &Principal,
    actor: Option<&str>,
    action: &OperationAction,
) -> AuditEntry {
    AuditEntry {
        actor: actor.map(str::to_owned),
        incident: action.incident(),
        target: target(action),
        ..entry(shared, principal.name(), principal.origin(), word(action), "asked")
    }
}

/// The entry of a deed.
pub(super) fn of_deed(
    shared: &Shared,
    principal: &Principal,
    deed: Deed,
    target: Option<String>,
    outcome: &'static str,
) -> AuditEntry {
    let entry = entry(shared, principal.name(), principal.origin(), deed.as_str(), outcome);
    AuditEntry { target, ..entry }
}

/// Notes a deed. Nothing may be answered before.
///
/// # Errors
/// `Unavailable` when it cannot be noted now.
pub(super) async fn note(
    shared: &Shared,
    principal: &Principal,
    deed: Deed,
    target: Option<String>,
    outcome: &'static str,
) -> Result<(), Problem> {
    let entry = of_deed(shared, principal, deed, target, outcome);
    Ok(shared.store.audit(entry).await?)
}

/// Notes who logged in or out, or tried to.
///
/// # Errors
/// As [`note`].
pub(super) async fn note_session(
    shared: &Shared,
    name: Option<&Name>,
    origin: &Origin,
    deed: Deed,
    outcome: &'static str,
) -> Result<(), Problem> {
    Ok(shared.store.audit(entry(shared, name, origin, deed.as_str(), outcome)).await?)
}

fn entry(
    shared: &Shared,
    name: Option<&Name>,
    origin: &Origin,
    action: &'static str,
    outcome: &'static str,
) -> AuditEntry {
    AuditEntry {
        at: shared.clock.now(),
        action,
        principal: name.cloned(),
        actor: None,
        remote: origin.remote.clone(),
        agent: origin.agent.clone(),
        incident: None::<IncidentId>,
        target: None,
        outcome,
    }
}

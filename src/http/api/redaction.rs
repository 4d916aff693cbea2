//! Taking back what a person wrote, for good: a password in a note, a name that must not stand there.
//!
//! Unlike a correction, of which the history stays, the words go from everything that is stored;
//! their hash stays. Only for who administers. Caller: the table of routes.

use super::super::answer::Answer;
use super::super::auth::Admin;
use super::asking::Asking;
use super::fields;
use crate::domain::record::OperationAction;
use crate::domain::words::Words;

/// POST `…/redact`: what was ever said in a field of the report.
pub(super) async fn field(mut asking: Asking<Admin>) -> Answer {
    let (field, actor) = fields::field_redaction(asking.body().await?)?;
    let action = OperationAction::Redact(asking.id, Words::Field(field));
    asking.act(action, actor).await
}

/// POST `…/notes/{note}/redact`.
pub(super) async fn note(asking: Asking<Admin>) -> Answer {
    let words = Words::Note(asking.part("note")?);
    redact(asking, words).await
}

/// POST `…/actions/{action}/redact`.
pub(super) async fn action(asking: Asking<Admin>) -> Answer {
    let words = Words::Action(asking.part("action")?);
    redact(asking, words).await
}

async fn redact(mut asking: Asking<Admin>, words: Words) -> Answer {
    let actor = fields::redaction(asking.body().await?)?;
    let action = OperationAction::Redact(asking.id, words);
    asking.act(action, actor).await
}

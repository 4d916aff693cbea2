//! What the writer is asked to do, and how it answers.

use std::sync::mpsc;

use tokio::sync::oneshot;

use super::StoreError;
use super::audit::AuditEntry;
use super::engine::PreparedCommit;
use super::ledger::PreparedAppend;
use super::retention::Plan;
use super::types::{Appended, Quarantine, SignOfLife};

/// One thing to write, with whom to answer.
#[derive(Debug)]
pub(super) enum Job {
    /// A record for the ledger.
    Append(Box<PreparedAppend>, Reply<Appended>),
    /// A body that could not be used.
    Quarantine(Quarantine, Reply<u64>),
    /// What somebody did.
    Audit(Box<AuditEntry>, Reply<()>),
    /// What the engine worked out.
    Commit(Box<PreparedCommit>, Reply<()>),
    /// That we live.
    Sign(SignOfLife, Reply<()>),
    /// A piece to drop.
    Retain(Box<Plan>, Reply<()>),
    /// Something that a test wants done by the writer, outside a job's savepoint.
    #[cfg(test)]
    Inspect(Inspection, Reply<()>),
}

/// What a test wants done with the writing connection.
#[cfg(test)]
pub(super) struct Inspection(pub(super) Box<dyn FnOnce(&rusqlite::Connection) + Send>);

#[cfg(test)]
impl std::fmt::Debug for Inspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inspection")
    }
}

/// Where an answer goes: to a task that waits asynchronously, or to a thread that blocks.
#[derive(Debug)]
pub(super) enum Reply<T> {
    Task(oneshot::Sender<Result<T, StoreError>>),
    Thread(mpsc::SyncSender<Result<T, StoreError>>),
}

impl<T> Reply<T> {
    fn send(self, answer: Result<T, StoreError>) {
        // Whoever asked may have gone away (a connection that broke); what it asked for is done.
        match self {
            Self::Task(sender) => drop(sender.send(answer)),
            Self::Thread(sender) => drop(sender.send(answer)),
        }
    }
}

/// An answer that waits for the commit.
#[derive(Debug)]
pub(super) enum Answer {
    Appended(Reply<Appended>, Result<Appended, StoreError>),
    Number(Reply<u64>, Result<u64, StoreError>),
    Done(Reply<()>, Result<(), StoreError>),
}

impl Answer {
    /// Gives the answer, now that its transaction is committed.
    pub(super) fn send(self) {
        match self {
            Self::Appended(reply, answer) => reply.send(answer),
            Self::Number(reply, answer) => reply.send(answer),
            Self::Done(reply, answer) => reply.send(answer),
        }
    }

    /// Says instead that nothing of the transaction was kept.
    pub(super) fn withdraw(self, reason: &str) {
        let reason = || StoreError::Unavailable(reason.to_owned());
        match self {
            Self::Appended(reply, _) => reply.send(Err(reason())),
            Self::Number(reply, _) => reply.send(Err(reason())),
            Self::Done(reply, _) => reply.send(Err(reason())),
        }
    }

    /// Why the job itself failed, if it did.
    pub(super) const fn failure(&self) -> Option<&StoreError> {
        match self {
            Self::Appended(_, Err(error))
            | Self::Number(_, Err(error))
            | Self::Done(_, Err(error)) => Some(error),
            Self::Appended(_, Ok(_)) | Self::Number(_, Ok(_)) | Self::Done(_, Ok(())) => None,
        }
    }
}

impl Job {
    /// Answers without having tried.
    pub(super) fn refuse(self, reason: &str) {
        let reason = || StoreError::Unavailable(reason.to_owned());
        match self {
            Self::Append(_, reply) => reply.send(Err(reason())),
            Self::Quarantine(_, reply) => reply.send(Err(reason())),
            Self::Commit(_, reply)
            | Self::Audit(_, reply)
            | Self::Sign(_, reply)
            | Self::Retain(_, reply) => {
                reply.send(Err(reason()));
            }
            #[cfg(test)]
            Self::Inspect(_, reply) => reply.send(Err(reason())),
        }
    }

    /// The operation for the failure metric.
    pub(super) const fn operation(&self) -> &'static str {
        match self {
            Self::Append(..) | Self::Quarantine(..) | Self::Audit(..) => "append",
            Self::Commit(..) | Self::Sign(..) => "commit",
            Self::Retain(..) => "retention",
            #[cfg(test)]
            Self::Inspect(..) => "commit",
        }
    }
}

//! What the writer is asked to do, and how it answers.

use std::sync::mpsc;

use tokio::sync::oneshot;

use super::StoreError;
use super::audit::AuditEntry;
use super::engine::PreparedCommit;
use super::ledger::PreparedAppend;
use super::printed::Final;
use super::retention::Plan;
use super::snapshots::Piece;
use super::types::{Appended, Quarantine, SignOfLife};

/// One thing to write, with whom to answer.
#[derive(Debug)]
pub(super) enum Job {
    /// A record for the ledger.
    Append(Box<PreparedAppend>, Reply<Written>),
    /// A body that could not be used.
    Quarantine(Quarantine, Reply<u64>),
    /// What somebody did.
    Audit(Box<AuditEntry>, Reply<()>),
    /// What the engine worked out.
    Commit(Box<PreparedCommit>, Reply<()>),
    /// A part of a snapshot, ahead of the commit that it belongs to.
    Piece(Box<Piece>, Reply<()>),
    /// That a part of an old snapshot goes; the answer is how many are left.
    Sweep(Reply<u64>),
    /// The documents of a final draft, printed anew.
    Print(Box<Final>, Reply<()>),
    /// That we live.
    Sign(SignOfLife, Reply<()>),
    /// A piece to drop.
    Retain(Box<Plan>, Reply<()>),
    /// Something that a test wants done by the writer, outside a job's savepoint.
    #[cfg(test)]
    Inspect(Inspection, Reply<()>),
}

/// A record that is on the disk. What it was made of goes back to whoever made it: freeing a
/// hundred small pieces of a thread's memory is cheap for that thread, and dear for the one writer.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) appended: Appended,
    _spent: Box<PreparedAppend>,
}

/// What a test wants done with the writing connection, once.
#[cfg(test)]
pub(super) struct Inspection(std::cell::Cell<Option<Inspect>>);

#[cfg(test)]
type Inspect = Box<dyn FnOnce(&rusqlite::Connection) + Send>;

#[cfg(test)]
impl Inspection {
    pub(super) fn new(work: impl FnOnce(&rusqlite::Connection) + Send + 'static) -> Self {
        Self(std::cell::Cell::new(Some(Box::new(work))))
    }

    /// Does it, unless it is done.
    pub(super) fn inspect(&self, connection: &rusqlite::Connection) {
        if let Some(work) = self.0.take() {
            work(connection);
        }
    }
}

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

/// What came of a job, until its transaction is committed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Done {
    Appended(Appended),
    Number(u64),
    Nothing,
}

impl Job {
    /// Gives the answer, now that it is certain.
    pub(super) fn answer(self, result: Result<Done, StoreError>) {
        match (self, result) {
            (Self::Append(spent, reply), Ok(Done::Appended(appended))) => {
                reply.send(Ok(Written { appended, _spent: spent }));
            }
            (Self::Quarantine(_, reply) | Self::Sweep(reply), Ok(Done::Number(number))) => {
                reply.send(Ok(number));
            }
            (job, Ok(Done::Nothing)) => job.send_plain(Ok(())),
            (job, Ok(_)) => job.refuse("a job was answered as another one"),
            (Self::Append(_, reply), Err(error)) => reply.send(Err(error)),
            (Self::Quarantine(_, reply) | Self::Sweep(reply), Err(error)) => {
                reply.send(Err(error));
            }
            (job, Err(error)) => job.send_plain(Err(error)),
        }
    }

    /// Says that nothing of it was kept.
    pub(super) fn refuse(self, reason: &str) {
        self.answer(Err(StoreError::Unavailable(reason.to_owned())));
    }

    /// Answers a job that has nothing to tell but how it went.
    fn send_plain(self, result: Result<(), StoreError>) {
        match self {
            Self::Commit(_, reply)
            | Self::Piece(_, reply)
            | Self::Print(_, reply)
            | Self::Audit(_, reply)
            | Self::Sign(_, reply)
            | Self::Retain(_, reply) => {
                reply.send(result);
            }
            #[cfg(test)]
            Self::Inspect(_, reply) => reply.send(result),
            // Their answers say more; without one the reply is dropped, which is heard as a fault.
            Self::Append(..) | Self::Quarantine(..) | Self::Sweep(..) => {}
        }
    }

    /// The operation for the failure metric.
    pub(super) const fn operation(&self) -> &'static str {
        match self {
            Self::Append(..) | Self::Quarantine(..) | Self::Audit(..) => "append",
            Self::Commit(..)
            | Self::Piece(..)
            | Self::Sweep(..)
            | Self::Print(..)
            | Self::Sign(..) => "commit",
            Self::Retain(..) => "retention",
            #[cfg(test)]
            Self::Inspect(..) => "commit",
        }
    }
}

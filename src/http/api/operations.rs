//! What people do: one record of the ledger, then patience until the engine has worked it in.
//!
//! The machine decides whether an operation is possible and what it changes; this file asks for it
//! and tells what became of it. The receipt is taken before the body is read, and its guard is
//! dropped with the commit, so that deadlines of the machine are not held up while we wait.
//! Callers: the writing endpoints of `api`.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::super::answer::{self, Answer, Problem};
use super::super::auth::Principal;
use super::super::receipt::{self, Receipt};
use super::super::{Shared, audit, body};
use super::{conditional, header, incident_path, incidents, no_incident};
use crate::domain::record::{Operation, OperationAction, Outcome};
use crate::domain::{IncidentId, RecordBody, Timestamp};

/// A write under way: whose, since when, and for which revision.
pub(crate) struct Write {
    shared: Arc<Shared>,
    principal: Principal,
    receipt: Receipt,
    if_revision: Option<u64>,
}

/// What is to be done, as the request says.
pub(crate) struct Asked {
    /// What.
    pub(crate) action: OperationAction,
    /// For whom.
    pub(crate) actor: Option<String>,
    /// When it happened, as claimed.
    pub(crate) at: Option<Timestamp>,
}

/// What became of it.
pub(crate) enum Settled {
    /// Done; it can be read.
    Done {
        /// The incident acted on or made.
        incident: Option<IncidentId>,
        /// What was made.
        made: Option<String>,
    },
    /// Durable, and not worked in yet.
    Later,
}

impl Write {
    /// Begins a write: the receipt is now.
    ///
    /// # Errors
    /// When a header cannot be meant, or the principal may not state times.
    pub(crate) fn begin(
        shared: Arc<Shared>,
        principal: Principal,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let receipt = receipt::receipt(&shared, headers, &principal)?;
        let if_revision = conditional::revision(header(headers, http::header::IF_MATCH))?;
        Ok(Self { shared, principal, receipt, if_revision })
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When it is no JSON, too long or too slow.
    pub(crate) async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Value, Problem> {
        body::json(&self.shared, headers, body).await
    }

    /// When the request came in, possibly stated by a replay.
    pub(crate) fn received_at(&self) -> Timestamp {
        self.receipt.stated
    }

    /// Puts the operation into the ledger and waits until it is worked in.
    ///
    /// # Errors
    /// When it cannot be made durable now, names what does not exist, is impossible in the present
    /// state, or was made for another revision.
    pub(crate) async fn perform(self, asked: Asked) -> Result<Settled, Problem> {
        let Asked { action, actor, .. } = &asked;
        let entry = audit::of_operation(&self.shared, &self.principal, actor.as_deref(), action);
        let operation = Operation {
            principal: self.principal.name().cloned(),
            actor: asked.actor,
            at: asked.at,
            if_revision: self.if_revision,
            action: asked.action,
        };
        let record = RecordBody::Operation(Box::new(operation));
        let appended = self.receipt.append_audited(&self.shared, record, None, entry).await?;
        let seq = appended.seq;
        if !self.shared.settled(seq).await {
            return Ok(Settled::Later);
        }
        match self.shared.read(move |store| store.outcome(seq)).await? {
            Some(Outcome::Done { incident, made }) => Ok(Settled::Done { incident, made }),
            Some(Outcome::Unknown(text)) => Err(Problem::NotFound(text)),
            Some(Outcome::Conflict(text)) => Err(Problem::Conflict(text)),
            Some(Outcome::Stale { revision }) => Err(Problem::Stale { revision }),
            // The cursor has passed it without a word: a record that the engine had to skip.
            None => Err(Problem::Internal(format!("the operation at {seq} has no outcome"))),
        }
    }

    /// Performs an operation whose answer is the incident.
    ///
    /// # Errors
    /// As [`Write::perform`].
    pub(crate) async fn perform_on(self, id: IncidentId, asked: Asked) -> Answer {
        let shared = Arc::clone(&self.shared);
        match self.perform(asked).await? {
            Settled::Done { incident, .. } => {
                let id = incident.unwrap_or(id);
                let incident = shared
                    .read(move |store| store.incident(id))
                    .await?
                    .ok_or_else(|| no_incident(id))?;
                incidents::answered(&shared, StatusCode::OK, &incident)
            }
            Settled::Later => answer::accepted(&incident_path(id)),
        }
    }
}

//! A request to do something to an incident: who asks, received now, with a body yet to be read.
//!
//! What every such endpoint needs is taken from the request in one order: the credentials, what
//! the path names, the receipt. So nobody without a right learns what exists, and a slow body does
//! not make the receipt later. Callers: the writing endpoints of `api`.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use http::HeaderMap;
use serde_json::Value;

use super::super::Shared;
use super::super::answer::{Answer, Problem};
use super::super::auth::{Principal, Writer};
use super::operations::{Asked, Settled, Write};
use super::{incident_id, no_incident, quoted};
use crate::domain::IncidentId;
use crate::domain::record::OperationAction;

/// What somebody with the rights of `Who` asks for.
pub(super) struct Asking<Who = Writer> {
    /// The incident that the path names.
    pub(super) id: IncidentId,
    /// What the path names in it, where it names something.
    part: Option<String>,
    shared: Arc<Shared>,
    write: Write,
    headers: HeaderMap,
    body: Body,
    rights: PhantomData<Who>,
}

impl<Who> FromRequest<Arc<Shared>> for Asking<Who>
where
    Who: FromRequestParts<Arc<Shared>, Rejection = Problem> + Into<Principal> + Send,
{
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let principal = Who::from_request_parts(&mut parts, shared).await?.into();
        let named: Path<Vec<String>> = Path::from_request_parts(&mut parts, shared)
            .await
            .map_err(|_| no_incident("of that name"))?;
        let mut named = named.0.into_iter();
        let id = incident_id(&named.next().unwrap_or_default())?;
        let write = Write::begin(Arc::clone(shared), principal, &parts.headers)?;
        Ok(Self {
            id,
            part: named.next(),
            shared: Arc::clone(shared),
            write,
            headers: parts.headers,
            body,
            rights: PhantomData,
        })
    }
}

impl<Who> Asking<Who> {
    /// What the path names in the incident: a note, an action.
    ///
    /// # Errors
    /// When the text can name none; `what` says to people what was looked for.
    pub(super) fn part<Id: std::str::FromStr>(&self, what: &str) -> Result<Id, Problem> {
        part_id(what, self.part.as_deref().unwrap_or_default())
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When it is no JSON, too long or too slow.
    pub(super) async fn body(&mut self) -> Result<Value, Problem> {
        self.write.body(&self.headers, std::mem::take(&mut self.body)).await
    }

    /// Does what is asked, and tells what became of it and where that can be read.
    ///
    /// # Errors
    /// As [`Write::perform`].
    pub(super) async fn perform(self, asked: Asked) -> Result<(Arc<Shared>, Settled), Problem> {
        Ok((self.shared, self.write.perform(asked).await?))
    }

    /// Does what `answering` has for its answer.
    ///
    /// # Errors
    /// As [`Write::perform`].
    pub(super) async fn perform_on(self, answering: IncidentId, asked: Asked) -> Answer {
        self.write.perform_on(answering, asked).await
    }

    /// Does something to the incident now, in the name of `actor`.
    ///
    /// # Errors
    /// As [`Write::perform`].
    pub(super) async fn act(self, action: OperationAction, actor: Option<String>) -> Answer {
        let id = self.id;
        self.perform_on(id, Asked { action, actor, at: None }).await
    }
}

/// The problem that an incident has no such note, action or the like.
pub(super) fn no_part(what: &str, id: impl std::fmt::Display) -> Problem {
    Problem::NotFound(format!("there is no {what} {id} in this incident"))
}

/// The id of something in an incident.
///
/// # Errors
/// When the text can name none.
pub(super) fn part_id<Id: std::str::FromStr>(what: &str, text: &str) -> Result<Id, Problem> {
    text.parse().map_err(|_| no_part(what, quoted(text)))
}

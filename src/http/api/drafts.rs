//! The draft of an incident, in the format that the client wants.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::HeaderMap;
use http::header::ACCEPT;

use super::super::Shared;
use super::super::answer::{Answer, Problem};
use super::super::auth::Reader;
use super::query::{self, Params};
use super::timeline::asked_zone;
use super::{Pairs, incident_id, joined_header, negotiate, no_incident, sandboxed};
use crate::domain::draft::DEFAULT_TEMPLATE;
use crate::drafts::{self, DraftRequest};

/// The layouts that drafts have.
const TEMPLATES: [&str; 1] = [DEFAULT_TEMPLATE];

/// GET `…/draft`.
pub(super) async fn get(
    Reader(_): Reader,
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    axum::extract::Query(pairs): Pairs,
    headers: HeaderMap,
) -> Answer {
    let id = incident_id(&id)?;
    let params = Params::new(pairs);
    let accept = joined_header(&headers, ACCEPT);
    let format = negotiate::format(params.one("format")?, accept.as_deref())?;
    if let Some(name) = params.one("template")?.filter(|name| !TEMPLATES.contains(name)) {
        return Err(query::unknown_word("template", TEMPLATES, name).into());
    }
    let config = shared.config();
    let request = DraftRequest {
        format,
        zone: asked_zone(&params)?,
        default_zone: config.timezone.clone(),
        since_revision: params.number("since_revision")?,
        external_url: config.web.external_url.clone(),
    };
    let clock = shared.clock.clone();
    let (draft, took) = shared
        .read(move |store| {
            let began = clock.monotonic();
            let draft =
                drafts::render_draft(store, id, &request)?.ok_or_else(|| no_incident(id))?;
            let took = clock.monotonic().nanos().saturating_sub(began.nanos());
            Ok::<_, Problem>((draft, crate::domain::Span::from_nanos(took)))
        })
        .await?;
    shared.metrics.drafts.with_label_values(&[format.as_str()]).inc();
    shared.metrics.draft_duration.observe(took.seconds_f64());
    sandboxed(&headers, negotiate::content_type(format), draft.text, &draft.tag)
}

//! The draft of an incident, in the format that the client wants.
//!
//! Caller: the table of routes.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

use super::super::Shared;
use super::super::answer::{Answer, Problem};
use super::super::auth::Reader;
use super::invalid::Invalid;
use super::query::{self, Params};
use super::timeline::asked_zone;
use super::{Pairs, incident_id, joined_header, negotiate, no_incident, sandboxed};
use crate::domain::Name;
use crate::domain::draft::{ShippedTemplate, Template};
use crate::drafts::{self, DraftRequest, Edition};
use crate::render::Format;
use crate::render::own::OwnTemplates;

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
    let config = shared.config();
    let template = template(&params, &config.templates, format)?;
    let request = DraftRequest {
        format,
        zone: asked_zone(&params)?,
        template,
        own_templates: Arc::clone(&config.templates),
        default_zone: config.timezone.clone(),
        since_revision: params.number("since_revision")?,
        external_url: config.web.external_url.clone(),
    };
    let clock = shared.clock.clone();
    let turn = shared.turn(id).await?;
    let (draft, took) = turn
        .read(&shared, move |store| {
            let began = clock.monotonic();
            let draft =
                drafts::render_draft(store, id, &request)?.ok_or_else(|| no_incident(id))?;
            let took = clock.monotonic().nanos().saturating_sub(began.nanos());
            Ok::<_, Problem>((draft, crate::domain::Span::from_nanos(took)))
        })
        .await?;
    shared.metrics.drafts.with_label_values(&[format.as_str()]).inc();
    shared.metrics.draft_duration.observe(took.seconds_f64());
    let edition = draft.edition;
    let answer = sandboxed(&headers, negotiate::content_type(format), draft.text, &draft.tag)?;
    turn.answer(with_edition(answer, edition)?)
}

/// Says which edition a document is, and how much came since it was final: beside the bytes, which
/// stay as they were reviewed.
///
/// # Errors
/// When a header cannot be made, which would be a fault of ours.
pub(super) fn with_edition(mut answer: Response, edition: Edition) -> Answer {
    let sent = answer.headers_mut();
    sent.insert("scribed-draft", HeaderValue::from_static(edition.as_str()));
    if let Some(later) = edition.later() {
        sent.insert("scribed-since-final", HeaderValue::from(later));
    }
    Ok(answer)
}

/// The template that is asked for: one of ours, or one of the configured folder that has this
/// format. JSON is there for every name.
fn template(params: &Params, own: &OwnTemplates, format: Format) -> Result<Template, Invalid> {
    let Some(name) = params.one("template")? else { return Ok(Template::default()) };
    if let Some(shipped) = ShippedTemplate::from_word(name) {
        return Ok(Template::Shipped(shipped));
    }
    let Some(formats) = own.formats(name) else {
        let shipped = ShippedTemplate::ALL.iter().map(|template| template.as_str());
        return Err(query::unknown_word("template", shipped.chain(own.names()), name));
    };
    if format == Format::Json || formats.contains(&format) {
        return Ok(Template::Own(Name::from(name)));
    }
    let written = formats.iter().chain([&Format::Json]).map(|format| format.as_str());
    Err(query::unknown_word("format", written, format.as_str()))
}

//! The draft beside its incident: in the template and zone of the view, with what is still to be
//! written.
//!
//! A template of people's own is shown as the text that it makes, for its markup is not ours. Of a
//! long draft only the begin of its lists is shown; the draft itself is a click away.
//! Caller: `incident`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::answer::Problem;
use super::super::api::query::encode;
use super::view::View;
use crate::config::Config;
use crate::domain::draft::{Draft, ShippedTemplate, Template};
use crate::domain::zone::Zone;
use crate::domain::{Facts, IncidentId, Name};
use crate::drafts::{self, DraftRequest};
use crate::render::Format;

/// Of a longer text that a template of people's own makes only the begin is shown, in bytes.
const OWN_TEXT_MAX: usize = 64 * 1024;

/// What the page shows of the draft.
pub(super) struct Preview {
    /// Values for the template.
    pub(super) values: Value,
    /// The draft as a part of the page.
    pub(super) html: String,
}

/// Makes the preview.
///
/// # Errors
/// When there is no such template, or it does not fit.
pub(super) fn preview(
    facts: &Facts,
    view: &View,
    zone: &Zone,
    config: &Config,
) -> Result<Preview, Problem> {
    let template = template(view, config)?;
    let name = template.as_str().to_owned();
    let own = config.templates.names().map(str::to_owned);
    let shipped = ShippedTemplate::ALL.map(|shipped| shipped.as_str().to_owned());
    let mut values = json!({
        "template": name,
        "templates": shipped.into_iter().chain(own).collect::<Vec<_>>(),
        "text": null,
        "is_cut": false,
        "todo": [],
        "query": query(&name, zone),
        "file": format!("incident-{}", facts.incident.id),
    });
    let request = DraftRequest {
        format: Format::Html,
        zone: Some(zone.clone()),
        template,
        own_templates: Arc::clone(&config.templates),
        default_zone: config.timezone.clone(),
        since_revision: None,
        external_url: config.web.external_url.clone(),
    };
    let draft = drafts::composed(facts, &request);
    values["todo"] = todo(&draft);
    let html = match &draft.template {
        Template::Shipped(_) => crate::render::part_of_page(&draft),
        Template::Own(name) => {
            let mut text = own_text(&draft, name, request)?;
            values["is_cut"] = (text.len() > OWN_TEXT_MAX).into();
            text.truncate(text.floor_char_boundary(OWN_TEXT_MAX));
            values["text"] = text.into();
            String::new()
        }
    };
    Ok(Preview { values, html })
}

/// What a template of people's own makes, in the plainest of its formats.
fn own_text(draft: &Draft, name: &Name, mut request: DraftRequest) -> Result<String, Problem> {
    let has = |format: &Format| {
        request.own_templates.formats(name.as_str()).is_some_and(|known| known.contains(format))
    };
    let format = [Format::Markdown, Format::Text, Format::Html].into_iter().find(has);
    request.format = format.unwrap_or(Format::Markdown);
    Ok(drafts::printed(draft, &request)?)
}

fn template(view: &View, config: &Config) -> Result<Template, Problem> {
    let Some(name) = &view.template else { return Ok(Template::default()) };
    if let Some(shipped) = ShippedTemplate::from_word(name) {
        return Ok(Template::Shipped(shipped));
    }
    match config.templates.formats(name) {
        Some(_) => Ok(Template::Own(Name::from(name.as_str()))),
        None => Err(Problem::Invalid(format!("there is no template {name:?}"))),
    }
}

/// What the API is asked for to get this draft.
fn query(template: &str, zone: &Zone) -> String {
    format!("template={}&tz={}", encode(template), encode(zone.name()))
}

/// The questions that only people can answer; those of a field lead to its form.
fn todo(draft: &Draft) -> Value {
    let rows = draft.todo.iter().map(
        |question| json!({ "section": question.section.as_str(), "question": question.question }),
    );
    rows.collect::<Vec<_>>().into()
}

/// Where the API gives the draft of an incident.
pub(super) fn api(id: IncidentId) -> String {
    format!("/api/v1/incidents/{id}/draft")
}

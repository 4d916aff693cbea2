//! Prints every document of a draft that becomes final, while it becomes so.
//!
//! The store calls it with the facts, so it asks the store for nothing. Made by `app`, which tells
//! it when the configuration changes.

use std::sync::{Arc, PoisonError, RwLock};

use super::zone_of;
use crate::domain::Facts;
use crate::domain::draft::{Draft, ShippedTemplate, Template};
use crate::domain::ids::Name;
use crate::render::own::OwnTemplates;
use crate::render::{self, Format};
use crate::store::{Printed, Printer};
use crate::timeline::{self, DraftOptions};

/// The name under which the chart is kept.
pub(super) const CHART: &str = "svg";

/// What a print depends on besides the facts.
#[derive(Clone, Debug, Default)]
pub struct PressSettings {
    /// The configured zone, for incidents that have none: an IANA name.
    pub default_zone: String,
    /// People's own templates.
    pub own_templates: Arc<OwnTemplates>,
    /// Makes links to scribed itself absolute.
    pub external_url: Option<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Press {
    settings: RwLock<PressSettings>,
}

impl Press {
    /// A press with its settings.
    #[must_use]
    pub fn new(settings: PressSettings) -> Self {
        Self { settings: RwLock::new(settings) }
    }

    /// Puts other settings in force.
    pub fn set(&self, settings: PressSettings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }
}

impl Printer for Press {
    fn print(&self, facts: Facts, keep: &mut dyn FnMut(Printed)) {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        let zone = zone_of(&facts.incident, &settings.default_zone);
        let mut keep = |format: &str, template: &str, text: String| {
            let zone = zone.name().to_owned();
            keep(Printed { format: format.to_owned(), template: template.to_owned(), zone, text });
        };
        keep(CHART, "", render::svg::lanes(&facts, &zone));
        let options = DraftOptions {
            zone: zone.clone(),
            template: Template::default(),
            since_revision: None,
            external_url: settings.external_url.clone(),
        };
        let mut draft = timeline::compose_from(facts, &options);
        for shipped in ShippedTemplate::ALL {
            draft.template = Template::Shipped(shipped);
            for format in Format::ALL {
                keep(format.as_str(), shipped.as_str(), render::draft(&draft, format));
            }
        }
        for name in settings.own_templates.names() {
            draft.template = Template::Own(Name::from(name));
            for (format, text) in own(&draft, name, &settings.own_templates) {
                keep(format.as_str(), name, text);
            }
        }
    }
}

/// What one of people's own templates prints, in the formats that it has.
fn own(
    draft: &Draft,
    name: &str,
    templates: &OwnTemplates,
) -> impl Iterator<Item = (Format, String)> {
    let formats = templates.formats(name).into_iter().flatten().copied();
    let mut texts = vec![(Format::Json, render::draft(draft, Format::Json))];
    for format in formats {
        match templates.print(draft, format) {
            Ok(text) => texts.push((format, text)),
            Err(fault) => tracing::warn!(
                error = %fault, incident.id = draft.incident.0,
                "A template does not fit a draft that became final; nothing was frozen for it"
            ),
        }
    }
    texts.into_iter()
}

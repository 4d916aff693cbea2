//! Drafts and timelines on demand: loads an incident's facts and hands them to the pure rooms.
//!
//! Keeps nothing: a draft is a pure function of the facts, the zone and the template, so the same
//! revision always gives the same bytes and the same tag. Only of a final draft the bytes
//! themselves are kept, by the store. Blocks while it reads; callers (`http`)
//! run it on a thread that may. Never decides what a draft says or how it looks.

mod press;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::draft::{Draft, Template};
use crate::domain::facts::Revision;
use crate::domain::timeline::Entry;
use crate::domain::zone::Zone;
use crate::domain::{Facts, Incident, IncidentId};
use crate::render::own::{OwnTemplates, TemplateFault};
use crate::render::{self, Format};
use crate::store::{Store, StoreError};
use crate::timeline::{self, DraftOptions};
pub use press::{Press, PressSettings};

/// What a draft is wanted like.
#[derive(Clone, Debug)]
pub struct DraftRequest {
    /// In which form.
    pub format: Format,
    /// In which zone; the incident's own when absent.
    pub zone: Option<Zone>,
    /// How it is laid out.
    pub template: Template,
    /// People's own templates, among which the one that is asked for may be.
    pub own_templates: Arc<OwnTemplates>,
    /// The configured zone, for incidents that have none: an IANA name.
    pub default_zone: String,
    /// Says what changed since then.
    pub since_revision: Option<u64>,
    /// Makes links to scribed itself absolute.
    pub external_url: Option<String>,
}

impl DraftRequest {
    /// True when the document says why each alert is where it is. The shipped layouts leave that
    /// to the page; people's own may ask for anything that the JSON has.
    const fn tells_reasons(&self) -> bool {
        matches!(self.format, Format::Json) || matches!(self.template, Template::Own(_))
    }
}

/// A draft as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedDraft {
    /// The bytes.
    pub text: String,
    /// SHA-256 of the bytes, in hexadecimal: equal tags are equal drafts.
    pub tag: String,
    /// Which of the three it is.
    pub edition: Edition,
}

/// What a document is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// The facts as they stand.
    Live,
    /// Final: the bytes that were reviewed.
    Final {
        /// How many revisions came since.
        later: u64,
    },
    /// Final, but in a zone or a layout in which nobody reviewed it: printed from the reviewed
    /// facts, and marked so.
    Reprinted {
        /// How many revisions came since.
        later: u64,
    },
}

impl Edition {
    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Final { .. } => "final",
            Self::Reprinted { .. } => "reprinted",
        }
    }

    /// How many revisions came since it was final.
    #[must_use]
    pub const fn later(self) -> Option<u64> {
        match self {
            Self::Live => None,
            Self::Final { later } | Self::Reprinted { later } => Some(later),
        }
    }
}

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The facts cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A template of people's own does not fit the draft.
    #[error("the template {0}")]
    Template(TemplateFault),
    /// Asked for what changed since a revision that does not exist yet.
    #[error("`since_revision` is {asked}, but the incident stands at revision {current}")]
    FutureRevision {
        /// As asked for.
        asked: u64,
        /// As it stands.
        current: u64,
    },
}

/// Renders the draft of an incident; `None` when there is no such incident. A final one is given as
/// it was printed when it became final.
///
/// # Errors
/// When the store cannot be read or the request cannot be met.
pub fn render_draft(
    store: &Store,
    id: IncidentId,
    request: &DraftRequest,
) -> Result<Option<RenderedDraft>, DraftError> {
    let facts =
        if request.tells_reasons() { store.facts(id)? } else { store.facts_to_print(id)? };
    let Some(facts) = facts else { return Ok(None) };
    let current = current_revision(&facts);
    if let Some(asked) = request.since_revision.filter(|asked| *asked > current) {
        return Err(DraftError::FutureRevision { asked, current });
    }
    let reviewed = facts.incident.finalised.as_ref().map(|reviewed| reviewed.revision);
    let (text, edition) = match reviewed {
        None => {
            let options = options(&facts, request);
            (print(facts, request, options, false)?, Edition::Live)
        }
        Some(revision) => final_draft(store, facts, request, current.saturating_sub(revision))?,
    };
    Ok(Some(RenderedDraft { tag: tag_of(&text), text, edition }))
}

/// The bytes that were reviewed, where they are those that are asked for; else the reviewed facts
/// printed anew. What came later stands beside them, and only when it is asked for.
fn final_draft(
    store: &Store,
    facts: Facts,
    request: &DraftRequest,
    later: u64,
) -> Result<(String, Edition), DraftError> {
    let id = facts.incident.id;
    let kept = store
        .printed(id, request.format.as_str(), request.template.as_str())?
        .filter(|kept| request.zone.as_ref().is_none_or(|asked| asked.name() == kept.zone));
    if let (Some(kept), None) = (&kept, request.since_revision) {
        return Ok((kept.text.clone(), Edition::Final { later }));
    }
    // From the facts as they stand: what was reviewed does not know what came later.
    let since = request.since_revision.map(|revision| timeline::since(&facts, revision));
    let reviewed = store.reviewed(id)?.unwrap_or(facts);
    let mut options = DraftOptions { since_revision: None, ..options(&reviewed, request) };
    let (text, edition) = match (kept, &since) {
        (Some(kept), _) => {
            options.zone = Zone::parse(&kept.zone).unwrap_or(options.zone);
            (kept.text, Edition::Final { later })
        }
        (None, None) => {
            let text = print(reviewed, request, options, true)?;
            return Ok((text, Edition::Reprinted { later }));
        }
        (None, Some(_)) => {
            let text = print(reviewed.clone(), request, options.clone(), true)?;
            (text, Edition::Reprinted { later })
        }
    };
    let draft = Draft { since, ..timeline::compose_from(reviewed, &options) };
    Ok((render::with_later(text, &draft, request.format), edition))
}

fn current_revision(facts: &Facts) -> u64 {
    let newest = facts.revisions.last().map_or(0, |revision| revision.revision);
    facts.incident.revision.max(newest)
}

fn options(facts: &Facts, request: &DraftRequest) -> DraftOptions {
    let default = || zone_of(&facts.incident, &request.default_zone);
    DraftOptions {
        zone: request.zone.clone().unwrap_or_else(default),
        template: request.template.clone(),
        since_revision: request.since_revision,
        external_url: request.external_url.clone(),
    }
}

/// The facts that a draft is made from: those that were reviewed, once it is final.
///
/// # Errors
/// When the store cannot be read.
pub fn reviewed(store: &Store, facts: Facts) -> Result<Facts, StoreError> {
    if facts.incident.finalised.is_none() {
        return Ok(facts);
    }
    Ok(store.reviewed(facts.incident.id)?.unwrap_or(facts))
}

/// The draft of facts that are at hand, before it is printed.
#[must_use]
pub fn composed(facts: &Facts, request: &DraftRequest) -> Draft {
    timeline::compose(facts, &options(facts, request))
}

/// Prints a draft, by its template, in the format of the request.
///
/// # Errors
/// When a template of people's own does not fit the draft.
pub fn printed(draft: &Draft, request: &DraftRequest) -> Result<String, DraftError> {
    match (&draft.template, request.format) {
        // JSON is the data itself, whatever the layout.
        (Template::Own(_), Format::Markdown | Format::Html | Format::Text) => {
            request.own_templates.print(draft, request.format).map_err(DraftError::Template)
        }
        (Template::Own(_), Format::Json) | (Template::Shipped(_), _) => {
            Ok(render::draft(draft, request.format))
        }
    }
}

/// Prints facts that are at hand and not needed any more.
fn print(
    facts: Facts,
    request: &DraftRequest,
    options: DraftOptions,
    is_reprint: bool,
) -> Result<String, DraftError> {
    let mut draft = timeline::compose_from(facts, &options);
    draft.is_reprint = is_reprint;
    printed(&draft, request)
}

/// The chart of an incident; `None` when there is no such incident. That of a final one is given
/// as it was drawn when it became final.
///
/// # Errors
/// When the store cannot be read.
pub fn render_chart(
    store: &Store,
    id: IncidentId,
    asked: Option<Zone>,
    default_zone: &str,
) -> Result<Option<RenderedDraft>, DraftError> {
    let Some(facts) = store.facts_to_print(id)? else { return Ok(None) };
    let later = facts
        .incident
        .finalised
        .as_ref()
        .map(|reviewed| current_revision(&facts).saturating_sub(reviewed.revision));
    let kept = match later {
        Some(_) => store.printed(id, press::CHART, "")?,
        None => None,
    };
    let kept = kept.filter(|kept| asked.as_ref().is_none_or(|zone| zone.name() == kept.zone));
    let draw = |facts: &Facts| {
        let zone = asked.clone().unwrap_or_else(|| zone_of(&facts.incident, default_zone));
        render::svg::lanes(facts, &zone)
    };
    let (text, edition) = match (later, kept) {
        (None, _) => (draw(&facts), Edition::Live),
        (Some(later), Some(kept)) => (kept.text, Edition::Final { later }),
        (Some(later), None) => {
            (draw(&store.reviewed(id)?.unwrap_or(facts)), Edition::Reprinted { later })
        }
    };
    Ok(Some(RenderedDraft { tag: tag_of(&text), text, edition }))
}

/// Revisions of facts with their sentences complete, as a draft lists them.
#[must_use]
pub fn told(facts: &Facts, revisions: &[Revision]) -> Vec<Revision> {
    timeline::told(&facts.incident, &facts.changes, revisions)
}

/// The timeline of facts: every entry on its own, or storms and flaps folded with their rows kept.
#[must_use]
pub fn entries(facts: &Facts, is_folded: bool) -> Vec<Entry> {
    let entries = timeline::entries(facts);
    if is_folded { folded(entries) } else { entries }
}

/// Entries with storms and flaps folded, their rows kept.
#[must_use]
pub fn folded(entries: Vec<Entry>) -> Vec<Entry> {
    timeline::collapse(entries)
}

/// SHA-256 of a text, in hexadecimal: equal tags are equal texts.
#[must_use]
pub fn tag_of(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

/// The zone of an incident: its own, else the configured one. Both were known when they were set;
/// a release with other zone data may not know them any more, which is no reason to refuse.
#[must_use]
pub fn zone_of(incident: &Incident, default_zone: &str) -> Zone {
    let names = incident.report.timezone.as_deref().into_iter().chain([default_zone]);
    names.filter_map(|name| Zone::parse(name).ok()).next().unwrap_or_default()
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::incident::{Opening, Report};
    use crate::domain::{EpisodeId, Timestamp};

    fn facts(timezone: Option<&str>) -> Facts {
        let opening = Opening::Alert { episode: EpisodeId(1), at: Timestamp::EPOCH };
        let opened = Incident::new(IncidentId(1), opening, "Web down".to_owned(), Timestamp::EPOCH);
        let report = Report { timezone: timezone.map(str::to_owned), ..Report::default() };
        let incident = Incident { revision: 3, report, ..opened };
        Facts {
            incident,
            members: Vec::new(),
            context: Vec::new(),
            changes: Vec::new(),
            revisions: Vec::new(),
        }
    }

    fn request(since_revision: Option<u64>) -> DraftRequest {
        DraftRequest {
            format: Format::Text,
            zone: None,
            template: Template::default(),
            own_templates: Arc::default(),
            default_zone: "UTC".to_owned(),
            since_revision,
            external_url: None,
        }
    }

    #[test]
    fn equal_facts_give_equal_bytes_and_tags() {
        let text = || {
            let (facts, request) = (facts(None), request(None));
            let options = options(&facts, &request);
            print(facts, &request, options, false).unwrap()
        };
        assert_eq!(text(), text());
        assert_eq!(tag_of(&text()), tag_of(&text()));
        assert_eq!(tag_of(&text()).len(), 64);
    }

    #[test]
    fn the_zone_is_the_incidents_own_then_the_configured_one() {
        let check = |own: Option<&str>, default: &str, expect: &str| {
            assert_eq!(zone_of(&facts(own).incident, default).name(), expect, "{own:?} {default}");
        };
        check(Some("Africa/Lagos"), "UTC", "Africa/Lagos");
        check(None, "Africa/Lagos", "Africa/Lagos");
        check(Some("Gone/Zone"), "Africa/Lagos", "Africa/Lagos");
        check(None, "Gone/Zone", "UTC");
    }

    #[test]
    fn a_hash_is_written_in_lower_case_hexadecimal() {
        assert_eq!(hexadecimal(&[0x00, 0x0f, 0xa5, 0xff]), "000fa5ff");
    }
}

//! Drafts and timelines on demand: loads an incident's facts and hands them to the pure rooms.
//!
//! Keeps nothing: a draft is a pure function of the facts, the zone and the template, so the same
//! revision always gives the same bytes and the same tag. Blocks while it reads; callers (`http`)
//! run it on a thread that may. Never decides what a draft says or how it looks.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::draft::{Draft, Template};
use crate::domain::timeline::Entry;
use crate::domain::zone::Zone;
use crate::domain::{Facts, Incident, IncidentId};
use crate::render::own::{OwnTemplates, TemplateFault};
use crate::render::{self, Format};
use crate::store::{Store, StoreError};
use crate::timeline::{self, DraftOptions};

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

/// A draft as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedDraft {
    /// The bytes.
    pub text: String,
    /// SHA-256 of the bytes, in hexadecimal: equal tags are equal drafts.
    pub tag: String,
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

/// Renders the draft of an incident; `None` when there is no such incident.
///
/// # Errors
/// When the store cannot be read or the request cannot be met.
pub fn render_draft(
    store: &Store,
    id: IncidentId,
    request: &DraftRequest,
) -> Result<Option<RenderedDraft>, DraftError> {
    let Some(facts) = store.facts(id)? else { return Ok(None) };
    let facts = reviewed(store, facts)?;
    rendered(&facts, request).map(Some)
}

/// A final draft is made from the facts that were reviewed; what came later is only told by its
/// revisions.
///
/// # Errors
/// When the store cannot be read.
pub fn reviewed(store: &Store, facts: Facts) -> Result<Facts, StoreError> {
    if facts.incident.finalised.is_none() {
        return Ok(facts);
    }
    let revisions = facts.revisions.clone();
    let reviewed = store.reviewed(facts.incident.id)?.unwrap_or(facts);
    Ok(Facts { revisions, ..reviewed })
}

/// Renders the draft of facts that are already at hand.
fn rendered(facts: &Facts, request: &DraftRequest) -> Result<RenderedDraft, DraftError> {
    let draft = composed(facts, request)?;
    let text = printed(&draft, request, request.format)?;
    let tag = tag_of(&text);
    Ok(RenderedDraft { text, tag })
}

/// The draft of facts that are already at hand, before it is printed.
///
/// # Errors
/// When it is to tell what changed since a revision that does not exist yet.
pub fn composed(facts: &Facts, request: &DraftRequest) -> Result<Draft, DraftError> {
    let newest = facts.revisions.last().map_or(0, |revision| revision.revision);
    let current = facts.incident.revision.max(newest);
    if let Some(asked) = request.since_revision.filter(|asked| *asked > current) {
        return Err(DraftError::FutureRevision { asked, current });
    }
    let default = || zone_of(&facts.incident, &request.default_zone);
    let options = DraftOptions {
        zone: request.zone.clone().unwrap_or_else(default),
        template: request.template.clone(),
        since_revision: request.since_revision,
        external_url: request.external_url.clone(),
    };
    Ok(timeline::compose(facts, &options))
}

/// Prints a draft, by its template, in a format.
///
/// # Errors
/// When a template of people's own does not fit the draft.
pub fn printed(
    draft: &Draft,
    request: &DraftRequest,
    format: Format,
) -> Result<String, DraftError> {
    Ok(match (&draft.template, format) {
        // JSON is the data itself, whatever the layout.
        (Template::Own(_), Format::Markdown | Format::Html | Format::Text) => {
            request.own_templates.print(draft, format).map_err(DraftError::Template)?
        }
        (Template::Own(_), Format::Json) | (Template::Shipped(_), _) => {
            render::draft(draft, format)
        }
    })
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
    use crate::domain::incident::{IncidentState, Opening, Report, Tally};
    use crate::domain::{EpisodeId, Timestamp};

    fn facts(timezone: Option<&str>) -> Facts {
        let incident = Incident {
            id: IncidentId(1),
            revision: 3,
            as_of: Timestamp::EPOCH,
            opening: Opening::Alert { episode: EpisodeId(1), at: Timestamp::EPOCH },
            state: IncidentState::Open,
            title: "Web down".to_owned(),
            lifecycle: Vec::new(),
            tally: Tally::default(),
            report: Report { timezone: timezone.map(str::to_owned), ..Report::default() },
            notes: Vec::new(),
            actions: Vec::new(),
            caveats: Vec::new(),
            follows: None,
            related: Vec::new(),
            changes: Vec::new(),
            candidates: Vec::new(),
            finalised: None,
        };
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
        let one = rendered(&facts(None), &request(None)).unwrap();
        assert_eq!(one, rendered(&facts(None), &request(None)).unwrap());
        assert_eq!(one.tag.len(), 64);
    }

    #[test]
    fn nothing_can_be_asked_since_a_revision_to_come() {
        assert!(rendered(&facts(None), &request(Some(3))).is_ok());
        let error = rendered(&facts(None), &request(Some(4))).unwrap_err().to_string();
        assert_eq!(error, "`since_revision` is 4, but the incident stands at revision 3");
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

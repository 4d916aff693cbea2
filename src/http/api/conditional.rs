//! Conditions of requests: `If-None-Match` of reads, `If-Match` of writes.
//!
//! Pure reading; the machine decides about revisions, not we. Callers: the `api` endpoints.

use super::invalid::Invalid;
use crate::domain::Incident;

/// A revision that no incident ever has: a tag that is none of ours names another revision
/// whatever the incident's is.
const NO_REVISION: u64 = 0;

/// An entity tag for some text that holds no quotes.
pub(crate) fn tag(text: impl std::fmt::Display) -> String {
    format!("\"{text}\"")
}

/// What stands behind the revision in the tag of a pinned incident: pinning is no revision, and
/// yet shows in the answer.
const PINNED: &str = "-pinned";

/// The tag of an incident.
pub(crate) fn incident_tag(incident: &Incident) -> String {
    let pinned = if incident.pinned { PINNED } else { "" };
    tag(format_args!("{}{pinned}", incident.revision))
}

/// True when the client already has what this tag names.
pub(crate) fn is_known(if_none_match: Option<&str>, tag: &str) -> bool {
    // RFC 9110, section 13.1.2: compared weakly.
    if_none_match.is_some_and(|header| {
        header
            .split(',')
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
    })
}

/// The revision that a write was made for; `None` when any will do.
///
/// # Errors
/// When the header names several.
pub(crate) fn revision(if_match: Option<&str>) -> Result<Option<u64>, Invalid> {
    let Some(header) = if_match.map(str::trim).filter(|header| *header != "*") else {
        return Ok(None);
    };
    if header.contains(',') {
        return Err(Invalid::IfMatch);
    }
    // Proxies that compress weaken a tag; ours names the revision all the same.
    let tag = header.strip_prefix("W/").unwrap_or(header);
    let text = tag.trim_matches('"');
    Ok(Some(text.strip_suffix(PINNED).unwrap_or(text).parse().unwrap_or(NO_REVISION)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_tag_is_found_in_any_form_of_the_header() {
        let check = |header: Option<&str>, expect: bool| {
            assert_eq!(is_known(header, "\"17\""), expect, "{header:?}");
        };
        check(None, false);
        check(Some("\"17\""), true);
        check(Some("W/\"17\""), true);
        check(Some("\"16\", \"17\""), true);
        check(Some("*"), true);
        check(Some("\"1\""), false);
        check(Some("17"), false);
    }

    #[test]
    fn if_match_names_one_revision_or_any() {
        let check = |header: Option<&str>, expect: Result<Option<u64>, Invalid>| {
            assert_eq!(revision(header), expect, "{header:?}");
        };
        check(None, Ok(None));
        check(Some("*"), Ok(None));
        check(Some("\"17\""), Ok(Some(17)));
        check(Some("W/\"17\""), Ok(Some(17)));
        check(Some("17"), Ok(Some(17)));
        check(Some("\"17-pinned\""), Ok(Some(17)));
        check(Some("\"abc\""), Ok(Some(NO_REVISION)));
        check(Some("\"1\", \"2\""), Err(Invalid::IfMatch));
    }
}

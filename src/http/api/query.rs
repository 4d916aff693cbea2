//! Query parameters: text in, filters of the store out.
//!
//! Pure reading; asks nobody. Names that an endpoint does not know are ignored, as Prometheus
//! ignores them; a value that cannot be meant is refused by name. Callers: the `api` and `pages`
//! endpoints.

use super::invalid::{Invalid, listed, quoted};
use crate::domain::{IncidentId, IncidentState, Matcher, Severity, Timestamp};
use crate::store::{AuditFilter, ChangeFilter, EpisodeFilter, IncidentFilter, PageRequest};

/// How many rows a page has when nobody says.
pub(crate) const LIMIT_DEFAULT: usize = 50;
/// How many rows a page has at most.
pub(crate) const LIMIT_MAX: usize = 500;
/// How many matchers one request may carry.
const MATCHERS_MAX: usize = 64;

/// The states of an incident, as the API words them.
pub(crate) const STATES: [&str; 5] = [
    IncidentState::Open.as_str(),
    IncidentState::Acknowledged.as_str(),
    IncidentState::Mitigated.as_str(),
    IncidentState::Resolved.as_str(),
    IncidentState::Merged { into: IncidentId(0) }.as_str(),
];

/// The parameters of one request, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// Wraps decoded pairs. A parameter without a value counts as absent, which is what an
    /// untouched field of a form sends.
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self { pairs: pairs.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect() }
    }

    /// True when nothing is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Every value of a repeatable parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every word of a parameter that may be repeated or hold a list with commas.
    pub(crate) fn words<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).filter(|w| !w.is_empty())
    }

    /// The value of a parameter that holds one.
    ///
    /// # Errors
    /// When it came more than once.
    pub(crate) fn one(&self, name: &'static str) -> Result<Option<&str>, Invalid> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            Some(_) => Err(Invalid::Repeated(name)),
            None => Ok(first),
        }
    }

    /// A switch: absent is `default`.
    ///
    /// # Errors
    /// When it is neither true nor false.
    pub(crate) fn switch(&self, name: &'static str, default: bool) -> Result<bool, Invalid> {
        match self.one(name)? {
            None => Ok(default),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(other) => Err(Invalid::Wrong {
                place: name.into(),
                expected: "true or false".into(),
                found: quoted(other),
            }),
        }
    }

    /// A moment.
    ///
    /// # Errors
    /// When it is no time.
    pub(crate) fn moment(&self, name: &'static str) -> Result<Option<Timestamp>, Invalid> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        // A plus that nobody encoded reads as a blank; in a time with an offset it can only be a
        // plus.
        let mended = || text.rsplit_once(' ').map(|(date, offset)| format!("{date}+{offset}"));
        Timestamp::parse(text)
            .ok()
            .or_else(|| Timestamp::parse(&mended()?).ok())
            .map(Some)
            .ok_or_else(|| Invalid::Wrong {
                place: name.into(),
                expected: "RFC 3339 such as 2026-03-04T02:14:07Z, or Unix seconds".into(),
                found: quoted(text),
            })
    }

    /// A number from 0.
    ///
    /// # Errors
    /// When it is not one.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, Invalid> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        match text.parse() {
            Ok(number) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(number)),
            Ok(_) | Err(_) => Err(Invalid::Wrong {
                place: name.into(),
                expected: "a whole number".into(),
                found: quoted(text),
            }),
        }
    }

    /// The matchers of every `filter`.
    ///
    /// # Errors
    /// When one cannot be read, or there are too many.
    pub(crate) fn matchers(&self) -> Result<Vec<Matcher>, Invalid> {
        let mut matchers = Vec::new();
        for text in self.all("filter") {
            let list =
                Matcher::parse_list(text).map_err(|error| Invalid::Matcher(error.to_string()))?;
            matchers.extend(list);
            if matchers.len() > MATCHERS_MAX {
                return Err(Invalid::Wrong {
                    place: "filter".into(),
                    expected: format!("at most {MATCHERS_MAX} matchers").into(),
                    found: "more".to_owned(),
                });
            }
        }
        Ok(matchers)
    }

    /// Where the page begins and how long it is.
    ///
    /// # Errors
    /// When `limit` is no number above 0, or `cursor` none of ours.
    pub(crate) fn page(&self) -> Result<PageRequest, Invalid> {
        let limit = match self.number("limit") {
            Ok(None) => LIMIT_DEFAULT,
            Ok(Some(limit)) if limit > 0 => {
                usize::try_from(limit).unwrap_or(LIMIT_MAX).min(LIMIT_MAX)
            }
            Ok(Some(_)) | Err(Invalid::Wrong { .. }) => {
                return Err(Invalid::Wrong {
                    place: "limit".into(),
                    expected: format!("a number from 1 to {LIMIT_MAX}").into(),
                    found: quoted(self.one("limit")?.unwrap_or_default()),
                });
            }
            Err(other) => return Err(other),
        };
        let page = PageRequest { limit, cursor: self.one("cursor")?.map(str::to_owned) };
        if page.is_readable() {
            return Ok(page);
        }
        Err(Invalid::Wrong {
            place: "cursor".into(),
            expected: "the next_cursor of the page before".into(),
            found: quoted(page.cursor.as_deref().unwrap_or_default()),
        })
    }

    /// The same parameters as a query, with one of them set or left out: for links to other pages
    /// of the same list.
    pub(crate) fn with(&self, name: &str, value: Option<&str>) -> String {
        let kept = self.pairs.iter().filter(|(key, _)| key != name);
        let pairs = kept
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .chain(value.map(|value| (name, value)));
        let encoded: Vec<String> =
            pairs.map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
        encoded.join("&")
    }
}

/// Percent-encodes everything but what RFC 3986 calls unreserved.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Which incidents are asked for.
///
/// # Errors
/// When a parameter cannot be meant.
pub(crate) fn incidents(params: &Params) -> Result<IncidentFilter, Invalid> {
    let mut states = Vec::new();
    for word in params.words("state") {
        let known = STATES.into_iter().find(|state| state.eq_ignore_ascii_case(word));
        let state = known.ok_or_else(|| unknown_word("state", STATES, word))?;
        states.push(state.to_owned());
    }
    let mut severities = Vec::new();
    for word in params.words("severity") {
        severities.push(severity("severity", word)?);
    }
    Ok(IncidentFilter {
        states,
        severities,
        service: params.one("service")?.map(str::to_owned),
        since: params.moment("since")?,
        until: params.moment("until")?,
        text: params.one("q")?.map(str::to_owned),
        matchers: params.matchers()?,
    })
}

/// Which episodes are asked for.
///
/// # Errors
/// When a parameter cannot be meant.
pub(crate) fn episodes(params: &Params) -> Result<EpisodeFilter, Invalid> {
    Ok(EpisodeFilter {
        incident: params.number("incident")?.map(IncidentId),
        fingerprint: params.one("fingerprint")?.map(str::to_owned),
        floating: params.switch("floating", false)?,
        active: params.switch("active", false)?,
        matchers: params.matchers()?,
    })
}

/// Which changes are asked for.
///
/// # Errors
/// When a parameter cannot be meant.
pub(crate) fn changes(params: &Params) -> Result<ChangeFilter, Invalid> {
    Ok(ChangeFilter {
        service: params.one("service")?.map(str::to_owned),
        since: params.moment("since")?,
        until: params.moment("until")?,
    })
}

/// Which doings are asked for.
///
/// # Errors
/// When a parameter cannot be meant.
pub(crate) fn audit(params: &Params) -> Result<AuditFilter, Invalid> {
    Ok(AuditFilter {
        actor: params.one("actor")?.map(str::to_owned),
        action: params.one("action")?.map(str::to_owned),
        incident: params.number("incident")?.map(IncidentId),
        since: params.moment("since")?,
        until: params.moment("until")?,
    })
}

/// A severity, from its word.
///
/// # Errors
/// When the word is none of ours.
pub(crate) fn severity(place: &'static str, word: &str) -> Result<Severity, Invalid> {
    let words = Severity::ALL.map(Severity::as_str);
    Severity::from_word(word).ok_or_else(|| unknown_word(place, words, word))
}

/// The error for a word that is none of those that a place takes.
pub(crate) fn unknown_word<'a>(
    place: &'static str,
    known: impl IntoIterator<Item = &'a str>,
    found: &str,
) -> Invalid {
    Invalid::Wrong {
        place: place.into(),
        expected: format!("one of {}", listed(known)).into(),
        found: quoted(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::new(
            query
                .split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    #[test]
    fn incident_filters_are_read() {
        let check = |query: &str, expect: &[&str]| {
            assert_eq!(incidents(&params(query)).unwrap().states, expect, "{query}");
        };
        check("", &[]);
        check("state=", &[]);
        check("state=open", &["open"]);
        check("state=open,acknowledged&state=merged", &["open", "acknowledged", "merged"]);
        check("state=Resolved&unknown=1", &["resolved"]);

        let filter = incidents(&params(
            "severity=critical,high&service=web&since=1772590447&until=2026-03-04T03:00:00Z&q=db",
        ))
        .unwrap();
        assert_eq!(filter.severities, [Severity::Critical, Severity::High]);
        assert_eq!(filter.service.as_deref(), Some("web"));
        assert_eq!(filter.since.unwrap().to_string(), "2026-03-04T02:14:07.000Z");
        assert_eq!(filter.until.unwrap().to_string(), "2026-03-04T03:00:00.000Z");
        assert_eq!(filter.text.as_deref(), Some("db"));
    }

    #[test]
    fn a_plus_that_became_a_blank_is_still_an_offset() {
        let filter = incidents(&params("since=2026-03-04T03:14:07 01:00")).unwrap();
        assert_eq!(filter.since.unwrap().to_string(), "2026-03-04T02:14:07.000Z");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let check = |query: &str, expect: &str| {
            let error = incidents(&params(query)).unwrap_err().to_string();
            assert_eq!(error, expect, "{query}");
        };
        check(
            "state=closed",
            "`state` must be one of open, acknowledged, mitigated, resolved, merged, not `closed`",
        );
        check(
            "severity=awful",
            "`severity` must be one of none, info, warning, high, error, critical, not `awful`",
        );
        check(
            "since=yesterday",
            "`since` must be RFC 3339 such as 2026-03-04T02:14:07Z, or Unix seconds, not \
             `yesterday`",
        );
        check("q=a&q=b", "the parameter `q` may be given once only");
    }

    #[test]
    fn episode_filters_are_read() {
        let filter =
            episodes(&params("incident=12&floating=true&active=0&fingerprint=ab")).unwrap();
        assert_eq!(filter.incident, Some(IncidentId(12)));
        assert!(filter.floating && !filter.active);
        assert_eq!(filter.fingerprint.as_deref(), Some("ab"));
        for bad in ["incident=x", "incident=-1", "incident=+1", "floating=yes", "active=2"] {
            assert!(episodes(&params(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_held_between_one_and_the_most() {
        let check = |query: &str, expect: Option<usize>| {
            assert_eq!(params(query).page().ok().map(|page| page.limit), expect, "{query}");
        };
        check("", Some(50));
        check("limit=", Some(50));
        check("limit=1", Some(1));
        check("limit=500", Some(500));
        check("limit=501", Some(500));
        check("limit=99999999999", Some(500));
        check("limit=0", None);
        check("limit=-1", None);
        check("limit=ten", None);
        check("limit=5&limit=6", None);
    }

    #[test]
    fn links_to_other_pages_keep_the_filters() {
        let params = params("state=open&q=a b&cursor=old");
        assert_eq!(params.with("cursor", Some("n/1")), "state=open&q=a%20b&cursor=n%2F1");
        assert_eq!(params.with("cursor", None), "state=open&q=a%20b");
    }
}

//! How somebody looks at an incident: filters, order, zone, template, the stretch of the chart.
//!
//! All of it stands in the address, so that a view can be sent to a colleague, and forms carry it
//! along, so that one comes back to the same view. Callers: `incident`, `forms`.

use super::super::answer::Problem;
use super::super::api::invalid::{Invalid, quoted};
use super::super::api::query::{Params, encode, unknown_word};
use crate::domain::Timestamp;
use crate::domain::timeline::{Entry, EntryKind};
use crate::domain::zone::Zone;

/// How many lines of a timeline a page shows.
const ROWS: usize = 100;
/// How many it shows at most: a page stays light, however long its incident is.
const ROWS_MAX: usize = 500;
/// The parameters that belong to a view; whatever else an address holds is not carried along.
const NAMES: [&str; 14] = [
    "tz", "template", "kind", "phase", "service", "q", "order", "rows", "fold", "from", "to",
    "start", "at", "when",
];
/// The parameters that say where in the timeline the page stands; another list begins anew.
const PLACES: [&str; 3] = ["start", "at", "when"];
/// The kinds of entries.
pub(super) const KINDS: [EntryKind; 5] =
    [EntryKind::Alert, EntryKind::Change, EntryKind::Note, EntryKind::Lifecycle, EntryKind::Caveat];

/// Where in a timeline a page stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// From this line on; the first one is 1.
    Line(usize),
    /// Around the line of an entry.
    Entry(String),
    /// From a time on, as somebody wrote it.
    Time(String),
}

/// One view.
#[derive(Clone, Debug)]
pub(super) struct View {
    params: Params,
    /// The zone that the address asks for.
    pub(super) zone: Option<Zone>,
    /// The template that the address asks for.
    pub(super) template: Option<String>,
    kind: Option<EntryKind>,
    service: Option<String>,
    text: Option<String>,
    /// Newest entries first.
    pub(super) is_newest_first: bool,
    /// How many lines.
    pub(super) rows: usize,
    /// Where the page stands in them.
    pub(super) place: Place,
    /// Storms and flaps as one entry each.
    pub(super) is_folded: bool,
    /// The stretch of the chart.
    pub(super) stretch: Option<(Timestamp, Timestamp)>,
}

impl View {
    /// Reads a view.
    ///
    /// # Errors
    /// When a parameter cannot be meant.
    pub(super) fn read(params: Params) -> Result<Self, Problem> {
        let zone = params.one("tz")?.map(zone).transpose()?;
        let kind = params.one("kind")?.map(kind).transpose()?;
        let order = params.one("order")?;
        if order.is_some_and(|order| order != "newest" && order != "oldest") {
            return Err(unknown_word("order", ["oldest", "newest"], order.unwrap_or("")).into());
        }
        let rows = params
            .number("rows")?
            .map_or(ROWS, |rows| usize::try_from(rows).unwrap_or(ROWS_MAX).clamp(1, ROWS_MAX));
        let stretch = params.moment("from")?.zip(params.moment("to")?);
        let text = |name| params.one(name).map(|text| text.map(str::to_owned));
        let start = params.number("start")?.map_or(1, |start| usize::try_from(start).unwrap_or(1));
        let place = text("at")?
            .map(Place::Entry)
            .or(text("when")?.map(Place::Time))
            .unwrap_or(Place::Line(start));
        Ok(Self {
            zone,
            template: text("template")?,
            kind,
            service: text("service")?,
            text: params.one("q")?.map(str::to_lowercase),
            is_newest_first: order == Some("newest"),
            rows,
            place,
            is_folded: params.switch("fold", true)?,
            stretch,
            params,
        })
    }

    /// True when not every entry is wanted.
    pub(super) const fn is_filtered(&self) -> bool {
        self.kind.is_some() || self.service.is_some() || self.text.is_some()
    }

    /// True when an entry is wanted.
    pub(super) fn wants(&self, entry: &Entry) -> bool {
        let contains = |text: &str, wanted: &str| text.to_lowercase().contains(wanted);
        self.kind.is_none_or(|kind| entry.kind == kind)
            && self.service.as_ref().is_none_or(|wanted| {
                entry.service.as_ref().is_some_and(|service| service.as_str() == wanted)
            })
            && self.text.as_ref().is_none_or(|wanted| {
                contains(&entry.text, wanted)
                    || entry.actor.as_ref().is_some_and(|actor| contains(actor, wanted))
                    || contains(entry.phase.as_str(), wanted)
            })
    }

    /// What the filters show: the parameters as they were asked for.
    pub(super) fn asked(&self, name: &'static str) -> &str {
        self.params.all(name).next().unwrap_or_default()
    }

    /// The view as a query.
    pub(super) fn query(&self) -> String {
        kept(|name| self.params.all(name).next(), &[])
    }

    /// The view with some of its parameters set or taken away, as a query.
    pub(super) fn with(&self, changed: &[(&str, Option<&str>)]) -> String {
        kept(|name| self.params.all(name).next(), changed)
    }
}

impl View {
    /// The view with some of its parameters changed, from the begin of the timeline.
    pub(super) fn anew(&self, changed: &[(&str, Option<&str>)]) -> String {
        let begin = PLACES.map(|name| (name, None));
        self.with(&[&begin, changed].concat())
    }

    /// The view at another place of the timeline.
    pub(super) fn placed(&self, name: &'static str, value: &str) -> String {
        let value = |known| (known == name).then_some(value);
        self.with(&PLACES.map(|known| (known, value(known))))
    }
}

/// Parameters of a view as a query, whatever stands around them.
pub(super) fn query_of<'a>(value: impl Fn(&'static str) -> Option<&'a str>) -> String {
    kept(value, &[])
}

fn kept<'a>(
    value: impl Fn(&'static str) -> Option<&'a str>,
    changed: &[(&str, Option<&'a str>)],
) -> String {
    let pairs = NAMES.into_iter().filter_map(|name| {
        let change = changed.iter().rfind(|(changed, _)| *changed == name);
        let value = change.map_or_else(|| value(name), |(_, value)| *value)?;
        Some(format!("{name}={}", encode(value)))
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn zone(name: &str) -> Result<Zone, Invalid> {
    Zone::parse(name).map_err(|_| Invalid::Zone { place: "tz", found: quoted(name) })
}

fn kind(word: &str) -> Result<EntryKind, Invalid> {
    let words = KINDS.map(EntryKind::as_str);
    KINDS
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .ok_or_else(|| unknown_word("kind", words, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(pairs: &[(&str, &str)]) -> Result<View, Problem> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        View::read(Params::new(pairs.collect()))
    }

    #[test]
    fn a_view_is_carried_along_and_nothing_else() {
        let view = view(&[("q", "a b"), ("done", "resolve"), ("tz", "UTC"), ("rows", "")]).unwrap();
        assert_eq!(view.query(), "tz=UTC&q=a%20b");
        assert_eq!(view.with(&[("q", None), ("rows", Some("300"))]), "tz=UTC&rows=300");
        assert!(view.is_filtered());
    }

    #[test]
    fn another_list_begins_anew_and_another_place_keeps_the_list() {
        let view = view(&[("q", "a"), ("start", "101")]).unwrap();
        assert_eq!(view.place, Place::Line(101));
        assert_eq!(view.anew(&[("fold", Some("false"))]), "q=a&fold=false");
        assert_eq!(view.placed("at", "e7-start"), "q=a&at=e7-start");
        assert_eq!(view.placed("start", "201"), "q=a&start=201");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in [("tz", "Mars"), ("kind", "x"), ("order", "up"), ("rows", "many"), ("from", "x")]
        {
            assert!(view(&[bad]).is_err(), "{bad:?}");
        }
        assert_eq!(view(&[("rows", "99999999999")]).unwrap().rows, ROWS_MAX);
    }
}

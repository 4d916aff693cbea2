//! Folding: many entries alike become one that opens to its rows. Nothing is ever lost.
//!
//! A storm is one rule firing for many parts of one service; a spread is one rule firing on many
//! services; a flap is one alert that comes and goes. Ends in a row that bring no service back are
//! one line. Changes that a printed rule finds to have
//! little to do with the incident go into one line. What people wrote and caveats are never folded.

use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};

use super::words;
use crate::domain::timeline::{Aside, Edge, Entry, EntryId, EntryKind, Phase, Provenance, Signal};
use crate::domain::{AlertKey, Change, EpisodeId, Name, Span, Timestamp};

/// Entries of a storm follow each other within this.
const STORM_GAP: Span = Span::from_minutes(5);
/// A storm has at least so many alerts.
const STORM_ALERTS_MIN: usize = 3;
/// A spread reaches at least so many services: fewer are worth a line each.
const SPREAD_SERVICES_MIN: usize = 8;
/// Services that a spread names before it counts the others.
const SPREAD_NAMES_MAX: usize = 3;
/// Places of a storm are named one by one as long as they take no more characters than this.
const PLACES_CHARS_MAX: usize = 80;
/// A flapping alert fires again within this.
const FLAP_GAP: Span = Span::from_minutes(30);
/// Ends of one line follow each other within this.
const ENDS_GAP: Span = Span::from_minutes(10);
/// From so many ends in a row on they are one line.
const ENDS_MIN: usize = 3;
/// Alerts that such a line names before it counts the others.
const ENDS_NAMES_MAX: usize = 4;
/// So many changes that have little to do with an incident are told in one line.
const ASIDES_MIN: usize = 3;
/// A flap has at least so many firings.
const FLAP_FIRINGS_MIN: usize = 3;

/// Folds storms and flaps. The input must be sorted, as `entries` gives it; it stays so.
#[must_use]
pub fn collapse(entries: Vec<Entry>) -> Vec<Entry> {
    let mut folded = vec![false; entries.len()];
    let mut folds = Vec::new();
    // What reaches many services is one thing, however many parts of each it hits.
    for find in [spreads, storms, flaps, minor_ends] {
        let found = find(&entries, &folded);
        found.iter().flat_map(|fold| &fold.rows).for_each(|row| folded[*row] = true);
        folds.extend(found);
    }
    folds.extend(asides(&entries));
    apply(entries, folds)
}

/// Which entries go together, by their places in the list, in order.
struct Fold {
    rows: Vec<usize>,
    sort: Sort,
}

#[derive(Clone, Copy)]
enum Sort {
    /// Changes that have little to do with the incident.
    Asides,
    /// Alerts.
    Alerts(Alerts),
}

#[derive(Clone, Copy)]
enum Alerts {
    Storm,
    Spread,
    /// With the number of firings.
    Flap(usize),
    /// Ends after which their services still had alerts.
    Ends,
}

/// What entries of one storm have in common.
type Alike<'a> = (&'a str, Option<&'a Name>, Option<u8>, Edge);

fn signals(entries: &[Entry]) -> impl Iterator<Item = (usize, &Entry, &Signal)> {
    entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.kind == EntryKind::Alert && entry.rows.is_empty())
        .filter_map(|(index, entry)| Some((index, entry, entry.signal.as_ref()?)))
}

fn storms(entries: &[Entry], folded: &[bool]) -> Vec<Fold> {
    let mut groups: HashMap<Alike<'_>, Vec<usize>> = HashMap::new();
    for (index, entry, signal) in signals(entries).filter(|(index, ..)| !folded[*index]) {
        let alike = (
            signal.alertname.as_str(),
            entry.service.as_ref(),
            entry.severity.map(|s| s.rank()),
            signal.edge,
        );
        groups.entry(alike).or_default().push(index);
    }
    groups
        .into_values()
        .flat_map(|group| stretches(entries, &group))
        .filter(|rows| {
            let mut keys = rows.iter().filter_map(|i| Some(&entries[*i].signal.as_ref()?.key));
            let mut seen: Vec<&AlertKey> = Vec::with_capacity(STORM_ALERTS_MIN);
            keys.any(|key| {
                if !seen.contains(&key) {
                    seen.push(key);
                }
                seen.len() >= STORM_ALERTS_MIN
            })
        })
        .map(|rows| Fold { rows, sort: Sort::Alerts(Alerts::Storm) })
        .collect()
}

/// One rule on many services, beginning or ending within one stretch.
fn spreads(entries: &[Entry], folded: &[bool]) -> Vec<Fold> {
    let mut groups: HashMap<(&str, Edge), Vec<usize>> = HashMap::new();
    for (index, _, signal) in signals(entries).filter(|(index, ..)| !folded[*index]) {
        groups.entry((signal.alertname.as_str(), signal.edge)).or_default().push(index);
    }
    groups
        .into_values()
        .flat_map(|group| stretches(entries, &group))
        .filter(|rows| {
            let services: HashSet<&Name> =
                rows.iter().filter_map(|i| entries[*i].service.as_ref()).collect();
            services.len() >= SPREAD_SERVICES_MIN
        })
        .map(|rows| Fold { rows, sort: Sort::Alerts(Alerts::Spread) })
        .collect()
}

/// Entries that follow each other closely. Early warnings are told apart from the trouble, unless
/// the trouble was noticed in their midst: then they were its beginning.
fn stretches(entries: &[Entry], group: &[usize]) -> Vec<Vec<usize>> {
    let close = |a: usize, b: usize| entries[b].occurred_at - entries[a].occurred_at <= STORM_GAP;
    let phase = |index: usize| entries[index].phase;
    let parted = |chain: Vec<usize>| {
        if chain.iter().any(|index| phase(*index) == Phase::Detection) {
            return vec![chain];
        }
        let (early, late) = chain.into_iter().partition(|index| phase(*index) == Phase::LeadUp);
        vec![early, late]
    };
    let chains = chains(group, close).into_iter().flat_map(parted);
    chains.filter(|chain: &Vec<usize>| !chain.is_empty()).collect()
}

fn flaps(entries: &[Entry], folded: &[bool]) -> Vec<Fold> {
    let mut starts: HashMap<&AlertKey, Vec<usize>> = HashMap::new();
    let mut ends: HashMap<EpisodeId, usize> = HashMap::new();
    for (index, entry, signal) in signals(entries).filter(|(index, ..)| !folded[*index]) {
        match (signal.edge, entry.episode) {
            (Edge::Start, _) => starts.entry(&signal.key).or_default().push(index),
            (Edge::End, Some(episode)) => {
                ends.insert(episode, index);
            }
            (Edge::End, None) => {}
        }
    }
    let end_of = |start: usize| entries[start].episode.and_then(|id| ends.get(&id)).copied();
    let close = |a: usize, b: usize| {
        let over: Timestamp =
            end_of(a).map_or(entries[a].occurred_at, |end| entries[end].occurred_at);
        entries[b].occurred_at - over <= FLAP_GAP
    };
    starts
        .into_values()
        .flat_map(|group| chains(&group, close))
        .filter(|chain| chain.len() >= FLAP_FIRINGS_MIN)
        .map(|chain| {
            // The last end stays outside: it may be the recovery, which deserves its own line.
            let inner_ends = chain.iter().take(chain.len() - 1).filter_map(|start| end_of(*start));
            let mut rows: Vec<usize> = chain.iter().copied().chain(inner_ends).collect();
            rows.sort_unstable();
            Fold { rows, sort: Sort::Alerts(Alerts::Flap(chain.len())) }
        })
        .collect()
}

/// Ends one after the other, with nothing between them, of which none is the recovery of a service.
fn minor_ends(entries: &[Entry], folded: &[bool]) -> Vec<Fold> {
    let is_minor = |index: usize| {
        let entry = &entries[index];
        let is_end = entry.signal.as_ref().is_some_and(|signal| signal.edge == Edge::End);
        let is_recovery = entry.service.as_ref().is_some_and(|s| recovers(entry, s));
        is_end && !is_recovery && !folded[index] && entry.phase == Phase::Recovery
    };
    let minor: Vec<usize> = (0..entries.len()).filter(|index| is_minor(*index)).collect();
    let close = |a: usize, b: usize| {
        b == a + 1 && entries[b].occurred_at - entries[a].occurred_at <= ENDS_GAP
    };
    let chains = chains(&minor, close).into_iter().filter(|chain| chain.len() >= ENDS_MIN);
    chains.map(|rows| Fold { rows, sort: Sort::Alerts(Alerts::Ends) }).collect()
}

/// True for the line that tells of the recovery of a service.
fn recovers(entry: &Entry, service: &Name) -> bool {
    entry.text.strip_prefix(service.as_str()).is_some_and(|rest| rest.starts_with(" recovered"))
}

/// Changes that the rule leaves out, when there are more than a few.
fn asides(entries: &[Entry]) -> Option<Fold> {
    let is_aside = |(index, entry): (usize, &Entry)| entry.aside.map(|_| index);
    let rows: Vec<usize> = entries.iter().enumerate().filter_map(is_aside).collect();
    (rows.len() >= ASIDES_MIN).then_some(Fold { rows, sort: Sort::Asides })
}

/// The changes that a timeline tells one by one, by its entries, folded or not.
#[must_use]
pub fn changes_told<'a>(changes: &'a [Change], entries: &[Entry]) -> Vec<&'a Change> {
    let single = entries.iter().flat_map(|entry| entry.rows.iter().chain([entry]));
    let aside: HashSet<&EntryId> =
        single.filter(|entry| entry.aside.is_some()).map(|entry| &entry.id).collect();
    let is_told =
        |change: &&Change| aside.len() < ASIDES_MIN || !aside.contains(&EntryId::change(change.id));
    changes.iter().filter(is_told).collect()
}

/// Cuts a list of places where neighbours are not close.
fn chains(group: &[usize], close: impl Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
    let mut chains: Vec<Vec<usize>> = Vec::new();
    for index in group {
        match chains.last_mut() {
            Some(chain) if chain.last().is_some_and(|last| close(*last, *index)) => {
                chain.push(*index);
            }
            Some(_) | None => chains.push(vec![*index]),
        }
    }
    chains
}

/// Folds share no entry, so their order does not matter: each stands where its first row stood.
fn apply(entries: Vec<Entry>, folds: Vec<Fold>) -> Vec<Entry> {
    if folds.is_empty() {
        return entries;
    }
    let mut fold_of: Vec<Option<usize>> = vec![None; entries.len()];
    for (number, fold) in folds.iter().enumerate() {
        fold.rows.iter().for_each(|row| fold_of[*row] = Some(number));
    }
    let mut rows: Vec<Vec<Entry>> =
        folds.iter().map(|fold| Vec::with_capacity(fold.rows.len())).collect();
    // An entry of its own, or the number of the fold that begins here.
    let mut places: Vec<Result<Entry, usize>> = Vec::new();
    for (entry, fold) in entries.into_iter().zip(fold_of) {
        match fold {
            None => places.push(Ok(entry)),
            Some(number) => {
                if rows[number].is_empty() {
                    places.push(Err(number));
                }
                rows[number].push(entry);
            }
        }
    }
    let single_or_fold = |place: Result<Entry, usize>| match place {
        Ok(entry) => Some(entry),
        Err(number) => {
            let rows: Vec<Entry> = std::mem::take(&mut rows[number]);
            match folds[number].sort {
                Sort::Alerts(sort) => summary(rows, sort),
                Sort::Asides => left_out(rows),
            }
        }
    };
    places.into_iter().filter_map(single_or_fold).collect()
}

/// The one entry that stands for its rows.
fn summary(rows: Vec<Entry>, sort: Alerts) -> Option<Entry> {
    let (first, last) = (rows.first()?, rows.last()?);
    let signal = first.signal.as_ref()?;
    let worst = rows.iter().filter_map(|row| row.severity).max_by_key(|severity| severity.rank());
    let severity = worst.map_or_else(String::new, |severity| format!(" ({severity})"));
    let is_of_one = match sort {
        Alerts::Storm | Alerts::Flap(_) => true,
        Alerts::Spread => false,
        Alerts::Ends => rows.iter().all(|row| row.service == first.service),
    };
    let service = first.service.as_ref().filter(|_| is_of_one);
    let on_service = service.map_or_else(String::new, |s| format!(" on {s}"));
    let (text, count) = match sort {
        Alerts::Flap(firings) => (
            format!("Flapping: {}{on_service} fired {firings} times{severity}", signal.alertname),
            firings,
        ),
        Alerts::Spread => {
            let verb = if signal.edge == Edge::Start { "fired" } else { "ended" };
            let severity = if signal.edge == Edge::Start { severity } else { String::new() };
            let alerts = alerts_of(&rows);
            let times =
                if alerts < rows.len() { format!(" {} times", rows.len()) } else { String::new() };
            let where_to = services(&rows);
            (format!("{} {verb}{times} on {where_to}{severity}", signal.alertname), rows.len())
        }
        Alerts::Ends => (ended(&rows), rows.len()),
        Alerts::Storm => {
            let recovered = service.filter(|s| recovers(last, s));
            let (where_to, alerts) = reach(&rows, service.filter(|_| recovered.is_none()));
            let times =
                if alerts < rows.len() { format!(" {} times", rows.len()) } else { String::new() };
            let text = match signal.edge {
                Edge::Start => format!("{} fired{times} on {where_to}{severity}", signal.alertname),
                Edge::End => {
                    let ended = format!("{} ended{times} on {where_to}", signal.alertname);
                    match recovered {
                        Some(service) => format!("{service} recovered: {ended}"),
                        None => ended,
                    }
                }
            };
            (text, rows.len())
        }
    };
    // A measure points at the first start or the last end, so that is whose id the fold carries.
    let id = match signal.edge {
        Edge::Start => first.id.clone(),
        Edge::End => last.id.clone(),
    };
    let ended_at = Some(last.occurred_at).filter(|end| *end > first.occurred_at);
    let provenance = if rows.iter().all(|row| row.provenance == first.provenance) {
        first.provenance
    } else {
        Provenance::Inferred
    };
    let service = service.cloned();
    let is_noticed = rows.iter().any(|row| row.phase == Phase::Detection);
    let phase = if is_noticed { Phase::Detection } else { first.phase };
    let head = first.clone();
    Some(Entry {
        id,
        service,
        severity: worst,
        ended_at,
        phase,
        text,
        count: count as u64,
        provenance,
        signal: None,
        corrections: Vec::new(),
        rows,
        ..head
    })
}

/// One line for changes that have little to do with an incident: how many, and by which rule.
fn left_out(rows: Vec<Entry>) -> Option<Entry> {
    let (head, last) = (rows.first()?.clone(), rows.last()?.occurred_at);
    let of = |why: Aside| rows.iter().filter(|row| row.aside == Some(why)).count();
    let why: Vec<String> = [
        (of(Aside::Elsewhere), "on services without alerts here"),
        (of(Aside::AtRest), "on services of which no alert fired then"),
        (of(Aside::LongBefore), "more than 1h before the onset"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, why)| format!("{number} {why}"))
    .collect();
    let text = format!("{} more changes are left out: {}", rows.len(), words::list(&why));
    Some(Entry {
        id: EntryId(format!("others-{}", head.id)),
        ended_at: Some(last).filter(|last| *last > head.occurred_at),
        // Not an answer to the trouble, whenever the first was made.
        phase: Phase::LeadUp,
        text,
        actor: None,
        service: None,
        provenance: Provenance::Inferred,
        count: rows.len() as u64,
        links: Vec::new(),
        aside: None,
        rows,
        ..head
    })
}

/// `60 services: checkout, search, mail and 57 more`, `300 pods of 12 services: checkout, …`.
fn services(rows: &[Entry]) -> String {
    let mut seen = BTreeSet::new();
    let names = rows.iter().filter_map(|row| row.service.as_ref());
    let names: Vec<&str> = names.filter(|n| seen.insert(*n)).map(|n| n.as_str()).collect();
    let list = words::short_list(&names, SPREAD_NAMES_MAX);
    let services = words::count(names.len(), "service");
    match places(rows).filter(|(_, places)| places.len() > names.len()) {
        Some((label, places)) => format!("{} of {services}: {list}", counted(places.len(), label)),
        None => format!("{services}: {list}"),
    }
}

/// `3 alerts ended on checkout: Slow, Errors and QueueGrows`.
fn ended(rows: &[Entry]) -> String {
    let of_one = rows.first().and_then(|row| row.service.as_ref());
    let of_one =
        of_one.filter(|service| rows.iter().all(|row| row.service.as_ref() == Some(*service)));
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        let name = row.signal.as_ref().map_or("", |signal| signal.alertname.as_str());
        let name = match row.service.as_ref().filter(|_| of_one.is_none()) {
            Some(service) => format!("{name} on {service}"),
            None => name.to_owned(),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let on = of_one.map_or_else(String::new, |service| format!(" on {service}"));
    let names = words::short_list(&names, ENDS_NAMES_MAX);
    format!("{} ended{on}: {names}", words::count(rows.len(), "alert"))
}

/// `14 pods of checkout`, `3 regions of checkout (eu, us and sa)`, and how many alerts that is. What
/// began says where by name; what ended had said so.
fn reach(rows: &[Entry], service: Option<&Name>) -> (String, usize) {
    let alerts = alerts_of(rows);
    let is_start =
        rows.iter().any(|row| row.signal.as_ref().is_some_and(|s| s.edge == Edge::Start));
    let of = |counted: String| match service {
        Some(service) => format!("{counted} of {service}"),
        None => counted,
    };
    match places(rows).filter(|(_, places)| places.len() > 1) {
        Some((label, places)) => {
            let counted = of(counted(places.len(), label));
            let length: usize = places.iter().map(|place| place.chars().count()).sum();
            let is_named =
                is_start && !words::PLACES.contains(&label) && length <= PLACES_CHARS_MAX;
            let named =
                if is_named { format!(" ({})", words::list(&places)) } else { String::new() };
            (format!("{counted}{named}"), alerts)
        }
        None => (of(words::count(alerts, "series").replace("seriess", "series")), alerts),
    }
}

fn alerts_of(rows: &[Entry]) -> usize {
    let keys = rows.iter().filter_map(|row| row.signal.as_ref()).map(|signal| &signal.key);
    keys.collect::<HashSet<_>>().len()
}

/// What tells the rows apart, where one label does: its name, and its values in order.
fn places(rows: &[Entry]) -> Option<(&str, Vec<&str>)> {
    let mut seen = HashSet::new();
    let (mut label, mut places) = (None, Vec::new());
    for row in rows {
        let (name, place) = row.signal.as_ref()?.place.as_ref()?;
        if label.is_some_and(|label| label != name.as_str()) {
            return None;
        }
        label = Some(name.as_str());
        if seen.insert(place.as_str()) {
            places.push(place.as_str());
        }
    }
    Some((label?, places))
}

/// `14 pods`, `3 proxies`, `2 values of status`.
fn counted(number: usize, label: &str) -> String {
    match label.strip_suffix('y') {
        _ if label.ends_with('s') => format!("{number} values of {label}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) && number > 1 => {
            format!("{number} {stem}ies")
        }
        _ => words::count(number, label),
    }
}

//! Entries for the two ends of each firing, and for the peak between them.

use hashbrown::{HashMap, HashSet};

use super::entries::{Lateness, Row};
use super::words;
use crate::domain::alert::EndKind;
use crate::domain::incident::Opening;
use crate::domain::milestone::{self, Milestone};
use crate::domain::timeline::{Edge, EntryId, EntryKind, Phase, Provenance, Signal};
use crate::domain::{
    AlertKey, Episode, EpisodeId, Facts, Link, Membership, Name, Severity, Span, Timestamp,
};

/// Alertmanager tells of an end up to a group interval (5m by default) later, so ends count as
/// late only beyond this.
const LATE_END: Span = Span::from_minutes(10);
/// The peak is worth a line from so many alerts on.
const PEAK_ALERTS_MIN: usize = 5;

/// What the entries of single episodes need to know about all of them.
struct Cast<'a> {
    lateness: &'a Lateness,
    detection: Option<EpisodeId>,
    detected_at: Option<Timestamp>,
    /// The episode whose end is the recovery of its service.
    recovering: HashMap<&'a Name, EpisodeId>,
}

/// The alerts of one name and service.
struct Namesakes<'a> {
    alertname: Name,
    first: &'a AlertKey,
    severity_rank: u8,
    /// Several alerts, so that the place tells them apart.
    is_crowd: bool,
    /// Not all of one severity, which then tells them apart.
    is_graded: bool,
    /// The label that tells them apart.
    label: Option<Name>,
}

impl Namesakes<'_> {
    /// Where one of them fires, or what it is about, with the label that says so.
    fn place<'e>(&self, episode: &'e Episode) -> Option<(Name, &'e str)> {
        match &self.label {
            Some(label) => Some((label.clone(), episode.labels.value(label.as_str())?)),
            None => words::place(episode).map(|(label, place)| (Name::from(label), place)),
        }
    }
}

/// Each episode's namesakes, by the episodes' order.
fn namesakes(members: &[Episode]) -> (Vec<Namesakes<'_>>, Vec<usize>) {
    let mut all: Vec<Namesakes<'_>> = Vec::new();
    let mut numbers: HashMap<(&str, Option<&Name>), usize> = HashMap::new();
    let mut places = Vec::with_capacity(members.len());
    for episode in members {
        let name = (episode.alertname(), episode.service.as_ref());
        let place = *numbers.entry(name).or_insert(all.len());
        let rank = episode.severity.rank();
        match all.get_mut(place) {
            Some(known) => {
                known.is_crowd |= *known.first != episode.key;
                known.is_graded |= known.severity_rank != rank;
            }
            None => all.push(Namesakes {
                alertname: Name::from(name.0),
                first: &episode.key,
                severity_rank: rank,
                is_crowd: false,
                is_graded: false,
                label: None,
            }),
        }
        places.push(place);
    }
    tell_apart(&mut all, &places, members);
    (all, places)
}

/// Finds for each crowd the label that tells its alerts apart.
fn tell_apart(all: &mut [Namesakes<'_>], places: &[usize], members: &[Episode]) {
    if all.iter().all(|namesakes| !namesakes.is_crowd) {
        return;
    }
    let mut crowds: Vec<Vec<&Episode>> = vec![Vec::new(); all.len()];
    let mut seen: HashSet<&AlertKey> = HashSet::with_capacity(members.len());
    for (episode, place) in members.iter().zip(places) {
        if all[*place].is_crowd && seen.insert(&episode.key) {
            crowds[*place].push(episode);
        }
    }
    for (namesakes, crowd) in all.iter_mut().zip(crowds) {
        namesakes.label = telling_label(&crowd);
    }
}

/// Labels that differ from alert to alert and tell a reader nothing.
const MUTE_LABELS: [&str; 10] = [
    "alertname",
    "severity",
    "uid",
    "id",
    "container_id",
    "endpoint",
    "prometheus",
    "replica",
    "prometheus_replica",
    "job",
];

/// The label of which the alerts have the most values: the pod, instance or node where they differ
/// in it, else the one with the shortest values.
fn telling_label(crowd: &[&Episode]) -> Option<Name> {
    let first = crowd.first()?;
    let values = |label: &str| -> Option<(usize, usize)> {
        let mut values: HashSet<&str> = HashSet::with_capacity(crowd.len());
        let mut bytes = 0;
        for episode in crowd {
            let value = episode.labels.value(label)?;
            bytes += value.len();
            values.insert(value);
        }
        Some((values.len(), bytes)).filter(|(number, _)| *number > 1)
    };
    let usual = words::PLACES.into_iter().filter_map(|label| Some((label, values(label)?.0)));
    let usual = usual.max_by_key(|(label, number)| {
        (*number, std::cmp::Reverse(words::PLACES.iter().position(|known| known == label)))
    });
    if let Some((label, _)) = usual.filter(|(_, number)| *number == crowd.len()) {
        return Some(Name::from(label));
    }
    let is_telling = |label: &&str| {
        !MUTE_LABELS.contains(label) && !label.starts_with("__") && !words::PLACES.contains(label)
    };
    let other = first.labels.iter().map(|(label, _)| label).filter(is_telling);
    let other = other.filter_map(|label| {
        let (number, bytes) = values(label)?;
        Some((std::cmp::Reverse(number), bytes, label))
    });
    match (usual, other.min()) {
        (Some((label, number)), Some((most, ..))) if number >= most.0 => Some(Name::from(label)),
        (_, Some((.., label))) => Some(Name::from(label)),
        (Some((label, _)), None) => Some(Name::from(label)),
        (None, None) => None,
    }
}

/// The episode that should have made somebody act.
pub(super) fn detection_episode(facts: &Facts) -> Option<EpisodeId> {
    let tally = &facts.incident.tally;
    match (tally.first_paging, &facts.incident.opening) {
        (Some(first), _) => Some(first.episode),
        (None, Opening::Alert { episode, .. }) => Some(*episode),
        (None, Opening::Heartbeat { .. }) => None,
        (None, Opening::Split { .. }) => tally.first.map(|first| first.episode),
    }
}

/// All entries of the members.
pub(super) fn rows(facts: &Facts, lateness: &Lateness) -> Vec<Row> {
    let (namesakes, places) = namesakes(&facts.members);
    let cast = Cast {
        lateness,
        detection: detection_episode(facts),
        detected_at: milestone::value_of(&facts.incident, Milestone::Detection).derived,
        recovering: recovering(facts),
    };
    let mut worst: Option<Severity> = None;
    let mut seen: HashSet<&AlertKey> = HashSet::with_capacity(facts.members.len());
    let mut rows = Vec::with_capacity(facts.members.len() * 2 + 1);
    for (episode, place) in facts.members.iter().zip(places) {
        let risen_from = worst.filter(|worst| episode.severity.rank() > worst.rank());
        worst = Some(worst.map_or(episode.severity, |worst| worst.worse(episode.severity)));
        let is_again = !seen.insert(&episode.key);
        rows.push(cast.start(episode, &namesakes[place], is_again, risen_from));
        rows.extend(cast.end(episode, &namesakes[place]));
    }
    rows.extend(peak(facts));
    rows
}

/// For each service that works again: the member that ended last. A service of which something
/// fires, or ended in a way that is no recovery, is not in it.
fn recovering(facts: &Facts) -> HashMap<&Name, EpisodeId> {
    let mut last: HashMap<&Name, Option<(Timestamp, EpisodeId)>> = HashMap::new();
    for episode in &facts.members {
        let Some(service) = &episode.service else { continue };
        let slot = last
            .entry(service)
            .or_insert_with(|| Some((Timestamp::from_nanos(i64::MIN), episode.id)));
        let end = episode.end.as_ref().and_then(|end| match end.how {
            EndKind::Reported | EndKind::Superseded | EndKind::LeaseExpired => {
                Some((end.at, episode.id))
            }
            EndKind::Abandoned(_) | EndKind::Unknown => None,
        });
        *slot = match (*slot, end) {
            (Some(so_far), Some(end)) => Some(so_far.max(end)),
            (None, _) | (_, None) => None,
        };
    }
    last.into_iter().filter_map(|(service, end)| Some((service, end?.1))).collect()
}

impl Cast<'_> {
    fn start(
        &self,
        episode: &Episode,
        namesakes: &Namesakes<'_>,
        is_again: bool,
        risen_from: Option<Severity>,
    ) -> Row {
        let at = episode.starts_at();
        let place = namesakes.label.as_ref().and_then(|_| namesakes.place(episode));
        let detail = place.map(|(label, place)| words::detail(label.as_str(), place));
        let mut text = words::symptom(episode, detail.as_deref());
        if is_again {
            text = format!("Again: {text}");
        }
        if let Some(from) = risen_from {
            text = format!("{text}. Severity rises from {from} to {}", episode.severity);
        }
        if let Some(sent) = &episode.start_refused {
            text = format!("{text} (start sent as \"{sent}\", which cannot be; shown as received)");
        }
        text.push_str(&self.lateness.mark(at, episode.received_at));
        let mut row = Row::new(
            EntryId::episode_start(episode.id),
            EntryKind::Alert,
            self.phase(episode),
            at,
            text,
        );
        row.entry.received_at = episode.received_at;
        row.entry.provenance = if episode.start_refused.is_some() {
            Provenance::Observed
        } else {
            Provenance::Reported
        };
        dress(row, episode, namesakes, Edge::Start)
    }

    fn phase(&self, episode: &Episode) -> Phase {
        let is_lead_up = matches!(episode.membership, Membership::Member { lead_up: true, .. });
        if self.detection == Some(episode.id) {
            Phase::Detection
        } else if is_lead_up || self.detected_at.is_some_and(|at| episode.starts_at() < at) {
            Phase::LeadUp
        } else {
            Phase::Symptom
        }
    }

    fn end(&self, episode: &Episode, namesakes: &Namesakes<'_>) -> Option<Row> {
        let end = episode.end.as_ref()?;
        let subject = subject(episode, namesakes);
        let length = words::duration(end.at - episode.starts_at());
        let recovered = episode
            .service
            .as_ref()
            .filter(|service| self.recovering.get(service) == Some(&episode.id));
        let whole = |how: &str| match recovered {
            Some(service) => {
                let apart = apart(episode, namesakes);
                format!("{service} recovered: {}{apart} {how}", episode.alertname())
            }
            None => format!("{subject} {how}"),
        };
        let (kind, phase, provenance, mut text) = match &end.how {
            EndKind::Reported => (
                EntryKind::Alert,
                Phase::Recovery,
                Provenance::Reported,
                whole(&format!("ended after {length}")),
            ),
            EndKind::LeaseExpired => (
                EntryKind::Alert,
                Phase::Recovery,
                Provenance::Inferred,
                whole(&format!("ended after {length}, as its sender no longer renewed it")),
            ),
            EndKind::Superseded => (
                EntryKind::Alert,
                Phase::Recovery,
                Provenance::Inferred,
                whole("had ended by now, as a later firing began"),
            ),
            // No recovery is claimed where none was seen.
            EndKind::Abandoned(reason) => (
                EntryKind::Alert,
                Phase::Symptom,
                Provenance::Reported,
                format!("{subject} stopped without a recovery: {}", words::abandoned(reason)),
            ),
            EndKind::Unknown => (
                EntryKind::Caveat,
                Phase::Symptom,
                Provenance::Inferred,
                format!("End unknown: nothing was heard of {subject} after this"),
            ),
        };
        if let Some(sent) = &end.refused {
            text = format!("{text} (end sent as \"{sent}\", which cannot be)");
        }
        if end.how == EndKind::Reported && end.heard_at - end.at > LATE_END {
            text.push_str(&self.lateness.mark(end.at, end.heard_at));
        }
        let mut row = Row::new(EntryId::episode_end(episode.id), kind, phase, end.at, text);
        row.entry.received_at = end.heard_at;
        row.entry.provenance = provenance;
        Some(dress(row, episode, namesakes, Edge::End))
    }
}

/// What start and end have in common.
fn dress(mut row: Row, episode: &Episode, namesakes: &Namesakes<'_>, edge: Edge) -> Row {
    row.number = episode.id.0;
    row.entry.service.clone_from(&episode.service);
    row.entry.severity = Some(episode.severity);
    row.entry.links = links(episode);
    row.entry.episode = Some(episode.id);
    row.entry.signal = Some(Signal {
        key: episode.key.clone(),
        alertname: namesakes.alertname.clone(),
        place: namesakes.place(episode).map(|(label, value)| (label, value.to_owned())),
        edge,
    });
    row
}

fn subject(episode: &Episode, namesakes: &Namesakes<'_>) -> String {
    words::name(episode) + &apart(episode, namesakes)
}

/// ` (web-7d9c5-x2x9z)`, ` (critical, topic invoices)`: what tells an alert from its namesakes,
/// where its name does not say it.
fn apart(episode: &Episode, namesakes: &Namesakes<'_>) -> String {
    let grade = namesakes.is_graded.then(|| episode.severity.to_string());
    let place = namesakes.place(episode).filter(|_| namesakes.is_crowd);
    let is_named = |place: &str| episode.service.is_none() && words::name(episode).ends_with(place);
    let place = place.filter(|(_, place)| !is_named(place)).map(|(label, place)| {
        let is_usual = words::PLACES.contains(&label.as_str());
        let place = words::one_line(place, words::PLACE_CHARS_MAX);
        if is_usual { place } else { words::detail(label.as_str(), &place) }
    });
    let apart: Vec<String> = grade.into_iter().chain(place).collect();
    if apart.is_empty() { String::new() } else { format!(" ({})", apart.join(", ")) }
}

/// The sender's links, with the runbook and dashboard that its annotations name.
fn links(episode: &Episode) -> Vec<Link> {
    let mut links = episode.links.clone();
    for (rel, names) in [
        ("runbook", ["runbook_url", "runbook"].as_slice()),
        ("dashboard", ["dashboard_url", "dashboard"].as_slice()),
    ] {
        let known = links.iter().any(|link| link.rel.as_str() == rel);
        let named = names.iter().find_map(|name| episode.annotations.value(name));
        if let (false, Some(url)) = (known, named.filter(|url| is_web(url))) {
            links.push(Link { rel: Name::from(rel), url: url.into() });
        }
    }
    links.retain(|link| is_web(&link.url));
    links
}

/// True for the addresses that may be links.
fn is_web(url: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)))
}

/// The moment at which most alerts fired at once, when they were many.
fn peak(facts: &Facts) -> Option<Row> {
    // Ends sort before starts of the same moment: touching firings do not overlap.
    let mut edges: Vec<(Timestamp, bool, &Episode)> = Vec::new();
    for episode in facts.members.iter().filter(|e| e.ends_at() != Some(e.starts_at())) {
        let start = episode.starts_at();
        edges.push((start, true, episode));
        edges.extend(episode.ends_at().filter(|at| *at > start).map(|at| (at, false, episode)));
    }
    edges.sort_by_key(|(at, is_start, episode)| (*at, *is_start, episode.id));
    // How many fire on each service; counted along, because a long outage has ten thousand edges.
    let mut on_services: HashMap<&Name, usize> = HashMap::new();
    let (mut firing, mut most, mut top) = (0, 0, None);
    for (at, is_start, episode) in edges {
        if is_start {
            firing += 1;
        } else {
            firing -= 1;
        }
        if let Some(service) = &episode.service {
            let count = on_services.entry(service).or_default();
            if is_start {
                *count += 1;
            } else {
                *count -= 1;
            }
            if *count == 0 {
                on_services.remove(service);
            }
        }
        if firing > most {
            most = firing;
            top = Some((at, episode, on_services.len()));
        }
    }
    let (at, episode, services) = top.filter(|_| most >= PEAK_ALERTS_MIN)?;
    // One storm that is all there is tells its number itself.
    if services <= 1 && most == facts.members.len() {
        return None;
    }
    let mut text = format!("Peak: {} firing at once", words::count(most, "alert"));
    if services > 1 {
        text = format!("{text}, on {services} services");
    }
    let mut row =
        Row::new(EntryId("peak".to_owned()), EntryKind::Lifecycle, Phase::Symptom, at, text);
    row.entry.received_at = episode.received_at;
    row.entry.provenance = Provenance::Observed;
    Some(row)
}

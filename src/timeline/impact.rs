//! What the alerts themselves say about the impact: how many, how bad, where, how long, how high.

use hashbrown::{HashMap, HashSet};

use super::words::{self, Figure};
use crate::domain::{Episode, EpisodeStatus, Facts, Name, Severity, Span, Timestamp};

/// How many services or values are named before the others are counted.
const NAMES_MAX: usize = 6;

/// The evidence in a few sentences; empty when there is no alert.
pub(super) fn evidence(facts: &Facts) -> String {
    let members = &facts.members;
    if members.is_empty() {
        return String::new();
    }
    let mut sentences = vec![alerts(members)];
    sentences.extend(suffering(facts));
    sentences.extend(peaks(members));
    sentences.join(" ")
}

/// `3 alerts (2 critical, 1 warning) on 2 services.`, `2 critical alerts on 2 services.`
fn alerts(members: &[Episode]) -> String {
    let mut severities: Vec<Severity> = Severity::ALL.to_vec();
    severities.sort_by_key(|s| std::cmp::Reverse(s.rank()));
    let mut worst_of: HashMap<_, u8> = HashMap::with_capacity(members.len());
    for episode in members {
        let slot = worst_of.entry(&episode.key).or_insert(0);
        *slot = episode.severity.rank().max(*slot);
    }
    let mut parts = Vec::new();
    let mut ranks = HashSet::new();
    for severity in severities {
        let number = worst_of.values().filter(|rank| **rank == severity.rank()).count();
        if number > 0 && ranks.insert(severity.rank()) {
            let name = members
                .iter()
                .find(|e| e.severity.rank() == severity.rank())
                .map_or(severity, |e| e.severity);
            parts.push((number, name));
        }
    }
    let services: HashSet<&Name> = members.iter().filter_map(|e| e.service.as_ref()).collect();
    let on = match services.len() {
        0 => String::new(),
        number => format!(" on {}", words::count(number, "service")),
    };
    let firings = if members.len() > worst_of.len() {
        format!(", {} firings", members.len())
    } else {
        String::new()
    };
    let alerts = match parts.as_slice() {
        [(number, severity)] => words::count(*number, &format!("{severity} alert")),
        several => {
            let each: Vec<String> = several.iter().map(|(n, s)| format!("{n} {s}")).collect();
            format!("{} ({})", words::count(worst_of.len(), "alert"), each.join(", "))
        }
    };
    format!("{alerts}{firings}{on}.")
}

/// How long at least one alert of each service fired.
fn suffering(facts: &Facts) -> Option<String> {
    let mut of_service: HashMap<&Name, Vec<&Episode>> = HashMap::new();
    for episode in &facts.members {
        if let Some(service) = &episode.service {
            of_service.entry(service).or_default().push(episode);
        }
    }
    let mut parts = Vec::new();
    for service in &facts.incident.tally.services {
        let Some(episodes) = of_service.get(service) else { continue };
        let alerts = || episodes.iter().copied();
        let length = words::duration(firing_time(alerts(), facts.incident.as_of));
        let is_firing = alerts().any(Episode::is_firing);
        let is_unknown = alerts().any(|e| e.status() == EpisodeStatus::Unknown);
        let suffix = match (is_firing, is_unknown) {
            (true, _) => " so far",
            (false, true) => " at least",
            (false, false) => "",
        };
        parts.push(format!("{service} for {length}{suffix}"));
    }
    if parts.is_empty() {
        return None;
    }
    Some(format!("Firing time: {}.", words::short_list(&parts, NAMES_MAX)))
}

/// The time during which at least one of the episodes fired.
fn firing_time<'a>(episodes: impl Iterator<Item = &'a Episode>, as_of: Timestamp) -> Span {
    let mut stretches: Vec<(Timestamp, Timestamp)> = episodes
        .map(|e| (e.starts_at(), e.ends_at().unwrap_or_else(|| as_of.max(e.starts_at()))))
        .collect();
    stretches.sort_unstable();
    let mut total = 0_i64;
    let mut covered_until = Timestamp::from_nanos(i64::MIN);
    for (from, to) in stretches {
        let from = from.max(covered_until);
        if to > from {
            total = total.saturating_add((to - from).nanos());
            covered_until = to;
        }
    }
    Span::from_nanos(total)
}

/// The worst number of a rule so far.
struct Peak<'a> {
    alertname: &'a str,
    figure: Figure<'a>,
    /// Which way is worse is a matter of the rule, so its first alert answers for all.
    is_worse_low: bool,
}

/// The worst value of each rule, where its alerts carry one.
fn peaks(members: &[Episode]) -> Option<String> {
    let mut worst: Vec<Peak<'_>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (episode, figure) in members.iter().filter_map(|e| Some((e, words::figure(e)?))) {
        let alertname = episode.alertname();
        let place = *places.entry(alertname).or_insert(worst.len());
        match worst.get_mut(place) {
            Some(Peak { figure: so_far, is_worse_low, .. }) => {
                if words::is_milder(so_far.number, figure.number, *is_worse_low) {
                    *so_far = figure;
                }
            }
            None => {
                let is_worse_low = figure.is_worse_low();
                worst.push(Peak { alertname, figure, is_worse_low });
            }
        }
    }
    let told = |is_low: bool, name: &str| {
        let of_kind = worst.iter().filter(|peak| peak.is_worse_low == is_low);
        let parts: Vec<String> =
            of_kind.map(|peak| format!("{} {}", peak.alertname, peak.figure.text())).collect();
        (!parts.is_empty())
            .then(|| format!("{name} values seen: {}.", words::short_list(&parts, NAMES_MAX)))
    };
    let sentences: Vec<String> =
        [told(false, "Highest"), told(true, "Lowest")].into_iter().flatten().collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Labels;
    use crate::timeline::examples;

    #[test]
    fn of_each_rule_the_worst_value_is_told_and_of_what_runs_out_the_lowest() {
        let say = |name: &str, summary: &str| {
            let mut episode = examples::bookstore().members.swap_remove(0);
            episode.labels = Labels::from_pairs([("alertname", name)]);
            episode.annotations = Labels::from_pairs([("summary", summary)]);
            episode.values = Vec::new();
            episode
        };
        let members = [
            say("DiskFull", "12% space left"),
            say("ErrorRate", "5% of requests fail"),
            say("DiskFull", "4% space left"),
            say("DiskFull", "9% space left"),
            say("ErrorRate", "85% of requests fail"),
            say("ErrorRate", "7% of requests fail"),
            say("TargetDown", "web is down"),
        ];
        assert_eq!(
            peaks(&members).as_deref(),
            Some("Highest values seen: ErrorRate 85%. Lowest values seen: DiskFull 4%.")
        );
        assert_eq!(peaks(&members[6..]), None);
    }
}

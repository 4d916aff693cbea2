//! The name of an incident, made from the alert that opened it: what is wrong, how much, and where.
//!
//! Only from what the sender said. A summary that names its service, place or number is a sentence
//! about this very alert and stands as it is; one that any alert of the rule could carry gives way
//! to the rule's name, where that names what is measured: `HTTP 503 rate 85% on bookstore-web`.

use super::text::what;
use super::value::{passed_limit, value, with_unit};
use super::{names_number, names_word, one_line, place, placed, whereabouts};
use crate::domain::Episode;

/// Longest headline, in characters; a longer summary gives way to the rule's name.
const HEADLINE_CHARS_MAX: usize = 100;

/// What an incident is called that this alert opened: `Node node-7 is not ready`.
#[must_use]
pub fn headline(episode: &Episode) -> String {
    let alertname = episode.alertname();
    let what = what(episode);
    // A pod's name says little and lives short: of a known service its alerts are that service's.
    let is_of_pod = episode.service.is_some() && episode.labels.value("pod").is_some();
    let placed = |text| if is_of_pod { text } else { placed(text, episode) };
    let said = placed(what.clone());
    let is_placed = said != what;
    let named = placed(spaced(alertname).into());
    let number = value(episode).filter(|value| !value.contains(" = "));
    let with_number = |text: &str, number: &str| {
        // A text that has its colon already, or a number with its unit, needs no other colon.
        let mark = if text.contains(": ") { " " } else { ": " };
        format!("{text}{mark}{number}")
    };
    let is_own = is_about(&said, episode)
        || number.as_ref().is_some_and(|number| names_number(&said, number));
    let number = number.filter(|number| !names_number(&said, number));
    let is_short = said.chars().count() <= HEADLINE_CHARS_MAX;
    let text = match (&number, measured(&named)) {
        (Some(number), Some(measured)) if !is_own || !is_short => {
            let (_, number) = with_unit(&said, number);
            let has_unit = number.ends_with(|c: char| !c.is_ascii_digit());
            if has_unit { format!("{measured} {number}") } else { with_number(measured, &number) }
        }
        (Some(number), _) if is_short => match passed_limit(&said, number) {
            // Where the number stands, the limit that it passed says nothing more.
            Some((end, unit)) => format!("{} {number}{unit}", &said[..end]),
            None => {
                let (said, number) = with_unit(&said, number);
                with_number(said, &number)
            }
        },
        (_, _) if is_short => said.into_owned(),
        (_, _) => named.into_owned(),
    };
    let text = with_capital(text, episode);
    let mut text = if is_placed { text } else { located(text, episode) };
    // A name goes through many hands, terminals among them.
    text.retain(|c| c.is_whitespace() || !c.is_control());
    one_line(&text, HEADLINE_CHARS_MAX)
}

/// True when a text names the service or the place of an alert.
fn is_about(text: &str, episode: &Episode) -> bool {
    let service = episode.service.as_ref().map(|service| service.as_str());
    let place = place(episode).map(|(_, place)| place);
    service.into_iter().chain(place).any(|name| names_word(text, name))
}

/// The text with where it is, unless it says so.
fn located(text: String, episode: &Episode) -> String {
    match whereabouts(episode) {
        Some(name) if !names_word(&text, name) => {
            let mark = if text.contains(" on ") { "," } else { " on" };
            format!("{text}{mark} {name}")
        }
        Some(_) | None => text,
    }
}

/// The text with a capital, where it begins with a plain word and not with the name of something.
fn with_capital(text: String, episode: &Episode) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let is_name = whereabouts(episode).is_some_and(|name| name.eq_ignore_ascii_case(first));
    let is_word = first.len() > 1 && first.bytes().all(|byte| byte.is_ascii_lowercase());
    match text.get(..1).filter(|_| is_word && !is_name) {
        Some(letter) => letter.to_ascii_uppercase() + &text[1..],
        None => text,
    }
}

/// Ends of a rule's name that only say in which direction it is wrong.
const TRENDS: [&str; 8] = [
    " too high",
    " too low",
    " high",
    " low",
    " critical",
    " warning",
    " elevated",
    " above threshold",
];

/// What can be measured, so that a number may follow.
const QUANTITIES: [&str; 24] = [
    "rate",
    "ratio",
    "latency",
    "lag",
    "usage",
    "utilization",
    "utilisation",
    "load",
    "errors",
    "failures",
    "timeouts",
    "time",
    "duration",
    "responses",
    "requests",
    "queries",
    "connections",
    "depth",
    "backlog",
    "size",
    "temperature",
    "throughput",
    "percent",
    "delay",
];

/// The quantity that a rule's name in words speaks of: `Error rate` of `High error rate`.
fn measured(named: &str) -> Option<&str> {
    let lower = named.to_ascii_lowercase();
    let end =
        TRENDS.iter().find_map(|trend| lower.strip_suffix(trend)).map_or(named.len(), str::len);
    let rest = &named[..end];
    let rest = ["High ", "Low ", "Elevated "]
        .iter()
        .find_map(|word| rest.strip_prefix(word))
        .unwrap_or(rest);
    let last = rest.rsplit(' ').next()?;
    QUANTITIES.iter().any(|noun| last.eq_ignore_ascii_case(noun)).then_some(rest)
}

/// Short forms that are written in capitals, as rules' names do not.
const CAPITALS: [&str; 12] =
    ["http", "https", "cpu", "dns", "tls", "tcp", "api", "jvm", "gc", "oom", "sql", "slo"];

/// `HighErrorRate` as `High error rate`, `KubeNodeNotReady` as `Node not ready`; anything else as it
/// is.
pub(super) fn spaced(alertname: &str) -> String {
    let is_of_words = alertname.bytes().any(|byte| byte.is_ascii_uppercase());
    if !is_of_words || !alertname.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return alertname.to_owned();
    }
    let mut words: Vec<&str> = Vec::new();
    let mut from = 0;
    let bytes = alertname.as_bytes();
    for at in 1..bytes.len() {
        let (before, here) = (bytes[at - 1], bytes[at]);
        let next_is_lower = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        let begins = here.is_ascii_uppercase()
            && (!before.is_ascii_uppercase() || next_is_lower)
            // `API5xx` and `P99` are one word; a number behind a word is one of its own.
            || here.is_ascii_digit() && before.is_ascii_lowercase() && at - from > 2;
        if begins {
            words.push(&alertname[from..at]);
            from = at;
        }
    }
    words.push(&alertname[from..]);
    let is_of_cluster = words.first() == Some(&"Kube")
        && words.get(1).is_some_and(|word| {
            super::THINGS.iter().any(|(noun, _)| word.eq_ignore_ascii_case(noun))
        });
    let shown = words.iter().skip(usize::from(is_of_cluster)).enumerate().map(|(place, word)| {
        let is_short_form = CAPITALS.iter().any(|short| word.eq_ignore_ascii_case(short));
        let is_mixed = word.bytes().skip(1).any(|byte| !byte.is_ascii_lowercase());
        if is_short_form {
            word.to_ascii_uppercase()
        } else if place == 0 || is_mixed || word.len() == 1 {
            (*word).to_owned()
        } else {
            word.to_ascii_lowercase()
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Labels, Name, packed};

    fn episode(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Episode {
        let labels = Labels::from_pairs(labels.iter().copied());
        Episode {
            service: labels.value("service").map(Name::from),
            labels,
            annotations: Labels::from_pairs(annotations.iter().copied()),
            values: Vec::new(),
            ..packed::tests::episode()
        }
    }

    #[test]
    fn a_headline_says_what_how_much_and_where() {
        let check = |labels: &[(&str, &str)], annotations: &[(&str, &str)], expect: &str| {
            assert_eq!(
                headline(&episode(labels, annotations)),
                expect,
                "{labels:?} {annotations:?}"
            );
        };
        let web = |name| [("alertname", name), ("service", "shop-web")];
        let share = [("summary", "503 responses: share of requests in percent"), ("value", "85")];
        check(&web("Http503RateHigh"), &share, "HTTP 503 rate 85% on shop-web");
        let count = [("summary", "Connection timeouts per second"), ("value", "42")];
        check(
            &web("DatabaseConnectionTimeouts"),
            &count,
            "Database connection timeouts: 42 on shop-web",
        );
        let load = [("summary", "Load of the primary in percent"), ("value", "99")];
        check(&web("DatabaseOverloaded"), &load, "Load of the primary: 99% on shop-web");
        let own = [("summary", "volume of shop-web has 12% space left")];
        check(&web("Volume almost full"), &own, "Volume of shop-web has 12% space left");
        check(&web("X"), &[("summary", "shop-web is down")], "shop-web is down");
        check(&web("X"), &[("summary", "p99 latency is 12s")], "p99 latency is 12s on shop-web");
        check(&web("HighErrorRate"), &[], "High error rate on shop-web");
        check(&web("HighErrorRate"), &[("value", "0.35")], "Error rate: 0.35 on shop-web");
        let limit = [("summary", "Error rate of shop-web above 5%"), ("value", "7.4")];
        check(&web("ErrorRate"), &limit, "Error rate of shop-web 7.4%");
        let instance = [("alertname", "X"), ("service", "shop-db"), ("instance", "db-1")];
        let limit = [("summary", "p99 latency of db-1 above 2 s"), ("value", "4.8")];
        check(&instance, &limit, "p99 latency of db-1 4.8 s on shop-db");
        let long = "very ".repeat(40) + "long";
        check(&web("HighErrorRate"), &[("summary", &long)], "High error rate on shop-web");
        check(
            &web("ErrorRate"),
            &[("summary", &long), ("value", "7")],
            "Error rate: 7 on shop-web",
        );
        check(&web("CPU on host"), &[], "CPU on host, shop-web");
        let pod = [("alertname", "X"), ("service", "cart"), ("pod", "cart-7d9f8b6c5-x2x9k")];
        check(&pod, &[("summary", "Pod is crash looping.")], "Pod is crash looping on cart");
        let gateway = [("alertname", "X"), ("service", "eftpos-gateway")];
        check(&gateway, &[("summary", "EFTPOS gateway: time-outs")], "EFTPOS gateway: time-outs");
        check(&web("X"), &[("summary", "\u{1b}[31mred\u{7}\nnext")], "[31mred on shop-web");
    }

    #[test]
    fn what_has_no_service_is_told_by_its_place() {
        let check = |labels: &[(&str, &str)], summary: &str, expect: &str| {
            let summary: &[(&str, &str)] =
                if summary.is_empty() { &[] } else { &[("summary", summary)] };
            assert_eq!(headline(&episode(labels, summary)), expect, "{labels:?} {summary:?}");
        };
        let node = [("alertname", "KubeNodeNotReady"), ("node", "node-7")];
        check(&node, "", "Node node-7 not ready");
        check(&node, "Node is not ready.", "Node node-7 is not ready");
        check(&node, "node node-7 is not ready", "Node node-7 is not ready");
        check(&node, "Node count is off", "Node count is off on node-7");
        check(&node, "Kubelet lost its certificate", "Kubelet lost its certificate on node-7");
        check(
            &[("alertname", "InstanceDown"), ("instance", "db-1:9100")],
            "",
            "Instance db-1:9100 down",
        );
        check(&[("alertname", "Trouble")], "", "Trouble");
        check(&[], "", "9ba69599550c63f0");
    }

    #[test]
    fn a_rule_s_name_is_written_in_words() {
        for (name, expect) in [
            ("HighErrorRate", "High error rate"),
            ("Http503RateHigh", "HTTP 503 rate high"),
            ("Http5xxRatioHigh", "HTTP 5xx ratio high"),
            ("KubePodCrashLooping", "Pod crash looping"),
            ("KubeAPIDown", "Kube API down"),
            ("TLSCertExpiring14d", "TLS cert expiring 14d"),
            ("P99LatencyHigh", "P99 latency high"),
            ("CPUThrottlingHigh", "CPU throttling high"),
            ("disk_full", "disk_full"),
            ("Größe", "Größe"),
            ("", ""),
        ] {
            assert_eq!(spaced(name), expect);
        }
    }
}

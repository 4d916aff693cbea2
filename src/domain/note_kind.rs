//! The kind of a note, suggested from its text where a person gave none.
//!
//! Plain keyword rules, first match wins: the same text always gives the same kind, and a reader
//! can see why. A suggestion is marked inferred wherever it shows. Called by the machine when a
//! note arrives, and by whoever offers a choice of kinds.

mod phrases;

use self::phrases::{
    ASKED_AS_WELL, DEEDS, FAILS_ON, FORMER_GUESSES, MEASURES, MOVES, NO_DEEDS, RULES, Rule,
    SUSPICIONS,
};
use super::incident::NoteKind;

/// How many words a gap in a phrase may hold.
const GAP_WORDS_MAX: usize = 4;

/// Suggests what a note speaks of.
#[must_use]
pub fn suggest_kind(text: &str) -> NoteKind {
    let words = words_of(text);
    let speaks = |rule: &Rule| {
        !each(rule.unless).any(|phrase| says(&words, phrase))
            && each(rule.phrases).any(|phrase| says(&words, phrase) && !only_moves(&words, phrase))
    };
    // What is asked is not yet done or known.
    let is_question = text.trim_end().ends_with('?');
    let is_heard = |rule: &&Rule| !is_question || ASKED_AS_WELL.contains(&rule.kind);
    let kind = RULES.iter().filter(is_heard).find(|rule| speaks(rule)).map(|rule| rule.kind);
    let any = |phrases| each(phrases).any(|phrase| says(&words, phrase));
    let is_deed = || {
        let rule = RULES.iter().any(|rule| rule.kind == NoteKind::Mitigation && speaks(rule));
        rule || begins_with_a_deed(&words)
    };
    let is_vain =
        || any(FAILS_ON) && (any(SUSPICIONS) || is_deed()) || any(FORMER_GUESSES) && any("but ");
    match kind {
        // What was done or thought, and the trouble went on.
        None | Some(NoteKind::Mitigation | NoteKind::Investigation | NoteKind::Diagnosis)
            if is_vain() =>
        {
            NoteKind::WrongLead
        }
        Some(kind) => kind,
        None if is_question => NoteKind::Investigation,
        None if begins_with_a_deed(&words) => NoteKind::Mitigation,
        None => NoteKind::Observation,
    }
}

/// True for a text that begins with what its writer did or does: `Promoted the replica`, `we are
/// moving the mount`. People write notes of their deeds so.
fn begins_with_a_deed(words: &str) -> bool {
    let mut words = words.split_whitespace();
    let helpers = ["we", "i", "now", "then", "have", "are", "am", "m", "re", "ve", "just", "also"];
    let Some(first) = words.find(|word| !helpers.contains(word)) else { return false };
    let is_one_of = |list: &'static str| each(list).any(|word| word == first);
    let has_ending = first.len() > 4 && (first.ends_with("ed") || first.ends_with("ing"));
    // A text of one word, or `planned: …`, names a thing.
    let goes_on = words.next().is_some();
    goes_on && (has_ending && !is_one_of(NO_DEEDS) || is_one_of(DEEDS))
}

fn each(phrases: &'static str) -> impl Iterator<Item = &'static str> {
    phrases.split('|').filter(|phrase| !phrase.is_empty())
}

/// Where a phrase stands at the beginning of a word.
fn places<'a>(words: &'a str, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    let found = words.match_indices(phrase).map(|(place, _)| place);
    found.filter(move |place| words[..*place].ends_with(' '))
}

/// True when the words hold a phrase: `^` asks for the beginning of the text, ` ~ ` stands for a few
/// words between its parts.
fn says(words: &str, phrase: &str) -> bool {
    if let Some(first) = phrase.strip_prefix('^') {
        return words.trim_start().starts_with(first);
    }
    let Some((head, tail)) = phrase.split_once(" ~ ") else {
        return places(words, phrase).next().is_some();
    };
    places(words, head).any(|place| {
        let rest = &words[place + head.len()..];
        let between = rest.match_indices(' ').take(GAP_WORDS_MAX + 1);
        between.map(|(at, _)| &rest[at + 1..]).any(|rest| rest.starts_with(tail))
    })
}

/// True when a phrase says how something moves, and all that moves in the text is a measure:
/// "error rate increased" is something seen, "timeout increased" something done.
fn only_moves(words: &str, phrase: &str) -> bool {
    if !each(MOVES).any(|word| phrase.starts_with(word)) {
        return false;
    }
    places(words, phrase).all(|place| {
        let mut before = words[..place].trim_end();
        for helper in [" has", " have", " is", " are"] {
            before = before.strip_suffix(helper).unwrap_or(before);
        }
        each(MEASURES).any(|measure| {
            before.strip_suffix(measure).is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
        })
    })
}

/// How much of a text is read for a suggestion.
const CHARS_READ_MAX: usize = 2_000;

/// The words in lower case, each between single spaces, with a space at both ends; `didn't` is two
/// words, `did not`.
fn words_of(text: &str) -> String {
    let mut words = plain_words(text);
    for (short, long) in [(" can t ", " can not "), (" won t ", " will not "), ("n t ", " not ")] {
        words = words.replace(short, long);
    }
    for bare in ["did", "does", "do", "is", "was", "are", "were", "has", "have", "could", "would"] {
        words = words.replace(&format!(" {bare}nt "), &format!(" {bare} not "));
    }
    words
}

fn plain_words(text: &str) -> String {
    let mut words = String::from(" ");
    for c in text.chars().take(CHARS_READ_MAX) {
        if c.is_alphanumeric() {
            words.extend(c.to_lowercase());
        } else if !words.ends_with(' ') {
            words.push(' ');
        }
    }
    if !words.ends_with(' ') {
        words.push(' ');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: NoteKind) {
        assert_eq!(suggest_kind(text), expect, "{text}");
    }

    #[test]
    fn the_outcome_that_a_text_names_decides() {
        check("Paged by the monitoring system", NoteKind::Notification);
        check("Reading the logs of checkout", NoteKind::Investigation);
        check(
            "DNS suspected; a restart of the resolver brought no improvement",
            NoteKind::WrongLead,
        );
        check("Network ruled out", NoteKind::WrongLead);
        check("Escalated to the storage team", NoteKind::Escalation);
        check("Handed over to the night shift", NoteKind::Escalation);
        check("Root cause found: certificate of the proxy has ended", NoteKind::Diagnosis);
        check("We decided to wait for the cache", NoteKind::Decision);
        check("Status page updated", NoteKind::Communication);
        check("Rolled back to 1.41", NoteKind::Mitigation);
        check("Latency is back to normal", NoteKind::Recovery);
        check("All clear", NoteKind::Resolution);
        check("Queue length 40,000", NoteKind::Observation);
        check("", NoteKind::Observation);
    }

    #[test]
    fn a_suspicion_alone_is_not_a_wrong_lead() {
        check("We suspect the database", NoteKind::Investigation);
    }

    #[test]
    fn words_match_at_their_beginning_only() {
        check("Prefixes of the routes counted", NoteKind::Observation);
        check("Unresolved", NoteKind::Observation);
    }

    /// Lines as public postmortems have them, in our own words.
    const LINES: [(NoteKind, &[&str]); 11] = [
        (
            NoteKind::Escalation,
            &[
                "Escalated to the storage team",
                "Paged the database team",
                "Network engineering joined the bridge",
                "Sev1 declared, Maria is incident commander",
                "Opened a support case with AWS",
                "Looped in the payments squad",
                "SRE lead called in",
                "Handed off to the APAC on-call",
                "We reached out to our CDN provider for assistance",
                "Vendor engaged through the premium support line",
            ],
        ),
        (
            NoteKind::WrongLead,
            &[
                "We initially suspected a DDoS attack, but traffic was normal",
                "Suspected bad deploy, rolled back, no improvement",
                "DNS ruled out",
                "Restarting the API pods did not help",
                "The spike in GC turned out to be unrelated",
                "Memory pressure was a red herring",
                "Added capacity to no avail",
                "Failover made no difference",
                "The load balancer was initially blamed",
                "Theory about the kernel upgrade disproved",
                "Cache flush didn't fix it",
                "Errors continued after the rollback, so the release was not the cause",
            ],
        ),
        (
            NoteKind::Diagnosis,
            &[
                "Root cause identified: connection pool exhausted by a leak",
                "Traced to a missing index on the orders table",
                "We found that the certificate had expired",
                "Engineers realized that the WAF rule was consuming all CPU",
                "It turns out the feature flag was enabled for everyone",
                "Bug in the retry logic found",
                "Narrowed down to a single switch in zone b",
                "Primary ran out of disk space because WAL archiving had stopped",
                "A configuration push caused by automation had removed the capacity",
            ],
        ),
        (
            NoteKind::Mitigation,
            &[
                "Rolled back to release 1.41",
                "Rolling back the deploy because errors rose",
                "Traffic shifted away from us-east-1",
                "Feature flag turned off",
                "Failover to the replica started",
                "Global WAF terminate executed",
                "Connection limit raised to 500",
                "Increased the timeout to 30 s",
                "Bad node cordoned and drained",
                "Scaling out the worker fleet",
                "Re-deployed the previous image",
                "Blocked the abusive client at the edge",
                "Purged the poisoned cache entries",
                "Certificate renewed and reloaded",
                "Enabled rate limiting for anonymous users",
                "Restored the table from last night's backup",
                "Hotfix shipped to production",
            ],
        ),
        (
            NoteKind::Recovery,
            &[
                "Error rate returning to normal",
                "Latency back to baseline",
                "Queue is draining, replicas catching up",
                "First requests succeed again",
                "Throughput is recovering",
                "Service partially restored for EU customers",
            ],
        ),
        (
            NoteKind::Resolution,
            &[
                "Incident resolved",
                "All systems operational",
                "Service fully restored",
                "Impact ends",
                "Everything is back to normal, incident closed",
                "Site is back online",
                "No further errors for 30 minutes, all clear",
            ],
        ),
        (
            NoteKind::Communication,
            &[
                "Status page updated to investigating",
                "Posted an update on Twitter",
                "Customers informed by e-mail",
                "First customer complaints arrive",
                "Users report login failures",
                "Stakeholders briefed",
            ],
        ),
        (
            NoteKind::Notification,
            &[
                "On-call engineer paged",
                "PagerDuty alert received by the primary",
                "Monitoring alerts the on-call",
                "First alert fires",
            ],
        ),
        (
            NoteKind::Investigation,
            &[
                "Looking at the logs of checkout",
                "Investigating elevated 5xx",
                "Checked the dashboards, CPU is normal",
                "We suspect the database",
                "Comparing configuration of both clusters",
                "Tried to reproduce in staging",
                "Query plans analysed",
            ],
        ),
        (
            NoteKind::Decision,
            &[
                "Decided to fail over",
                "We agreed to wait for the backfill",
                "Decision: keep the flag off over the weekend",
            ],
        ),
        (
            NoteKind::Observation,
            &[
                "Error rate increased to 40%",
                "Latency rising on checkout",
                "Queue length 40,000",
                "CPU at 100% on all web nodes",
                "Traffic has doubled",
                "Replication lag grows to 300 s",
                "Half of the requests time out",
                "Load increases on shop-db",
            ],
        ),
    ];

    #[test]
    fn lines_as_postmortems_write_them_get_their_kind() {
        for (kind, texts) in LINES {
            texts.iter().for_each(|text| check(text, kind));
        }
    }

    /// Lines as people type them into a chat while it burns: short, and without much grammar.
    #[test]
    fn lines_as_people_type_them_get_their_kind() {
        for line in include_str!("note_kind/lines.txt").lines() {
            let (kind, text) = line.split_once(" | ").unwrap();
            assert_eq!(suggest_kind(text).as_str(), kind, "{text}");
        }
    }

    #[test]
    fn a_phrase_may_have_a_gap_or_stand_at_the_beginning_only() {
        for (text, phrase, expect) in [
            ("turned the new flag off", "turned ~ off", true),
            ("turned off", "turned ~ off", true),
            ("turned one two three four five off", "turned ~ off", false),
            ("set max to 5", "^set ", true),
            ("the replica set", "^set ", false),
            ("offset", "set", false),
            ("it didn't help", "not help", true),
            ("it didnt help", "not help", true),
            ("it can’t help", "can not help", true),
        ] {
            assert_eq!(says(&words_of(text), phrase), expect, "{phrase} in {text}");
        }
    }
}

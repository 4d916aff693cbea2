//! The kind of a note, suggested from its text where a person gave none.
//!
//! Plain keyword rules, first match wins: the same text always gives the same kind, and a reader
//! can see why. A suggestion is marked inferred wherever it shows. Called by the machine when a
//! note arrives, and by whoever offers a choice of kinds.

use super::incident::NoteKind;

/// Beginnings of words or phrases that speak for a kind. A phrase matches where its first word
/// begins a word of the text; a trailing space asks for the whole word.
struct Rule {
    kind: NoteKind,
    phrases: &'static [&'static str],
}

/// Best first: a kind that names an outcome (somebody was called, a lead was wrong) comes before
/// the kinds whose words also occur in passing (a restart, a look at the logs).
///
/// A mere suspicion is not a wrong lead: only a text that says how it ended is.
const RULES: [Rule; 11] = [
    Rule {
        kind: NoteKind::Escalation,
        phrases: &[
            "escalat",
            "incident declared",
            "declared an incident",
            "war room",
            "called in",
            "team called",
            "team was called",
            "called the",
            "pulled in",
            "brought in",
            "asked to help",
            "asked for help",
            "asked for an urgent",
            "handed to",
            "handed over",
            "hand over",
            "handover",
            "passed on to",
            "pinged",
            "joined the call",
            "joins the call",
            "vendor",
            "support case",
            "case raised",
            "ticket with",
        ],
    },
    Rule {
        kind: NoteKind::WrongLead,
        phrases: &[
            "ruled out",
            "red herring",
            "wrong lead",
            "false lead",
            "dead end",
            "wrongly",
            "not the cause",
            "neither was",
            "was not it",
            "turned out not",
            "turns out not",
            "without effect",
            "without improvement",
            "no improvement",
            "no effect",
            "did not help",
            "do not help",
            "does not help",
            "didn t help",
            "brought nothing",
            "mistaken",
            "misled",
            "misleading",
        ],
    },
    Rule {
        kind: NoteKind::Resolution,
        phrases: &[
            "resolved",
            "all clear",
            "fully restored",
            "fully recovered",
            "full service",
            "services restored",
            "service restored",
            "all services",
            "works again",
            "working again",
            "work in full",
            "works in full",
            "back to full",
            "incident over",
            "incident is over",
            "outage over",
            "outage is over",
            "incident closed",
            "confirmed restored",
            "fix in production",
            "services back",
            "up to date",
            "service resumes",
        ],
    },
    Rule {
        kind: NoteKind::Notification,
        phrases: &[
            "paged",
            "page sent",
            "pager",
            "alerted by",
            "notified",
            "notifies",
            "notification",
            "automatic alert",
            "on call gets",
            "alert received",
            "alert arrives",
        ],
    },
    Rule {
        kind: NoteKind::Communication,
        phrases: &[
            "status page",
            "statuspage",
            "announce",
            "customers told",
            "users told",
            "customers informed",
            "users informed",
            "stakeholders",
            "customer support",
            "complain",
            "tweet",
            "mail sent",
            "e mail sent",
            "statement",
            "user reports",
            "users report",
            "customers report",
            "reports being",
            "support tickets",
            "answered",
        ],
    },
    Rule {
        kind: NoteKind::Diagnosis,
        phrases: &[
            "root cause",
            "cause found",
            "cause is",
            "cause was",
            "caused by",
            "possible cause",
            "cause identified",
            "because",
            "identified as",
            "misconfigur",
            "due to",
            "is full",
            "found to be",
            "turned out to",
            "turns out to",
            "traced to",
            "explained by",
            "culprit",
            "has driven",
            "makes ",
            "made worse",
            "was changed",
            "not what the",
            "diverged",
        ],
    },
    Rule {
        kind: NoteKind::Decision,
        phrases: &[
            "decision",
            "decided",
            "decide to",
            "decides to",
            "we agree",
            "agreed to",
            "choose to",
            "chose to",
            "go no go",
            "plan is to",
        ],
    },
    Rule {
        kind: NoteKind::Mitigation,
        phrases: &[
            "restart",
            "reboot",
            "roll back",
            "rolled back",
            "rollback",
            "rolling back",
            "revert",
            "deleted",
            "removed",
            "raised",
            "scaled",
            "scaling",
            "scale up",
            "drained",
            "cordon",
            "fail over",
            "failed over",
            "failover",
            "fix",
            "patch",
            "hotfix",
            "deployed",
            "deploy started",
            "merged",
            "corrected",
            "cleared",
            "flushed",
            "disabled",
            "enabled",
            "turned off",
            "switched",
            "restored",
            "reset",
            "reconfigur",
            "rebalanc",
            "balanced",
            "throttl",
            "blocked",
            "rate limit",
            "traffic shifted",
            "added",
            "replaced",
            "updated",
            "increased",
            "copied",
            "cleaned",
            "clean up",
            "stopped",
            "killed",
            "changes made",
            "mitigat",
            "workaround",
            "work around",
        ],
    },
    Rule {
        kind: NoteKind::Recovery,
        phrases: &[
            "recover",
            "back to normal",
            "normal again",
            "returns to normal",
            "reachable",
            "healthy again",
            "falling",
            "error rate falls",
            "partial",
            "observed working",
            "stabilis",
            "stabiliz",
            "improv",
            "alert resolves",
        ],
    },
    Rule {
        kind: NoteKind::Investigation,
        phrases: &[
            "investigat",
            "look into",
            "looks into",
            "looking",
            "examin",
            "checked",
            "check ",
            "checks ",
            "checking",
            "logs",
            "log ",
            "read",
            "analys",
            "analyz",
            "debug",
            "tested",
            "test ",
            "query",
            "queries",
            "dashboard",
            "graphs",
            "compar",
            "confirmed",
            "tried",
            "found",
            "shows",
            "show ",
            "attention turns",
            "reviewed",
            "review ",
            "suspect",
            "assum",
            "perhaps",
            "maybe",
            "trace",
        ],
    },
    Rule { kind: NoteKind::Observation, phrases: &[""] },
];

/// Suggests what a note speaks of.
#[must_use]
pub fn suggest_kind(text: &str) -> NoteKind {
    let words = words_of(text);
    RULES
        .iter()
        .find(|rule| rule.phrases.iter().any(|phrase| words.contains(&format!(" {phrase}"))))
        .map_or(NoteKind::Observation, |rule| rule.kind)
}

/// How much of a text is read for a suggestion.
const CHARS_READ_MAX: usize = 2_000;

/// The words in lower case, each between single spaces, with a space at both ends.
fn words_of(text: &str) -> String {
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
}

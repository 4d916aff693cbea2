//! Nothing of a secret may be left anywhere: the checks look at the whole result as text.

use regex::Regex;

use super::*;
use crate::domain::SourceType;
use crate::domain::Timestamp;
use crate::ingest::{Envelope, read, read_change};

/// A rule for these labels and annotations; an empty text is none.
fn rule(labels: &str, annotations: &str, regex: &str, replacement: &str) -> RedactionRule {
    let names =
        |text: &str| (!text.is_empty()).then(|| Regex::new(&format!("^(?:{text})$")).unwrap());
    RedactionRule {
        name: Name::from("rule"),
        labels: names(labels),
        annotations: names(annotations),
        regex: Regex::new(regex).unwrap(),
        replacement: replacement.to_owned(),
    }
}

fn parsed(kind: SourceType, body: &str) -> Parsed {
    let source = Name::from("s");
    let envelope = Envelope {
        source: &source,
        kind,
        namespace: None,
        received_at: Timestamp::parse("2026-03-04T02:00:00Z").unwrap(),
        headers: &[],
    };
    read(&envelope, body.as_bytes()).unwrap()
}

/// Redacts a body of Alertmanager; gives the delivery and the body as they are kept.
fn redacted(rules: &[RedactionRule], body: &str) -> (Parsed, String) {
    let mut parsed = parsed(SourceType::Alertmanager, body);
    let cleaned = redact(rules, &mut parsed, body.as_bytes());
    let kept = cleaned.bytes.map_or_else(|| body.to_owned(), |b| String::from_utf8(b).unwrap());
    (parsed, kept)
}

const BODY: &str = r#"{
  "version": "4", "groupKey": "{}:{token=\"s3cr3t/x=\"}", "externalURL": "http://am/s3cr3t/x=",
  "groupLabels": {"token": "s3cr3t/x="}, "commonLabels": {"alertname": "A", "token": "s3cr3t/x="},
  "alerts": [{"status": "firing", "startsAt": "2026-03-04T01:59:00Z",
    "labels": {"alertname": "A", "token": "s3cr3t/x=", "pin": "7"},
    "annotations": {"description": "token s3cr3t/x= leaked", "n": "7 of 7"},
    "generatorURL": "http://p/graph?expr=up%7Btoken%3D%22s3cr3t%2Fx%3D%22%7D&n=7&pin=%227%22"}]
}"#;

#[test]
fn a_secret_is_nowhere_in_what_is_kept() {
    let rules = [rule("token", "", ".+", MARK)];
    let before = parsed(SourceType::Alertmanager, BODY);
    let (after, kept) = redacted(&rules, BODY);
    let shown = format!("{after:?}");
    assert!(!shown.contains("s3cr3t") && !kept.contains("s3cr3t"), "{shown}\n{kept}");
    let word = &after.delivery.words[0];
    assert_eq!(word.labels.get("token"), Some(MARK));
    assert_eq!(word.labels.get("alertname"), Some("A"));
    assert_eq!(word.annotations.get("description"), Some("token [redacted] leaked"));
    assert_eq!(word.key, before.delivery.words[0].key, "it stays the same alert");
    // All else stays byte by byte, and it is the same JSON but for the values.
    assert!(kept.starts_with("{\n  \"version\": \"4\", \"groupKey\": "), "{kept}");
    let again = parsed(SourceType::Alertmanager, &kept);
    assert_eq!(again.delivery.words[0].labels, word.labels);
}

#[test]
fn what_nothing_is_found_in_stays_as_it_is() {
    for rules in [
        vec![rule("token", "", "other", MARK)],
        vec![rule("", "token", ".+", MARK)],
        vec![rule("tok", "tok", ".+", MARK)],
    ] {
        let (after, kept) = redacted(&rules, BODY);
        // The raw body does not say which of its members are labels.
        if rules[0].labels.is_some() {
            assert_eq!(kept, BODY);
            assert_eq!(after, parsed(SourceType::Alertmanager, BODY));
        } else {
            assert!(!kept.contains("s3cr3t"), "{kept}");
        }
    }
}

#[test]
fn a_short_secret_goes_elsewhere_only_where_it_stands_in_quotes() {
    let (after, kept) = redacted(&[rule("pin", "", ".+", MARK)], BODY);
    let word = &after.delivery.words[0];
    assert_eq!(word.labels.get("pin"), Some(MARK));
    assert_eq!(word.annotations.get("n"), Some("7 of 7"));
    assert!(word.links[0].url.ends_with("&n=7&pin=[redacted]"), "{}", word.links[0].url);
    assert!(kept.contains("7 of 7") && kept.contains("\"pin\": \"[redacted]\""), "{kept}");
}

#[test]
fn groups_that_the_replacement_keeps_are_no_secret() {
    let body = BODY.replace("token s3cr3t/x= leaked", "password=hunter2 for token; user=ada");
    let rules = [rule("", "description", r"(password=)(\S+)", "${1}[redacted]")];
    let (after, kept) = redacted(&rules, &body);
    let description = after.delivery.words[0].annotations.get("description");
    assert_eq!(description, Some("password=[redacted] for token; user=ada"));
    assert!(!kept.contains("hunter2") && kept.contains("password="), "{kept}");
}

#[test]
fn escapes_hide_nothing() {
    for hidden in ["s3cr3t\\u002Fx=", "s3\\u0063r3t/x=", "s3cr3t\\/x="] {
        let body = BODY.replace("s3cr3t/x=", hidden);
        let (after, kept) = redacted(&[rule("tok\\w+", "", "s.*", MARK)], &body);
        assert!(!format!("{after:?}").contains("cr3t"), "{hidden}");
        assert!(!kept.contains(hidden), "{hidden}: {kept}");
    }
    let body = BODY.replace("\"token\"", "\"to\\u006ben\"");
    let (_, kept) = redacted(&[rule("token", "", ".+", MARK)], &body);
    assert!(!kept.contains("s3cr3t"), "{kept}");
}

#[test]
fn alerts_that_are_refused_lose_their_secrets_too() {
    let body =
        BODY.replace("\"alerts\": [", "\"alerts\": [{\"labels\": {\"token\": [\"other0\", {}]}}, ");
    let (after, kept) = redacted(&[rule("token", "", ".+", MARK)], &body);
    assert_eq!(after.refused.len(), 1);
    assert!(!kept.contains("other0"), "{kept}");
}

#[test]
fn a_key_that_holds_a_secret_becomes_its_hash_each_time() {
    let body = r#"{"routing_key": "r", "event_action": "trigger", "dedup_key": "db s3cr3t",
        "payload": {"summary": "s", "source": "h", "severity": "error", "custom_details": {"token": "s3cr3t"}}}"#;
    let once = || {
        let mut parsed = parsed(SourceType::Pagerduty, body);
        let rules = [rule(".*", ".*", "s3cr3t", MARK)];
        drop(redact(&rules, &mut parsed, body.as_bytes()));
        parsed.delivery
    };
    let delivery = once();
    assert!(!format!("{delivery:?}").contains("s3cr3t"), "{delivery:?}");
    assert_eq!(delivery, once());
}

#[test]
fn a_body_that_cannot_be_used_is_redacted_or_withheld() {
    let rules = [rule("token", "", ".+", MARK)];
    for (body, expect) in [
        (r#"{"alerts": 1, "token": "s3cr3t"}"#, r#"{"alerts": 1, "token": "[redacted]"}"#),
        (r#"{"token": "s3cr3t", "cut": "to s3cr"#, r#"{"token": "[redacted]", "cut": "to s3cr"#),
        (r#"{"a": 1, "token": "s3cr"#, r#"{"a": 1, "token": "[redacted]""#),
        ("token=s3cr3t", std::str::from_utf8(WITHHELD).unwrap()),
        ("", std::str::from_utf8(WITHHELD).unwrap()),
        (r#"{"other": "x"}"#, r#"{"other": "x"}"#),
    ] {
        let mut problem = "it says s3cr3t".to_owned();
        let cleaned = redact_unusable(&rules, body.as_bytes(), &mut problem);
        let kept = cleaned.bytes.unwrap_or_else(|| body.into());
        assert_eq!(std::str::from_utf8(&kept).unwrap(), expect, "{body}");
        let is_gone = !problem.contains("s3cr3t") || !body.contains("s3cr3t\"");
        assert!(is_gone, "{body}: {problem}");
    }
}

#[test]
fn a_change_in_our_own_form_is_redacted() {
    let body = br#"{"summary": "rotated s3cr3t", "labels": {"token": "s3cr3t"}, "author": "s3cr3t",
        "link": "https://ci/?t=s3cr3t", "key": "s3cr3t-1"}"#;
    let mut change = read_change(body, Timestamp::EPOCH).unwrap();
    redact_change(&[rule("token", "", ".+", MARK)], &mut change);
    assert!(!format!("{change:?}").contains("s3cr3t"), "{change:?}");
    assert_eq!(change.summary, "rotated [redacted]");
}

#[test]
fn more_secrets_than_we_look_for_withhold_the_body() {
    let alerts: Vec<String> = (0..2000)
        .map(|n| {
            let secret = format!("{n}{}", "x".repeat(600));
            format!(r#"{{"status":"firing","labels":{{"alertname":"A","token":"{secret}"}}}}"#)
        })
        .collect();
    let body = format!(r#"{{"alerts":[{}]}}"#, alerts.join(","));
    let (after, kept) = redacted(&[rule("token", "", ".+", MARK)], &body);
    assert_eq!(kept.as_bytes(), WITHHELD);
    assert!(after.delivery.words.iter().all(|word| word.labels.get("token") == Some(MARK)));
}

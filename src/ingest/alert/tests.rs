//! What is read of an alert, and what sets it aside.

use super::*;
use crate::domain::SourceType::Alertmanager;
use crate::ingest::fixtures::{ALL, parse, payload, reason, try_read};

/// A notification with one sound alert and the given one after it.
fn beside_a_sound_one(alert: &str) -> Vec<u8> {
    format!(r#"{{"alerts":[{{"status":"firing","labels":{{"alertname":"Good"}}}},{alert}]}}"#)
        .into_bytes()
}

#[test]
fn both_ways_of_reading_give_the_same_alerts() {
    for (kind, body) in ALL {
        let text = wire::text(body);
        let Some(end) = text.rfind('}') else { continue };
        if text.starts_with('[') || !text.contains("\"alerts\"") {
            continue;
        }
        // A field given twice is something that the fast way does not take.
        let slow = format!("{},\"groupKey\":null{}", &text[..end], &text[end..]);
        let slow = slow.replacen('{', "{\"groupKey\":null,", 1);
        let (fast, slow) = (parse(*kind, body), parse(*kind, slow.as_bytes()));
        assert_eq!(fast.delivery.words, slow.delivery.words);
        assert_eq!(fast.delivery.sender, slow.delivery.sender);
        assert_eq!(fast.delivery.truncated, slow.delivery.truncated);
    }
}

#[test]
fn real_bodies_are_read_in_one_pass() {
    use crate::domain::SourceType::{Grafana, Prometheus};

    for (kind, body) in ALL {
        let text = wire::text(body);
        let is_read = match kind {
            // Only this one says a field twice.
            Alertmanager if *body == payload!("bad/25-duplicate-keys.json") => continue,
            Alertmanager | Grafana => serde_json::from_str::<Notification<'_>>(&text).is_ok(),
            Prometheus => serde_json::from_str::<Alerts<'_>>(&text).is_ok(),
            _ => continue,
        };
        assert!(is_read, "{text}");
    }
}

#[test]
fn one_unusable_alert_is_set_aside_with_its_reason() {
    let long = "x".repeat(LABEL_VALUE_BYTES_MAX + 1);
    let many: Vec<String> = (0..=LABELS_MAX).map(|n| format!("\"l{n}\":\"v\"")).collect();
    for (alert, expect) in [
        ("5", "not an object"),
        ("null", "not an object"),
        ("{}", "no label with a value"),
        (r#"{"labels":null}"#, "no label with a value"),
        (r#"{"labels":{"a":""}}"#, "no label with a value"),
        (r#"{"labels":{"a":"1","a":""}}"#, "no label with a value"),
        (r#"{"labels":[]}"#, "its `labels` are not an object"),
        (r#"{"labels":{"alertname":5}}"#, "label `alertname` is not a text"),
        (r#"{"labels":{"a":"b"},"annotations":{"c":[]}}"#, "annotation `c` is not a text"),
        (r#"{"labels":{"a":"b"},"annotations":"c"}"#, "its `annotations` are not an object"),
        (r#"{"labels":{"a":"b"},"status":"silenced"}"#, "its status `silenced` is neither"),
        (r#"{"labels":{"a":"b"},"status":{}}"#, "its status `{}` is neither"),
        (r#"{"labels":{"":"b"}}"#, "has no name"),
        (&format!(r#"{{"labels":{{"a":"{long}"}}}}"#), "is longer than 65536 bytes"),
        (&format!(r#"{{"labels":{{"{long}":"a"}}}}"#), "is longer than 1024 bytes"),
        (&format!(r#"{{"labels":{{{}}}}}"#, many.join(",")), "more than 128 labels"),
    ] {
        let parsed = parse(Alertmanager, &beside_a_sound_one(alert));
        assert_eq!(parsed.delivery.words.len(), 1, "{expect}");
        assert_eq!((parsed.delivery.rejected, parsed.refused[0].index), (1, 1));
        let problem = &parsed.refused[0].problem;
        assert!(problem.contains(expect), "{expect}: {problem}");
        let alone = format!(r#"{{"alerts":[{alert}]}}"#);
        assert_eq!(reason(Alertmanager, alone.as_bytes()), Reason::NoAlert, "{expect}");
    }
}

#[test]
fn times_and_addresses_of_other_types_lose_no_alert() {
    for alert in [
        r#"{"labels":{"a":"b"},"startsAt":1772445600,"endsAt":{},"generatorURL":5}"#,
        r#"{"labels":{"a":"b"},"fingerprint":[],"values":"x","orgId":"1"}"#,
        r#"{"labels":{"a":"\ud83d"},"annotations":{"b":"\ude42 c"}}"#,
        r#"{"labels":{"a":"b","a":"c"},"labels":{"a":"d"}}"#,
        r#"{"labels":{"a":"b"},"values":{"A":1e999,"B":2},"x":1e999}"#,
    ] {
        let parsed = parse(Alertmanager, &beside_a_sound_one(alert));
        assert_eq!((parsed.delivery.words.len(), parsed.refused.len()), (2, 0), "{alert}");
    }
    let parsed = parse(Alertmanager, &beside_a_sound_one(r#"{"labels":{"a":"b"},"startsAt":17}"#));
    assert_eq!(parsed.delivery.words[1].starts_at.refused.as_deref(), Some("17"));
}

#[test]
fn a_body_without_a_usable_alert_says_why() {
    for (body, expect) in [
        (payload!("bad/03-truncated-json.json"), Reason::NotJson),
        (payload!("bad/09-labels-wrong-types.json"), Reason::NoAlert),
        (b"", Reason::NotJson),
        (b"\xff\xfe", Reason::NotJson),
        (b"[]", Reason::WrongShape),
        (b"{}", Reason::WrongShape),
        (br#"{"alerts":{}}"#, Reason::WrongShape),
        (br#"{"alerts":null}"#, Reason::NoAlert),
        (br#"{"alerts":[]}"#, Reason::NoAlert),
    ] {
        assert_eq!(reason(Alertmanager, body), expect, "{}", wire::text(body));
    }
    let many = format!(r#"{{"alerts":[{}0]}}"#, "0,".repeat(crate::ingest::ALERTS_MAX));
    assert_eq!(reason(Alertmanager, many.as_bytes()), Reason::TooMany);
}

#[test]
fn long_annotations_are_cut_and_too_many_left_out() {
    let long = "é".repeat(LABEL_VALUE_BYTES_MAX);
    let many: Vec<String> = (0..200).map(|n| format!("\"a{n:03}\":\"{n}\"")).collect();
    let body = format!(
        r#"{{"alerts":[{{"labels":{{"a":"b"}},"annotations":{{"text":"{long}",{}}}}}]}}"#,
        many.join(",")
    );
    let word = parse(Alertmanager, body.as_bytes()).delivery.words.remove(0);
    assert_eq!(word.annotations.len(), ANNOTATIONS_MAX);
    let text = word.annotations.get("text").unwrap();
    assert!(text.len() <= LABEL_VALUE_BYTES_MAX && text.ends_with('…'));
}

#[test]
fn long_group_keys_stand_as_their_hash() {
    let body = format!(
        r#"{{"groupKey":"{}","alerts":[{{"labels":{{"a":"b"}}}}]}}"#,
        "g".repeat(KEY_BYTES_MAX + 1)
    );
    let parsed = try_read(Alertmanager, body.as_bytes()).unwrap();
    assert_eq!(parsed.delivery.group.unwrap().as_str().len(), 32);
}

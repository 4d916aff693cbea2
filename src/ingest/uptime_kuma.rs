//! Uptime Kuma's webhook notification: `{heartbeat, monitor, msg}`.
//!
//! An alert is a monitor. Status 0 is down, 1 up, 2 pending (nothing yet), 3 maintenance (told as
//! a change, because it is planned work and neither an outage nor a recovery). A notification
//! without a heartbeat is the test button or a notice about a certificate: kept, and it opens
//! nothing. A repeated "down" is the same firing told again; the words say so by
//! `key_from_labels: false`.

use std::borrow::Cow;

use super::alert::{self, Pairs};
use super::wire::{self, Object};
use super::{Envelope, Found, LABELS_MAX, Parsed, Unusable, change};
use crate::domain::record::Path;
use crate::domain::{
    AlertKey, ChangeKind, Claim, Ending, Fingerprint, Span, Timestamp, Word, WordState,
};

/// How far from the receipt a time without zone may lie and still be taken for UTC.
const ZONE_DOUBT: Span = Span::from_minutes(10);

/// Reads a notification.
pub(super) fn read(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    let body = Object::body(text)?;
    if !body.has("heartbeat") && !body.has("monitor") {
        let problem = "neither `heartbeat` nor `monitor` is there; use the webhook's JSON preset";
        return Err(Unusable::wrong_shape(problem));
    }
    let message = body.text("msg").unwrap_or_default();
    let Some(heartbeat) = body.object("heartbeat") else {
        // The test button writes "<name of the notification> Testing".
        let is_test = message.trim_end().ends_with("Testing");
        return Found { is_test, ..Found::default() }.finish(envelope, Path::Webhook);
    };
    let monitor = body.object("monitor");
    let beat =
        Beat { envelope, heartbeat: &heartbeat, monitor: monitor.as_ref(), message: &message };
    let found = match heartbeat.scalar("status").as_deref() {
        Some("0") => Found { words: vec![beat.word(false)?], ..Found::default() },
        Some("1") => Found { words: vec![beat.word(true)?], ..Found::default() },
        Some("2") => Found::default(),
        Some("3") => Found::change(beat.maintenance()),
        _ => {
            let problem =
                "`heartbeat.status` must be 0 (down), 1 (up), 2 (pending) or 3 (maintenance)";
            return Err(Unusable::wrong_shape(problem));
        }
    };
    found.finish(envelope, Path::Webhook)
}

/// One heartbeat with everything around it.
struct Beat<'a> {
    envelope: &'a Envelope<'a>,
    heartbeat: &'a Object<'a>,
    monitor: Option<&'a Object<'a>>,
    message: &'a str,
}

impl<'a> Beat<'a> {
    fn word(&self, is_up: bool) -> Result<Word, Unusable> {
        let at = self.moment();
        let id = self
            .heartbeat
            .first_of(&["monitorID", "monitor_id"])
            .or_else(|| self.of_monitor("id"))
            .filter(|id| id.len() <= super::KEY_BYTES_MAX)
            .ok_or_else(|| Unusable::wrong_shape("`heartbeat.monitorID` is missing"))?;
        let key = AlertKey::new(
            self.envelope.namespace_or(self.envelope.source.as_str()),
            Fingerprint::new(&*id),
        );
        let url = self.url();
        let mut links = Vec::new();
        alert::add_link(&mut links, "generator", url.as_deref().map(without_user).as_deref());
        let annotations: Pairs<'_> = [
            ("summary", Some(Cow::Borrowed(self.message))),
            ("description", self.of_monitor("description")),
            ("error", self.heartbeat.text("msg")),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((Cow::Borrowed(name), value?)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
        Ok(Word {
            key,
            key_from_labels: false,
            labels: self.labels(&id, url.as_deref())?,
            annotations: annotations.into_annotations(),
            state: if is_up {
                let ending = Ending::Recovered;
                WordState::Resolved { ends_at: Claim::plain(at), ending }
            } else {
                WordState::Firing { lease: None }
            },
            // The recovery does not say since when it was down: its start is its end.
            starts_at: Claim::plain(at),
            links,
            values: self.ping(),
            is_test: false,
        })
    }

    fn labels(&self, id: &str, url: Option<&str>) -> Result<crate::domain::Labels, Unusable> {
        let name = self.of_monitor("name").unwrap_or_else(|| Cow::Owned(format!("Monitor {id}")));
        let instance = self
            .of_monitor("hostname")
            .or_else(|| url.and_then(host).map(|host| Cow::Owned(host.to_owned())));
        let pairs: Pairs<'_> = self
            .tags()
            .into_iter()
            .chain([("alertname".into(), name), ("monitor".into(), Cow::Owned(id.to_owned()))])
            .chain(instance.map(|instance| (Cow::Borrowed("instance"), instance)))
            .collect();
        pairs.into_labels().map_err(|problem| {
            Unusable::wrong_shape(format!("the monitor cannot be used: {problem}"))
        })
    }

    /// The monitor's tags; one without a value says that it is there.
    fn tags(&self) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let Some(json) = self.monitor.and_then(|monitor| monitor.json("tags")) else {
            return Vec::new();
        };
        let Ok(list) = wire::list(json) else { return Vec::new() };
        list.filter_map(Object::value)
            .filter_map(|tag| {
                Some((tag.text("name")?, tag.text("value").unwrap_or(Cow::Borrowed("true"))))
            })
            .take(LABELS_MAX / 2)
            .collect()
    }

    fn maintenance(&self) -> crate::domain::ChangeReport {
        let name = self.of_monitor("name").unwrap_or(Cow::Borrowed("a monitor"));
        let mut report = change::report(self.envelope, &format!("Maintenance of {name}"));
        report.kind = ChangeKind::Maintenance;
        report.at = self.moment();
        report.labels = change::labels([("monitor", name)]);
        report
    }

    /// The moment of the heartbeat. Its text has no zone: newer versions state the offset beside a
    /// local time, older ones mean the server's zone, which we cannot know. A time that is far
    /// from the receipt when read as UTC is therefore not believed.
    fn moment(&self) -> Timestamp {
        let received_at = self.envelope.received_at;
        let read = |text: Option<Cow<'_, str>>, offset: &str| {
            let text = text?.trim().replacen(' ', "T", 1);
            Timestamp::parse_rfc3339(&format!("{text}{offset}")).ok()
        };
        let offset = self.heartbeat.text("timezoneOffset");
        let local = offset.and_then(|offset| read(self.heartbeat.text("localDateTime"), &offset));
        let utc = || read(self.heartbeat.text("time"), "Z");
        local
            .or_else(utc)
            .filter(|at| (*at - received_at).abs() <= ZONE_DOUBT)
            .unwrap_or(received_at)
    }

    /// The monitored address; Uptime Kuma leaves a bare scheme where there is none.
    fn url(&self) -> Option<Cow<'a, str>> {
        self.of_monitor("url").filter(|url| !matches!(&**url, "https://" | "http://"))
    }

    fn ping(&self) -> Vec<(Box<str>, f64)> {
        let ping =
            self.heartbeat.json("ping").and_then(|json| serde_json::from_str::<f64>(json).ok());
        ping.map(|millis| ("ping_ms".into(), millis)).into_iter().collect()
    }

    fn of_monitor(&self, field: &str) -> Option<Cow<'a, str>> {
        self.monitor.and_then(|monitor| monitor.scalar(field))
    }
}

/// The address without user and password, which a monitor may hold and nobody else should see.
fn without_user(url: &str) -> Cow<'_, str> {
    match (url.split_once("://"), host(url)) {
        (Some((scheme, rest)), Some(host)) => {
            let path = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
            Cow::Owned(format!("{scheme}://{host}{path}"))
        }
        _ => Cow::Borrowed(url),
    }
}

/// The host and port of an address, without user and password.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SourceType;
    use crate::ingest::Reason;
    use crate::ingest::fixtures::{UPTIME_KUMA, at, parse, reason, received_at};

    fn with(from: &str, to: &str) -> crate::ingest::Parsed {
        let text = std::str::from_utf8(UPTIME_KUMA).unwrap();
        assert!(text.contains(from), "{from}");
        parse(SourceType::UptimeKuma, text.replace(from, to).as_bytes())
    }

    #[test]
    fn a_monitor_that_is_down_fires() {
        let parsed = parse(SourceType::UptimeKuma, UPTIME_KUMA);
        let word = &parsed.delivery.words[0];
        assert_eq!(
            (word.key.namespace.as_str(), word.key.fingerprint.as_str()),
            ("uptime-kuma", "7")
        );
        assert!(!word.key_from_labels);
        assert_eq!(word.state, WordState::Firing { lease: None });
        assert_eq!(word.starts_at, Claim::plain(at("2026-03-02T10:00:30Z")));
        assert_eq!(
            word.labels,
            crate::domain::Labels::from_pairs([
                ("alertname", "Shop"),
                ("instance", "shop.example.test"),
                ("monitor", "7"),
                ("public", "true"),
                ("service", "shop-web"),
            ])
        );
        assert_eq!(word.annotations.get("error"), Some("connect ECONNREFUSED"));
        assert_eq!(&*word.links[0].url, "https://shop.example.test/health?x=1");
        assert!(!format!("{parsed:?}").contains("secret"));
    }

    #[test]
    fn up_resolves_pending_waits_and_maintenance_is_a_change() {
        let up = with("\"status\":0", "\"status\":1").delivery.words.remove(0);
        let end = Claim::plain(at("2026-03-02T10:00:30Z"));
        assert_eq!(up.starts_at, end);
        assert_eq!(up.state, WordState::Resolved { ends_at: end, ending: Ending::Recovered });
        assert!(with("\"status\":0", "\"status\":2").delivery.words.is_empty());
        let delivery = with("\"status\":0", "\"status\":3").delivery;
        assert_eq!(delivery.changes[0].kind, ChangeKind::Maintenance);
        assert_eq!(delivery.changes[0].summary, "Maintenance of Shop");
    }

    #[test]
    fn a_time_whose_zone_is_unknown_is_believed_only_near_the_receipt() {
        let start = |from, to| with(from, to).delivery.words[0].starts_at.at;
        let without_offset = "\"timezone\":\"Europe/Berlin\"";
        // Without the local time, the other one is taken for UTC if that can be.
        assert_eq!(start("localDateTime", "x"), at("2026-03-02T10:00:30.123Z"));
        assert_eq!(start("+01:00", "+05:00"), received_at());
        assert_eq!(start("+01:00", "nonsense"), at("2026-03-02T10:00:30.123Z"));
        assert_eq!(start(without_offset, "\"x\":1"), at("2026-03-02T10:00:30Z"));
    }

    #[test]
    fn the_test_button_and_notices_open_nothing() {
        let test = parse(
            SourceType::UptimeKuma,
            br#"{"heartbeat":null,"monitor":null,"msg":"Webhook Testing"}"#,
        );
        assert!(test.is_test && test.delivery.words.is_empty());
        let notice = parse(
            SourceType::UptimeKuma,
            br#"{"heartbeat":null,"monitor":null,"msg":"certificate will expire in 7 days"}"#,
        );
        assert!(!notice.is_test && notice.delivery.words.is_empty());
    }

    #[test]
    fn other_shapes_are_refused() {
        for body in [
            r#"{"msg":"x"}"#,
            r#"{"heartbeat":{"status":9,"monitorID":1}}"#,
            r#"{"heartbeat":{"status":0}}"#,
            "[]",
        ] {
            assert_eq!(
                reason(SourceType::UptimeKuma, body.as_bytes()),
                Reason::WrongShape,
                "{body}"
            );
        }
    }
}

use std::collections::HashMap;

use super::*;
use crate::domain::explanation::{Rival, Term};
use crate::domain::{Explanation, Span};

/// An episode with something unusual in every field.
pub(crate) fn episode() -> Episode {
    let at = Timestamp::from_seconds;
    Episode {
        id: EpisodeId(7),
        key: AlertKey {
            namespace: Name::from("prometheus"),
            fingerprint: Fingerprint::new("9ba69599550c63f0"),
            variant: Some(u64::MAX),
        },
        sources: vec![Name::from("alertmanager"), Name::from("")],
        labels: Labels::from_pairs([("alertname", "HighErrorRate"), ("a,b;c:", "ü")]),
        annotations: Labels::from_pairs([("summary", "it\nburns")]),
        links: vec![Link { rel: Name::from("generator"), url: "http://x".into() }],
        values: vec![("A".into(), -0.1), ("B".into(), f64::MAX)],
        starts: vec![
            EpisodeStart { at: at(-5), sender: Some(Name::from("http://am")), by_api: false },
            EpisodeStart { at: at(9), sender: None, by_api: true },
        ],
        start_refused: Some("yesterday".into()),
        end: None,
        lease: Some(at(500)),
        held_by_webhook: true,
        kind: Kind::CertificateExpiry,
        severity: Severity::High,
        service: Some(Name::from("shop-web")),
        received_at: at(1_700_000_000) + Span::from_nanos(7),
        last_word_at: at(1_700_000_100),
        deliveries: 3,
        resumed: 2,
        standing: Standing::Chronic,
        is_test: true,
        membership: Membership::Member {
            incident: IncidentId(300),
            lead_up: true,
            by_person: false,
        },
        context_of: vec![IncidentId(1), IncidentId(u64::MAX)],
        reason: "Member of incident 300 with a score of 5.1: same service, calls; nearest x."
            .into(),
    }
}

/// With and without numbers for texts, it must read back as it was, and never when it is cut.
fn reads_back<T: PartialEq + std::fmt::Debug>(
    value: &T,
    pack: impl Fn(&mut Packer<'_>),
    unpack: impl Fn(&mut Unpacker<'_>) -> Result<T, Unreadable>,
) {
    for numbered in [false, true] {
        let mut numbers: HashMap<String, u64> = HashMap::new();
        let mut number = |text: &str| {
            let next = numbers.len() as u64;
            numbered.then(|| *numbers.entry(text.to_owned()).or_insert(next))
        };
        let mut packer = Packer::new(&mut number);
        pack(&mut packer);
        let bytes = packer.finish();
        let texts: HashMap<u64, Arc<str>> =
            numbers.iter().map(|(text, number)| (*number, Arc::from(text.as_str()))).collect();
        let mut find = |number: u64| texts.get(&number).cloned();
        assert_eq!(unpack(&mut Unpacker::new(&bytes, &mut find)).as_ref(), Ok(value));
        for length in 0..bytes.len() {
            let cut = unpack(&mut Unpacker::new(&bytes[..length], &mut find));
            assert!(cut.is_err(), "cut at {length}");
        }
    }
}

fn check(episode: &Episode) {
    reads_back(
        episode,
        |packer| packer.episode(episode),
        |unpacker| unpacker.episode(episode.id, Heard::of(episode)),
    );
}

#[test]
fn an_episode_reads_back_as_it_was() {
    check(&episode());
    let end = |how| {
        let at = Timestamp::from_nanos(i64::MIN);
        Some(EpisodeEnd { at, heard_at: Timestamp::from_nanos(i64::MAX), refused: None, how })
    };
    for how in [
        EndKind::Reported,
        EndKind::Abandoned("Paused".into()),
        EndKind::Superseded,
        EndKind::LeaseExpired,
        EndKind::Unknown,
    ] {
        check(&Episode { end: end(how), membership: Membership::Floating, ..episode() });
    }
    let key = AlertKey::new(Name::from("pd"), Fingerprint::new("ABCDEF0123456789"));
    check(&Episode { key, values: vec![], reason: Box::default(), ..episode() });
}

#[test]
fn a_form_of_the_future_is_refused() {
    let mut none = |_: u64| None;
    let bytes = [FORM + 1; 64];
    let heard = Heard::of(&episode());
    let read = Unpacker::new(&bytes, &mut none).episode(EpisodeId(1), heard);
    assert!(read.unwrap_err().to_string().contains("form"));
}

#[test]
fn an_explanation_reads_back_in_thousandths() {
    let term = |name: &'static str, points, text: &'static str| Term {
        name: name.into(),
        points,
        text: text.into(),
    };
    let full = Explanation {
        incident: Some(IncidentId(0)),
        nearest: Some(EpisodeId(300)),
        score: Some(-0.0004),
        needed: Some(0.0),
        terms: vec![
            term("bias", -2.25, "two alerts are rarely one trouble"),
            term("company", 1.2345, "26076 alerts are in it"),
            term("together", 0.75, "began 0s apart at 09:05 in web-7\0"),
        ],
        rivals: vec![Rival { incident: IncidentId(2), score: 1e9 + 0.123_456 }],
    };
    for explanation in [Explanation::default(), full.in_thousandths()] {
        reads_back(&explanation, |to| to.explanation(&explanation), |from| from.explanation());
    }
}

#[test]
fn a_score_that_was_not_enough_stays_below() {
    let explanation =
        Explanation { score: Some(-0.0004), needed: Some(0.0), ..Explanation::default() };
    let Explanation { score, needed, .. } = explanation.in_thousandths();
    assert!(score < needed, "{score:?} {needed:?}");
}

#[test]
fn a_sentence_with_other_numbers_than_it_says_is_refused() {
    let mut none = |_: &str| None;
    let mut packer = Packer::new(&mut none);
    packer.count(1);
    packer.text("\0 and \0");
    (1..=2).for_each(|number| packer.count(number));
    let bytes = packer.finish();
    let mut find = |_: u64| None;
    assert!(Unpacker::new(&bytes, &mut find).phrase().is_err());
}

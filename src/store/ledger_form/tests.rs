//! The stored form: pinned as text, and read back as it was for anything that can be said.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::domain::incident::{
    ActionDraft, ActionKind, ActionPatch, DraftStatus, Horizon, NoteKind, Patch,
};
use crate::domain::milestone::Milestone;
use crate::domain::record::{
    DeafStretch, NoteDraft, NotePatch, Operation, OperationAction, Skip, Start,
};
use crate::domain::topology::{Edge, Placement, Topology};
use crate::domain::{
    ActionId, ChangeKind, EpisodeId, Fingerprint, IncidentId, Matcher, NoteId, Rules, Seq,
    Severity, Span,
};

/// Texts by number, as the database would hold them.
struct Listed(Vec<Vec<u8>>);

impl Texts for Listed {
    fn text(&mut self, id: u64, sort: TextSort) -> Result<Text, StoreError> {
        Text::read(sort, &self.0[usize::try_from(id).unwrap() - 100], &mut |_| Ok(None))
    }
}

/// Writes a body and reads it back; the text that was stored is returned beside it.
fn there_and_back(body: &RecordBody) -> (RecordBody, String, Vec<Vec<u8>>) {
    let encoded = encode(body.clone()).unwrap();
    let list: Vec<Vec<u8>> = encoded.texts().iter().map(|text| text.write(&mut |_| None)).collect();
    let numbers: Vec<u64> = (100..100 + list.len() as u64).collect();
    let text = encoded.finish(&numbers).into_owned();
    let back = decode(kind(body), FORM, &text, &mut Listed(list.clone())).unwrap();
    (back, text, list)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9_./:-]{0,12}",
        1 => any::<String>(),
        1 => Just("{}".to_owned()),
        1 => Just("{\"a\":\"b\"}".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = Name> {
    text().prop_map(Name::new)
}

fn moment() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_nanos)
}

fn claim() -> impl Strategy<Value = Claim> {
    (moment(), option::of(text()))
        .prop_map(|(at, refused)| Claim { at, refused: refused.map(Into::into) })
}

fn labels() -> impl Strategy<Value = Labels> {
    vec((text(), text()), 0..5).prop_map(Labels::from_pairs)
}

fn state() -> impl Strategy<Value = WordState> {
    let ending = option::of(text()).prop_map(|reason| match reason {
        None => Ending::Recovered,
        Some(reason) => Ending::Abandoned(reason.into()),
    });
    prop_oneof![
        option::of(moment()).prop_map(|lease| WordState::Firing { lease }),
        (claim(), ending).prop_map(|(ends_at, ending)| WordState::Resolved { ends_at, ending }),
    ]
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON knows finite numbers only", |value| value.is_finite())
}

fn word() -> impl Strategy<Value = Word> {
    let key =
        (name(), text(), option::of(any::<u64>())).prop_map(|(namespace, fingerprint, variant)| {
            AlertKey { namespace, fingerprint: Fingerprint::new(fingerprint), variant }
        });
    let link = (name(), text()).prop_map(|(rel, url)| Link { rel, url: url.into() });
    let values = vec((text().prop_map(Box::<str>::from), finite()), 0..3);
    (
        (key, any::<bool>(), labels(), labels(), state()),
        (claim(), vec(link, 0..3), values, any::<bool>()),
    )
        .prop_map(
            |(
                (key, key_from_labels, labels, annotations, state),
                (starts_at, links, values, is_test),
            )| Word {
                key,
                key_from_labels,
                labels,
                annotations,
                state,
                starts_at,
                links,
                values,
                is_test,
            },
        )
}

fn change() -> impl Strategy<Value = ChangeReport> {
    (
        (name(), moment(), option::of(moment()), prop::sample::select(ChangeKind::ALL.to_vec())),
        (option::of(name()), text(), option::of(text()), option::of(text())),
        (labels(), option::of(text())),
    )
        .prop_map(
            |((source, at, ends_at, kind), (service, summary, author, link), (labels, key))| {
                ChangeReport {
                    source,
                    at,
                    ends_at,
                    kind,
                    service,
                    summary,
                    author,
                    link,
                    labels,
                    key,
                }
            },
        )
}

fn delivery() -> impl Strategy<Value = RecordBody> {
    (
        (name(), any::<bool>(), option::of(name()), option::of(name())),
        (any::<u64>(), any::<u64>(), vec(word(), 0..4), vec(change(), 0..2)),
    )
        .prop_map(
            |((source, by_api, sender, group), (truncated, rejected, words, changes))| {
                RecordBody::Delivery(Delivery {
                    source,
                    path: if by_api { Path::Api } else { Path::Webhook },
                    sender,
                    group,
                    truncated,
                    rejected,
                    words,
                    changes,
                })
            },
        )
}

fn patch() -> impl Strategy<Value = Patch> {
    let milestones = prop::collection::btree_map(
        prop::sample::select(Milestone::ALL.to_vec()),
        option::of(moment()),
        0..4,
    );
    (option::of(option::of(text())), option::of(option::of(finite())), milestones).prop_map(
        |(text, number, milestones)| Patch {
            title: text.clone(),
            severity: text.as_ref().map(|t| t.as_ref().map(|_| Severity::High)),
            impact_users_percent: number,
            root_cause: text,
            status: number.map(|n| n.map(|_| DraftStatus::InReview)),
            milestones,
            ..Patch::default()
        },
    )
}

fn action() -> impl Strategy<Value = OperationAction> {
    let incident = || any::<u64>().prop_map(IncidentId);
    let episodes = || vec(any::<u64>().prop_map(EpisodeId), 0..4);
    let note = |text: String| NoteDraft { text, kind: Some(NoteKind::WrongLead), suggested: None };
    prop_oneof![
        incident().prop_map(OperationAction::Acknowledge),
        incident().prop_map(OperationAction::Mitigate),
        incident().prop_map(OperationAction::Resolve),
        incident().prop_map(OperationAction::Reopen),
        (incident(), patch()).prop_map(|(id, patch)| OperationAction::Patch(id, Box::new(patch))),
        (incident(), incident())
            .prop_map(|(incident, into)| OperationAction::Merge { incident, into }),
        (incident(), episodes()).prop_map(|(id, list)| OperationAction::Split(id, list)),
        (incident(), episodes()).prop_map(|(id, list)| OperationAction::Move(id, list)),
        (incident(), text()).prop_map(move |(id, text)| OperationAction::AddNote(id, note(text))),
        (incident(), any::<u64>(), option::of(text()), option::of(moment())).prop_map(
            |(id, note, text, at)| {
                let patch = NotePatch { text, at, pinned: Some(true), ..NotePatch::default() };
                OperationAction::CorrectNote(id, NoteId(note), patch)
            }
        ),
        (incident(), any::<u64>())
            .prop_map(|(id, note)| OperationAction::WithdrawNote(id, NoteId(note))),
        (incident(), text(), option::of(text())).prop_map(|(id, text, owner)| {
            let kind = ActionKind::Improvement;
            let horizon = Some(Horizon::ShortTerm);
            let draft =
                ActionDraft { text, kind, horizon, owner, due: None, link: None, done: false };
            OperationAction::AddAction(id, draft)
        }),
        (incident(), any::<u64>(), option::of(option::of(text()))).prop_map(|(id, action, due)| {
            let patch = ActionPatch { due, done: Some(true), ..ActionPatch::default() };
            OperationAction::PatchAction(id, ActionId(action), patch)
        }),
        change().prop_map(OperationAction::ReportChange),
    ]
}

fn other_body() -> impl Strategy<Value = RecordBody> {
    let operation = (option::of(name()), option::of(text()), option::of(moment()), action())
        .prop_map(|(principal, actor, at, action)| {
            let operation = Operation { principal, actor, at, if_revision: Some(3), action };
            RecordBody::Operation(Box::new(operation))
        });
    let edges = vec((name(), name(), option::of(name())), 0..3);
    let topology = edges.prop_map(|edges| {
        let edges = edges.into_iter();
        let edges: Vec<Edge> =
            edges.map(|(caller, callee, cluster)| Edge { caller, callee, cluster }).collect();
        let placement = edges.iter().map(|edge| Placement {
            service: edge.caller.clone(),
            cluster: edge.cluster.clone(),
            nodes: vec![edge.callee.clone()],
        });
        RecordBody::Topology(Topology { placement: placement.collect(), edges })
    });
    let rules = (0..1_000_000_i64, finite()).prop_map(|(millis, join_score)| {
        let mut rules = Rules::default();
        rules.incidents.quiet_period = Span::from_millis(millis);
        rules.incidents.join_score = join_score;
        rules.heartbeats[0].matchers = Matcher::parse_list("alertname=\"Watchdog\"").unwrap();
        RecordBody::Rules(Box::new(rules))
    });
    let start = option::of((moment(), moment())).prop_map(|deaf| {
        RecordBody::Start(Start { deaf: deaf.map(|(from, until)| DeafStretch { from, until }) })
    });
    let skip = (any::<u64>(), text())
        .prop_map(|(seq, problem)| RecordBody::Skip(Skip { seq: Seq(seq), problem }));
    prop_oneof![
        4 => operation,
        1 => topology,
        1 => rules,
        1 => start,
        1 => skip,
        1 => Just(RecordBody::Stop),
        1 => Just(RecordBody::Tick),
    ]
}

proptest! {
    #[test]
    fn a_delivery_reads_back_as_it_was(body in delivery()) {
        prop_assert_eq!(there_and_back(&body).0, body);
    }

    #[test]
    fn every_other_body_reads_back_as_it_was(body in other_body()) {
        prop_assert_eq!(there_and_back(&body).0, body);
    }

    #[test]
    fn finite_numbers_keep_every_bit(value in finite()) {
        let text = serde_json::to_string(&value).unwrap();
        let back: f64 = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back.to_bits(), value.to_bits());
    }
}

fn sample(state: WordState) -> RecordBody {
    let at = Timestamp::parse("2026-03-04T02:14:07Z").unwrap();
    let labels = Labels::from_pairs([("alertname", "HighErrorRate"), ("service", "checkout")]);
    RecordBody::Delivery(Delivery {
        source: Name::from("alertmanager"),
        path: Path::Webhook,
        sender: Some(Name::from("http://am-0:9093")),
        group: Some(Name::from("{}:{alertname=\"HighErrorRate\"}")),
        truncated: 0,
        rejected: 0,
        words: vec![Word {
            key: AlertKey::new(Name::from("prometheus"), labels.fingerprint()),
            key_from_labels: true,
            labels,
            annotations: Labels::from_pairs([("summary", "it hurts")]),
            state,
            starts_at: Claim::plain(at),
            links: vec![Link { rel: Name::from("generator"), url: "http://p/g".into() }],
            values: vec![],
            is_test: false,
        }],
        changes: vec![],
    })
}

/// A released form stays readable: these texts are never edited, only added to.
#[test]
fn the_stored_text_is_pinned() {
    let at = Timestamp::parse("2026-03-04T02:20:07Z").unwrap();
    let (_, text, list) = there_and_back(&sample(WordState::Firing { lease: None }));
    assert_eq!(
        text,
        r#"{"s":"alertmanager","x":100,"g":101,"w":[{"k":102,"a":103,"l":104,"t":1772590447000000000}]}"#
    );
    let list: Vec<String> = list.iter().map(|text| text.escape_ascii().to_string()).collect();
    assert_eq!(
        list,
        [
            r" http://am-0:9093",
            r#"<{}:{alertname=\"HighErrorRate\"}"#,
            r"\x01\x14prometheuskI\x80\xbe\xf7\xa7\xc3\xe2\x01\x02\x12alertname\x1aHighErrorRate\x0eservice\x10checkout",
            r"\x01\x0esummary\x10it hurts",
            r"\x01\x12generator\x14http://p/g",
        ]
    );
    let resolved = WordState::Resolved {
        ends_at: Claim { at, refused: Some("soon".into()) },
        ending: Ending::Abandoned("Paused".into()),
    };
    let (_, text, _) = there_and_back(&sample(resolved));
    assert_eq!(
        text,
        r#"{"s":"alertmanager","x":100,"g":101,"w":[{"k":102,"a":103,"l":104,"t":1772590447000000000,"e":1772590807000000000,"er":"soon","q":"Paused"}]}"#
    );
    let merge = OperationAction::Merge { incident: IncidentId(2), into: IncidentId(1) };
    let operation = Operation {
        principal: None,
        actor: Some("ada".to_owned()),
        at: None,
        if_revision: None,
        action: merge,
    };
    let (_, text, _) = there_and_back(&RecordBody::Operation(Box::new(operation)));
    assert_eq!(
        text,
        r#"{"principal":null,"actor":"ada","at":null,"if_revision":null,"action":{"merge":{"incident":2,"into":1}}}"#
    );
}

#[test]
fn a_form_or_kind_of_a_newer_release_is_refused_with_what_to_do() {
    let mut none = Listed(vec![]);
    let form = decode("tick", FORM + 1, "", &mut none).unwrap_err().to_string();
    assert!(form.contains("form 2") && form.contains("newer"), "{form}");
    let kind = decode("dream", FORM, "{}", &mut none).unwrap_err().to_string();
    assert!(kind.contains("`dream`"), "{kind}");
}

#[test]
fn patched_milestones_tell_given_from_taken_back() {
    let milestones = BTreeMap::from([
        (Milestone::Onset, None),
        (Milestone::Detection, Some(Timestamp::from_seconds(5))),
    ]);
    let patch = Patch { title: Some(None), milestones, ..Patch::default() };
    let action = OperationAction::Patch(IncidentId(1), Box::new(patch));
    let operation = Operation { principal: None, actor: None, at: None, if_revision: None, action };
    let body = RecordBody::Operation(Box::new(operation));
    assert_eq!(there_and_back(&body).0, body);
}

//! Bodies of writes: one JSON object, read field by field and strictly.
//!
//! Unlike ingest, where an unknown field is a newer sender, here it is a mistake that would be
//! lost in silence: it is refused by name. Callers: the writing endpoints of `api`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::invalid::{Invalid, listed, quoted};
use super::query;
use crate::domain::incident::{
    ActionDraft, ActionKind, ActionPatch, DraftStatus, Horizon, NoteKind, Patch,
};
use crate::domain::milestone::Milestone;
use crate::domain::record::{NoteDraft, NotePatch};
use crate::domain::words::TextField;
use crate::domain::zone::Zone;
use crate::domain::{IncidentId, Severity, Timestamp};

/// The longest text that a field may hold.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The longest name of a person.
const PERSON_BYTES_MAX: usize = 256;
/// The longest address.
const LINK_BYTES_MAX: usize = 2048;
/// How many alerts one request may move.
const ALERTS_MAX: usize = 10_000;

/// A body, taken apart by an endpoint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    map: Map<String, Value>,
}

impl Fields {
    /// Reads a body that may hold these fields and no others.
    ///
    /// # Errors
    /// When it is no object, or has another field.
    pub(crate) fn read(body: Value, known: &[&str]) -> Result<Self, Invalid> {
        let Value::Object(map) = body else {
            return Err(Invalid::NotAnObject { found: describe(&body).0 });
        };
        if let Some(field) = map.keys().find(|field| !known.contains(&field.as_str())) {
            return Err(Invalid::UnknownField {
                field: field.chars().take(64).collect(),
                known: listed(known.iter().copied()),
            });
        }
        Ok(Self { map })
    }

    /// The value of a field with `null` told apart from nothing.
    fn get(&self, name: &str) -> Option<Option<&Value>> {
        self.map.get(name).map(|value| (!value.is_null()).then_some(value))
    }

    /// A field that may be absent, null or anything that `read` makes sense of.
    fn field<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, Invalid>,
    ) -> Result<Option<Option<T>>, Invalid> {
        self.get(name).map(|value| value.map(read).transpose()).transpose()
    }

    /// A text of some length.
    fn text_within(
        &self,
        name: &'static str,
        limit: usize,
    ) -> Result<Option<Option<String>>, Invalid> {
        self.field(name, |value| {
            let text = value.as_str().ok_or_else(|| wrong(name, "a text", value))?;
            if text.len() > limit {
                return Err(Invalid::TooLong { place: name, bytes: text.len(), limit });
            }
            if text.trim().is_empty() {
                return Err(Invalid::Empty(name));
            }
            Ok(text.to_owned())
        })
    }

    /// A text.
    fn text(&self, name: &'static str) -> Result<Option<Option<String>>, Invalid> {
        self.text_within(name, TEXT_BYTES_MAX)
    }

    /// A text that must be there.
    fn needed_text(&self, name: &'static str) -> Result<String, Invalid> {
        self.text(name)?.flatten().ok_or(Invalid::Missing(name))
    }

    /// The name of a person; null and absent are the same.
    pub(crate) fn person(&self, name: &'static str) -> Result<Option<String>, Invalid> {
        Ok(self.text_within(name, PERSON_BYTES_MAX)?.flatten())
    }

    /// One word of a closed set.
    fn word<T: Copy>(
        &self,
        name: &'static str,
        all: &[T],
        word_of: impl Fn(T) -> &'static str,
    ) -> Result<Option<Option<T>>, Invalid> {
        self.field(name, |value| {
            let known = || all.iter().map(|item| word_of(*item));
            let Some(text) = value.as_str() else {
                return Err(wrong(name, format!("one of {}", listed(known())), value));
            };
            all.iter()
                .copied()
                .find(|item| word_of(*item) == text)
                .ok_or_else(|| query::unknown_word(name, known(), text))
        })
    }

    /// True or false; null and absent are the same.
    fn switch(&self, name: &'static str) -> Result<Option<bool>, Invalid> {
        Ok(self.field(name, truth(name))?.flatten())
    }

    /// A moment: RFC 3339, or Unix seconds as text or number.
    fn moment(&self, name: &'static str) -> Result<Option<Option<Timestamp>>, Invalid> {
        self.field(name, |value| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
            };
            Timestamp::parse(&text).map_err(|_| {
                wrong(name, "a time: RFC 3339 such as 2026-03-04T02:14:07Z, or Unix seconds", value)
            })
        })
    }

    /// When something happened; null and absent are the same.
    pub(crate) fn at(&self) -> Result<Option<Timestamp>, Invalid> {
        Ok(self.moment("at")?.flatten())
    }

    /// The number of an incident, which must be there.
    ///
    /// # Errors
    /// When it is missing or no whole number.
    pub(crate) fn incident(&self, name: &'static str) -> Result<IncidentId, Invalid> {
        let read = |value: &Value| {
            let as_text = || value.as_str().and_then(|text| text.parse().ok());
            value
                .as_u64()
                .or_else(as_text)
                .map(IncidentId)
                .ok_or_else(|| wrong(name, "the number of an incident", value))
        };
        self.field(name, read)?.flatten().ok_or(Invalid::Missing(name))
    }

    /// The ids of alerts, each once, at least one.
    ///
    /// # Errors
    /// When they are missing, no list of texts, none, or too many.
    pub(crate) fn alerts(&self) -> Result<Vec<String>, Invalid> {
        let expected = "a list of at least one alert id";
        let Some(value) = self.get("alerts").flatten() else {
            return Err(Invalid::Missing("alerts"));
        };
        let list = value.as_array().ok_or_else(|| wrong("alerts", expected, value))?;
        if list.is_empty() || list.len() > ALERTS_MAX {
            let expected = format!("a list of 1 to {ALERTS_MAX} alert ids");
            return Err(Invalid::Wrong {
                place: "alerts".into(),
                expected: expected.into(),
                found: format!("{} of them", list.len()),
            });
        }
        let mut ids = Vec::with_capacity(list.len());
        let mut seen = std::collections::BTreeSet::new();
        for item in list {
            let id = item.as_str().ok_or_else(|| wrong("alerts", expected, item))?;
            if seen.insert(id) {
                ids.push(id.to_owned());
            }
        }
        Ok(ids)
    }
}

/// The fields of PATCH on an incident beside the milestones.
const REPORT_FIELDS: [&str; 11] = [
    "title",
    "severity",
    "impact",
    "impact_users",
    "impact_users_percent",
    "root_cause",
    "resolution",
    "timezone",
    "lead",
    "status",
    "pinned",
];

/// Reads the body of PATCH on an incident.
///
/// # Errors
/// When a field is unknown or holds what it cannot.
pub(crate) fn patch(body: Value) -> Result<(Patch, Option<String>), Invalid> {
    let milestones = Milestone::ALL.map(Milestone::field);
    let known: Vec<&str> = REPORT_FIELDS.iter().chain(&milestones).copied().chain(["by"]).collect();
    let fields = Fields::read(body, &known)?;
    let mut times = BTreeMap::new();
    for milestone in Milestone::ALL {
        if let Some(time) = fields.moment(milestone.field())? {
            times.insert(milestone, time);
        }
    }
    let patch = Patch {
        title: fields.text("title")?,
        severity: fields.word("severity", &Severity::ALL, Severity::as_str)?,
        impact: fields.text("impact")?,
        impact_users: fields.field("impact_users", |value| {
            value.as_u64().ok_or_else(|| wrong("impact_users", "a whole number from 0", value))
        })?,
        impact_users_percent: fields.field("impact_users_percent", |value| {
            value
                .as_f64()
                .filter(|percent| (0.0..=100.0).contains(percent))
                .ok_or_else(|| wrong("impact_users_percent", "a number from 0 to 100", value))
        })?,
        root_cause: fields.text("root_cause")?,
        resolution: fields.text("resolution")?,
        timezone: fields.field("timezone", |value| {
            let name = value.as_str().ok_or_else(|| wrong("timezone", "a text", value))?;
            zone("timezone", name).map(|zone| zone.name().to_owned())
        })?,
        lead: fields.text_within("lead", PERSON_BYTES_MAX)?,
        status: fields.word(
            "status",
            &[DraftStatus::Draft, DraftStatus::InReview, DraftStatus::Final],
            DraftStatus::as_str,
        )?,
        pinned: fields.field("pinned", truth("pinned"))?.map(Option::unwrap_or_default),
        milestones: times,
    };
    Ok((patch, fields.person("by")?))
}

/// A time zone, from its IANA name.
///
/// # Errors
/// When there is no such zone.
pub(crate) fn zone(place: &'static str, name: &str) -> Result<Zone, Invalid> {
    Zone::parse(name).map_err(|_| Invalid::Zone { place, found: quoted(name) })
}

/// A wish to take words back: for whom.
///
/// # Errors
/// When the body is not such a wish.
pub(crate) fn redaction(body: Value) -> Result<Option<String>, Invalid> {
    Fields::read(body, &["by"])?.person("by")
}

/// A wish to take back what was said in a field of the report: which, and for whom.
///
/// # Errors
/// When the body is not such a wish.
pub(crate) fn field_redaction(body: Value) -> Result<(TextField, Option<String>), Invalid> {
    let fields = Fields::read(body, &["field", "by"])?;
    let field = fields.word("field", &TextField::ALL, TextField::as_str)?.flatten();
    Ok((field.ok_or(Invalid::Missing("field"))?, fields.person("by")?))
}

/// A wish to take a person's name back: which, and for whom.
///
/// # Errors
/// When the body is not such a wish.
pub(crate) fn person_redaction(body: Value) -> Result<(String, Option<String>), Invalid> {
    let fields = Fields::read(body, &["person", "by"])?;
    let person = fields.person("person")?.ok_or(Invalid::Missing("person"))?;
    Ok((person, fields.person("by")?))
}

/// A note as a request brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewNote {
    /// What is written.
    pub(crate) draft: NoteDraft,
    /// The time it speaks of.
    pub(crate) at: Option<Timestamp>,
    /// Who wrote it.
    pub(crate) author: Option<String>,
}

/// Reads the body of POST notes.
///
/// # Errors
/// When a field is unknown, missing, or holds what it cannot.
pub(crate) fn note(body: Value) -> Result<NewNote, Invalid> {
    let fields = Fields::read(body, &["text", "kind", "at", "author"])?;
    let kind = fields.word("kind", &NoteKind::ALL, NoteKind::as_str)?.flatten();
    Ok(NewNote {
        draft: NoteDraft { text: fields.needed_text("text")?, kind, suggested: None },
        at: fields.at()?,
        author: fields.person("author")?,
    })
}

/// Reads the body of PATCH on a note: the correction, and who made it.
///
/// # Errors
/// When a field is unknown or holds what it cannot.
pub(crate) fn note_patch(body: Value) -> Result<(NotePatch, Option<String>), Invalid> {
    let fields = Fields::read(body, &["text", "kind", "at", "pinned", "hidden", "author", "by"])?;
    let patch = NotePatch {
        text: fields.text("text")?.flatten(),
        kind: fields.word("kind", &NoteKind::ALL, NoteKind::as_str)?.flatten(),
        at: fields.at()?,
        pinned: fields.switch("pinned")?,
        hidden: fields.switch("hidden")?,
    };
    let author = fields.person("author")?;
    Ok((patch, fields.person("by")?.or(author)))
}

const ACTION_FIELDS: [&str; 8] = ["text", "kind", "horizon", "owner", "due", "link", "done", "by"];
const ACTION_KINDS: [ActionKind; 2] = [ActionKind::Improvement, ActionKind::Task];
const HORIZONS: [Horizon; 3] = [Horizon::Immediate, Horizon::ShortTerm, Horizon::LongTerm];

const fn action_kind_word(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Improvement => "improvement",
        ActionKind::Task => "task",
    }
}

impl Fields {
    /// An address: only what a browser may be sent to.
    fn link(&self) -> Result<Option<Option<String>>, Invalid> {
        let link = self.text_within("link", LINK_BYTES_MAX)?;
        match link.as_ref().and_then(Option::as_ref) {
            Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                Err(Invalid::Wrong {
                    place: "link".into(),
                    expected: "an http or https address".into(),
                    found: quoted(url),
                })
            }
            Some(_) | None => Ok(link),
        }
    }

    fn action_kind(&self) -> Result<Option<ActionKind>, Invalid> {
        Ok(self.word("kind", &ACTION_KINDS, action_kind_word)?.flatten())
    }

    fn horizon(&self) -> Result<Option<Option<Horizon>>, Invalid> {
        self.word("horizon", &HORIZONS, Horizon::as_str)
    }
}

/// Reads the body of POST actions, and who wrote it.
///
/// # Errors
/// When a field is unknown, missing, or holds what it cannot.
pub(crate) fn action(body: Value) -> Result<(ActionDraft, Option<String>), Invalid> {
    let fields = Fields::read(body, &ACTION_FIELDS)?;
    let draft = ActionDraft {
        text: fields.needed_text("text")?,
        kind: fields.action_kind()?.ok_or(Invalid::Missing("kind"))?,
        horizon: fields.horizon()?.flatten(),
        owner: fields.person("owner")?,
        due: fields.person("due")?,
        link: fields.link()?.flatten(),
        done: fields.switch("done")?.unwrap_or(false),
    };
    Ok((draft, fields.person("by")?))
}

/// Reads the body of PATCH on an action, and who changed it.
///
/// # Errors
/// When a field is unknown or holds what it cannot.
pub(crate) fn action_patch(body: Value) -> Result<(ActionPatch, Option<String>), Invalid> {
    let fields = Fields::read(body, &ACTION_FIELDS)?;
    let patch = ActionPatch {
        text: fields.text("text")?.flatten(),
        kind: fields.action_kind()?,
        horizon: fields.horizon()?,
        owner: fields.text_within("owner", PERSON_BYTES_MAX)?,
        due: fields.text_within("due", PERSON_BYTES_MAX)?,
        link: fields.link()?,
        done: fields.switch("done")?,
    };
    Ok((patch, fields.person("by")?))
}

/// Reads true or false.
fn truth(name: &'static str) -> impl Fn(&Value) -> Result<bool, Invalid> {
    move |value| value.as_bool().ok_or_else(|| wrong(name, "true or false", value))
}

/// The error for a field that holds something else than it should.
fn wrong(
    place: &'static str,
    expected: impl Into<std::borrow::Cow<'static, str>>,
    value: &Value,
) -> Invalid {
    let (sort, text) = describe(value);
    let found = text.map_or_else(|| sort.to_owned(), |text| quoted(&text));
    Invalid::Wrong { place: place.into(), expected: expected.into(), found }
}

/// What sort of value it is, and its text where that is short to say.
fn describe(value: &Value) -> (&'static str, Option<String>) {
    match value {
        Value::Null => ("null", None),
        Value::Bool(flag) => ("a boolean", Some(flag.to_string())),
        Value::Number(number) => ("a number", Some(number.to_string())),
        Value::String(text) => ("a text", Some(text.clone())),
        Value::Array(_) => ("a list", None),
        Value::Object(_) => ("an object", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    fn patch_of(body: &str) -> Patch {
        patch(json(body)).unwrap().0
    }

    #[test]
    fn a_patch_tells_absent_from_null() {
        assert_eq!(patch_of("{}"), Patch::default());
        assert_eq!(patch_of(r#"{"title": null}"#).title, Some(None));
        assert_eq!(patch_of(r#"{"title": "Web down"}"#).title, Some(Some("Web down".into())));
        assert_eq!(patch_of(r#"{"severity": "high"}"#).severity, Some(Some(Severity::High)));
        assert_eq!(
            patch_of(r#"{"status": "in_review"}"#).status,
            Some(Some(DraftStatus::InReview))
        );
        assert_eq!(patch_of(r#"{"status": null}"#).status, Some(None));
        assert_eq!(patch_of(r#"{"impact_users": 0}"#).impact_users, Some(Some(0)));
        assert_eq!(
            patch_of(r#"{"impact_users_percent": 100}"#).impact_users_percent,
            Some(Some(100.0))
        );
        assert_eq!(
            patch_of(r#"{"timezone": "Africa/Lagos"}"#).timezone,
            Some(Some("Africa/Lagos".into()))
        );
        for (body, expect) in [("{}", None), (r#"{"pinned": true}"#, Some(true))] {
            assert_eq!(patch_of(body).pinned, expect, "{body}");
        }
        for body in [r#"{"pinned": false}"#, r#"{"pinned": null}"#] {
            assert_eq!(patch_of(body).pinned, Some(false), "{body}");
        }
    }

    #[test]
    fn milestones_are_read_as_text_or_number_and_taken_back_by_null() {
        let at = Timestamp::parse("2026-03-04T02:14:07Z").unwrap();
        for milestone in Milestone::ALL {
            let field = milestone.field();
            for (value, expect) in [
                ("\"2026-03-04T02:14:07Z\"", Some(at)),
                ("\"2026-03-04T03:14:07+01:00\"", Some(at)),
                ("\"1772590447\"", Some(at)),
                ("1772590447", Some(at)),
                ("1772590447.0", Some(at)),
                ("null", None),
            ] {
                let patch = patch_of(&format!("{{\"{field}\": {value}}}"));
                assert_eq!(patch.milestones.get(&milestone), Some(&expect), "{field} {value}");
                assert_eq!(patch.milestones.len(), 1, "{field}");
            }
        }
    }

    #[test]
    fn a_patch_that_cannot_be_meant_is_refused_by_name() {
        let check = |body: &str, expect: &str| {
            let error = patch(json(body)).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{body}: {error}");
        };
        check("[]", "the body is a list; send one JSON object");
        check("null", "the body is null; send one JSON object");
        check(r#"{"titel": "x"}"#, "unknown field `titel`; known are title, severity, ");
        check(r#"{"state": "open"}"#, "unknown field `state`");
        check(r#"{"title": 5}"#, "`title` must be a text, not `5`");
        check(r#"{"title": " "}"#, "`title` must not be empty");
        check(r#"{"severity": "bad"}"#, "`severity` must be one of none, info, ");
        check(r#"{"severity": 1}"#, "`severity` must be one of none, info, ");
        check(r#"{"impact_users": -1}"#, "`impact_users` must be a whole number from 0, not `-1`");
        check(
            r#"{"impact_users": 1.5}"#,
            "`impact_users` must be a whole number from 0, not `1.5`",
        );
        check(
            r#"{"impact_users_percent": 101}"#,
            "`impact_users_percent` must be a number from 0 to 100",
        );
        check(
            r#"{"impact_users_percent": "5"}"#,
            "`impact_users_percent` must be a number from 0 to 100",
        );
        check(r#"{"timezone": "Mars/Base"}"#, "`timezone` must be the IANA name of a time zone");
        check(r#"{"timezone": 1}"#, "`timezone` must be a text");
        check(
            r#"{"status": "done"}"#,
            "`status` must be one of draft, in_review, final, not `done`",
        );
        check(r#"{"resolved_at": "soon"}"#, "`resolved_at` must be a time: RFC 3339");
        check(r#"{"resolved_at": true}"#, "`resolved_at` must be a time: RFC 3339");
        check(r#"{"pinned": "yes"}"#, "`pinned` must be true or false, not `yes`");
        check(r#"{"lead": {}}"#, "`lead` must be a text, not an object");
        let long = format!("{{\"impact\": \"{}\"}}", "x".repeat(TEXT_BYTES_MAX + 1));
        check(&long, "`impact` is 65537 bytes long; the limit is 65536");
    }

    #[test]
    fn notes_need_a_text_and_know_their_kinds() {
        let at = Timestamp::parse("2026-03-04T02:14:07Z").unwrap();
        let body =
            r#"{"text": "Rolled back", "kind": "mitigation", "at": 1772590447, "author": "Ada"}"#;
        let read = note(json(body)).unwrap();
        assert_eq!(read.draft.text, "Rolled back");
        assert_eq!(read.draft.kind, Some(NoteKind::Mitigation));
        assert_eq!((read.at, read.author.as_deref()), (Some(at), Some("Ada")));
        assert_eq!(note(json(r#"{"text": "x", "kind": null}"#)).unwrap().draft.kind, None);
        let check = |body: &str, expect: &str| {
            let error = note(json(body)).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{body}: {error}");
        };
        check("{}", "`text` is missing");
        check(r#"{"text": null}"#, "`text` is missing");
        check(r#"{"text": ""}"#, "`text` must not be empty");
        check(r#"{"text": "x", "kind": "guess"}"#, "`kind` must be one of observation, ");
        check(r#"{"text": "x", "pinned": true}"#, "unknown field `pinned`");
        check(r#"{"text": "x", "author": 1}"#, "`author` must be a text");
    }

    #[test]
    fn corrections_of_notes_hold_what_is_given_only() {
        let (patch, by) = note_patch(json(r#"{"pinned": true, "by": "Ada"}"#)).unwrap();
        assert_eq!(patch, NotePatch { pinned: Some(true), ..NotePatch::default() });
        assert_eq!(by.as_deref(), Some("Ada"));
        assert!(note_patch(json(r#"{"hidden": "yes"}"#)).is_err());
    }

    #[test]
    fn actions_need_text_and_kind() {
        let body = r#"{"text": "Alert on the queue", "kind": "task", "horizon": "short-term",
            "owner": "Ada", "due": "2026-04-01", "link": "https://t.example/1", "done": true}"#;
        let (draft, _) = action(json(body)).unwrap();
        assert_eq!(
            (draft.kind, draft.horizon, draft.done),
            (ActionKind::Task, Some(Horizon::ShortTerm), true)
        );
        let check = |body: &str, expect: &str| {
            let error = action(json(body)).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{body}: {error}");
        };
        check(r#"{"kind": "task"}"#, "`text` is missing");
        check(r#"{"text": "x"}"#, "`kind` is missing");
        check(r#"{"text": "x", "kind": "chore"}"#, "`kind` must be one of improvement, task");
        check(
            r#"{"text": "x", "kind": "task", "link": "javascript:alert(1)"}"#,
            "`link` must be an http",
        );
        let (patch, _) = action_patch(json(r#"{"done": true, "owner": null}"#)).unwrap();
        assert_eq!((patch.done, patch.owner, patch.due), (Some(true), Some(None), None));
    }

    #[test]
    fn lists_of_alerts_hold_each_once() {
        let read = |body: &str| Fields::read(json(body), &["alerts"]).unwrap().alerts();
        assert_eq!(read(r#"{"alerts": ["e1", "e2", "e1"]}"#).unwrap(), ["e1", "e2"]);
        for bad in [r#"{"alerts": []}"#, r#"{"alerts": "e1"}"#, r#"{"alerts": [1]}"#, "{}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

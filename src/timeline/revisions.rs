//! What revisions changed, with the words of people put where a sentence points at them.
//!
//! The words are those that stand now: a revision keeps none, so what a person took back is gone
//! from its sentences too. Pure, like the room; called by `compose` and by whoever lists revisions.

use hashbrown::HashMap;

use super::words;
use crate::domain::facts::Revision;
use crate::domain::incident::Incident;
use crate::domain::words::{TextField, Words};
use crate::domain::{Change, symptom};

/// Longest quotation in a sentence, in characters.
const QUOTE_CHARS_MAX: usize = 120;
/// Longest name of a person in a sentence, in characters.
const NAME_CHARS_MAX: usize = 60;
/// Longest line about a change, in characters.
const CHANGE_CHARS_MAX: usize = 160;
/// Most sentences of one revision.
const SENTENCES_MAX: usize = 20;

/// Revisions with their sentences complete. Words that several revisions speak of stand at the last
/// one, which is the one that they are of. `incident` is the newest that is known.
#[must_use]
pub fn told(incident: &Incident, changes: &[Change], revisions: &[Revision]) -> Vec<Revision> {
    let mut last: HashMap<String, (usize, usize)> = HashMap::new();
    for (index, revision) in revisions.iter().enumerate() {
        for (place, of) in &revision.about {
            last.insert(of.to_string(), (index, *place));
        }
    }
    let complete = |(index, revision): (usize, &Revision)| {
        let mut revision = revision.clone();
        for (place, of) in std::mem::take(&mut revision.about) {
            let is_last = last.get(&of.to_string()) == Some(&(index, place));
            if let (true, Some(sentence), Some(said)) =
                (is_last, revision.changes.get_mut(place), said(incident, of))
            {
                let quote = words::one_line(&said.replace('"', "'"), QUOTE_CHARS_MAX);
                *sentence = format!("{sentence}: \"{quote}\"");
            }
        }
        fill(&mut revision, changes);
        revision.changes = counted(revision.changes);
        revision
    };
    revisions.iter().enumerate().map(complete).collect()
}

/// Puts into the slots of sentences the changes that they speak of, as these are told now, and who
/// asked for the revision.
fn fill(revision: &mut Revision, changes: &[Change]) {
    for (place, of) in std::mem::take(&mut revision.about_changes) {
        let Some(sentence) = revision.changes.get_mut(place) else { continue };
        let known = changes.iter().find(|change| change.id == of);
        let line = known.map_or_else(
            || format!("Change {of}"),
            |change| words::one_line(&symptom::change(&change.report), CHANGE_CHARS_MAX),
        );
        *sentence = sentence.replacen(Revision::SLOT, &line, 1);
    }
    let name = revision.by.take().map(|name| words::one_line(&name, NAME_CHARS_MAX));
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "a person".to_owned());
    for sentence in &mut revision.changes {
        *sentence = sentence.replacen(Revision::SLOT, &name, 1);
    }
}

/// Equal sentences once with their number, as of a storm, and the first of very many.
fn counted(sentences: Vec<String>) -> Vec<String> {
    let mut numbers: HashMap<String, usize> = HashMap::with_capacity(sentences.len());
    let mut once = Vec::with_capacity(sentences.len());
    for sentence in sentences {
        let number = numbers.entry_ref(&sentence).or_insert(0);
        *number += 1;
        if *number == 1 {
            once.push(sentence);
        }
    }
    let more = once.len().saturating_sub(SENTENCES_MAX);
    once.truncate(SENTENCES_MAX);
    for sentence in &mut once {
        let number = numbers.get(sentence).copied().unwrap_or(1);
        if number > 1 {
            sentence.push_str(&format!(" ({number} times)"));
        }
    }
    if more > 0 {
        once.push(format!("and {more} more"));
    }
    once
}

/// The words as they stand; nothing for those that are not to be shown, or blank.
fn said(incident: &Incident, of: Words) -> Option<&str> {
    let report = &incident.report;
    let said = match of {
        Words::Note(id) => {
            let note = incident.notes.iter().find(|note| note.id == id && !note.hidden)?;
            Some(&note.text)
        }
        Words::Action(id) => Some(&incident.actions.iter().find(|a| a.id == id)?.draft.text),
        Words::Field(field) => match field {
            TextField::Title => report.title.as_ref(),
            TextField::Impact => report.impact.as_ref(),
            TextField::RootCause => report.root_cause.as_ref(),
            TextField::Resolution => report.resolution.as_ref(),
            TextField::Lead => report.lead.as_ref(),
        },
    };
    said.map(String::as_str).filter(|said| !said.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ChangeId, Timestamp};
    use crate::timeline::examples;

    #[test]
    fn equal_sentences_stand_once_and_very_many_are_counted() {
        let check = |sentences: &[&str], expect: &[&str]| {
            let all = sentences.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(counted(all), expect);
        };
        check(&[], &[]);
        check(&["b", "a", "b", "b"], &["b (3 times)", "a"]);
        let many: Vec<String> = (0..25).map(|number| number.to_string()).collect();
        let told = counted(many);
        assert_eq!((told.len(), told[20].as_str()), (21, "and 5 more"));
    }

    #[test]
    fn a_sentence_quotes_the_words_as_they_stand_now_once() {
        let mut incident = examples::bookstore().incident;
        let note = incident.notes[0].id;
        let field = Words::Field(TextField::RootCause);
        let revision = |number: u64, sentence: &str, of: Option<Words>| Revision {
            revision: number,
            at: Timestamp::EPOCH,
            changes: vec!["Severity rose".to_owned(), sentence.to_owned()],
            by: None,
            about_changes: Vec::new(),
            about: of.map(|of| (1, of)).into_iter().collect(),
        };
        let revisions = [
            revision(1, "Root cause set", Some(field)),
            revision(2, "Note added", Some(Words::Note(note))),
            revision(3, "Root cause changed", Some(field)),
            revision(4, "Action added", Some(Words::Action(crate::domain::ActionId(99)))),
            revision(5, "Something else", None),
        ];
        let sentences = |incident: &Incident| -> Vec<String> {
            told(incident, &[], &revisions)
                .into_iter()
                .map(|mut r| r.changes.swap_remove(1))
                .collect()
        };
        incident.report.root_cause = Some(format!("A \"wrong\"\nsetting {}", "x".repeat(200)));
        incident.notes[0].text = "Paged\u{85}# forged".to_owned();
        assert_eq!(
            sentences(&incident),
            [
                "Root cause set",
                "Note added: \"Paged\"",
                "Root cause changed: \"A 'wrong'\"",
                "Action added",
                "Something else"
            ]
        );
        incident.report.root_cause = Some("x".repeat(200));
        incident.notes[0].hidden = true;
        let sentences = sentences(&incident);
        assert_eq!(sentences[1], "Note added", "what is hidden is not quoted");
        assert_eq!(
            sentences[2].chars().count(),
            "Root cause changed: \"\"".len() + QUOTE_CHARS_MAX
        );
    }

    #[test]
    fn a_sentence_names_the_person_and_the_change_as_they_stand_now() {
        let facts = examples::bookstore();
        let change = facts.changes.first().unwrap();
        let check = |sentence: &str, by: Option<&str>, of: Option<ChangeId>, expect: &str| {
            let revision = Revision {
                revision: 1,
                at: Timestamp::EPOCH,
                by: by.map(str::to_owned),
                changes: vec![sentence.to_owned()],
                about: Vec::new(),
                about_changes: of.map(|of| (0, of)).into_iter().collect(),
            };
            assert_eq!(told(&facts.incident, &facts.changes, &[revision])[0].changes, [expect]);
        };
        check("Resolved by \u{1a}", Some("dana"), None, "Resolved by dana");
        check("Resolved by \u{1a}", Some("dana\n# x"), None, "Resolved by dana");
        check("Resolved by \u{1a}", None, None, "Resolved by a person");
        let line = symptom::change(&change.report);
        check("\u{1a}, heard 6m after", None, Some(change.id), &format!("{line}, heard 6m after"));
        check("\u{1a}", None, Some(ChangeId(99)), "Change c99");
    }
}

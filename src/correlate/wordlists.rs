//! Lists of words of which all must stand in a text: the first list that is met, in one pass.
//!
//! Called for each new alert with hundreds of words, so that looking for one after the other would
//! cost more than weighing the alert.

use aho_corasick::AhoCorasick;

/// Lists of words, in the order in which they are asked.
pub(super) struct Wordlists {
    automaton: AhoCorasick,
    /// The numbers of the words of each list.
    lists: Vec<Vec<usize>>,
    words: usize,
}

impl Wordlists {
    /// Takes lists of words in lower case. They are fixed in the program, and so few that an
    /// automaton of them can always be built.
    #[expect(clippy::expect_used, reason = "only gigabytes of words are refused")]
    pub(super) fn new(lists: impl IntoIterator<Item = &'static [&'static str]>) -> Self {
        let mut words: Vec<&'static str> = Vec::new();
        let mut number = |word: &&'static str| {
            words.iter().position(|known| known == word).unwrap_or_else(|| {
                words.push(word);
                words.len() - 1
            })
        };
        let lists = lists.into_iter().map(|list| list.iter().map(&mut number).collect()).collect();
        let automaton = AhoCorasick::new(&words).expect("an automaton of a few hundred words");
        Self { automaton, lists, words: words.len() }
    }

    /// The place of the first list of which all words stand in the text, also within other words.
    pub(super) fn first_in(&self, text: &str) -> Option<usize> {
        let mut stands = vec![false; self.words];
        for found in self.automaton.find_overlapping_iter(text) {
            stands[found.pattern().as_usize()] = true;
        }
        self.lists.iter().position(|list| list.iter().all(|word| stands[*word]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_list_of_which_all_words_stand_wins() {
        let lists: [&'static [&'static str]; 5] =
            [&["node", "down"], &["replica", " lag"], &["down"], &["lag"], &["own"]];
        let lists = Wordlists::new(lists);
        for (text, expect) in [
            ("down goes the node", Some(0)),
            ("replica lag", Some(1)),
            ("replicalag", Some(3)),
            ("shutdown", Some(2)),
            ("my own flag", Some(3)),
            ("known", Some(4)),
            ("NODE DOWN", None),
            ("", None),
        ] {
            assert_eq!(lists.first_in(text), expect, "{text}");
        }
    }
}

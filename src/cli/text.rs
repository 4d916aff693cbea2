//! Text for people: cleaned of what could steer a terminal, set in tables, times and lengths
//! spelled out.
//!
//! Pure. Whatever came from the server is cleaned here before a person sees it.

use crate::domain::{Span, Timestamp};

/// One line: control, escape and direction characters are gone, line breaks and tabs are spaces.
pub(super) fn clean_line(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\n' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
            c if is_dangerous(c) => None,
            c => Some(c),
        })
        .collect()
}

/// Several lines: as [`clean_line`], but line breaks and tabs stay.
pub(super) fn clean_block(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_dangerous(*c)).collect()
}

/// Characters that steer a terminal, turn the direction of text, or hide it. The joiners U+200C
/// and U+200D stay: scripts and emoji are written with them.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Columns under headings, each as wide as its longest cell, two spaces apart.
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; cells are cleaned, empty ones show as `-`.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
        self.rows.push(cells.into_iter().map(|cell| shown(clean_line(&cell))).collect());
    }

    /// True while there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, each ended; nothing trails in a line.
    pub(super) fn render(&self) -> String {
        let mut widths: Vec<usize> = self.headings.iter().map(|h| h.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let headings = self.headings.iter().map(|h| (*h).to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Name and value, one pair a line, values in one column; pairs without a value are left out.
pub(super) fn pairs(list: &[(&str, String)]) -> String {
    let width = list.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in list.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("{name:<width$}  {}\n", clean_line(value)));
    }
    text
}

/// A moment to the minute, UTC: `2026-03-04 02:14`.
pub(super) fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {}", &text[..10], &text[11..16])
}

/// A moment to the minute with its zone, or nothing.
pub(super) fn minute_utc(at: Option<Timestamp>) -> String {
    at.map(|at| format!("{} UTC", minute(at))).unwrap_or_default()
}

/// A length to the minute, `5d19h30m`; a shorter one to the second.
pub(super) fn length(span: Span) -> String {
    let seconds = span.seconds();
    if seconds >= 60 {
        Span::from_minutes(seconds / 60).to_string()
    } else {
        Span::from_seconds(seconds.max(0)).to_string()
    }
}

/// `1 event`, `2 events`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_and_direction_marks_are_stripped() {
        for (text, line, block) in [
            ("plain", "plain", "plain"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred[0m", "[31mred[0m"),
            ("\u{1b}]0;title\u{7}", "]0;title", "]0;title"),
            ("a\u{9b}2Jb", "a2Jb", "a2Jb"),
            ("two\r\nlines\tend", "two lines end", "two\nlines\tend"),
            ("a\u{202e}cba\u{2066}\u{200b}", "acba", "acba"),
            (
                "caf\u{e9} \u{65e5}\u{672c}",
                "caf\u{e9} \u{65e5}\u{672c}",
                "caf\u{e9} \u{65e5}\u{672c}",
            ),
            ("\u{2028}x", " x", "x"),
            ("\u{8}\u{0}\u{7f}", "", ""),
        ] {
            assert_eq!(clean_line(text), line, "{text:?}");
            assert_eq!(clean_block(text), block, "{text:?}");
        }
    }

    #[test]
    fn columns_line_up_and_cells_cannot_break_rows() {
        let mut table = Table::new(&["ID", "TITLE", "LEAD"]);
        assert!(table.is_empty());
        table.row(["7".into(), "short".into(), String::new()]);
        table.row(["12".into(), "a\nlonger\u{1b}[2J one".into(), "ada".into()]);
        assert_eq!(
            table.render(),
            "ID  TITLE            LEAD\n7   short            -\n12  a longer[2J one  ada\n"
        );
    }

    #[test]
    fn pairs_without_a_value_are_left_out() {
        let text = pairs(&[("State", "open".into()), ("Lead", String::new()), ("Id", "3".into())]);
        assert_eq!(text, "State  open\nId     3\n");
    }

    #[test]
    fn times_are_to_the_minute_and_lengths_never_negative() {
        let at = Timestamp::parse("2024-06-22T15:15:59Z").unwrap();
        assert_eq!(minute(at), "2024-06-22 15:15");
        for (seconds, expect) in
            [(6300, "1h45m"), (59, "59s"), (502_200, "5d19h30m"), (90, "1m"), (0, "0s"), (-5, "0s")]
        {
            assert_eq!(length(Span::from_seconds(seconds)), expect);
        }
    }
}

//! The plain-text writer: one line for each sentence or list item, tables in columns.
//!
//! Only table cells are broken into lines, to keep the columns: whoever greps for a note finds it.
//!
//! Decides nothing about content. Every text passes [`escape::terminal`].

use super::escape;
use super::markdown::spaces;
use super::report::{Block, Inline, Line, Table};

const COLUMNS: usize = 80;
/// The narrowest that the wide column of a table gets, even when the line grows beyond the limit.
const WIDE_MIN: usize = 30;

/// Prints a report.
pub(super) fn print(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() && !matches!(block, Block::Chart) {
            out.push('\n');
        }
        print_block(&mut out, block);
    }
    out
}

fn print_block(out: &mut String, block: &Block) {
    match block {
        Block::Heading(level, words) => {
            let words = no_mark(escape::terminal(words).as_str());
            let width = words.chars().count().min(COLUMNS);
            out.push_str(&format!("{words}\n"));
            match level {
                1 => out.push_str(&format!("{}\n", "=".repeat(width))),
                2 => out.push_str(&format!("{}\n", "-".repeat(width))),
                _ => {}
            }
        }
        Block::Paragraph(line) => hang(out, "", &no_mark(&inline(line))),
        Block::Bullets(lines) => lines.iter().for_each(|line| hang(out, "- ", &inline(line))),
        Block::Ranked(lines) => {
            for (index, line) in lines.iter().enumerate() {
                hang(out, &format!("{}. ", index + 1), &inline(line));
            }
        }
        Block::Checklist(items) => {
            for (is_done, line) in items {
                hang(out, if *is_done { "[x] " } else { "[ ] " }, &inline(line));
            }
        }
        Block::Table(table) => print_table(out, table),
        Block::Details { summary, rows } => {
            hang(out, "", &no_mark(escape::terminal(summary).as_str()));
            rows.iter().for_each(|row| hang(out, "  - ", &inline(row)));
        }
        Block::Chart => {}
    }
}

/// Words at the beginning of a line, put in by a space where they would look like a mark of ours:
/// an item of a list, or the rule under a heading.
fn no_mark(words: &str) -> String {
    let looks_like_one = words.starts_with(['-', '=', '[']);
    if looks_like_one { format!(" {words}") } else { words.to_owned() }
}

/// Prints words behind a mark.
fn hang(out: &mut String, mark: &str, words: &str) {
    out.push_str(format!("{mark}{words}").trim_end());
    out.push('\n');
}

fn print_table(out: &mut String, table: &Table) {
    let head: Vec<String> = table.head.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> =
        table.rows.iter().map(|row| row.iter().map(inline).collect()).collect();
    let mut widths: Vec<usize> = (0..head.len())
        .map(|column| {
            std::iter::once(&head)
                .chain(&rows)
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let gaps = 2 * head.len().saturating_sub(1);
    let others: usize =
        widths.iter().enumerate().filter(|(c, _)| *c != table.wide).map(|(_, w)| w).sum();
    if let Some(wide) = widths.get_mut(table.wide) {
        *wide = (*wide).min(COLUMNS.saturating_sub(others + gaps).max(WIDE_MIN));
    }
    for row in std::iter::once(&head).chain(&rows) {
        print_row(out, row, &widths);
    }
}

fn print_row(out: &mut String, row: &[String], widths: &[usize]) {
    let cells: Vec<Vec<String>> =
        row.iter().zip(widths).map(|(cell, width)| wrap(cell, (*width).max(1))).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(1);
    for level in 0..height {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let words = cell.get(level).map_or("", String::as_str);
            line.push_str(words);
            line.push_str(&" ".repeat(width.saturating_sub(words.chars().count()) + 2));
        }
        hang(out, "", &no_mark(&line));
    }
}

/// Breaks words into lines. A word longer than a line is left whole: it may be an address.
fn wrap(words: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let chars = word.chars().count();
        if length > 0 && length + 1 + chars > width {
            lines.push(String::new());
            length = 0;
        }
        if let Some(line) = lines.last_mut() {
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += chars;
        }
    }
    lines
}

fn inline(line: &Line) -> String {
    let mut out = String::new();
    for part in line {
        match part {
            Inline::Text(words) => {
                let (lead, tail) = spaces(words);
                out.push_str(&format!("{lead}{}{tail}", escape::terminal(words)));
            }
            Inline::Strong(words) => out.push_str(escape::terminal(words).as_str()),
            Inline::Todo(question) => {
                out.push_str(&format!("TODO ({})", escape::terminal(question)));
            }
            Inline::Link { text, .. } => out.push_str(escape::terminal(text).as_str()),
            Inline::Home { text, url } => {
                out.push_str(&format!("{} <{url}>", escape::terminal(text)));
            }
        }
    }
    out
}

//! The Markdown writer: blocks to GitHub-flavoured Markdown that GitLab renders alike.
//!
//! Decides nothing about content. Every text passes [`escape::markdown`].

use super::escape;
use super::report::{Block, Inline, Line, Table};

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
            (0..*level).for_each(|_| out.push('#'));
            out.push(' ');
            // Behind its mark a heading begins no other block.
            escape::push_markdown(out, words);
            out.push('\n');
        }
        Block::Paragraph(line) => print_line(out, "", line),
        Block::Bullets(lines) => lines.iter().for_each(|line| print_line(out, "- ", line)),
        Block::Ranked(lines) => {
            for (index, line) in lines.iter().enumerate() {
                print_line(out, &format!("{}. ", index + 1), line);
            }
        }
        Block::Checklist(items) => {
            for (is_done, line) in items {
                print_line(out, if *is_done { "- [x] " } else { "- [ ] " }, line);
            }
        }
        Block::Table(table) => print_table(out, table),
        Block::Details { summary, rows } => {
            out.push_str("<details><summary>");
            out.push_str(escape::html_in_markdown(summary).as_str());
            out.push_str("</summary>\n\n");
            rows.iter().for_each(|row| print_line(out, "- ", row));
            out.push_str("\n</details>\n");
        }
        // A chart cannot stand in Markdown.
        Block::Chart => {}
    }
}

fn print_table(out: &mut String, table: &Table) {
    out.push_str("| ");
    out.push_str(&table.head.join(" | "));
    out.push_str(" |\n|");
    table.head.iter().for_each(|_| out.push_str(" --- |"));
    out.push('\n');
    for row in &table.rows {
        out.push_str("| ");
        for (column, line) in row.iter().enumerate() {
            if column > 0 {
                out.push_str(" | ");
            }
            push_inline(out, line, 1);
        }
        out.push_str(" |\n");
    }
}

/// Prints a line behind its mark.
fn print_line(out: &mut String, mark: &str, line: &Line) {
    out.push_str(mark);
    push_inline(out, line, 0);
    out.push('\n');
}

/// Prints the parts of a line. Only what stands at place 0 could forge a block; in a table nothing
/// does.
fn push_inline(out: &mut String, line: &Line, place: usize) {
    for (index, part) in line.iter().enumerate().map(|(index, part)| (index + place, part)) {
        match part {
            Inline::Text(words) => {
                // The spaces that part words are ours and survive the folding.
                let (lead, tail) = spaces(words);
                out.push_str(lead);
                if index == 0 {
                    escape::push_markdown_block(out, words);
                } else {
                    escape::push_markdown(out, words);
                }
                out.push_str(tail);
            }
            Inline::Strong(words) => {
                let words = escape::markdown(words);
                if !words.as_str().is_empty() {
                    out.push_str(&format!("**{words}**"));
                }
            }
            Inline::Todo(question) => {
                out.push_str(&format!("**TODO** ({})", escape::markdown(question)));
            }
            Inline::Link { text, url } => match escape::url(url) {
                Some(url) => push_link(out, text, url.as_str()),
                None => escape::push_markdown(out, text),
            },
            Inline::Home { text, url } => push_link(out, text, url),
        }
    }
}

fn push_link(out: &mut String, text: &str, url: &str) {
    out.push_str(&format!("[{}]({})", escape::markdown(text), url.replace('&', "&amp;")));
}

/// One space at each end, where the words have any there.
pub(super) fn spaces(words: &str) -> (&'static str, &'static str) {
    let space = |there: bool| if there { " " } else { "" };
    let is_blank = words.trim().is_empty();
    (space(words.starts_with(' ')), space(words.ends_with(' ') && !is_blank))
}

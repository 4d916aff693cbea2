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
            let marks = "#".repeat(usize::from(*level));
            out.push_str(&format!("{marks} {}\n", escape::markdown_block(words)));
        }
        Block::Paragraph(line) => out.push_str(&format!("{}\n", inline(line))),
        Block::Bullets(lines) => {
            for line in lines {
                out.push_str(&format!("- {}\n", inline(line)));
            }
        }
        Block::Ranked(lines) => {
            for (index, line) in lines.iter().enumerate() {
                out.push_str(&format!("{}. {}\n", index + 1, inline(line)));
            }
        }
        Block::Checklist(items) => {
            for (is_done, line) in items {
                let tick = if *is_done { 'x' } else { ' ' };
                out.push_str(&format!("- [{tick}] {}\n", inline(line)));
            }
        }
        Block::Table(table) => print_table(out, table),
        Block::Details { summary, rows } => {
            let summary = escape::html_in_markdown(summary);
            out.push_str(&format!("<details><summary>{summary}</summary>\n\n"));
            for row in rows {
                out.push_str(&format!("- {}\n", inline(row)));
            }
            out.push_str("\n</details>\n");
        }
        // A chart cannot stand in Markdown.
        Block::Chart => {}
    }
}

fn print_table(out: &mut String, table: &Table) {
    out.push_str(&format!("| {} |\n", table.head.join(" | ")));
    out.push_str(&format!("|{}\n", " --- |".repeat(table.head.len())));
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(|line| inline_from(line, 1)).collect();
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

fn inline(line: &Line) -> String {
    inline_from(line, 0)
}

/// Prints a line. Only what stands at place 0 could forge a block; in a table nothing does.
fn inline_from(line: &Line, place: usize) -> String {
    let mut out = String::new();
    for (index, part) in line.iter().enumerate().map(|(index, part)| (index + place, part)) {
        match part {
            Inline::Text(words) => {
                // The spaces that part words are ours and survive the folding.
                let (lead, tail) = spaces(words);
                out.push_str(lead);
                if index == 0 {
                    out.push_str(escape::markdown_block(words).as_str());
                } else {
                    out.push_str(escape::markdown(words).as_str());
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
                Some(url) => out.push_str(&link(&escape::markdown(text), url.as_str())),
                None => out.push_str(escape::markdown(text).as_str()),
            },
            Inline::Home { text, url } => out.push_str(&link(&escape::markdown(text), url)),
        }
    }
    out
}

fn link(text: &escape::Escaped, url: &str) -> String {
    format!("[{text}]({})", url.replace('&', "&amp;"))
}

/// One space at each end, where the words have any there.
pub(super) fn spaces(words: &str) -> (&'static str, &'static str) {
    let space = |there: bool| if there { " " } else { "" };
    let is_blank = words.trim().is_empty();
    (space(words.starts_with(' ')), space(words.ends_with(' ') && !is_blank))
}

//! The HTML writer: one self-contained page that needs nothing from anywhere.
//!
//! Inline styles only (it is served under `default-src 'none'; style-src 'unsafe-inline'`), no
//! script, readable in light and dark and on paper. Every text passes [`escape::html`].

use super::escape;
use super::markdown::spaces;
use super::report::{Block, Inline, Line, Table};
use super::svg;
use crate::domain::draft::Draft;
use crate::timeline::words;

/// A column whose cells are all at most this long is kept from breaking lines, in characters.
const TIGHT_CHARS_MAX: usize = 40;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2024;--soft:#5b6570;--paper:#fff;--line:#d8dde3;\
--mark:#fff3cd;--link:#0b5cad}\
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa4af;--paper:#15181c;\
--line:#343a41;--mark:#4a3c08;--link:#7ab7ff}}\
body{margin:0 auto;max-width:64rem;padding:1.5rem;background:var(--paper);color:var(--ink);\
font:16px/1.5 system-ui,sans-serif}\
h1{font-size:1.7rem;line-height:1.25;margin:.2rem 0 1rem}\
h2{font-size:1.25rem;margin:2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}\
h3{font-size:1.05rem;margin:1.3rem 0 .4rem}\
p{margin:.5rem 0}ul,ol{margin:.5rem 0;padding-left:1.4rem}\
ul.plain{list-style:none;padding-left:0}\
.scroll{overflow-x:auto}\
table{border-collapse:collapse;margin:.7rem 0;width:100%;font-size:.94rem}\
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line);\
overflow-wrap:anywhere}\
th{color:var(--soft);font-weight:600}td.tight,th.tight{white-space:nowrap;overflow-wrap:normal}\
.todo{background:var(--mark);padding:0 .3em;border-radius:.2em}\
a{color:var(--link)}details{margin:.6rem 0}summary{cursor:pointer}\
svg{max-width:100%;height:auto}\
@media print{body{max-width:none;padding:0;font-size:11pt}h2{break-after:avoid}\
tr,li,svg{break-inside:avoid}details>*{display:block}}";

/// Prints blocks without the page around them.
pub(super) fn blocks(draft: &Draft, blocks: &[Block]) -> String {
    let mut body = String::new();
    for block in blocks {
        print_block(&mut body, draft, block);
    }
    body
}

/// Rows of one table, and rows of all that is folded, that a part of another page shows.
const PART_ROWS_MAX: usize = 100;

/// Prints a report as a part of another page, whose style it takes: headings two levels down, no
/// chart, which brings a style of its own, and of long lists only the begin.
pub(super) fn part(draft: &Draft, blocks: &[Block]) -> String {
    let mut body = String::new();
    let (mut unfolded, mut left_out) = (0, 0);
    for block in blocks {
        if let Block::Details { rows, .. } = block {
            if unfolded + rows.len() > PART_ROWS_MAX {
                left_out += rows.len();
                continue;
            }
            unfolded += rows.len();
        }
        print_left_out(&mut body, std::mem::take(&mut left_out));
        match block {
            Block::Heading(level, words) => {
                print_block(&mut body, draft, &Block::Heading((level + 2).min(6), words.clone()));
            }
            Block::Chart => {}
            Block::Table(table) if table.rows.len() > PART_ROWS_MAX => {
                let rows = table.rows[..PART_ROWS_MAX].to_vec();
                print_table(&mut body, &Table { head: table.head.clone(), rows, wide: table.wide });
                print_left_out(&mut body, table.rows.len() - PART_ROWS_MAX);
            }
            Block::Paragraph(_)
            | Block::Bullets(_)
            | Block::Ranked(_)
            | Block::Checklist(_)
            | Block::Table(_)
            | Block::Details { .. } => print_block(&mut body, draft, block),
        }
    }
    print_left_out(&mut body, left_out);
    body
}

/// Says how many rows the draft has more than its part.
fn print_left_out(out: &mut String, rows: usize) {
    if rows > 0 {
        let rows = words::count(rows, "more row");
        out.push_str(&format!("<p class=\"left-out\">{rows}, which the draft itself has.</p>\n"));
    }
}

/// A page with a section more: the last of its main part, or of its body, or of all.
pub(super) fn with_section(mut page: String, section: &str) -> String {
    let section = format!("<section>\n{section}</section>\n");
    let place = ["</main>", "</body>", "</html>"].iter().find_map(|mark| page.rfind(mark));
    page.insert_str(place.unwrap_or(page.len()), &section);
    page
}

/// Prints a report as a page.
pub(super) fn print(draft: &Draft, report: &[Block]) -> String {
    let body = blocks(draft, report);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         </body>\n</html>\n",
        escape::html(&draft.title)
    )
}

fn print_block(out: &mut String, draft: &Draft, block: &Block) {
    match block {
        Block::Heading(level, words) => {
            out.push_str(&format!("<h{level}>{}</h{level}>\n", escape::html(words)));
        }
        Block::Paragraph(line) => out.push_str(&format!("<p>{}</p>\n", inline(line))),
        Block::Bullets(lines) => list(out, "<ul>", "</ul>", lines.iter().map(inline)),
        Block::Ranked(lines) => list(out, "<ol>", "</ol>", lines.iter().map(inline)),
        Block::Checklist(items) => {
            let item = |(is_done, line): &(bool, Line)| {
                let tick = if *is_done { "\u{2611}" } else { "\u{2610}" };
                format!("{tick} {}", inline(line))
            };
            list(out, "<ul class=\"plain\">", "</ul>", items.iter().map(item));
        }
        Block::Table(table) => print_table(out, table),
        Block::Details { summary, rows } => {
            out.push_str(&format!("<details><summary>{}</summary>\n", escape::html(summary)));
            list(out, "<ul>", "</ul>", rows.iter().map(inline));
            out.push_str("</details>\n");
        }
        Block::Chart => {
            let chart = svg::of_draft(draft);
            if !chart.is_empty() {
                out.push_str(&format!("<figure class=\"scroll\">{chart}</figure>\n"));
            }
        }
    }
}

fn list(out: &mut String, open: &str, close: &str, items: impl Iterator<Item = String>) {
    out.push_str(&format!("{open}\n"));
    for item in items {
        out.push_str(&format!("<li>{item}</li>\n"));
    }
    out.push_str(&format!("{close}\n"));
}

fn print_table(out: &mut String, table: &Table) {
    // Short columns stay on one line; a long word from outside must not stretch the page.
    let is_short = |column: usize| {
        column != table.wide
            && table
                .rows
                .iter()
                .filter_map(|row| row.get(column))
                .all(|line| line.iter().map(shown_chars).sum::<usize>() <= TIGHT_CHARS_MAX)
    };
    let class = |column: usize| if is_short(column) { " class=\"tight\"" } else { "" };
    let classes: Vec<&str> = (0..table.head.len()).map(class).collect();
    let class = |column: usize| classes.get(column).copied().unwrap_or_default();
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    for (column, name) in table.head.iter().enumerate() {
        let class = class(column);
        out.push_str(&format!("<th scope=\"col\"{class}>{}</th>", escape::html(name)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (column, line) in row.iter().enumerate() {
            out.push_str(&format!("<td{}>{}</td>", class(column), inline(line)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
}

/// About how wide a part of a line is.
fn shown_chars(part: &Inline) -> usize {
    match part {
        Inline::Text(words) | Inline::Strong(words) | Inline::Todo(words) => words.chars().count(),
        Inline::Link { text, .. } | Inline::Home { text, .. } => text.chars().count(),
    }
}

fn inline(line: &Line) -> String {
    let mut out = String::new();
    for part in line {
        match part {
            Inline::Text(words) => {
                let (lead, tail) = spaces(words);
                out.push_str(&format!("{lead}{}{tail}", escape::html(words)));
            }
            Inline::Strong(words) => {
                out.push_str(&format!("<strong>{}</strong>", escape::html(words)));
            }
            Inline::Todo(question) => out.push_str(&format!(
                "<span class=\"todo\"><strong>TODO</strong> ({})</span>",
                escape::html(question)
            )),
            Inline::Link { text, url } => match escape::url(url) {
                Some(url) => out.push_str(&format!(
                    "<a href=\"{}\" rel=\"noopener noreferrer nofollow\">{}</a>",
                    escape::html(url.as_str()),
                    escape::html(text)
                )),
                None => out.push_str(escape::html(text).as_str()),
            },
            Inline::Home { text, url } => out.push_str(&format!(
                "<a href=\"{}\">{}</a>",
                escape::html(url),
                escape::html(text)
            )),
        }
    }
    out
}

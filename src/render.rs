//! Rendering: a draft in, Markdown, HTML, JSON, plain text or a chart out.
//!
//! Pure and deterministic: the same draft gives the same bytes. A draft is first laid out as a
//! [`report`] without any markup, so that every format tells the same; then a writer per format
//! prints it. All text from outside goes through [`escape`], here and nowhere else. Called by
//! `drafts` and by the web pages.

pub mod escape;
pub mod figure;
mod html;
pub mod json;
mod layouts;
mod markdown;
mod noticed;
pub mod own;
mod report;
mod sections;
pub mod svg;
mod tables;
#[cfg(test)]
mod tests;
mod text;
pub mod time;

use crate::domain::draft::Draft;

/// The forms in which a draft is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// GitHub-flavoured Markdown.
    Markdown,
    /// One self-contained page.
    Html,
    /// The contract's shape.
    Json,
    /// For terminals and mail.
    Text,
}

impl Format {
    /// All of them, the default first.
    pub const ALL: [Self; 4] = [Self::Markdown, Self::Html, Self::Json, Self::Text];

    /// The word for it in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Json => "json",
            Self::Text => "text",
        }
    }

    /// Reads one of the words of [`Format::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// The media type without parameters.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Json => "application/json",
            Self::Text => "text/plain",
        }
    }
}

/// Puts what came after a draft was final beside its bytes, which stay as they are: behind them, or
/// where the format has one closing mark, before it. `draft` holds the list (`Draft::since`).
#[must_use]
pub fn with_later(text: String, draft: &Draft, format: Format) -> String {
    let mut blocks = Vec::new();
    sections::later(&report::Layout::new(draft), &mut blocks);
    match format {
        Format::Markdown => format!("{text}\n{}", markdown::print(&blocks)),
        Format::Text => format!("{text}\n{}", text::print(&blocks)),
        Format::Html => html::with_section(text, &html::blocks(draft, &blocks)),
        Format::Json => json::with_since(text, draft),
    }
}

/// Prints a draft. Always ends with a line break.
#[must_use]
pub fn draft(draft: &Draft, format: Format) -> String {
    match format {
        Format::Markdown => markdown::print(&layouts::lay_out(draft)),
        Format::Html => html::print(draft, &layouts::lay_out(draft)),
        Format::Json => json::draft_text(draft),
        Format::Text => text::print(&layouts::lay_out(draft)),
    }
}

/// Prints a draft as a part of a web page of ours: its headings stand below the page's own, and it
/// has no style and no chart.
#[must_use]
pub fn part_of_page(draft: &Draft) -> String {
    html::part(draft, &layouts::lay_out(draft))
}

//! People's own templates: MiniJinja text in, a draft out.
//!
//! A template sees the JSON draft and nothing else: no file, no clock, no other format's templates.
//! Whatever it prints is escaped for its format unless it says `safe`; a name that does not exist is
//! an error, not a blank. Work and output are bounded. Reading the folder is for `config`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::fmt;
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, UndefinedBehavior, Value};

use super::time::Clocks;
use super::{Format, escape, json};
use crate::domain::draft::{Draft, ShippedTemplate};
use crate::domain::{Span, Timestamp};
use crate::timeline::words;

/// What every template's file name ends with, behind the ending of its format.
pub const FILE_ENDING: &str = ".jinja";
/// Instructions that one document may take: three times what a draft of ten thousand entries needs
/// when each is told in full. A person waits for the documents of a draft that becomes final.
const FUEL: u64 = 2_000_000;
/// Longest document that a template may make, in bytes.
const OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How deep templates may include and call each other.
const DEPTH_MAX: usize = 64;
/// Longest name of a template, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The formats that have templates, by the endings of their files. JSON is always the data itself.
const ENDINGS: [(&str, Format); 3] =
    [(".md", Format::Markdown), (".html", Format::Html), (".txt", Format::Text)];

/// A file of the folder of templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFile {
    /// Its name without the folder.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// The name of its file.
    pub file: String,
    /// The line, counted from 1; none when the file as a whole is meant.
    pub line: Option<usize>,
    /// The column where it begins, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

impl std::error::Error for TemplateFault {}

/// A folder of templates, read and found to be well formed.
#[derive(Clone, Debug, Default)]
pub struct OwnTemplates {
    /// One world for each format, so that no template takes in what was escaped for another.
    worlds: BTreeMap<Format, Environment<'static>>,
    names: BTreeMap<String, BTreeSet<Format>>,
}

impl OwnTemplates {
    /// Reads the files of a folder.
    ///
    /// # Errors
    /// With everything that is wrong with their names and their syntax.
    pub fn read(files: Vec<TemplateFile>) -> Result<Self, Vec<TemplateFault>> {
        let mut templates = Self::default();
        let mut faults = Vec::new();
        for file in files {
            faults.extend(templates.add(file).err());
        }
        if faults.is_empty() { Ok(templates) } else { Err(faults) }
    }

    /// The names that can be asked for, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// The formats that a template can be printed in beside JSON, or none for a name that is not
    /// there.
    #[must_use]
    pub fn formats(&self, name: &str) -> Option<&BTreeSet<Format>> {
        self.names.get(name)
    }

    /// Prints a draft with the template that it names. Ends with a line break.
    ///
    /// # Errors
    /// When the template asks for what is not there, or for too much.
    pub fn print(&self, draft: &Draft, format: Format) -> Result<String, TemplateFault> {
        let ending = ENDINGS.iter().find(|(_, of)| *of == format).map_or("", |(ending, _)| ending);
        let file = format!("{}{ending}{FILE_ENDING}", draft.template.as_str());
        let missing = || TemplateFault {
            file: file.clone(),
            line: None,
            column: 1,
            problem: "there is no such template".to_owned(),
        };
        let mut world = self.worlds.get(&format).ok_or_else(missing)?.clone();
        let clocks = Clocks::for_draft(draft);
        world.add_filter("local", move |at: &Value, options: Kwargs| local(&clocks, at, &options));
        let template = world.get_template(&file).map_err(|_| missing())?;
        let mut page = Page::default();
        let printed =
            template.render_captured_to(Value::from(Serde(json::draft(draft))), &mut page);
        if page.is_full {
            let problem = format!("it makes more than {OUTPUT_BYTES_MAX} bytes");
            return Err(TemplateFault { file, line: None, column: 1, problem });
        }
        printed.map_err(|error| fault(&error, &file))?;
        let mut text = String::from_utf8_lossy(&page.bytes).into_owned();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    fn add(&mut self, file: TemplateFile) -> Result<(), TemplateFault> {
        let whole = |problem: String| TemplateFault {
            file: escape::plain(&file.name).into_owned(),
            line: None,
            column: 1,
            problem,
        };
        let (name, format) = meaning(&file.name).map_err(whole)?;
        let world = self.worlds.entry(format).or_insert_with(|| world(format));
        world.add_template_owned(file.name.clone(), file.text.clone()).map_err(|error| {
            let column = error.range().map_or(1, |range| column(&file.text, range.start));
            TemplateFault { column, ..fault(&error, &file.name) }
        })?;
        // What begins with an underscore is a part of others.
        if !name.starts_with('_') {
            self.names.entry(name).or_default().insert(format);
        }
        Ok(())
    }
}

/// What a file's name says: the name of the template, and its format.
fn meaning(file: &str) -> Result<(String, Format), String> {
    let stem = file.strip_suffix(FILE_ENDING).unwrap_or(file);
    let (name, format) = ENDINGS
        .iter()
        .find_map(|(ending, format)| Some((stem.strip_suffix(ending)?, *format)))
        .ok_or("call it NAME.md.jinja, NAME.html.jinja or NAME.txt.jinja")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_plain) {
        return Err(format!(
            "its name must have 1 to {NAME_BYTES_MAX} letters, digits, dashes and underscores"
        ));
    }
    if ShippedTemplate::from_word(name).is_some() {
        return Err(format!("`{name}` is a template that comes with scribed; choose another name"));
    }
    Ok((name.to_owned(), format))
}

/// An environment in which templates of one format run.
fn world(format: Format) -> Environment<'static> {
    let mut world = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    // The delimiters are the usual ones, which are never refused.
    if let Ok(syntax) = syntax {
        world.set_syntax(syntax);
    }
    world.set_undefined_behavior(UndefinedBehavior::Strict);
    world.set_fuel(Some(FUEL));
    world.set_recursion_limit(DEPTH_MAX);
    world.set_auto_escape_callback(move |_| AutoEscape::Custom(format.as_str().into()));
    world.set_formatter(move |out, state, value| {
        let is_raw = *state.auto_escape() == AutoEscape::None || value.is_safe();
        write_value(out, format, value, is_raw)
    });
    // It marks what it makes as safe, which in Markdown it is not.
    world.remove_filter("tojson");
    let escaped = move |value: &Value| {
        if value.is_safe() {
            value.clone()
        } else {
            Value::from_safe_string(escaped(format, &shown(value)))
        }
    };
    world.add_filter("escape", escaped);
    world.add_filter("e", escaped);
    world.add_filter("md", |value: &Value| {
        Value::from_safe_string(escape::markdown_block(&shown(value)).to_string())
    });
    world.add_filter("html", move |value: &Value| {
        let text = shown(value);
        let text = match format {
            Format::Markdown => escape::html_in_markdown(&text),
            Format::Html | Format::Text | Format::Json => escape::html(&text),
        };
        Value::from_safe_string(text.to_string())
    });
    world.add_filter("url", move |value: &Value| Value::from_safe_string(url(format, value)));
    world.add_filter("paragraphs", |value: &Value| escape::paragraphs(&shown(value)));
    world.add_filter("duration", duration);
    world
}

/// A value as words: nothing for what is not known.
fn shown(value: &Value) -> String {
    if value.is_none() || value.is_undefined() { String::new() } else { value.to_string() }
}

/// Text from outside, harmless in a format.
fn escaped(format: Format, text: &str) -> String {
    match format {
        Format::Markdown => escape::markdown_block(text).to_string(),
        Format::Html => escape::html(text).to_string(),
        Format::Text | Format::Json => escape::terminal(text).to_string(),
    }
}

fn write_value(
    out: &mut Output<'_>,
    format: Format,
    value: &Value,
    is_raw: bool,
) -> Result<(), Error> {
    let text = shown(value);
    let text = if is_raw { text } else { escaped(format, &text) };
    out.write_str(&text).map_err(Error::from)
}

/// An address for a link, or nothing when it is none of the web.
fn url(format: Format, value: &Value) -> String {
    let Some(address) = escape::url(&shown(value)) else { return String::new() };
    match format {
        Format::Markdown => address.as_str().replace('&', "&amp;"),
        Format::Html => escape::html(address.as_str()).to_string(),
        Format::Text | Format::Json => address.to_string(),
    }
}

/// A number of seconds as people write a length; nothing for what is not known.
fn duration(value: &Value) -> Result<String, Error> {
    if value.is_none() {
        return Ok(String::new());
    }
    let wrong = || Error::new(ErrorKind::InvalidOperation, "duration takes a number of seconds");
    // Numbers of any kind, cut to whole seconds; a cast of a float saturates.
    let seconds = match i64::try_from(value.clone()) {
        Ok(seconds) => seconds,
        Err(_) => f64::try_from(value.clone()).map_err(|_| wrong())? as i64,
    };
    let is_possible = seconds.unsigned_abs() < i64::MAX as u64 / 1_000_000_000;
    if is_possible { Ok(words::duration(Span::from_seconds(seconds))) } else { Err(wrong()) }
}

/// A moment in the draft's zone: with its date, or with `short=true` only where the report touches
/// several days.
fn local(clocks: &Clocks, at: &Value, options: &Kwargs) -> Result<String, Error> {
    let is_short = options.get::<Option<bool>>("short")?.unwrap_or(false);
    options.assert_all_used()?;
    if at.is_none() {
        return Ok(String::new());
    }
    let moment = at.as_str().and_then(|text| Timestamp::parse(text).ok()).ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, "local takes one of the draft's times")
    })?;
    Ok(if is_short { clocks.short(moment) } else { clocks.full(moment) })
}

/// The innermost place at which a template went wrong: an error inside an include names that file.
fn fault(error: &Error, file: &str) -> TemplateFault {
    let mut deepest = error;
    while let Some(inner) = deepest.source().and_then(|source| source.downcast_ref::<Error>()) {
        deepest = inner;
    }
    let what = match (deepest.kind(), deepest.detail()) {
        (ErrorKind::OutOfFuel, _) => "it takes too much work; is a loop in a loop?".to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    TemplateFault {
        file: escape::plain(deepest.name().unwrap_or(file)).into_owned(),
        line: deepest.line(),
        column: 1,
        problem: escape::plain(&what).into_owned(),
    }
}

/// The column at which a byte of a text stands.
fn column(text: &str, byte: usize) -> usize {
    let head = text.get(..byte).unwrap_or_default();
    head.rsplit('\n').next().unwrap_or_default().chars().count() + 1
}

/// Collects a document up to the longest that there may be.
#[derive(Default)]
struct Page {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for &mut Page {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > OUTPUT_BYTES_MAX {
            self.is_full = true;
            return Err(io::Error::other("the document is too long"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! YAML text to a tree in which every node knows its line and column, and every scalar its own
//! spelling: `1.20` stays `1.20` and `0123` stays `0123`.
//!
//! It reads the events of serde-saphyr's parser rather than its serde side, which stops at the
//! first problem and gives scalars a type before we know which one a key wants. Anchors and
//! aliases work; merge keys do not. Called by `load` for the built-in default and for files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span};

use super::problem::{Mark, Place, Report, quote};

/// Longest file in bytes: hundreds of times a large configuration.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most nodes of a document with its aliases written out, so that a few lines of aliases of
/// aliases cannot fill the memory.
const NODES_MAX: usize = 50_000;

/// A file that was read.
#[derive(Debug)]
pub(super) struct Document {
    /// The file as it was named.
    pub(super) path: PathBuf,
    /// Its content; absent when it is empty or could not be read.
    pub(super) root: Option<Node>,
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) mark: Mark,
    /// What it is.
    pub(super) body: Body,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Nothing, `~` or `null`.
    Null,
    /// One value, as it was written.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file, each key once.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// Where the key stands.
    pub(super) mark: Mark,
    /// The value.
    pub(super) node: Node,
}

impl Document {
    /// Reads a file. What is wrong with it goes to the report.
    pub(super) fn open(path: &Path, report: &mut Report) -> Self {
        match read_text(path) {
            Ok(text) => Self::parse(path, &text, report),
            Err(problem) => {
                let place = Place::File { path: path.to_owned(), mark: None };
                report.add(place, "", problem);
                Self { path: path.to_owned(), root: None }
            }
        }
    }

    /// Reads a text that stands for the file `path`.
    pub(super) fn parse(path: &Path, text: &str, report: &mut Report) -> Self {
        let mut document = Self { path: path.to_owned(), root: None };
        let mut builder = Builder::default();
        let result = builder.read(text);
        for fault in builder.faults {
            report.add(document.place(fault.mark), "", fault.text);
        }
        match result {
            Ok(()) => document.root = builder.root,
            Err(fault) => report.add(document.place(fault.mark), "", fault.text),
        }
        document
    }

    /// A spot in this file.
    pub(super) fn place(&self, mark: Mark) -> Place {
        Place::File { path: self.path.clone(), mark: Some(mark) }
    }
}

impl Node {
    /// What it is, in the words of a message.
    pub(super) fn shape(&self) -> &'static str {
        match self.body {
            Body::Null => "nothing",
            Body::Scalar(_) => "one value",
            Body::List(_) => "a list",
            Body::Map(_) => "a mapping",
        }
    }

    /// True for nothing, `~` and `null`: the key counts as not set.
    pub(super) fn is_null(&self) -> bool {
        self.body == Body::Null
    }

    /// How many nodes it holds, itself included.
    fn count(&self) -> usize {
        match &self.body {
            Body::Null | Body::Scalar(_) => 1,
            Body::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Body::Map(entries) => 1 + entries.iter().map(|e| e.node.count()).sum::<usize>(),
        }
    }
}

/// Reads a file as text, up to the limit.
fn read_text(path: &Path) -> Result<String, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("cannot be read: {error}");
    let file = File::open(path).map_err(|e| cannot(&e))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| cannot(&e))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(cannot(&"it is longer than 1 MiB, which no configuration should be"));
    }
    String::from_utf8(bytes).map_err(|_| cannot(&"it is not UTF-8 text"))
}

/// What is wrong with the YAML itself.
struct Fault {
    mark: Mark,
    text: String,
}

/// A list or mapping that has begun and not ended.
enum Open {
    List { mark: Mark, anchor: usize, items: Vec<Node> },
    Map { mark: Mark, anchor: usize, entries: Vec<Entry>, key: Option<(String, Mark)> },
}

/// Makes the tree from the parser's events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    faults: Vec<Fault>,
}

impl Builder {
    /// Feeds all events. An error ends the reading; lesser faults are collected.
    fn read(&mut self, text: &str) -> Result<(), Fault> {
        let mut options = Options::default();
        // Comments would only cost: they are capped at 96 in a row, and ours are longer.
        options.set_emit_comments(false);
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|e| syntax_fault(&e))?;
            self.take(event, mark_of(span))?;
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, mark: Mark) -> Result<(), Fault> {
        if let Some(tag) = event.tag().filter(|tag| !tag.is_yaml_core_schema()) {
            let text = format!("the tag {} is not understood; remove it", quote(&tag.original()));
            self.faults.push(Fault { mark, text });
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let text = "a second document begins here; keep one per file".to_owned();
                    return Err(Fault { mark, text });
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let body = if style == ScalarStyle::Plain && is_null(&text) {
                    Body::Null
                } else {
                    Body::Scalar(text.into_owned())
                };
                self.place(Node { mark, body }, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open::List { mark, anchor, items: Vec::new() });
            }
            Event::MappingStart(_, anchor, _) => {
                self.open.push(Open::Map { mark, anchor, entries: Vec::new(), key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List { mark, anchor, items }) => {
                    self.place(Node { mark, body: Body::List(items) }, anchor)?;
                }
                Some(Open::Map { mark, anchor, entries, .. }) => {
                    self.place(Node { mark, body: Body::Map(entries) }, anchor)?;
                }
                None => {}
            },
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    let text = "the alias stands inside what it refers to; write it out".to_owned();
                    return Err(Fault { mark, text });
                };
                self.nodes += node.count();
                self.place(node, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts a finished node where it belongs: into its list, behind its key, or as a key.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            let text = format!("there are more than {NODES_MAX} values, aliases written out");
            return Err(Fault { mark: node.mark, text });
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => match key.take() {
                None => *key = Some(key_of(node, &mut self.faults)),
                Some((key, mark)) => {
                    let first = entries.iter().find(|entry| entry.key == key);
                    if let Some(first) = first {
                        let line = first.mark.line;
                        let text = format!(
                            "duplicate key {}, first given on line {line}; keep one",
                            quote(&key)
                        );
                        self.faults.push(Fault { mark, text });
                    } else {
                        entries.push(Entry { key, mark, node });
                    }
                }
            },
        }
        Ok(())
    }
}

/// The text and place of a key.
fn key_of(node: Node, faults: &mut Vec<Fault>) -> (String, Mark) {
    let text = match node.body {
        Body::Scalar(text) => text,
        Body::Null => "null".to_owned(),
        Body::List(_) | Body::Map(_) => {
            let text = format!("a key is {}; write one word", node.shape());
            faults.push(Fault { mark: node.mark, text });
            String::new()
        }
    };
    (text, node.mark)
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn mark_of(span: Span) -> Mark {
    Mark { line: span.start.line(), column: span.start.col() + 1 }
}

fn syntax_fault(error: &ScanError) -> Fault {
    let marker = error.marker();
    Fault {
        mark: Mark { line: marker.line(), column: marker.col() + 1 },
        text: format!("this is not YAML: {}", error.info()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Document, String> {
        let mut report = Report::default();
        let document = Document::parse(Path::new("f.yml"), text, &mut report);
        report.finish(document).map_err(|errors| errors.to_string())
    }

    /// The tree in one line, with the places of keys.
    fn show(node: &Node) -> String {
        match &node.body {
            Body::Null => "null".to_owned(),
            Body::Scalar(text) => format!("{text:?}"),
            Body::List(items) => {
                format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
            }
            Body::Map(entries) => {
                let shown = entries.iter().map(|entry| {
                    let at = format!("{}:{}", entry.mark.line, entry.mark.column);
                    format!("{}@{at}={}", entry.key, show(&entry.node))
                });
                format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
            }
        }
    }

    #[test]
    fn scalars_keep_their_spelling_and_keys_their_place() {
        for (text, expect) in [
            ("a: 1.20\nb: 0123\n", r#"{a@1:1="1.20", b@2:1="0123"}"#),
            ("a: yes\nb: '~'\nc: ~\nd:\n", r#"{a@1:1="yes", b@2:1="~", c@3:1=null, d@4:1=null}"#),
            ("a:\n  - x: 1\n    y: [2, 3]\n", r#"{a@1:1=[{x@2:5="1", y@3:5=["2", "3"]}]}"#),
            ("a: &k 10m\nb: *k\n", r#"{a@1:1="10m", b@2:1="10m"}"#),
        ] {
            let document = read(text).unwrap();
            assert_eq!(show(&document.root.unwrap()), expect, "{text}");
        }
    }

    #[test]
    fn many_lines_of_comment_are_no_obstacle() {
        let text = format!("a: 1\n{}b: 2\n", "# word\n".repeat(500));
        assert_eq!(show(&read(&text).unwrap().root.unwrap()), r#"{a@1:1="1", b@502:1="2"}"#);
    }

    #[test]
    fn an_empty_text_is_no_document() {
        for text in ["", "# only words\n"] {
            assert!(read(text).unwrap().root.is_none(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_configuration_is_told_with_its_place() {
        for (text, expect) in [
            ("a: 1\nb: 2\na: 3\n", "f.yml:3:1: duplicate key `a`, first given on line 1; keep one"),
            ("a: 1\n---\nb: 2\n", "f.yml:2:1: a second document begins here; keep one per file"),
            ("a: !secret x\n", "f.yml:1:12: the tag `!secret` is not understood; remove it"),
            ("? [x]\n: y\n", "f.yml:1:3: a key is a list; write one word"),
            ("a: &k [*k]\n", "f.yml:1:8: the alias stands inside what it refers to; write it out"),
        ] {
            assert_eq!(read(text).unwrap_err(), expect, "{text}");
        }
        let syntax = read("a: 1\n b: [2\n").unwrap_err();
        assert!(syntax.starts_with("f.yml:2:"), "{syntax}");
        assert!(syntax.contains("this is not YAML"), "{syntax}");
    }

    #[test]
    fn aliases_of_aliases_are_bounded() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", ")));
        }
        assert!(read(&text).unwrap_err().contains("more than 50000 values"));
    }
}

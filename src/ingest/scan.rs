//! JSON as a stream of pieces, for whoever wants to change some values and keep the rest byte by
//! byte.
//!
//! It knows no shape and keeps no tree, so that a body may be as deep or as broken as it likes: a
//! body that breaks off is read to where it ends. Caller: `redaction`.

use std::borrow::Cow;

use super::wire;

/// How deep names are remembered; below it, values count as of the member above.
const DEPTH_MAX: usize = 256;

/// A piece of a body. All pieces as sent, one after the other, are the body.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// A text, number or truth value, with the name of the member that it stands in.
    Value {
        /// Of the nearest member; empty outside of objects.
        name: Cow<'a, str>,
        /// What it stands for.
        value: Cow<'a, str>,
        /// As it stands in the body.
        as_sent: &'a str,
    },
    /// Everything else: brackets, commas, names.
    Other(&'a str),
    /// Here it stops being JSON. Nothing follows.
    NoJson,
}

/// The pieces of a body, in their order.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    Pieces { rest: text, names: vec![Cow::Borrowed("")], is_over: false }
}

struct Pieces<'a> {
    rest: &'a str,
    /// The name of the member at each depth.
    names: Vec<Cow<'a, str>>,
    is_over: bool,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let first = *self.rest.as_bytes().first()?;
        if self.is_over {
            return None;
        }
        Some(match first {
            b'"' => self.text(),
            b'{' | b'[' | b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => {
                self.between(first)
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => self.literal(),
            _ => {
                self.is_over = true;
                Piece::NoJson
            }
        })
    }
}

impl<'a> Pieces<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// The member that the next value stands in; mostly borrowed, and then free of cost.
    fn name(&self) -> Cow<'a, str> {
        self.names.last().cloned().unwrap_or_default()
    }

    fn between(&mut self, first: u8) -> Piece<'a> {
        match first {
            b'{' | b'[' if self.names.len() < DEPTH_MAX => {
                // Entries of a list are of the member that holds the list.
                let name = self.name();
                self.names.push(name);
            }
            b'}' | b']' if self.names.len() > 1 => {
                self.names.pop();
            }
            _ => {}
        }
        Piece::Other(self.take(1))
    }

    fn text(&mut self) -> Piece<'a> {
        let as_sent = self.take(end_of_text(self.rest));
        let inside = &as_sent[1..];
        let inside = inside.strip_suffix('"').filter(|_| inside.len() + 1 == as_sent.len());
        if self.rest.trim_start().starts_with(':') {
            if let Some(last) = self.names.last_mut() {
                *last = wire::string(as_sent).unwrap_or(Cow::Borrowed(inside.unwrap_or_default()));
            }
            return Piece::Other(as_sent);
        }
        let value = match wire::string(&wire::mended(as_sent)) {
            Some(value) => Cow::Owned(value.into_owned()),
            // It breaks off, or holds what JSON does not allow: as it stands.
            None => Cow::Borrowed(inside.unwrap_or(&as_sent[1..])),
        };
        Piece::Value { name: self.name(), value, as_sent }
    }

    fn literal(&mut self) -> Piece<'a> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let as_sent = self.take(end);
        // A word or number may break off with the body.
        let is_cut = |word: &str| word.starts_with(as_sent) && self.rest.is_empty();
        let is_known = ["true", "false", "null"].iter().any(|w| *w == as_sent || is_cut(w))
            || as_sent.parse::<f64>().is_ok()
            || (self.rest.is_empty() && !as_sent.contains(|c: char| c.is_ascii_alphabetic()));
        if !is_known {
            self.is_over = true;
            return Piece::NoJson;
        }
        match as_sent {
            "null" => Piece::Other(as_sent),
            _ => Piece::Value { name: self.name(), value: Cow::Borrowed(as_sent), as_sent },
        }
    }
}

/// Where a text ends that begins here, its closing quote included; at the end if it breaks off.
fn end_of_text(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values with their names, and whether it was JSON to the end.
    fn check(text: &str, values: &[(&str, &str)], is_json: bool) {
        let all: Vec<Piece<'_>> = pieces(text).collect();
        let found: Vec<(&str, &str)> = all
            .iter()
            .filter_map(|piece| match piece {
                Piece::Value { name, value, .. } => Some((&**name, &**value)),
                Piece::Other(_) | Piece::NoJson => None,
            })
            .collect();
        assert_eq!(found, values, "{text}");
        assert_eq!(!all.contains(&Piece::NoJson), is_json, "{text}");
        if is_json {
            let again: String = all
                .iter()
                .map(|piece| match piece {
                    Piece::Value { as_sent, .. } | Piece::Other(as_sent) => *as_sent,
                    Piece::NoJson => "",
                })
                .collect();
            assert_eq!(again, text);
        }
    }

    #[test]
    fn values_come_with_the_name_of_their_member() {
        check(
            r#"{"a": "x", "b": {"c": 1}, "d": "\u00e9"}"#,
            &[("a", "x"), ("c", "1"), ("d", "é")],
            true,
        );
        check(r#"{"a": ["x", {"b": "y"}, "z"]}"#, &[("a", "x"), ("b", "y"), ("a", "z")], true);
        check(r#"["x", true, null, -1.5e3]"#, &[("", "x"), ("", "true"), ("", "-1.5e3")], true);
        check(r#"{"a" : "b:c", "d"	:"}"}"#, &[("a", "b:c"), ("d", "}")], true);
        check(r#"{"a": "\ud800x\"y"}"#, &[("a", "\u{fffd}x\"y")], true);
        check("", &[], true);
    }

    #[test]
    fn a_body_that_breaks_off_is_read_to_its_end() {
        check(r#"{"a": "secr"#, &[("a", "secr")], true);
        check(r#"{"a": "secr\"#, &[("a", "secr\\")], true);
        check(r#"{"a": tru"#, &[("a", "tru")], true);
        check(r#"{"a"#, &[("", "a")], true);
        check(r#"{"a": """#, &[("a", "")], true);
        check("{\"a\": \"", &[("a", "")], true);
    }

    #[test]
    fn what_is_no_json_is_told() {
        check("not json", &[], false);
        check("a=b", &[], false);
        check(r#"{"a": "x"} trailing"#, &[("a", "x")], false);
        check(r#"{"a": secret}"#, &[], false);
        check("\u{fffd}PNG", &[], false);
    }

    #[test]
    fn depth_is_no_danger() {
        let deep = format!("{}\"x\"{}", "[".repeat(200_000), "]".repeat(200_000));
        check(&deep, &[("", "x")], true);
    }
}

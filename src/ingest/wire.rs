//! JSON as senders write it: text out of bytes, and objects that are read field by field.
//!
//! Two ways lead through a body. Bodies with many alerts are read by serde into borrowed
//! structures (see `alert`). Everything else, and whatever those structures do not accept, is read
//! through [`Object`], which looks at a field only when asked, takes the last of equal names and
//! never fails over a field that nobody needs. Neither recurses into values, so that depth is no
//! danger. Callers: the senders' files.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{ALERTS_MAX, Reason, Unusable};

/// Most fields of one object that is read field by field.
const FIELDS_MAX: usize = 4096;
/// Said by the reader of a list that is too long, and looked for in its error.
const TOO_MANY: &str = "too many entries";

/// A body as text: without a byte order mark, and with U+FFFD for what is not UTF-8.
pub(super) fn text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // Looking for what is no UTF-8 is several times dearer than seeing that there is none.
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(body),
    }
}

/// The text with `\ufffd` for every half of a surrogate pair that stands alone, which some senders
/// write and which is no character. Costs a pass over the text, so the fast way does without.
pub(super) fn mended(text: &str) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(_), _) => {
                out.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            // Another escape: the backslash and the character behind it belong together.
            (None, _) => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        out.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The surrogate that an escape at the beginning of the text stands for.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok().filter(|code| (0xd800..=0xdfff).contains(code))
}

/// A text that borrows from the body wherever it holds no escape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// An object whose fields are read when they are asked for.
#[derive(Clone, Debug)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    if fields.len() == FIELDS_MAX {
                        return Err(A::Error::custom("too many fields in one object"));
                    }
                    fields.push((name.0, value));
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

impl<'a> Object<'a> {
    /// Reads a whole body.
    pub(super) fn body(text: &'a str) -> Result<Self, Unusable> {
        serde_json::from_str(text).map_err(|error| unusable(text, &error, "an object"))
    }

    /// Reads a value that stands in a body; `None` when it is no object.
    pub(super) fn value(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// A field as JSON text; `None` when it is absent or null.
    pub(super) fn json(&self, name: &str) -> Option<&'a str> {
        let value = self.0.iter().rev().find(|(n, _)| n == name)?.1.get();
        (value != "null").then_some(value)
    }

    /// True when the field is there, null included.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// A field that is a text with something in it.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.json(name).and_then(string).filter(|text| !text.trim().is_empty())
    }

    /// A field that is a text, a number or a truth value, as text.
    pub(super) fn scalar(&self, name: &str) -> Option<Cow<'a, str>> {
        self.json(name).and_then(scalar).filter(|text| !text.trim().is_empty())
    }

    /// A field that must be a text if it is there.
    pub(super) fn strict_text(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        let Some(json) = self.json(name) else { return Ok(None) };
        string(json).map(Some).ok_or_else(|| format!("`{name}` must be a text"))
    }

    /// A field that is an object.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        self.json(name).and_then(Self::value)
    }

    /// A field inside fields, such as `app.metadata.name`, as JSON text.
    pub(super) fn json_at(&self, path: &str) -> Option<&'a str> {
        match path.split_once('.') {
            None => self.json(path),
            Some((first, rest)) => self.object(first)?.json_at(rest),
        }
    }

    /// The first of some paths that holds a text or a number.
    pub(super) fn first_of(&self, paths: &[&str]) -> Option<Cow<'a, str>> {
        paths
            .iter()
            .filter_map(|path| self.json_at(path).and_then(scalar))
            .find(|text| !text.trim().is_empty())
    }

    /// All fields in the order in which they were sent.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (&**name, value.get()))
    }

    /// Every field that is a text, a number or a truth value.
    pub(super) fn scalars(&self) -> impl Iterator<Item = (&str, Cow<'a, str>)> {
        self.fields().filter_map(|(name, json)| Some((name, scalar(json)?)))
    }
}

/// The text that a JSON string stands for.
pub(super) fn string(json: &str) -> Option<Cow<'_, str>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inside))
    }
}

/// The text of a JSON string, number or truth value.
pub(super) fn scalar(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => string(json),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

/// The entries of a list, each as JSON text; at most [`ALERTS_MAX`].
struct List<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor;

        impl<'de> Visitor<'de> for ListVisitor {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<List<'de>, A::Error> {
                capped(seq).map(List)
            }
        }

        deserializer.deserialize_seq(ListVisitor)
    }
}

/// Collects a list, up to its limit.
pub(super) fn capped<'de, T, A>(mut seq: A) -> Result<Vec<T>, A::Error>
where
    T: Deserialize<'de>,
    A: SeqAccess<'de>,
{
    // A group has seldom more; each time a longer list grows, all of it is copied.
    let mut list = Vec::with_capacity(16);
    while let Some(entry) = seq.next_element()? {
        if list.len() == ALERTS_MAX {
            return Err(A::Error::custom(TOO_MANY));
        }
        list.push(entry);
    }
    Ok(list)
}

/// The entries of a list, each as JSON text.
pub(super) fn list(text: &str) -> Result<impl Iterator<Item = &str>, Unusable> {
    let list: List<'_> =
        serde_json::from_str(text).map_err(|error| unusable(text, &error, "a list"))?;
    Ok(list.0.into_iter().map(RawValue::get))
}

/// What is wrong with a body that could not be read as `expected`.
fn unusable(text: &str, error: &serde_json::Error, expected: &str) -> Unusable {
    // The reader gives up at the first surprise; only a full pass tells whether it is JSON at all.
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let problem = if text.trim().is_empty() {
            "the body is empty".to_owned()
        } else {
            format!("the body is not JSON: {error}")
        };
        return Unusable { reason: Reason::NotJson, problem };
    }
    if error.to_string().starts_with(TOO_MANY) {
        let problem = format!("the body holds more than {ALERTS_MAX} entries; send it in parts");
        return Unusable { reason: Reason::TooMany, problem };
    }
    Unusable::wrong_shape(format!("the body is JSON, but not {expected}: {error}"))
}

/// Resolves `%41` once; what is no such escape stays. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_surrogate_pairs_are_replaced() {
        for (text, expect) in [
            (r#""\ud83d\ude42""#, r#""\ud83d\ude42""#),
            (r#""a\ud83d""#, r#""a\ufffd""#),
            (r#""\ude42\ud83d\ud83d\ude42""#, r#""\ufffd\ufffd\ud83d\ude42""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\ud8é""#, r#""\ud8é""#),
            ("\\ud83d\\", "\\ufffd\\"),
        ] {
            assert_eq!(mended(text), expect, "{text}");
        }
    }

    #[test]
    fn the_last_of_equal_fields_counts() {
        let object = Object::body(r#"{"a":1,"b":null,"a":{"x":"\u00e9"},"b":"2"}"#).unwrap();
        assert_eq!(object.json_at("a.x"), Some(r#""\u00e9""#));
        assert_eq!(object.first_of(&["a.y", "c", "a.x"]).as_deref(), Some("é"));
        assert_eq!(object.scalar("b").as_deref(), Some("2"));
    }

    #[test]
    fn a_body_tells_what_is_wrong_with_it() {
        for (text, reason) in [
            ("", Reason::NotJson),
            ("  ", Reason::NotJson),
            ("{", Reason::NotJson),
            ("[1,", Reason::NotJson),
            ("{}{}", Reason::NotJson),
            ("<html>", Reason::NotJson),
            ("[1]", Reason::WrongShape),
            ("\"a\"", Reason::WrongShape),
            ("null", Reason::WrongShape),
        ] {
            assert_eq!(Object::body(text).unwrap_err().reason, reason, "{text}");
        }
        let many = format!("[{}0]", "0,".repeat(ALERTS_MAX));
        assert_eq!(list(&many).err().unwrap().reason, Reason::TooMany);
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(Object::body(&deep).unwrap_err().reason, Reason::WrongShape);
    }

    #[test]
    fn percent_escapes_are_resolved_once() {
        for (text, expect) in [
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("100%", "100%"),
            ("%2541", "%41"),
            ("%zz%4", "%zz%4"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(percent_decoded(text), expect);
        }
    }
}

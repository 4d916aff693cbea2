//! Alertmanager matchers: `service="web"`, `severity=~"crit.*"`, `env!=prod`, `{a="b",c!~"d"}`.
//!
//! What is accepted follows Alertmanager's two parsers taken together: names and values bare or in
//! double quotes, any UTF-8 in quotes, braces and a trailing comma optional, `foo=` for the empty
//! value. Regular expressions are anchored at both ends.

use std::fmt;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::labels::Labels;

/// Longest text of a list of matchers.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Largest compiled regular expression.
const REGEX_BYTES_MAX: usize = 1024 * 1024;
/// How much of a refused text an error repeats.
const SHOWN_CHARS_MAX: usize = 128;

/// One condition on one label.
#[derive(Clone)]
pub struct Matcher {
    name: Box<str>,
    value: Box<str>,
    test: Test,
}

/// What the value is held against; a regular expression is compiled once.
#[derive(Clone)]
enum Test {
    Equal,
    NotEqual,
    Match(Regex),
    NotMatch(Regex),
}

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Match,
    /// `!~`
    NotMatch,
}

impl Operator {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
        }
    }
}

/// The text is not a matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a matcher: {problem}")]
pub struct UnreadableMatcher {
    text: String,
    problem: String,
}

impl Matcher {
    /// Reads one matcher.
    ///
    /// # Errors
    /// When the text is not exactly one matcher, or its regular expression is invalid or too large.
    pub fn parse(text: &str) -> Result<Self, UnreadableMatcher> {
        let mut list = Self::parse_list(text)?;
        match (list.pop(), list.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(unreadable(text, "there is none; write one such as service=\"web\"")),
            (Some(_), false) => Err(unreadable(text, "there are several; give them one by one")),
        }
    }

    /// Reads a list with or without braces: `{a="b", c=~"d"}`, `a=b`. An empty text or `{}` is an
    /// empty list.
    ///
    /// # Errors
    /// As [`Matcher::parse`], for the first one that cannot be read.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, UnreadableMatcher> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(unreadable(text, "it is longer than 64 KiB"));
        }
        Reader { rest: text }.list().map_err(|problem| unreadable(text, &problem))
    }

    /// The matcher `name="value"`.
    #[must_use]
    pub fn equal(name: &str, value: &str) -> Self {
        Self { name: name.into(), value: value.into(), test: Test::Equal }
    }

    fn new(name: String, operator: Operator, value: String) -> Result<Self, String> {
        let test = match operator {
            Operator::Equal => Test::Equal,
            Operator::NotEqual => Test::NotEqual,
            Operator::Match => Test::Match(anchored(&value)?),
            Operator::NotMatch => Test::NotMatch(anchored(&value)?),
        };
        Ok(Self { name: name.into(), value: value.into(), test })
    }

    /// The label that it looks at.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the label is held against: a text or the regular expression as written.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// How it compares.
    #[must_use]
    pub const fn operator(&self) -> Operator {
        match self.test {
            Test::Equal => Operator::Equal,
            Test::NotEqual => Operator::NotEqual,
            Test::Match(_) => Operator::Match,
            Test::NotMatch(_) => Operator::NotMatch,
        }
    }

    /// True when the labels satisfy it; an absent label counts as the empty text.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let found = labels.get(&self.name).unwrap_or("");
        match &self.test {
            Test::Equal => found == &*self.value,
            Test::NotEqual => found != &*self.value,
            Test::Match(regex) => regex.is_match(found),
            Test::NotMatch(regex) => !regex.is_match(found),
        }
    }
}

/// Compiles a regular expression that has to cover the whole value.
fn anchored(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(REGEX_BYTES_MAX).build().map_err(
        |error| match error {
            regex::Error::CompiledTooBig(_) => "its regular expression is too large".to_owned(),
            _ => "its regular expression is invalid".to_owned(),
        },
    )
}

fn unreadable(text: &str, problem: &str) -> UnreadableMatcher {
    UnreadableMatcher {
        text: text.chars().take(SHOWN_CHARS_MAX).collect(),
        problem: problem.to_owned(),
    }
}

/// The text that is not read yet.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn list(mut self) -> Result<Vec<Matcher>, String> {
        self.skip_space();
        let in_braces = self.take("{");
        let mut list = Vec::new();
        loop {
            self.skip_space();
            if self.at_end(in_braces) {
                break;
            }
            list.push(self.matcher()?);
            self.skip_space();
            if !self.take(",") {
                break;
            }
        }
        if in_braces && !self.take("}") {
            return Err("the closing brace is missing".to_owned());
        }
        self.skip_space();
        match self.rest.chars().next() {
            None => Ok(list),
            Some(other) => Err(format!("`{other}` is not expected there")),
        }
    }

    fn at_end(&self, in_braces: bool) -> bool {
        if in_braces { self.rest.starts_with('}') } else { self.rest.is_empty() }
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        let name = if self.rest.starts_with('"') { self.quoted()? } else { self.bare_name()? };
        if name.is_empty() {
            return Err("the label name is missing".to_owned());
        }
        self.skip_space();
        let operator = self.operator()?;
        self.skip_space();
        let value = if self.rest.starts_with('"') { self.quoted()? } else { self.bare_value()? };
        Matcher::new(name, operator, value)
    }

    fn operator(&mut self) -> Result<Operator, String> {
        // The longer ones first, because `=` begins `=~`.
        [Operator::Match, Operator::NotMatch, Operator::NotEqual, Operator::Equal]
            .into_iter()
            .find(|operator| self.take(operator.as_str()))
            .ok_or_else(|| "after the label name comes =, !=, =~ or !~".to_owned())
    }

    fn bare_name(&mut self) -> Result<String, String> {
        let ends = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
        let (name, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        Ok(name.to_owned())
    }

    /// A value without quotes: up to a comma, a closing brace or the end.
    fn bare_value(&mut self) -> Result<String, String> {
        let mut is_escaped = false;
        let mut end = self.rest.len();
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                ',' | '}' => {
                    end = at;
                    break;
                }
                '"' | '{' => return Err(format!("a value with `{c}` needs double quotes")),
                _ => {}
            }
        }
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        unescape(value.trim_end())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let inside = &self.rest[1..];
        let mut is_escaped = false;
        for (at, c) in inside.char_indices() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => {
                    self.rest = &inside[at + 1..];
                    return unescape(&inside[..at]);
                }
                _ => {}
            }
        }
        Err("a double quote is not closed".to_owned())
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// Resolves the escapes of a Go string. Any other backslash stays as it is, so that `"\d+"` and
/// `"a\.b"` work as regular expressions, as Alertmanager has always allowed.
fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let tail = &rest[at + 1..];
        rest = match tail.as_bytes().first() {
            Some(b'n') => push(&mut bytes, b'\n', tail),
            Some(b't') => push(&mut bytes, b'\t', tail),
            Some(b'r') => push(&mut bytes, b'\r', tail),
            Some(quoted @ (b'"' | b'\\')) => push(&mut bytes, *quoted, tail),
            Some(b'x') => match hex(tail, 2).and_then(|code| u8::try_from(code).ok()) {
                Some(byte) => push(&mut bytes, byte, &tail[2..]),
                None => push(&mut bytes, b'\\', rest_from(rest, at)),
            },
            Some(unicode @ (b'u' | b'U')) => {
                let digits = if *unicode == b'u' { 4 } else { 8 };
                if let Some(c) = hex(tail, digits).and_then(char::from_u32) {
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    &tail[1 + digits..]
                } else {
                    push(&mut bytes, b'\\', rest_from(rest, at))
                }
            }
            _ => push(&mut bytes, b'\\', rest_from(rest, at)),
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).map_err(|_| "its escapes are not valid UTF-8".to_owned())
}

/// Adds a byte that stands for the first character of `tail`, and gives what follows that one.
fn push<'a>(bytes: &mut Vec<u8>, byte: u8, tail: &'a str) -> &'a str {
    bytes.push(byte);
    &tail[1..]
}

/// The text from the backslash on, which is to be kept.
fn rest_from(rest: &str, at: usize) -> &str {
    &rest[at..]
}

/// The hexadecimal digits after the first character of `tail`.
fn hex(tail: &str, digits: usize) -> Option<u32> {
    let text = tail.get(1..=digits)?;
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(text, 16).ok()
}

/// Writes a text in double quotes so that it reads back as it was.
fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            _ => fmt::Write::write_char(f, c)?,
        }
    }
    f.write_str("\"")
}

impl fmt::Display for Matcher {
    /// `name="value"`; the name in quotes too where it is not a plain one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain =
            self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
        if is_plain {
            f.write_str(&self.name)?;
        } else {
            write_quoted(f, &self.name)?;
        }
        f.write_str(self.operator().as_str())?;
        write_quoted(f, &self.value)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.operator() == other.operator() && self.name == other.name && self.value == other.value
    }
}

impl Eq for Matcher {}

impl Serialize for Matcher {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: &[&str]) {
        let read: Vec<String> = Matcher::parse_list(text)
            .unwrap_or_else(|error| panic!("{error}"))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(read, expect, "{text}");
    }

    #[test]
    fn both_forms_of_alertmanager_are_read() {
        check("", &[]);
        check("{}", &[]);
        check("{foo=bar}", &[r#"foo="bar""#]);
        check("{foo=bar,}", &[r#"foo="bar""#]);
        check("foo=bar,", &[r#"foo="bar""#]);
        check("foo!=bar", &[r#"foo!="bar""#]);
        check("foo=~[a-z]+", &[r#"foo=~"[a-z]+""#]);
        check("{foo!~[a-z]+}", &[r#"foo!~"[a-z]+""#]);
        check("{foo=🙂bar}", &[r#"foo="🙂bar""#]);
        check(r#"{"foo bar"="baz"}"#, &[r#""foo bar"="baz""#]);
        check(r#"{foo="bar",bar!="baz"}"#, &[r#"foo="bar""#, r#"bar!="baz""#]);
        check("foo=bar,bar!=baz", &[r#"foo="bar""#, r#"bar!="baz""#]);
        check(r#"{foo = "bar", dings != "bums", }"#, &[r#"foo="bar""#, r#"dings!="bums""#]);
        check(r#"{foo="bar,quux", job="job1"}"#, &[r#"foo="bar,quux""#, r#"job="job1""#]);
        check(r#"statuscode=~"5..""#, &[r#"statuscode=~"5..""#]);
        check("job=", &[r#"job="""#]);
        check("{job=,a=b}", &[r#"job="""#, r#"a="b""#]);
        check("tricky=~~~", &[r#"tricky=~"~~""#]);
        check("team=storage and network", &[r#"team="storage and network""#]);
        check("invalid-name = \"valid label\"", &[r#""invalid-name"="valid label""#]);
    }

    #[test]
    fn escapes_are_those_of_go_and_others_stay() {
        check(r#"foo="\"bar\"""#, &[r#"foo="\"bar\"""#]);
        check(r#"foo="bar\\""#, &[r#"foo="bar\\""#]);
        check(r#"foo="\u00e9\U0001f642\xf0\x9f\x99\x82""#, &[r#"foo="é🙂🙂""#]);
        check(r#"foo=~"\d+\.com""#, &[r#"foo=~"\\d+\\.com""#]);
        check(r#"trickier==\\=\=\""#, &[r#"trickier="=\\=\\=\"""#]);
        check(r#"foo="\ud800\u12""#, &[r#"foo="\\ud800\\u12""#]);
    }

    #[test]
    fn what_is_no_matcher_is_refused() {
        for bad in [
            ",",
            "{,}",
            "{",
            "}",
            "foo=bar}",
            "{foo=bar",
            "foo",
            "=bar",
            "\"\"=a",
            "a=b,,c=d",
            "{foo=:\"bar\"}",
            "job=\"value",
            "job=value\"",
            "foo=~a{2,3}",
            "{foo=~\"inv[regexp\"}",
            "\"foo=\\\"bar\"",
            "foo=\"\\xf0\\x9f\"",
            "foo=~\"(a{500}){500}\"",
            "{a=b}c",
            "a~b",
        ] {
            assert!(Matcher::parse_list(bad).is_err(), "{bad}");
        }
        for bad in ["", "{}", "a=b,c=d"] {
            assert!(Matcher::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_missing_label_is_the_empty_one_and_expressions_cover_all() {
        let labels = Labels::from_pairs([("service", "web"), ("severity", "critical")]);
        for (text, expect) in [
            ("service=web", true),
            ("service!=web", false),
            ("service=~we", false),
            ("service=~we|web", true),
            ("service!~w.*", false),
            ("missing=", true),
            ("missing!=", false),
            ("missing=~.*", true),
            ("missing=~.+", false),
            ("missing!~a", true),
        ] {
            assert_eq!(Matcher::parse(text).unwrap().matches(&labels), expect, "{text}");
        }
    }

    #[test]
    fn serde_keeps_the_text() {
        let matcher = Matcher::parse(r#"service=~"a\"b""#).unwrap();
        let json = serde_json::to_string(&matcher).unwrap();
        assert_eq!(json, r#""service=~\"a\\\"b\"""#);
        assert_eq!(serde_json::from_str::<Matcher>(&json).unwrap(), matcher);
        assert_eq!(Matcher::equal("a", "b"), Matcher::parse("a=b").unwrap());
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(name in ".{1,12}", value in ".{0,24}") {
            let matcher = Matcher::equal(&name, &value);
            prop_assert_eq!(Matcher::parse(&matcher.to_string()).unwrap(), matcher);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[{}!=~,\\\\\"a-c \u{e9}]{0,24}") {
            if let Ok(list) = Matcher::parse_list(&text) {
                for matcher in list {
                    prop_assert_eq!(Matcher::parse(&matcher.to_string()).unwrap(), matcher);
                }
            }
        }
    }
}

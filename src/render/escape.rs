//! All escaping: text from outside becomes harmless for its target here.
//!
//! Two steps. [`plain`] takes away what no reader can see (control characters, zero-width and
//! bidirectional marks, tags), folds white space into single spaces, and cuts what is too long.
//! The function of each target then escapes what would be markup there. Nothing else in the
//! program may print text from outside into a document.

use std::borrow::Cow;
use std::fmt;

/// Longest text that is printed in one place, in characters.
pub const TEXT_CHARS_MAX: usize = 2_000;
/// Longest address that is printed as a link, in bytes.
const URL_BYTES_MAX: usize = 4_096;
/// Parts what a program would otherwise join into a mention, an emoji or a link of its own.
const BREAK: &str = "&#8203;";

/// Text that is safe to print into one kind of document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escaped(String);

impl Escaped {
    /// The text, ready to print.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line of visible text: nothing hidden, white space folded, cut at [`TEXT_CHARS_MAX`].
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len().min(TEXT_CHARS_MAX * 4));
    let mut length = 0;
    for c in text.chars().filter(|c| !is_hidden(*c)) {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if c == ' ' && (line.is_empty() || line.ends_with(' ')) {
            continue;
        }
        if length == TEXT_CHARS_MAX {
            line.pop();
            line.truncate(line.trim_end().len());
            line.push('…');
            return Cow::Owned(line);
        }
        line.push(c);
        length += 1;
    }
    line.truncate(line.trim_end().len());
    Cow::Owned(line)
}

/// The paragraphs of a longer text, each as one plain line.
#[must_use]
pub fn paragraphs(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut paragraphs: Vec<String> = Vec::new();
    let mut lines: Vec<&str> = Vec::new();
    for line in text.split('\n').chain([""]) {
        if !line.trim().is_empty() {
            lines.push(line);
        } else if !lines.is_empty() {
            let paragraph = plain(&lines.join(" ")).into_owned();
            lines.clear();
            if !paragraph.is_empty() {
                paragraphs.push(paragraph);
            }
        }
    }
    paragraphs
}

/// For a terminal or a mail.
#[must_use]
pub fn terminal(text: &str) -> Escaped {
    Escaped(plain(text).into_owned())
}

/// For HTML and SVG, between tags and in quoted attributes.
#[must_use]
pub fn html(text: &str) -> Escaped {
    Escaped(without_markup(&plain(text)))
}

/// A longer text as its author goes on writing it: lines and blanks stay, and so does its length;
/// only what nobody can see is gone.
#[must_use]
pub fn editable(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_hidden(*c)).collect()
}

/// For a field of a form, or a block that keeps its lines: [`editable`], with markup escaped.
#[must_use]
pub fn html_editable(text: &str) -> Escaped {
    Escaped(without_markup(&editable(text)))
}

/// For a stranger's bytes that somebody has to look into: what cannot be seen is spelled out.
#[must_use]
pub fn html_revealed(text: &str) -> Escaped {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if matches!(c, '\n' | '\t') || !(is_hidden(c) || c.is_control()) {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    Escaped(without_markup(&out))
}

fn without_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| push_without_markup(&mut out, c));
    out
}

fn push_without_markup(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        c => out.push(c),
    }
}

/// For HTML inside Markdown: programs still look for mentions and emoji there.
#[must_use]
pub fn html_in_markdown(text: &str) -> Escaped {
    let text = plain(text);
    let mut out = String::with_capacity(text.len() + 16);
    for (index, c) in text.char_indices() {
        push_without_markup(&mut out, c);
        if needs_break(&text, index) {
            out.push_str(BREAK);
        }
    }
    Escaped(out)
}

/// For Markdown, in the middle of a line.
#[must_use]
pub fn markdown(text: &str) -> Escaped {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    push_markdown(&mut out, text);
    Escaped(out)
}

/// For Markdown, where a block begins: also a list, a heading or a rule cannot be forged.
#[must_use]
pub fn markdown_block(text: &str) -> Escaped {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    push_markdown_block(&mut out, text);
    Escaped(out)
}

/// As [`markdown`], behind what is written already.
pub fn push_markdown(out: &mut String, text: &str) {
    push_markdown_line(out, &plain(text));
}

/// As [`markdown_block`], behind what is written already.
pub fn push_markdown_block(out: &mut String, text: &str) {
    let begin = out.len();
    push_markdown_line(out, &plain(text));
    let escaped = &out.as_bytes()[begin..];
    let digits = escaped.iter().take_while(|b| b.is_ascii_digit()).count();
    let marker = escaped.get(digits).copied();
    // Only what a blank follows begins a list: `1. one`, and not `1.5 s`. What ends here may be
    // followed by anything.
    let is_apart = escaped.get(digits + 1).is_none_or(u8::is_ascii_whitespace);
    let forges_number = digits > 0 && is_apart && matches!(marker, Some(b'.' | b')'));
    let forges_mark = digits == 0 && matches!(marker, Some(b'-' | b'+' | b'=' | b':'));
    if forges_number || forges_mark {
        out.insert(begin + digits, '\\');
    }
}

/// An address that may be a link, or none: only `http` and `https` with a host, everything odd
/// percent-encoded, so that it can stand in an attribute or behind a Markdown bracket.
#[must_use]
pub fn url(address: &str) -> Option<Escaped> {
    let address = address.trim();
    let (scheme, rest) = address.split_once("://")?;
    let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let has_host = rest.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '[');
    let is_odd = address.chars().any(|c| c.is_control() || c.is_whitespace() || is_hidden(c));
    if !is_web || !has_host || is_odd || address.len() > URL_BYTES_MAX {
        return None;
    }
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    // A user name before the host would make the link look as if it led elsewhere.
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_');
    let is_host = host.bytes().all(is_host)
        || (host.starts_with('[') && host.bytes().all(|b| is_host(b) || matches!(b, b'[' | b']')));
    if !is_host {
        return None;
    }
    let mut out = format!("{}://{host}", scheme.to_ascii_lowercase());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'/' | b'?' | b'#' | b'&' | b'=' | b'+' | b'%' | b':'
            | b'@' | b',' | b';' | b'!' | b'$' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    Some(Escaped(out))
}

/// Without an early end, so that the compiler can look at many bytes at once.
fn is_plain(text: &str) -> bool {
    if text.len() > TEXT_CHARS_MAX {
        return false;
    }
    let bytes = text.as_bytes();
    let is_shown = bytes.iter().fold(true, |all, byte| all & (0x20..0x7f).contains(byte));
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    let is_folded = pairs.fold(true, |all, (a, b)| all & !((*a == b' ') & (*b == b' ')));
    is_shown && is_folded && text.trim_ascii().len() == text.len()
}

/// Characters that show nothing, or turn the direction of what follows. White space is not among
/// them: it is folded, not removed.
const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// What is markup in Markdown is ASCII, so the stretches between are taken over as they are.
fn push_markdown_line(out: &mut String, text: &str) {
    let bytes = text.as_bytes();
    let char_before = |index: usize| text[..index].chars().next_back();
    let char_after = |index: usize| text[index + 1..].chars().next();
    let mut taken = 0;
    for (index, byte) in bytes.iter().copied().enumerate() {
        if !MAY_BE_MARKUP[usize::from(byte)] {
            continue;
        }
        let shown = match byte {
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'&' if bytes
                .get(index + 1)
                .is_some_and(|a| a.is_ascii_alphanumeric() || *a == b'#') =>
            {
                "&amp;"
            }
            // Inside a word an underscore is only itself.
            b'_' if is_word(char_before(index)) && is_word(char_after(index)) => continue,
            b'&' | b'@' | b':' => "",
            // A bracket that follows a bracket would be a link's address.
            b'(' if index.checked_sub(1).is_none_or(|before| bytes[before] != b']') => continue,
            _ => "\\",
        };
        let is_replaced = shown.len() > 1;
        out.push_str(&text[taken..index]);
        out.push_str(shown);
        taken = if is_replaced { index + 1 } else { index };
        if needs_break(text, index) {
            out.push_str(&text[taken..=index]);
            out.push_str(BREAK);
            taken = index + 1;
        }
    }
    out.push_str(&text[taken..]);
}

/// The bytes that are looked at more closely.
const MAY_BE_MARKUP: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"\\`*[]|~#${}<>&_(@:";
    let mut index = 0;
    while index < marks.len() {
        table[marks[index] as usize] = true;
        index += 1;
    }
    table
};

/// True where a program would otherwise see a mention, an address of mail, an emoji, or a link to
/// elsewhere than the web.
fn needs_break(text: &str, index: usize) -> bool {
    match text.as_bytes().get(index) {
        Some(b'@') => is_word(text[index + 1..].chars().next()),
        Some(b':') => {
            begins_emoji(text.as_bytes(), index) || begins_foreign_link(text.as_bytes(), index)
        }
        Some(_) | None => false,
    }
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(char::is_alphanumeric)
}

/// `:boom:`, `:+1:`. A time such as `12:30:45` is none.
fn begins_emoji(bytes: &[u8], colon: usize) -> bool {
    let name = bytes[colon + 1..]
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-'))
        .count();
    let closes = bytes.get(colon + 1 + name) == Some(&b':');
    let after_digit = colon.checked_sub(1).is_some_and(|i| bytes[i].is_ascii_digit());
    name > 0 && closes && !after_digit
}

/// `ftp://`, `mailto:`, `javascript:`: what programs link by themselves, other than the web.
fn begins_foreign_link(bytes: &[u8], colon: usize) -> bool {
    let letters = bytes[..colon]
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'))
        .take(32)
        .count();
    let scheme = &bytes[colon - letters..colon];
    let is_one_of =
        |names: &[&str]| names.iter().any(|n| scheme.eq_ignore_ascii_case(n.as_bytes()));
    let has_slashes = bytes[colon + 1..].starts_with(b"//");
    (has_slashes && !scheme.is_empty() && !is_one_of(&["http", "https"]))
        || is_one_of(&["mailto", "xmpp", "javascript", "data", "vbscript", "tel", "file"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_to_be_edited_keeps_its_lines() {
        let check = |text: &str, expect: &str| {
            assert_eq!(html_editable(text).as_str(), expect, "{text:?}");
        };
        check("a  b\r\n\tc\n\n", "a  b\n\tc\n\n");
        check("</textarea><b>\"'&", "&lt;/textarea&gt;&lt;b&gt;&quot;&#39;&amp;");
        check("a\u{202e}b\u{1b}[31m\u{0}", "ab[31m");
        let long = "x".repeat(3 * TEXT_CHARS_MAX);
        check(&long, &long);
    }

    #[test]
    fn bytes_of_strangers_show_what_they_hide() {
        assert_eq!(html_revealed("<\u{202e}a\nb\r").as_str(), "&lt;\\u{202e}a\nb\\u{d}");
    }
}

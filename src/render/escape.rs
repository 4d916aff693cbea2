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
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// For HTML inside Markdown: programs still look for mentions and emoji there.
#[must_use]
pub fn html_in_markdown(text: &str) -> Escaped {
    let chars: Vec<char> = plain(text).chars().collect();
    let mut out = String::with_capacity(chars.len() + 16);
    for (index, c) in chars.iter().copied().enumerate() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        if needs_break(&chars, index) {
            out.push_str(BREAK);
        }
    }
    Escaped(out)
}

/// For Markdown, in the middle of a line.
#[must_use]
pub fn markdown(text: &str) -> Escaped {
    Escaped(markdown_line(&plain(text)))
}

/// For Markdown, where a block begins: also a list, a heading or a rule cannot be forged.
#[must_use]
pub fn markdown_block(text: &str) -> Escaped {
    let escaped = markdown_line(&plain(text));
    let digits = escaped.bytes().take_while(u8::is_ascii_digit).count();
    let marker = escaped.as_bytes().get(digits).copied();
    let forges_number = digits > 0 && matches!(marker, Some(b'.' | b')'));
    let forges_mark = digits == 0 && matches!(marker, Some(b'-' | b'+' | b'=' | b':'));
    if forges_number || forges_mark {
        let (head, tail) = escaped.split_at(digits);
        return Escaped(format!("{head}\\{tail}"));
    }
    Escaped(escaped)
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

fn is_plain(text: &str) -> bool {
    text.len() <= TEXT_CHARS_MAX
        && text.bytes().all(|b| (0x20..0x7f).contains(&b))
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && !text.contains("  ")
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

fn markdown_line(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied();
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for (index, c) in chars.iter().copied().enumerate() {
        let before = index.checked_sub(1).and_then(at);
        let after = at(index + 1);
        match c {
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '#' | '$' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' if after.is_some_and(|a| a.is_ascii_alphanumeric() || a == '#') => {
                out.push_str("&amp;");
            }
            // Inside a word an underscore is only itself.
            '_' if !(is_word(before) && is_word(after)) => out.push_str("\\_"),
            // A bracket that follows a bracket would be a link's address.
            '(' if before == Some(']') => out.push_str("\\("),
            c => out.push(c),
        }
        if needs_break(&chars, index) {
            out.push_str(BREAK);
        }
    }
    out
}

/// True where a program would otherwise see a mention, an address of mail, an emoji, or a link to
/// elsewhere than the web.
fn needs_break(chars: &[char], index: usize) -> bool {
    match chars.get(index) {
        Some('@') => is_word(chars.get(index + 1).copied()),
        Some(':') => begins_emoji(chars, index) || begins_foreign_link(chars, index),
        Some(_) | None => false,
    }
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(char::is_alphanumeric)
}

/// `:boom:`, `:+1:`. A time such as `12:30:45` is none.
fn begins_emoji(chars: &[char], colon: usize) -> bool {
    let name = chars[colon + 1..]
        .iter()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-'))
        .count();
    let closes = chars.get(colon + 1 + name) == Some(&':');
    let after_digit = colon.checked_sub(1).is_some_and(|i| chars[i].is_ascii_digit());
    name > 0 && closes && !after_digit
}

/// `ftp://`, `mailto:`, `javascript:`: what programs link by themselves, other than the web.
fn begins_foreign_link(chars: &[char], colon: usize) -> bool {
    let scheme: String = chars[..colon]
        .iter()
        .rev()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'))
        .take(32)
        .collect();
    let scheme: String = scheme.chars().rev().collect::<String>().to_ascii_lowercase();
    let slashes = chars.get(colon + 1) == Some(&'/') && chars.get(colon + 2) == Some(&'/');
    let is_web = matches!(scheme.as_str(), "http" | "https");
    let acts_alone = matches!(
        scheme.as_str(),
        "mailto" | "xmpp" | "javascript" | "data" | "vbscript" | "tel" | "file"
    );
    (slashes && !scheme.is_empty() && !is_web) || acts_alone
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

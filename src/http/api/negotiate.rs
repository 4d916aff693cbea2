//! Which format a draft is wanted in: `format`, else `Accept`, else Markdown.
//!
//! Pure reading. Caller: the draft endpoint.

use super::invalid::{Invalid, listed};
use super::query;
use crate::render::Format;

/// What a draft of this format is served as.
pub(crate) fn content_type(format: Format) -> &'static str {
    match format {
        Format::Markdown => "text/markdown; charset=utf-8",
        Format::Html => "text/html; charset=utf-8",
        Format::Json => "application/json; charset=utf-8",
        Format::Text => "text/plain; charset=utf-8",
    }
}

/// The format that is asked for.
///
/// # Errors
/// When `format` is none of ours, or `Accept` rules all of them out.
pub(crate) fn format(format: Option<&str>, accept: Option<&str>) -> Result<Format, Invalid> {
    if let Some(asked) = format {
        let words = Format::ALL.map(Format::as_str);
        return Format::from_word(asked).ok_or_else(|| query::unknown_word("format", words, asked));
    }
    let ranges: Vec<Range<'_>> =
        accept.unwrap_or_default().split(',').filter_map(Range::read).collect();
    if ranges.is_empty() {
        return Ok(Format::Markdown);
    }
    let wanted = Format::ALL
        .into_iter()
        .enumerate()
        .filter_map(|(place, format)| {
            let (position, range) = best_range(&ranges, format.media_type())?;
            let key = (
                range.quality,
                range.exactness(),
                std::cmp::Reverse(position),
                std::cmp::Reverse(place),
            );
            (range.quality > 0).then_some((key, format))
        })
        .max_by_key(|(key, _)| *key);
    wanted
        .map(|(_, format)| format)
        .ok_or_else(|| Invalid::Unacceptable(listed(Format::ALL.map(Format::media_type))))
}

/// One range of `Accept`, such as `text/*;q=0.8`.
#[derive(Debug)]
struct Range<'a> {
    kind: &'a str,
    subkind: &'a str,
    /// In thousandths, as fine as the header can say it.
    quality: u16,
}

impl<'a> Range<'a> {
    /// Reads a range; what is none is passed over.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subkind) = parts.next()?.split_once('/')?;
        let quality = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(1000, |(_, value)| thousandths(value.trim()));
        Some(Self { kind, subkind, quality })
    }

    /// How narrow it is: the narrowest range that holds a type decides about it.
    fn exactness(&self) -> u8 {
        u8::from(self.kind != "*") + u8::from(self.subkind != "*")
    }

    fn holds(&self, media: &str) -> bool {
        let (kind, subkind) = media.split_once('/').unwrap_or((media, ""));
        (self.kind == "*" || self.kind.eq_ignore_ascii_case(kind))
            && (self.subkind == "*" || self.subkind.eq_ignore_ascii_case(subkind))
    }
}

/// A quality such as `0.8`, in thousandths; what cannot be read counts as unsaid.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    match (whole, digits.parse::<u16>()) {
        ("0" | "", Ok(value)) => value,
        _ => 1000,
    }
}

/// The narrowest range that holds a type, with its place in the header.
fn best_range<'r, 'a>(ranges: &'r [Range<'a>], media: &str) -> Option<(usize, &'r Range<'a>)> {
    ranges
        .iter()
        .enumerate()
        .filter(|(_, range)| range.holds(media))
        .max_by_key(|(position, range)| (range.exactness(), std::cmp::Reverse(*position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_decides_by_quality_then_narrowness_then_order() {
        let check = |accept: Option<&str>, expect: Option<&str>| {
            assert_eq!(format(None, accept).ok().map(Format::as_str), expect, "{accept:?}");
        };
        check(None, Some("markdown"));
        check(Some(""), Some("markdown"));
        check(Some("*/*"), Some("markdown"));
        check(Some("text/*"), Some("markdown"));
        check(Some("text/markdown"), Some("markdown"));
        check(Some("text/html"), Some("html"));
        check(Some("TEXT/HTML; charset=utf-8"), Some("html"));
        check(Some("application/json"), Some("json"));
        check(Some("application/*"), Some("json"));
        check(Some("text/plain"), Some("text"));
        check(Some("application/json, text/plain, */*"), Some("json"));
        check(Some("text/plain, application/json"), Some("text"));
        check(Some("text/plain;q=0.5, application/json;q=0.9"), Some("json"));
        check(Some("text/html;q=0, */*"), Some("markdown"));
        check(Some("text/markdown;q=0, text/*"), Some("html"));
        check(
            Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            Some("html"),
        );
        check(Some("image/png"), None);
        check(Some("text/markdown;q=0"), None);
        check(Some("*/*;q=0"), None);
    }

    #[test]
    fn format_wins_over_accept_and_must_be_known() {
        for name in Format::ALL.map(Format::as_str) {
            assert_eq!(format(Some(name), Some("image/png")).map(Format::as_str), Ok(name));
        }
        for bad in ["pdf", "HTML", "md"] {
            let error = format(Some(bad), None).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("`format` must be one of markdown, html, json, text, not `{bad}`")
            );
        }
    }
}

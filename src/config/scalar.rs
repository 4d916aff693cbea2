//! Text to value, for every kind of scalar a configuration holds.
//!
//! Pure functions. An error says what was found and what to write; the caller adds the key and the
//! place. Called by `values` and `lists`.

use std::net::IpAddr;

use crate::domain::{Name, Severity, Span};

use super::problem::quote;

/// Longest name of a source, a token, a heartbeat.
const NAME_CHARS_MAX: usize = 64;

/// A duration as Prometheus writes it, within bounds.
pub(super) fn span(text: &str, least: Span, most: Span) -> Result<Span, String> {
    let span = Span::parse(text).map_err(|error| error.to_string())?;
    if span < least || span > most {
        return Err(format!("{} is out of bounds; write {least} to {most}", quote(text)));
    }
    Ok(span)
}

/// A size in bytes, plain or with a binary unit, within bounds.
pub(super) fn size(text: &str, least: u64, most: u64) -> Result<u64, String> {
    const UNITS: [(&str, u64); 5] =
        [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];
    let (digits, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| text.strip_suffix(name).map(|digits| (digits, *unit)))
        .unwrap_or((text, 1));
    let bytes = Some(digits.trim_end())
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| {
            format!("{} is not a size; write bytes, or KiB, MiB, GiB as in 16MiB", quote(text))
        })?;
    if bytes < least || bytes > most {
        let (least, most) = (show_size(least), show_size(most));
        return Err(format!("{} is out of bounds; write {least} to {most}", quote(text)));
    }
    Ok(bytes)
}

fn show_size(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 40 && b % (1 << 40) == 0 => format!("{}TiB", b >> 40),
        b if b >= 1 << 30 && b % (1 << 30) == 0 => format!("{}GiB", b >> 30),
        b if b >= 1 << 20 && b % (1 << 20) == 0 => format!("{}MiB", b >> 20),
        b if b >= 1 << 10 && b % (1 << 10) == 0 => format!("{}KiB", b >> 10),
        b => b.to_string(),
    }
}

/// A whole number within bounds.
pub(super) fn count(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let number: Option<u32> = text.parse().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("{} is not a whole number from {least} to {most}", quote(text)))
}

/// A number within bounds.
pub(super) fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("{} is not a number from {least} to {most}", quote(text)))
}

/// `true` or `false`.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{} is neither true nor false", quote(text))),
    }
}

/// One of some words.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("{} is unknown; write one of {}", quote(text), known.join(", "))
    })
}

/// A severity.
pub(super) fn severity(text: &str) -> Result<Severity, String> {
    Severity::from_word(text).ok_or_else(|| {
        let known: Vec<&str> = Severity::ALL.iter().rev().map(|s| s.as_str()).collect();
        format!("{} is no severity; write one of {}", quote(text), known.join(", "))
    })
}

/// A text that says something.
pub(super) fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(format!("{} says nothing; write a text without line breaks", quote(text)));
    }
    Ok(text.to_owned())
}

/// A name that can stand in a path and in a metric.
pub(super) fn name(text: &str) -> Result<Name, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && text.chars().all(is_plain) && text.len() <= NAME_CHARS_MAX {
        return Ok(Name::from(text));
    }
    Err(format!(
        "{} cannot be a name; write 1 to {NAME_CHARS_MAX} of a-z, A-Z, 0-9, `.`, `_` and `-`, a \
         letter or digit first",
        quote(text)
    ))
}

/// A namespace: names with slashes between them.
pub(super) fn namespace(text: &str) -> Result<Name, String> {
    if text.len() <= NAME_CHARS_MAX && text.split('/').all(|part| name(part).is_ok()) {
        return Ok(Name::from(text));
    }
    Err(format!(
        "{} cannot be a namespace; write a name such as prometheus or dc2/prometheus",
        quote(text)
    ))
}

/// An IANA time zone, in its official spelling.
pub(super) fn zone(text: &str) -> Result<String, String> {
    jiff::tz::db().get(text).ok().and_then(|zone| zone.iana_name().map(str::to_owned)).ok_or_else(
        || {
            format!(
                "{} is no time zone; write an IANA name such as Africa/Lagos or UTC",
                quote(text)
            )
        },
    )
}

/// A level, or a filter as `tracing` reads it.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    // `tracing` takes a lone unknown word for the name of a module, and would then be silent.
    let is_sound = |part: &str| part.contains(['=', '[']) || LEVELS.contains(&part.trim());
    let reads = tracing_subscriber::EnvFilter::try_new(text).is_ok();
    if reads && text.split(',').all(is_sound) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{} is no level; write error, warn, info, debug or trace, or a filter such as \
         info,scribed::store=debug",
        quote(text)
    ))
}

/// The address of ourselves for others: http or https, a host, no query. A slash at the end goes.
pub(super) fn external_url(text: &str) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("{what}; write it as in https://scribed.example.org"));
    let Ok(url) = text.parse::<http::Uri>() else {
        return wrong(&format!("{} is not a URL", quote(text)));
    };
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return wrong(&format!("{} does not begin with http:// or https://", quote(text)));
    }
    let authority = url.authority().map_or("", http::uri::Authority::as_str);
    if authority.contains('@') {
        return wrong("it carries a user name, which would stand in every draft");
    }
    if url.host().is_none_or(str::is_empty) {
        return wrong(&format!("{} names no host", quote(text)));
    }
    if url.query().is_some() || text.contains('#') {
        return wrong(&format!("{} carries a query or a fragment", quote(text)));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListenAddress {
    /// As it was written.
    pub(super) text: String,
    /// Whether only this machine can reach it.
    pub(super) is_loopback: bool,
}

/// `host:port`, `[v6]:port` or `:port`.
pub(super) fn listen_address(text: &str) -> Result<ListenAddress, String> {
    let wrong = |what: &str| {
        Err(format!("{} {what}; write host:port, such as 127.0.0.1:7274 or :7274", quote(text)))
    };
    let Some((host, port)) = text.rsplit_once(':') else { return wrong("has no port") };
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err()
    {
        return wrong("has no port from 0 to 65535");
    }
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_loopback = match (bracketed, host.parse::<IpAddr>()) {
        (Some(inner), _) => match inner.parse::<IpAddr>() {
            Ok(ip @ IpAddr::V6(_)) => ip.to_canonical().is_loopback(),
            Ok(IpAddr::V4(_)) | Err(_) => return wrong("has no IPv6 address in its brackets"),
        },
        (None, Ok(IpAddr::V6(_))) => return wrong("is an IPv6 address without [ and ]"),
        (None, Ok(ip @ IpAddr::V4(_))) => ip.is_loopback(),
        (None, Err(_)) if host.is_empty() => false,
        (None, Err(_)) => {
            let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if !host.chars().all(is_host) {
                return wrong("has no host name before its port");
            }
            host.eq_ignore_ascii_case("localhost")
        }
    };
    Ok(ListenAddress { text: text.to_owned(), is_loopback })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Ok` values as they print, errors as they read.
    fn check<T: std::fmt::Debug>(
        read: impl Fn(&str) -> Result<T, String>,
        good: &[(&str, &str)],
        bad: &[(&str, &str)],
    ) {
        for (text, expect) in good {
            assert_eq!(format!("{:?}", read(text).unwrap()), *expect, "{text}");
        }
        for (text, expect) in bad {
            let error = read(text).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_binary_units() {
        check(
            |text| size(text, 1, 1 << 30),
            &[
                ("1", "1"),
                ("16MiB", "16777216"),
                ("2 KiB", "2048"),
                ("1GiB", "1073741824"),
                ("7B", "7"),
            ],
            &[
                ("0", "`0` is out of bounds; write 1 to 1GiB"),
                ("2GiB", "out of bounds"),
                ("16MB", "`16MB` is not a size; write bytes, or KiB"),
                ("-1", "not a size"),
                ("MiB", "not a size"),
                ("1.5GiB", "not a size"),
                ("99999999999999999999", "not a size"),
                ("18446744073709551615KiB", "not a size"),
            ],
        );
    }

    #[test]
    fn spans_keep_their_bounds() {
        let (least, most) = (Span::from_seconds(1), Span::from_hours(1));
        check(
            |text| span(text, least, most).map(|s| s.to_string()),
            &[("90s", "\"1m30s\""), ("1h", "\"1h\"")],
            &[("0", "`0` is out of bounds; write 1s to 1h"), ("10", "`10` is not a duration")],
        );
    }

    #[test]
    fn numbers_keep_their_bounds() {
        check(
            |t| count(t, 2, 9),
            &[("2", "2")],
            &[("1", "whole number from 2 to 9"), ("x", "`x` is not")],
        );
        check(
            |t| number(t, -1.0, 1.0),
            &[("0.5", "0.5")],
            &[("NaN", "not a number from -1 to 1"), ("2", "`2`")],
        );
        check(truth, &[("true", "true")], &[("yes", "`yes` is neither true nor false")]);
    }

    #[test]
    fn names_can_stand_in_a_path() {
        let long = "a".repeat(65);
        check(
            |text| name(text).map(|n| n.to_string()),
            &[("am-1", "\"am-1\""), ("A.b_c", "\"A.b_c\"")],
            &[("", "cannot be a name"), ("..", "cannot"), ("a/b", "cannot"), (&long, "cannot")],
        );
        check(
            |text| namespace(text).map(|n| n.to_string()),
            &[("grafana/1", "\"grafana/1\"")],
            &[("/", "cannot be a namespace"), ("a//b", "cannot")],
        );
    }

    #[test]
    fn zones_are_iana_names() {
        check(
            zone,
            &[("UTC", "\"UTC\""), ("Africa/Lagos", "\"Africa/Lagos\"")],
            &[("Mars/Base", "`Mars/Base` is no time zone"), ("", "no time zone"), ("+01:00", "no")],
        );
    }

    #[test]
    fn a_log_level_is_never_taken_for_a_module() {
        check(
            log_filter,
            &[("warn", "\"warn\""), ("info,scribed::store=debug", "\"info,scribed::store=debug\"")],
            &[("loud", "`loud` is no level"), ("info,loud", "no level"), ("a=loud", "no level")],
        );
    }

    #[test]
    fn the_external_url_is_plain() {
        check(
            external_url,
            &[
                ("https://s.example.org/", "\"https://s.example.org\""),
                ("http://h:1/base", "\"http://h:1/base\""),
            ],
            &[
                ("s.example.org", "does not begin with http"),
                ("ftp://x", "does not begin"),
                ("https://u:hunter2@x", "it carries a user name"),
                ("https://x/?a=b", "carries a query"),
                ("https://", "is not a URL"),
                ("not a url", "is not a URL"),
            ],
        );
        assert!(!external_url("https://u:hunter2@x").unwrap_err().contains("hunter2"));
    }

    #[test]
    fn listen_addresses_know_whether_others_can_reach_them() {
        check(
            |text| listen_address(text).map(|a| a.is_loopback),
            &[
                ("127.0.0.1:7274", "true"),
                ("127.8.8.8:0", "true"),
                ("[::1]:7274", "true"),
                ("[::ffff:127.0.0.1]:1", "true"),
                ("localhost:7274", "true"),
                (":7274", "false"),
                ("0.0.0.0:7274", "false"),
                ("[::]:7274", "false"),
                ("localhost.example.org:1", "false"),
            ],
            &[
                ("127.0.0.1", "`127.0.0.1` has no port"),
                ("7274", "has no port"),
                ("host:", "has no port from 0 to 65535"),
                ("host:65536", "has no port from 0 to 65535"),
                ("host:+1", "has no port"),
                ("::1:7274", "is an IPv6 address without [ and ]"),
                ("[x]:1", "no IPv6 address in its brackets"),
                ("http://x:1", "has no host name"),
            ],
        );
    }
}

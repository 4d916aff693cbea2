//! Signatures over a body: Grafana's and GitHub's.
//!
//! Grafana signs the body, or `<unix seconds>:` and the body where a timestamp header is set;
//! GitHub signs the body. Both are HMAC-SHA256 in hexadecimal. What is signed are the bytes on the
//! wire, before any decompression.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::Sha256;

use crate::config::Secret;
use crate::domain::{Span, Timestamp};

/// How old or how far ahead a signed timestamp may be: an intercepted delivery is of no use later.
const WINDOW: Span = Span::from_minutes(5);

/// The documentation and older releases name it one way, the default of newer ones the other.
const GRAFANA_SIGNATURES: [&str; 2] = ["x-grafana-alerting-signature", "x-grafana-alert-signature"];
/// There is no default; these are the names that the form in Grafana suggests.
const GRAFANA_TIMESTAMPS: [&str; 2] = ["x-grafana-alerting-timestamp", "x-grafana-alert-timestamp"];
const GITHUB_SIGNATURE: &str = "x-hub-signature-256";

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// There is none.
    #[error(
        "the body is not signed; this source needs X-Grafana-Alerting-Signature or \
         X-Hub-Signature-256"
    )]
    Missing,
    /// It is another one than the secret gives.
    #[error("the signature does not fit the body and the secret of this source")]
    Wrong,
    /// It was made too long ago, or will be.
    #[error("the signed timestamp is more than 5 minutes away from our clock")]
    Stale,
}

/// True when the request carries a signature of a form that we know.
#[must_use]
pub fn is_present(headers: &HeaderMap) -> bool {
    GRAFANA_SIGNATURES.iter().any(|name| headers.contains_key(*name))
        || headers.contains_key(GITHUB_SIGNATURE)
}

/// Nothing, when the body is signed with the secret.
///
/// `now` is the receipt: our clock, or the original time where the request may state it.
///
/// # Errors
/// Why the signature does not hold.
pub fn verify(
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), BadSignature> {
    if let Some(signature) = first(headers, &GRAFANA_SIGNATURES) {
        let timestamp = first(headers, &GRAFANA_TIMESTAMPS);
        let prefix = timestamp.map(|text| [text, b":"].concat()).unwrap_or_default();
        compare(secret, &[&prefix, body], signature)?;
        // The timestamp is believed only now that it is known to be signed.
        return timestamp.map_or(Ok(()), |text| check_age(text, now));
    }
    let signature = headers.get(GITHUB_SIGNATURE).ok_or(BadSignature::Missing)?.as_bytes();
    let digits = signature.strip_prefix(b"sha256=").ok_or(BadSignature::Wrong)?;
    compare(secret, &[body], digits)
}

fn first<'a>(headers: &'a HeaderMap, names: &[&str]) -> Option<&'a [u8]> {
    names.iter().find_map(|name| headers.get(*name)).map(http::HeaderValue::as_bytes)
}

fn compare(secret: &Secret, signed: &[&[u8]], digits: &[u8]) -> Result<(), BadSignature> {
    let claimed = decode_hex(digits).ok_or(BadSignature::Wrong)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose())
        // HMAC takes keys of any length, so this arm is never taken.
        .map_err(|_| BadSignature::Wrong)?;
    for part in signed {
        mac.update(part);
    }
    mac.verify_slice(&claimed).map_err(|_| BadSignature::Wrong)
}

fn check_age(text: &[u8], now: Timestamp) -> Result<(), BadSignature> {
    let seconds: i64 = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or(BadSignature::Stale)?;
    let age = (now - Timestamp::from_seconds(seconds)).abs();
    if age <= WINDOW { Ok(()) } else { Err(BadSignature::Stale) }
}

fn decode_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok());
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "test-hmac-secret";
    const BODY: &[u8] = b"{\"status\":\"firing\"}";

    fn sign(parts: &[&[u8]]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(headers: &[(&'static str, &str)], expect: Result<(), BadSignature>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let secret = Secret::new(SECRET.as_bytes().to_vec());
        let now = Timestamp::from_seconds(1_772_445_900);
        assert_eq!(verify(&secret, &map, BODY, now), expect, "{headers:?}");
    }

    #[test]
    fn a_body_must_carry_the_signature_of_its_secret() {
        let plain = sign(&[BODY]);
        let upper = plain.to_uppercase();
        let prefixed = format!("sha256={plain}");
        check(&[("x-grafana-alerting-signature", &plain)], Ok(()));
        check(&[("x-grafana-alert-signature", &plain)], Ok(()));
        check(&[("x-grafana-alerting-signature", &upper)], Ok(()));
        check(&[("x-hub-signature-256", &prefixed)], Ok(()));
        check(&[("x-hub-signature-256", &plain)], Err(BadSignature::Wrong));
        check(&[("x-grafana-alerting-signature", &plain[2..])], Err(BadSignature::Wrong));
        check(&[("x-grafana-alerting-signature", "")], Err(BadSignature::Wrong));
        check(&[("x-grafana-alerting-signature", "not hex")], Err(BadSignature::Wrong));
        check(&[], Err(BadSignature::Missing));
    }

    #[test]
    fn a_signed_timestamp_must_be_near() {
        for (timestamp, expect) in [
            ("1772445900", Ok(())),
            ("1772445600", Ok(())),
            ("1772446200", Ok(())),
            ("1772445599", Err(BadSignature::Stale)),
            ("1772446201", Err(BadSignature::Stale)),
            ("soon", Err(BadSignature::Stale)),
        ] {
            let signature = sign(&[timestamp.as_bytes(), b":", BODY]);
            let headers = [
                ("x-grafana-alerting-signature", signature.as_str()),
                ("x-grafana-alerting-timestamp", timestamp),
            ];
            check(&headers, expect);
        }
    }

    #[test]
    fn a_timestamp_that_was_not_signed_is_a_wrong_signature() {
        let plain = sign(&[BODY]);
        let headers = [
            ("x-grafana-alerting-signature", plain.as_str()),
            ("x-grafana-alerting-timestamp", "1772445900"),
        ];
        check(&headers, Err(BadSignature::Wrong));
    }

    #[test]
    fn the_example_in_githubs_documentation_holds() {
        let mut headers = HeaderMap::new();
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        headers.insert(GITHUB_SIGNATURE, signature.parse().unwrap());
        let secret = Secret::new(b"It's a Secret to Everybody".to_vec());
        assert_eq!(verify(&secret, &headers, b"Hello, World!", Timestamp::EPOCH), Ok(()));
    }

    #[test]
    fn the_signatures_that_grafana_makes_hold() {
        let body = include_bytes!("../../../tests/fixtures/grafana/01-firing-one.json");
        let vectors = include_str!("../../../tests/fixtures/grafana/hmac-vectors.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let secret = Secret::new(vectors["secret"].as_str().unwrap().into());
        for case in ["no_timestamp", "with_timestamp"] {
            let mut headers = HeaderMap::new();
            for (name, value) in vectors[case].as_object().unwrap() {
                let name: http::HeaderName = name.parse().unwrap();
                headers.insert(name, value.as_str().unwrap().parse().unwrap());
            }
            let now = Timestamp::from_seconds(1_772_445_900);
            assert_eq!(verify(&secret, &headers, body, now), Ok(()), "{case}");
        }
    }
}

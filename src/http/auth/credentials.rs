//! Reading the `Authorization` header, and comparing secrets without telling by time how close a
//! guess was.

use http::HeaderValue;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::Principal;
use crate::config::Token;

/// Credentials as a request presents them.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented<'a> {
    /// `Bearer TOKEN`.
    Bearer(&'a [u8]),
    /// `Basic BASE64`.
    Basic {
        /// The name.
        user: Vec<u8>,
        /// The password.
        password: Vec<u8>,
    },
}

impl<'a> Presented<'a> {
    /// Reads the header; `None` when it is of no form that we know.
    #[must_use]
    pub fn read(header: &'a HeaderValue) -> Option<Self> {
        let bytes = header.as_bytes();
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let (scheme, rest) = bytes.split_at(space);
        let rest = rest.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return (!rest.is_empty()).then_some(Self::Bearer(rest));
        }
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let mut decoded = decode_base64(rest)?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let password = decoded.split_off(colon + 1);
        decoded.truncate(colon);
        Some(Self::Basic { user: decoded, password })
    }
}

/// Whose token it is. Every token is compared, whichever fits.
#[must_use]
pub fn known_token(tokens: &[Token], presented: &[u8]) -> Option<Principal> {
    let hash = Sha256::digest(presented);
    let mut found = None;
    for token in tokens {
        if bool::from(token.sha256.as_slice().ct_eq(hash.as_slice())) {
            found = Some(token);
        }
    }
    found.map(|token| Principal::named(token.name.clone(), token.scopes.clone()))
}

/// True when both are the same, without telling by time where they differ.
#[must_use]
pub fn same_secret(expected: &[u8], presented: &[u8]) -> Choice {
    // Hashes are of one length, so not even the length is told.
    Sha256::digest(expected).as_slice().ct_eq(Sha256::digest(presented).as_slice())
}

/// Standard Base64 with or without padding; `None` for anything else.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let unpadded = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut bytes = Vec::with_capacity(unpadded.len() / 4 * 3 + 2);
    for group in unpadded.chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut bits: u32 = 0;
        for symbol in group {
            let value = match symbol {
                b'A'..=b'Z' => symbol - b'A',
                b'a'..=b'z' => symbol - b'a' + 26,
                b'0'..=b'9' => symbol - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        // A short group is filled up with zero bits, of which whole bytes are dropped again.
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Scope;
    use crate::domain::Name;

    #[test]
    fn authorization_headers_are_read() {
        fn basic(user: &str, password: &str) -> Option<Presented<'static>> {
            Some(Presented::Basic { user: user.into(), password: password.into() })
        }
        for (text, expect) in [
            ("Bearer abc", Some(Presented::Bearer(b"abc"))),
            ("bearer  abc ", Some(Presented::Bearer(b"abc"))),
            ("Bearer ", None),
            ("Bearer", None),
            ("GenieKey abc", None),
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", basic("Aladdin", "open sesame")),
            ("basic dTpw", basic("u", "p")),
            ("Basic dTo=", basic("u", "")),
            ("Basic dTphOmI", basic("u", "a:b")),
            ("Basic dXA", None),
            ("Basic !!!!", None),
            ("Basic d", None),
        ] {
            let header = HeaderValue::from_str(text).unwrap();
            assert!(Presented::read(&header) == expect, "{text}");
        }
    }

    #[test]
    fn a_token_is_known_by_its_hash() {
        let token = |name: &str, secret: &str| Token {
            name: Name::from(name),
            sha256: Sha256::digest(secret.as_bytes()).into(),
            scopes: vec![Scope::Read],
        };
        let tokens = [token("first", "s1"), token("second", "s2")];
        let name =
            |secret: &str| known_token(&tokens, secret.as_bytes()).map(|p| p.name().cloned());
        assert_eq!(name("s1"), Some(Some(Name::from("first"))));
        assert_eq!(name("s2"), Some(Some(Name::from("second"))));
        for wrong in ["s3", "", "s", "s11"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}

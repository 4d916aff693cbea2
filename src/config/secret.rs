//! Secrets from files: read at load and at every reload, never printed.
//!
//! An error names the file and never shows what is in it. Called by `lists`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Secret;

/// Longest secret in bytes; a key of 4096 bits in PEM fits many times.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Reads a secret; the line break at its end does not belong to it.
pub(super) fn read(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let cannot = |error: std::io::Error| format!("the secret file {shown} cannot be read: {error}");
    let file = File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("the secret file {shown} is longer than 64 KiB; name another one"));
    }
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(format!("the secret file {shown} is empty; write the secret into it"));
    }
    Ok(Secret::new(bytes))
}

/// Reads a secret that a client sends in a header, so that it must be able to stand in one.
pub(super) fn read_token(path: &Path) -> Result<Secret, String> {
    let secret = read(path)?;
    if secret.expose().iter().all(u8::is_ascii_graphic) {
        return Ok(secret);
    }
    Err(format!(
        "the secret file {} holds spaces, line breaks or other characters that cannot stand in an \
         Authorization header; write one word into it",
        path.display()
    ))
}

/// The hash under which a token is kept.
pub(super) fn hash(secret: &Secret) -> [u8; 32] {
    Sha256::digest(secret.expose()).into()
}

/// Reads a hash as `sha256sum` prints it. The text is never shown: it may be the token itself.
pub(super) fn parse_hash(text: &str) -> Result<[u8; 32], String> {
    let wrong = || {
        let chars = text.chars().count();
        format!(
            "is not a SHA-256 hash but {chars} characters of something else; write the 64 \
             hexadecimal digits that `printf %s TOKEN | sha256sum` prints"
        )
    };
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        let digits = text.get(2 * index..2 * index + 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    if hash == <[u8; 32]>::from(Sha256::digest(b"")) {
        return Err(
            "is the hash of the empty text, as from an unset variable; hash the token".into()
        );
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_loses_only_the_line_break_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        for (content, expect) in [
            ("hunter2\n", Ok("hunter2")),
            ("hunter2\r\n", Ok("hunter2")),
            (" a b ", Ok(" a b ")),
            ("\n", Err("is empty")),
            ("", Err("is empty")),
        ] {
            std::fs::write(&path, content).unwrap();
            match (read(&path), expect) {
                (Ok(secret), Ok(text)) => assert_eq!(secret.expose(), text.as_bytes()),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (other, _) => panic!("{content:?}: {other:?}"),
            }
        }
        std::fs::write(&path, "two words").unwrap();
        let error = read_token(&path).unwrap_err();
        assert!(error.contains("cannot stand in an Authorization header"), "{error}");
        assert!(!error.contains("two words"), "{error}");
        let missing = read(&folder.path().join("none")).unwrap_err();
        assert!(missing.contains("none cannot be read: No such file"), "{missing}");
    }

    #[test]
    fn a_hash_is_never_shown_when_it_is_none() {
        let error = parse_hash("hunter2").unwrap_err();
        assert!(error.starts_with("is not a SHA-256 hash but 7 characters"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(parse_hash(&"é".repeat(32)).is_err());
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(parse_hash(empty).unwrap_err().contains("empty text"));
        let token = Secret::new(b"hunter2".to_vec());
        let printed = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
        assert_eq!(parse_hash(printed), Ok(hash(&token)));
        assert_eq!(parse_hash(&printed.to_uppercase()), Ok(hash(&token)));
    }
}

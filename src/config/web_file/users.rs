//! `basic_auth_users`: user names, each with the bcrypt hash of a password.
//!
//! A hash is never shown, for it may be the password itself. Called by the parent.

use std::str::FromStr;

use bcrypt::HashParts;

use super::super::document::{Body, Document, Entry};
use super::super::problem::{Mark, Report, quote};
use super::super::{Secret, scalar};
use super::User;
use crate::domain::Name;

/// Longest user name.
const NAME_CHARS_MAX: usize = 128;
/// Least work that bcrypt knows.
const COST_MIN: u32 = 4;
/// Most work that one password may cost: seconds of a core, which whoever guesses makes us spend.
const COST_MAX: u32 = 16;

/// Reads the users.
pub(super) fn read(document: &Document, entries: &[Entry], report: &mut Report) -> Vec<User> {
    let read = entries.iter().filter_map(|entry| {
        user(entry)
            .map_err(|(mark, text)| {
                let name: String = entry.key.chars().take(NAME_CHARS_MAX).collect();
                report.add(document.place(mark), format!("basic_auth_users.{name}"), text);
            })
            .ok()
    });
    read.collect()
}

fn user(entry: &Entry) -> Result<User, (Mark, String)> {
    let name = scalar::filled(&entry.key).map_err(|text| (entry.mark, text))?;
    if name.contains(':') {
        let text = format!("{} holds a colon, which no user name can", quote(&name));
        return Err((entry.mark, text));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        let text = format!("the user name is longer than {NAME_CHARS_MAX} characters");
        return Err((entry.mark, text));
    }
    let mark = entry.node.mark;
    let wrong = "is no bcrypt hash; write what `htpasswd -nBC 10 USER` prints behind the colon";
    let Body::Scalar(text) = &entry.node.body else { return Err((mark, wrong.to_owned())) };
    let parts = HashParts::from_str(text).map_err(|_| (mark, wrong.to_owned()))?;
    let cost = parts.get_cost();
    if !(COST_MIN..=COST_MAX).contains(&cost) {
        let text = format!("the hash has the cost {cost}; make one of {COST_MIN} to {COST_MAX}");
        return Err((mark, text));
    }
    let hash = Secret::new(text.clone().into_bytes());
    Ok(User { name: Name::from(name.as_str()), hash, cost })
}

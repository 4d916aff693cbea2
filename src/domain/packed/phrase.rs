//! Sentences written small: "17 of 20 alerts", "score of 4.5".
//!
//! Sentences that the program makes differ in their numbers only, so the numbers are taken out and
//! what is left comes again and again.

use std::sync::Arc;

use super::{Packer, Unpacker, Unreadable};

/// Stands for a number in what is left. No sentence that holds it is taken apart.
const GAP: char = '\0';
/// Longer runs of digits are no numbers but names.
const DIGITS_MAX: usize = 15;

impl Packer<'_> {
    /// A sentence.
    pub fn phrase(&mut self, text: &str) {
        let (frame, numbers) = take_apart(text);
        self.count(numbers.len() as u64);
        self.text(if numbers.is_empty() { text } else { &frame });
        numbers.into_iter().for_each(|number| self.count(number));
    }
}

impl Unpacker<'_> {
    /// See [`Packer::phrase`].
    ///
    /// # Errors
    /// See [`Unpacker::text`].
    pub fn phrase(&mut self) -> Result<Arc<str>, Unreadable> {
        let mut text = String::new();
        self.push_phrase(&mut text)?;
        Ok(text.into())
    }

    /// As [`Unpacker::phrase`], behind what is read already.
    pub(super) fn push_phrase(&mut self, out: &mut String) -> Result<(), Unreadable> {
        let count = self.many()?;
        let frame = self.piece()?;
        if count == 0 {
            out.push_str(frame.as_ref());
            return Ok(());
        }
        let mut gaps = 0;
        for (index, piece) in frame.as_ref().split(GAP).enumerate() {
            if index > 0 {
                gaps += 1;
                push_number(out, self.count()?);
            }
            out.push_str(piece);
        }
        if gaps == count {
            Ok(())
        } else {
            Err(Unreadable("a sentence in it has other numbers than it says"))
        }
    }
}

fn push_number(out: &mut String, number: u64) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    out.push(char::from(b'0' + u8::try_from(number % 10).unwrap_or_default()));
}

/// A sentence with gaps where numbers stood, and the numbers. What reads back otherwise, such as
/// `007`, is none.
fn take_apart(text: &str) -> (String, Vec<u64>) {
    let mut frame = String::with_capacity(text.len());
    let mut numbers = Vec::new();
    if text.contains(GAP) {
        return (frame, numbers);
    }
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(begin);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        frame.push_str(before);
        let is_number = digits.len() <= DIGITS_MAX && (digits == "0" || !digits.starts_with('0'));
        match digits.parse().ok().filter(|_| is_number) {
            Some(number) => {
                frame.push(GAP);
                numbers.push(number);
            }
            None => frame.push_str(digits),
        }
        rest = after;
    }
    frame.push_str(rest);
    (frame, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_out_where_they_read_back_as_they_were() {
        for (text, frame, numbers) in [
            ("score of 4.5", "score of \0.\0", vec![4, 5]),
            ("17", "\0", vec![17]),
            ("0s apart", "\0s apart", vec![0]),
            ("at 09:05 in web-7", "at 09:05 in web-\0", vec![7]),
            ("none", "none", vec![]),
            ("a\0 3", "", vec![]),
            ("ü 1234567890123456 é", "ü 1234567890123456 é", vec![]),
        ] {
            assert_eq!(take_apart(text), (frame.to_owned(), numbers), "{text:?}");
        }
    }
}

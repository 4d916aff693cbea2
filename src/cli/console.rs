//! Where a command speaks: results on standard output, diagnostics on standard error.
//!
//! The only place of this room that writes to either. Text is cleaned on the way out; bytes that
//! a program reads (JSON, a document into a pipe or a file) go out as they are.

use std::io::{IsTerminal, Write};

use super::failure::Failure;
use super::text::{clean_block, clean_line};

/// The two streams, and whether a person sits behind each.
pub(super) struct Console<'a> {
    results: &'a mut dyn Write,
    diagnostics: &'a mut dyn Write,
    results_are_seen: bool,
    diagnostics_are_seen: bool,
}

impl<'a> Console<'a> {
    /// The streams of this process.
    pub(super) fn of_process(
        results: &'a mut std::io::Stdout,
        diagnostics: &'a mut std::io::Stderr,
    ) -> Self {
        let results_are_seen = results.is_terminal();
        let diagnostics_are_seen = diagnostics.is_terminal();
        Self { results, diagnostics, results_are_seen, diagnostics_are_seen }
    }

    /// Streams into memory, as if each were a terminal or not.
    #[cfg(test)]
    pub(super) fn captured(
        results: &'a mut Vec<u8>,
        diagnostics: &'a mut Vec<u8>,
        is_seen: bool,
    ) -> Self {
        Self { results, diagnostics, results_are_seen: is_seen, diagnostics_are_seen: is_seen }
    }

    /// One line of result.
    ///
    /// # Errors
    /// When standard output is closed or fails.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.results, "{}", clean_line(text))?;
        Ok(self.results.flush()?)
    }

    /// Several lines of result for people; they end with a line break.
    ///
    /// # Errors
    /// When standard output is closed or fails.
    pub(super) fn block(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(clean_block(text).as_bytes())
    }

    /// A whole document: as it is for programs, cleaned on a terminal.
    ///
    /// # Errors
    /// When standard output is closed or fails.
    pub(super) fn document(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.results_are_seen {
            self.block(&String::from_utf8_lossy(bytes))
        } else {
            self.bytes(bytes)
        }
    }

    /// JSON as the server wrote it, ended by a line break.
    ///
    /// # Errors
    /// When standard output is closed or fails.
    pub(super) fn json(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.results.write_all(bytes.trim_ascii_end())?;
        self.bytes(b"\n")
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.results.write_all(bytes)?;
        Ok(self.results.flush()?)
    }

    /// One line of diagnostics. A closed standard error is no reason to stop the work.
    pub(super) fn notice(&mut self, text: &str) {
        drop(writeln!(self.diagnostics, "{}", clean_block(text)));
    }

    /// True when a person watches standard error, so that a moving line makes sense.
    pub(super) fn can_draw(&self) -> bool {
        self.diagnostics_are_seen
    }

    /// Draws `text` over the line that was drawn before it.
    pub(super) fn draw(&mut self, text: &str) {
        drop(write!(self.diagnostics, "\r\u{1b}[K{}", clean_line(text)));
        drop(self.diagnostics.flush());
    }

    /// Takes the drawn line away.
    pub(super) fn clear(&mut self) {
        self.draw("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(is_seen: bool, say: impl FnOnce(&mut Console<'_>), out: &str, err: &str) {
        let (mut results, mut diagnostics) = (Vec::new(), Vec::new());
        say(&mut Console::captured(&mut results, &mut diagnostics, is_seen));
        assert_eq!(String::from_utf8(results).unwrap(), out);
        assert_eq!(String::from_utf8(diagnostics).unwrap(), err);
    }

    #[test]
    fn a_document_is_cleaned_for_people_and_untouched_for_programs() {
        let say = |console: &mut Console<'_>| console.document(b"# A\x1b[2J\n\tb\n").unwrap();
        check(true, say, "# A[2J\n\tb\n", "");
        check(false, say, "# A\x1b[2J\n\tb\n", "");
    }

    #[test]
    fn json_is_never_touched_and_always_ended() {
        check(true, |c| c.json(b"{\"a\":\"\\u001b\"}\n").unwrap(), "{\"a\":\"\\u001b\"}\n", "");
    }

    #[test]
    fn diagnostics_never_reach_standard_output() {
        check(false, |c| c.notice("careful\u{1b}[1m"), "", "careful[1m\n");
    }
}

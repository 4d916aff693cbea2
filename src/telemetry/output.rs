//! Standard error as an output that nobody has to wait for.
//!
//! What reads our lines may stop doing so: a pager, a full disk below the journal, a supervisor
//! that hangs. A write would wait for it, and with it every thread that has something to say, the
//! door among them. So a line that finds no room is given up, after one second the first time and
//! at once from then on, until there is room again. Caller: the parent.

use std::io::Write;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What the kernel takes as a whole once it says that there is room.
const PIECE_BYTES: usize = 4096;
/// How long a reader that kept up so far is waited for.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
const NO_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Takes lines.
pub(super) trait Output {
    /// Takes a line; false when it did not take all of it.
    fn put(&mut self, line: &str) -> bool;
}

/// See the module.
pub(super) struct Unhurried<W> {
    into: W,
    patience: Timespec,
    /// True since a line found no room.
    is_stuck: bool,
}

impl<W: Write + AsFd> Unhurried<W> {
    pub(super) const fn new(into: W) -> Self {
        Self { into, patience: PATIENCE, is_stuck: false }
    }

    fn has_room(&mut self) -> bool {
        let patience = if self.is_stuck { NO_PATIENCE } else { self.patience };
        let mut asked = [PollFd::new(&self.into, PollFlags::OUT)];
        // Whatever else is wrong with it, the write will tell.
        let has_room = !matches!(poll(&mut asked, Some(&patience)), Ok(0));
        self.is_stuck = !has_room;
        has_room
    }
}

impl<W: Write + AsFd> Output for Unhurried<W> {
    fn put(&mut self, line: &str) -> bool {
        // When standard error is gone, there is nobody left to tell.
        line.as_bytes().chunks(PIECE_BYTES).all(|piece| {
            self.has_room() && {
                drop(self.into.write_all(piece));
                true
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up_and_is_told_again_once_it_does() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut output = Unhurried { patience: NO_PATIENCE, ..Unhurried::new(ours) };
        let line = format!("{}\n", "x".repeat(10_000));
        let mut taken = 0;
        while output.put(&line) {
            taken += 1;
        }
        assert!(taken > 0);
        assert!(output.is_stuck && !output.put(&line));
        theirs.set_nonblocking(true).unwrap();
        let mut heard = Vec::new();
        drop(theirs.read_to_end(&mut heard));
        assert!(heard.len() >= taken * line.len());
        assert!(output.put("there is room again\n") && !output.is_stuck);
    }

    #[test]
    fn a_reader_that_is_gone_is_nobody_to_wait_for() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(Unhurried::new(ours).put("a line\n"));
    }
}

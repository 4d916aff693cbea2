//! What was done to a file and is not durable yet, so that a power cut can take it back.

/// Disks write whole sectors; a torn write keeps some of them.
const SECTOR: usize = 512;

/// Changes of one file, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    standing: Standing,
    what: What,
    /// How long the file was before.
    length_before: usize,
}

#[derive(Debug)]
enum What {
    Write { at: usize, before: Vec<u8>, after: Vec<u8> },
    Truncate { length: usize, tail: Vec<u8> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// No sync came after it yet.
    Waiting,
    /// Its sync failed. The system forgets that it is not on the disk: no later sync brings it
    /// there, unless it is written again.
    Lost,
    Durable,
}

impl Journal {
    pub(crate) fn wrote(
        &mut self,
        at: usize,
        before: Vec<u8>,
        after: Vec<u8>,
        length_before: usize,
    ) {
        let what = What::Write { at, before, after };
        self.changes.push(Change { standing: Standing::Waiting, what, length_before });
    }

    pub(crate) fn truncated(&mut self, length: usize, tail: Vec<u8>, length_before: usize) {
        let what = What::Truncate { length, tail };
        self.changes.push(Change { standing: Standing::Waiting, what, length_before });
    }

    pub(crate) fn synced(&mut self, is_done: bool) {
        let standing = if is_done { Standing::Durable } else { Standing::Lost };
        for change in &mut self.changes {
            if change.standing == Standing::Waiting {
                change.standing = standing;
            }
        }
        if self.changes.iter().all(|change| change.standing == Standing::Durable) {
            self.changes.clear();
        }
    }

    /// The file after a power cut, from the file as the program last saw it.
    pub(crate) fn after_power_cut(
        self,
        mut image: Vec<u8>,
        keep: &mut impl FnMut() -> bool,
    ) -> Vec<u8> {
        for change in self.changes.iter().rev() {
            match &change.what {
                What::Write { at, before, .. } => put(&mut image, *at, before),
                What::Truncate { length, tail } => put(&mut image, *length, tail),
            }
            image.truncate(change.length_before);
        }
        for change in &self.changes {
            let is_durable = change.standing == Standing::Durable;
            match &change.what {
                What::Write { at, after, .. } => {
                    let mut from = 0;
                    while from < after.len() {
                        // Sectors are those of the disk, not of the write.
                        let until = (((at + from) / SECTOR + 1) * SECTOR - at).min(after.len());
                        if is_durable || keep() {
                            put(&mut image, at + from, &after[from..until]);
                        }
                        from = until;
                    }
                }
                What::Truncate { length, .. } => {
                    if is_durable || keep() {
                        image.truncate(*length);
                    }
                }
            }
        }
        image
    }
}

/// Writes into an image, which grows with zeros where needed.
fn put(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[at..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_stays_and_the_rest_is_a_matter_of_luck() {
        let journal = || {
            let mut journal = Journal::default();
            journal.wrote(0, vec![], b"durable".to_vec(), 0);
            journal.synced(true);
            journal.wrote(7, vec![], b" lost".to_vec(), 7);
            journal.synced(false);
            journal.wrote(0, b"d".to_vec(), b"D".to_vec(), 12);
            journal.synced(true);
            journal.truncated(3, b"able lost".to_vec(), 12);
            journal
        };
        let image = b"Dur".to_vec();
        let after = |luck: bool| journal().after_power_cut(image.clone(), &mut || luck);
        assert_eq!(after(false), b"Durable");
        assert_eq!(after(true), b"Dur");
    }

    #[test]
    fn a_write_is_torn_at_the_sectors_of_the_disk() {
        let mut journal = Journal::default();
        journal.wrote(500, vec![0; 600], vec![1; 600], 1100);
        let mut calls = 0;
        let after = journal.after_power_cut([vec![0; 500], vec![1; 600]].concat(), &mut || {
            calls += 1;
            calls == 2
        });
        assert_eq!(calls, 3);
        assert!(after[..512].iter().chain(&after[1024..]).all(|byte| *byte == 0));
        assert!(after[512..1024].iter().all(|byte| *byte == 1));
    }
}

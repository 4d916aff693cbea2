//! Honest gaps: long stretches of a running incident of which nothing was recorded.

use super::entries::Row;
use super::words;
use crate::domain::timeline::{Entry, EntryId, EntryKind, Provenance};
use crate::domain::{Facts, Span, Timestamp};

/// A stretch without an entry is worth a line from this length on.
const SILENCE: Span = Span::from_hours(6);
const ID_PREFIX: &str = "silence-after-";

/// Puts a row behind each entry after which nothing was recorded for long, while alerts fired.
/// The rows must be sorted; they stay so.
pub(super) fn mark(facts: &Facts, rows: &mut Vec<Row>) {
    let is_long = |pair: &[Row]| pair[1].entry.occurred_at - pair[0].entry.occurred_at >= SILENCE;
    if !rows.windows(2).any(is_long) {
        return;
    }
    let mut marked = Vec::with_capacity(rows.len());
    let mut drained = rows.drain(..).peekable();
    while let Some(row) = drained.next() {
        let gap = drained
            .peek()
            .filter(|next| next.entry.occurred_at - row.entry.occurred_at >= SILENCE)
            .and_then(|next| gap(facts, &row.entry, &next.entry, row.number));
        marked.push(row);
        marked.extend(gap);
    }
    drop(drained);
    *rows = marked;
}

/// True for an entry made by [`mark`].
pub(super) fn is_gap(entry: &Entry) -> bool {
    entry.kind == EntryKind::Caveat && entry.id.0.starts_with(ID_PREFIX)
}

fn gap(facts: &Facts, before: &Entry, after: &Entry, number: u64) -> Option<Row> {
    let (from, to) = (before.occurred_at, after.occurred_at);
    let firing =
        facts.members.iter().filter(|e| e.starts_at() <= from && lasts_until(e, to)).count();
    if firing == 0 {
        return None;
    }
    let text = format!(
        "Nothing new was recorded for {}, while {} kept firing",
        words::duration(to - from),
        words::count(firing, "alert")
    );
    // It takes the place right behind the entry it follows, by the one sort key.
    let id = EntryId(format!("{ID_PREFIX}{}", before.id));
    let mut row = Row::new(id, EntryKind::Caveat, before.phase, from, text);
    row.number = number;
    row.entry.ended_at = Some(to);
    row.entry.received_at = before.received_at.max(after.received_at);
    row.entry.provenance = Provenance::Observed;
    Some(row)
}

fn lasts_until(episode: &crate::domain::Episode, to: Timestamp) -> bool {
    episode.ends_at().is_none_or(|end| end >= to)
}

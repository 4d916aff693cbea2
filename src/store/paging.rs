//! Pages of lists: where one begins, how long it may be, how the next one is named.
//!
//! A cursor names the last row that was given out (keyset), never an offset, so rows that come or
//! go between two pages shift nothing. Its text is opaque to callers.

use super::StoreError;
use super::types::{Page, PageRequest};

/// No page is longer, whatever was asked for.
const ROWS_MAX: usize = 1_000;
/// How many rows are fetched at once while a filter that SQL cannot express looks for matches.
pub(super) const CHUNK_ROWS: usize = 256;

/// A place in a list: the sorting columns of a row, the most significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// A moment, in lists that are sorted by one; 0 elsewhere.
    pub(super) at: i64,
    /// The row's number.
    pub(super) id: i64,
}

impl Place {
    /// Before every row of a list that goes from new to old.
    pub(super) const START: Self = Self { at: i64::MAX, id: i64::MAX };

    fn read(text: &str) -> Option<Self> {
        let (at, id) = text.strip_prefix("k:")?.split_once(':')?;
        Some(Self { at: at.parse().ok()?, id: id.parse().ok()? })
    }

    fn write(self) -> String {
        format!("k:{}:{}", self.at, self.id)
    }
}

impl PageRequest {
    /// True when the cursor is absent or has the form of ours, so that a caller can tell a wrong
    /// request from a broken store.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.cursor.as_deref().is_none_or(|text| Place::read(text).is_some())
    }

    /// Where the page begins: behind this row.
    pub(super) fn place(&self) -> Result<Place, StoreError> {
        match self.cursor.as_deref() {
            None => Ok(Place::START),
            Some(text) => Place::read(text).ok_or_else(|| {
                StoreError::Broken(
                    "the cursor is not one of ours; use the next_cursor of the page before"
                        .to_owned(),
                )
            }),
        }
    }

    /// How many rows it may hold.
    pub(super) fn rows(&self) -> usize {
        self.limit.clamp(1, ROWS_MAX)
    }
}

/// Fills a page. `fetch` gives the next rows behind a place, at most as many as asked for; fewer
/// mean that the list has ended. `keep` decides what SQL could not.
pub(super) fn fill<T>(
    request: &PageRequest,
    mut fetch: impl FnMut(Place, usize) -> Result<Vec<(Place, T)>, StoreError>,
    mut keep: impl FnMut(&T) -> Result<bool, StoreError>,
) -> Result<Page<T>, StoreError> {
    let rows_max = request.rows();
    let mut place = request.place()?;
    let mut items: Vec<(Place, T)> = Vec::new();
    loop {
        // One row more than the page holds tells whether there is another page.
        let asked = (rows_max + 1 - items.len()).max(CHUNK_ROWS.min(rows_max + 1));
        let rows = fetch(place, asked)?;
        let is_last = rows.len() < asked;
        for (at, row) in rows {
            place = at;
            if keep(&row)? {
                items.push((at, row));
                if items.len() > rows_max {
                    break;
                }
            }
        }
        if items.len() > rows_max {
            items.truncate(rows_max);
            let next_cursor = items.last().map(|(at, _)| at.write());
            return Ok(Page {
                items: items.into_iter().map(|(_, row)| row).collect(),
                next_cursor,
            });
        }
        if is_last {
            let items = items.into_iter().map(|(_, row)| row).collect();
            return Ok(Page { items, next_cursor: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of the numbers 1 to `rows`, newest first.
    fn list(
        rows: i64,
        keep: impl Fn(i64) -> bool,
        limit: usize,
        cursor: Option<String>,
    ) -> (Vec<i64>, Option<String>) {
        let request = PageRequest { limit, cursor };
        let fetch = |place: Place, asked: usize| {
            let ids = (1..=rows).rev().filter(|id| *id < place.id).take(asked);
            Ok(ids.map(|id| (Place { at: 0, id }, id)).collect())
        };
        let page = fill(&request, fetch, |id| Ok(keep(*id))).unwrap();
        (page.items, page.next_cursor)
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        for (rows, limit, step) in
            [(0, 10, 1), (10, 10, 1), (11, 10, 1), (1000, 7, 1), (1000, 7, 100), (3000, 50, 299)]
        {
            let keep = |id| id % step == 0;
            let mut seen = Vec::new();
            let mut cursor = None;
            loop {
                let (items, next) = list(rows, keep, limit, cursor);
                assert!(items.len() <= limit);
                assert!(next.is_none() || items.len() == limit, "only the last page is short");
                seen.extend(items);
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            let expect: Vec<i64> = (1..=rows).rev().filter(|id| keep(*id)).collect();
            assert_eq!(seen, expect, "{rows} rows by {limit}");
        }
    }

    #[test]
    fn foreign_cursors_are_told_apart() {
        for (cursor, expect) in
            [(None, true), (Some("k:0:17"), true), (Some("k:-5:17"), true), (Some(""), false)]
                .into_iter()
                .chain(["17", "k:", "k:1", "k:1:x", "k:1:2:3", "o:0:1"].map(|c| (Some(c), false)))
        {
            let request = PageRequest { limit: 1, cursor: cursor.map(str::to_owned) };
            assert_eq!(request.is_readable(), expect, "{cursor:?}");
            assert_eq!(request.place().is_ok(), expect, "{cursor:?}");
        }
    }
}

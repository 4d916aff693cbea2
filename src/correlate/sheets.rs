//! Small pieces of bytes one behind the other on large sheets.
//!
//! A piece of its own on the heap takes a sixth more than it holds, and a hundred thousand of them
//! keep whatever was beside them from being given back. Here a piece is a place on a sheet; what
//! was taken away leaves a hole, and when half of all is holes, what is left is copied to new
//! sheets. Called by `cabinet`.

/// What a sheet holds, unless one piece is larger.
const SHEET_BYTES: usize = 64 << 10;
/// Holes up to this much are left as they are.
const HOLES_BYTES_MIN: usize = if cfg!(test) { 256 } else { 1 << 20 };

/// Where a piece stands. Its length stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    sheet: u32,
    begin: u32,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheets {
    sheets: Vec<Vec<u8>>,
    /// All that was ever written on them.
    bytes: usize,
    /// What of it was taken away.
    holes: usize,
}

/// Bytes of a length.
const LENGTH: usize = size_of::<u32>();

impl Sheets {
    /// Writes a piece; `None` when there is no place for it in four billion.
    pub(super) fn put(&mut self, piece: &[u8]) -> Option<Place> {
        let length = u32::try_from(piece.len()).ok()?;
        let whole = LENGTH + piece.len();
        let fits = |sheet: &Vec<u8>| sheet.len() + whole <= sheet.capacity();
        if !self.sheets.last().is_some_and(fits) {
            self.sheets.push(Vec::with_capacity(SHEET_BYTES.max(whole)));
        }
        let sheet = u32::try_from(self.sheets.len() - 1).ok()?;
        let last = self.sheets.last_mut()?;
        let begin = u32::try_from(last.len()).ok()?;
        last.extend_from_slice(&length.to_le_bytes());
        last.extend_from_slice(piece);
        self.bytes += whole;
        Some(Place { sheet, begin })
    }

    /// The piece at a place.
    pub(super) fn get(&self, place: Place) -> Option<&[u8]> {
        let sheet = self.sheets.get(place.sheet as usize)?;
        let (length, rest) = sheet.get(place.begin as usize..)?.split_first_chunk()?;
        rest.get(..u32::from_le_bytes(*length) as usize)
    }

    /// Writes a piece in the place of another, which need not be its place any more.
    pub(super) fn replace(&mut self, former: Place, piece: &[u8]) -> Option<Place> {
        let begin = former.begin as usize + LENGTH;
        let is_as_long = self.get(former).is_some_and(|known| known.len() == piece.len());
        let sheet = self.sheets.get_mut(former.sheet as usize).filter(|_| is_as_long);
        if let Some(known) = sheet.and_then(|sheet| sheet.get_mut(begin..begin + piece.len())) {
            known.copy_from_slice(piece);
            return Some(former);
        }
        self.take_away(former);
        self.put(piece)
    }

    /// Takes a piece away. Its place must not be asked for again.
    pub(super) fn take_away(&mut self, place: Place) {
        self.holes += self.get(place).map_or(0, |piece| LENGTH + piece.len());
    }

    /// True when it is time to copy what is left.
    pub(super) const fn is_full_of_holes(&self) -> bool {
        self.holes > HOLES_BYTES_MIN && self.holes > self.bytes / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_where_they_were_put() {
        let mut sheets = Sheets::default();
        let piece = |n: usize| vec![u8::try_from(n % 251).unwrap(); n * 37 % 5000];
        let places: Vec<Place> = (0..200).map(|n| sheets.put(&piece(n)).unwrap()).collect();
        let large = sheets.put(&vec![7; 3 * SHEET_BYTES]).unwrap();
        for (n, place) in places.iter().enumerate() {
            assert_eq!(sheets.get(*place), Some(&*piece(n)));
        }
        assert_eq!(sheets.get(large).map(<[u8]>::len), Some(3 * SHEET_BYTES));
        assert!(sheets.sheets.len() > 2);
    }

    #[test]
    fn a_piece_of_the_same_length_stays_where_it_is() {
        let mut sheets = Sheets::default();
        let first = sheets.put(&[1; 10]).unwrap();
        let second = sheets.put(&[2; 10]).unwrap();
        assert_eq!(sheets.replace(first, &[3; 10]), Some(first));
        let moved = sheets.replace(first, &[4; 11]).unwrap();
        assert_ne!(moved, first);
        assert_eq!(sheets.get(moved), Some(&[4; 11][..]));
        assert_eq!(sheets.get(second), Some(&[2; 10][..]));
        assert_eq!(sheets.holes, LENGTH + 10);
    }

    #[test]
    fn holes_are_counted() {
        let mut sheets = Sheets::default();
        let places: Vec<Place> = (0..10).map(|_| sheets.put(&[1; 96]).unwrap()).collect();
        for place in &places[..5] {
            sheets.take_away(*place);
            assert!(!sheets.is_full_of_holes());
        }
        sheets.take_away(places[5]);
        assert!(sheets.is_full_of_holes());
        assert_eq!(sheets.get(places[6]), Some(&[1; 96][..]));
    }
}

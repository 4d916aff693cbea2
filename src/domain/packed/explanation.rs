//! Explanations written small. There is one for every alert, and most of what they say comes again.

use std::borrow::Cow;

use super::{Packer, Unpacker, Unreadable};
use crate::domain::explanation::{Rival, Term};
use crate::domain::{EpisodeId, Explanation, IncidentId};

/// The form that this release writes, and the only one it reads.
const FORM: u8 = 1;

impl Packer<'_> {
    /// An explanation whose points are thousandths; see [`Explanation::in_thousandths`].
    pub fn explanation(&mut self, explanation: &Explanation) {
        let Explanation { incident, nearest, score, needed, terms, rivals } = explanation;
        self.bytes.push(FORM);
        self.count(incident.map_or(0, |id| id.0.saturating_add(1)));
        self.count(nearest.map_or(0, |id| id.0.saturating_add(1)));
        for points in [score, needed] {
            self.count(u64::from(points.is_some()));
            points.iter().for_each(|points| self.points(*points));
        }
        self.count(terms.len() as u64);
        for term in terms {
            self.text(&term.name);
            self.points(term.points);
            self.phrase(&term.text);
        }
        self.count(rivals.len() as u64);
        for rival in rivals {
            self.count(rival.incident.0);
            self.points(rival.score);
        }
    }

    /// Points, as thousandths.
    fn points(&mut self, points: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "no score comes near 2^53 thousandths")]
        let thousandths = (points * 1000.0).round() as i64;
        self.count((thousandths.cast_unsigned() << 1) ^ (thousandths >> 63).cast_unsigned());
    }
}

impl Unpacker<'_> {
    /// See [`Packer::explanation`].
    ///
    /// # Errors
    /// Also when it is written in a form that this release does not know.
    pub fn explanation(&mut self) -> Result<Explanation, Unreadable> {
        if self.take(1)?[0] != FORM {
            return Err(Unreadable("it is written in a form that this release does not know"));
        }
        let incident = self.count()?.checked_sub(1).map(IncidentId);
        let nearest = self.count()?.checked_sub(1).map(EpisodeId);
        let (score, needed) = (self.points_if_any()?, self.points_if_any()?);
        let terms = self.each(|own| {
            let name = Cow::Owned(own.text()?.to_string());
            let points = own.points()?;
            Ok(Term { name, points, text: Cow::Owned(own.phrase()?.to_string()) })
        })?;
        let rivals = self
            .each(|own| Ok(Rival { incident: IncidentId(own.count()?), score: own.points()? }))?;
        Ok(Explanation { incident, nearest, score, needed, terms, rivals })
    }

    fn points(&mut self) -> Result<f64, Unreadable> {
        let number = self.count()?;
        let thousandths = (number >> 1).cast_signed() ^ -((number & 1).cast_signed());
        #[expect(clippy::cast_precision_loss, reason = "what was written was less exact")]
        Ok(thousandths as f64 / 1000.0)
    }

    fn points_if_any(&mut self) -> Result<Option<f64>, Unreadable> {
        if self.count()? == 0 { Ok(None) } else { self.points().map(Some) }
    }
}

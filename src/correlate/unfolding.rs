//! When an alert began, compared with how its incident unfolded.
//!
//! Trouble has an order: what it begins with explains what comes after it, not what was there minutes
//! before. Counts as far as the stream is busy. Called by `objections` only.

use super::evidence::{Pair, Scene, Side};
use super::explaining::term;
use super::reading::in_words;
use super::signals::Signal;
use super::weights::Weights;
use crate::domain::explanation::Term;
use crate::domain::{Span, Timestamp};

/// Checks and their waiting times differ: so much later is not late.
const LATE_FREE: Span = Span::from_minutes(4);
/// From here on being late weighs in full.
const LATE_SPAN_SECONDS: f64 = 600.0;
/// What began within this after the first alert is how the incident began.
const BEGINNING: Span = Span::from_minutes(2);

/// What trouble begins with, minutes after the incident began and with no part in how it began: it
/// explains nothing of that, so it is more likely the beginning of another.
pub(super) fn late_origin(
    side: Side<'_>,
    others: &[Side<'_>],
    (scene, weights): (Scene<'_>, &Weights),
    first: Timestamp,
) -> Option<Term> {
    let late = side.episode.starts_at() - first;
    if weights.late_origin == 0.0 || !side.traits.signal.begins_trouble() || late <= LATE_FREE {
        return None;
    }
    let begun = others.iter().map(|other| other.episode.starts_at()).min()?;
    let mut beginning = others.iter().filter(|o| o.episode.starts_at() - begun <= BEGINNING);
    if beginning.any(|other| has_begun_it(side, *other, scene)) {
        return None;
    }
    let share = (late.seconds_f64() / LATE_SPAN_SECONDS).min(1.0);
    let points = weights.late_origin * share * scene.busy;
    let text = format!("trouble begins with it, and the incident began {} before", in_words(late));
    Some(term("late_origin", points, text))
}

/// True when what came late may be what one of the first alerts showed already. A machine, and what
/// all stand on, takes with it what lost its place; strain and load show when they begin.
fn has_begun_it(late: Side<'_>, first: Side<'_>, scene: Scene<'_>) -> bool {
    let signal = late.traits.signal;
    if signal.is_strain() || signal == Signal::Traffic {
        return false;
    }
    let pair = Pair::weigh_briefly(late, first, scene);
    let is_below_all = signal.is_shared_ground() || signal == Signal::Node;
    let is_one_machine = first.traits.is_about_a_node() && first.traits.shares_node(late.traits);
    (pair.is_tied() || pair.is_one_place())
        && (!is_below_all || is_one_machine || first.traits.signal.is_loss_of_place())
}

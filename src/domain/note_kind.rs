//! stub
use super::incident::NoteKind;
/// stub
pub fn suggest_kind(_text: &str) -> NoteKind {
    NoteKind::Observation
}

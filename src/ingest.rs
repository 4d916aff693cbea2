//! Bytes of a sender to a delivery in our words. Pure.
use crate::domain::record::Delivery;
use crate::domain::{ChangeReport, Name, SourceType, Timestamp, Topology};

/// What is known of a body beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The source's name.
    pub source: &'a Name,
    /// Its form.
    pub kind: SourceType,
    /// The scope of its fingerprints, when configured.
    pub namespace: Option<&'a Name>,
    /// The receipt, possibly stated.
    pub received_at: Timestamp,
    /// Headers that a sender's form needs, names in lower case.
    pub headers: &'a [(String, String)],
}

/// A body as read.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What goes into the ledger.
    pub delivery: Delivery,
    /// Alerts that could not be used.
    pub refused: Vec<Refused>,
    /// True for a sender's test.
    pub is_test: bool,
    /// Fields of an answer that only this sender needs.
    pub reply: Option<serde_json::Value>,
}

/// One alert that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place, from 0.
    pub index: usize,
    /// Why.
    pub problem: String,
}

/// A body that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// For metrics.
    pub reason: Reason,
    /// For people.
    pub problem: String,
}

/// Why a body could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not JSON.
    NotJson,
    /// Not the sender's shape.
    WrongShape,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::NotJson, Self::WrongShape];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::WrongShape => "wrong_shape",
        }
    }
}

/// Forms served without configuration.
pub const BUILT_IN: &[SourceType] = &[
    SourceType::Alertmanager,
    SourceType::Grafana,
    SourceType::Cloudevents,
    SourceType::Github,
    SourceType::Argocd,
    SourceType::UptimeKuma,
    SourceType::Generic,
];

/// Reads a body.
///
/// # Errors
/// When nothing can be made of it.
#[expect(clippy::todo, unused_variables, reason = "the signatures come first")]
pub fn read(envelope: &Envelope<'_>, body: &[u8]) -> Result<Parsed, Unusable> {
    todo!()
}

/// Reads a change in our own form.
///
/// # Errors
/// When it is not one.
#[expect(clippy::todo, unused_variables, reason = "the signatures come first")]
pub fn read_change(body: &[u8], received_at: Timestamp) -> Result<ChangeReport, Unusable> {
    todo!()
}

/// Reads a service graph.
///
/// # Errors
/// When it is not one.
#[expect(clippy::todo, unused_variables, reason = "the signatures come first")]
pub fn read_topology(body: &[u8]) -> Result<Topology, Unusable> {
    todo!()
}

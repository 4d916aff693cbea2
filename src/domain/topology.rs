//! The service graph: who calls whom, and what runs where.

use serde::{Deserialize, Serialize};

use super::ids::Name;

/// A whole service graph. A new one replaces the former one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// Calls between services.
    pub edges: Vec<Edge>,
    /// Which services run on which nodes.
    #[serde(default)]
    pub placement: Vec<Placement>,
}

/// One service calls another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// Who depends on the other: trouble climbs from the callee to the caller.
    pub caller: Name,
    /// Who is depended on.
    pub callee: Name,
    /// In which cluster; everywhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Name>,
}

/// Where a service runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Placement {
    /// Which service.
    pub service: Name,
    /// In which cluster; everywhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Name>,
    /// On which nodes.
    #[serde(default)]
    pub nodes: Vec<Name>,
}

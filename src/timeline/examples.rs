//! Facts built by hand for tests: the five outages of the scenarios, and the hard shapes.

mod outages;
mod shapes;
mod story;

use crate::domain::Facts;
pub(crate) use outages::*;
pub(crate) use shapes::*;
pub(crate) use story::*;

/// Every example by name.
pub(crate) fn all() -> Vec<(&'static str, Facts)> {
    vec![
        ("bookstore", bookstore()),
        ("food_delivery", food_delivery()),
        ("accounts", accounts()),
        ("ecommerce", ecommerce()),
        ("replication", replication()),
        ("storm", storm()),
        ("flapping", flapping()),
        ("unresolved", unresolved()),
        ("skewed", skewed()),
        ("hostile", hostile()),
        ("daylight_saving", daylight_saving()),
        ("heartbeat", heartbeat()),
        ("many_lanes", many_lanes()),
        ("seen_before", seen_before()),
        ("grafana_values", grafana_values()),
        ("receiver_down", receiver_down()),
    ]
}

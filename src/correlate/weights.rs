//! Every weight of the grouping, in one place: points of log-odds, in quarters.
//!
//! One table holds where the service graph knows both services, the other where it does not and
//! names have to say more. What each is worth stands in `docs/correlation.md`.

/// What each piece of evidence adds or takes.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    pub(super) bias: f64,
    pub(super) quiet: f64,
    pub(super) same_alert: f64,
    pub(super) same_service: f64,
    pub(super) climbs: f64,
    pub(super) descends: f64,
    pub(super) second_call: f64,
    pub(super) siblings: f64,
    pub(super) wrong_order: f64,
    pub(super) not_a_symptom: f64,
    pub(super) two_causes: f64,
    pub(super) same_node: f64,
    pub(super) placed: f64,
    pub(super) placed_other: f64,
    pub(super) other_node: f64,
    pub(super) shared_ground: f64,
    pub(super) same_alertname: f64,
    pub(super) same_namespace: f64,
    pub(super) alike_names: f64,
    pub(super) rare_label: f64,
    pub(super) critical: f64,
    pub(super) unknown_cluster: f64,
    pub(super) gap: f64,
    pub(super) apart: f64,
    pub(super) together: f64,
    pub(super) one_maintained: f64,
    pub(super) both_maintained: f64,
    pub(super) age: f64,
    pub(super) age_free_minutes: f64,
    pub(super) company: f64,
    pub(super) wide: f64,
    pub(super) alone_before: f64,
    pub(super) partly_over: f64,
    pub(super) adopt: f64,
    pub(super) busy_at: f64,
    pub(super) order_tolerance: f64,
    pub(super) habit: f64,
    pub(super) load: f64,
    pub(super) other_alertname: f64,
}

impl Weights {
    /// Where the graph knows both services.
    pub(super) const MAPPED: Self = Self {
        bias: -4.0,
        quiet: 2.5,
        same_alert: 8.0,
        same_service: 2.75,
        climbs: 4.0,
        descends: 1.25,
        second_call: 2.0,
        siblings: -1.25,
        wrong_order: -3.5,
        not_a_symptom: -2.0,
        two_causes: -1.5,
        same_node: 3.25,
        placed: 8.25,
        placed_other: 2.0,
        other_node: -2.0,
        shared_ground: 3.25,
        same_alertname: 1.5,
        same_namespace: 1.5,
        alike_names: 0.5,
        rare_label: 0.5,
        critical: 1.25,
        unknown_cluster: -3.5,
        gap: -2.5,
        apart: -2.5,
        together: 1.25,
        one_maintained: -2.75,
        both_maintained: 3.5,
        age: -3.25,
        age_free_minutes: 12.0,
        company: 1.25,
        wide: 0.0,
        alone_before: -1.0,
        partly_over: -5.0,
        adopt: 1.25,
        busy_at: 4.0,
        order_tolerance: 60.0,
        load: 4.0,
        habit: 1.0,
        other_alertname: 0.5,
    };

    /// Where it does not.
    pub(super) const UNMAPPED: Self = Self {
        bias: -2.75,
        same_service: 1.75,
        two_causes: -0.75,
        same_node: 5.25,
        shared_ground: 2.25,
        same_alertname: 1.5,
        same_namespace: 2.0,
        alike_names: 1.0,
        unknown_cluster: -3.75,
        together: 0.75,
        age: -3.0,
        age_free_minutes: 9.0,
        company: 1.25,
        wide: 0.5,
        alone_before: -0.75,
        partly_over: -4.0,
        adopt: 2.0,
        ..Self::MAPPED
    };
}

/// The table for a pair, or an alert, by whether the graph knows its services.
pub(super) const fn weights(is_mapped: bool) -> &'static Weights {
    if is_mapped { &Weights::MAPPED } else { &Weights::UNMAPPED }
}

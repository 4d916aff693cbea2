//! Every weight of the grouping, in one place: points of log-odds, in quarters.
//!
//! One table holds where the service graph knows both services, the other where it does not and
//! names have to say more. What each is worth stands in `docs/correlation.md`; the configuration can
//! set each by its name.

use std::collections::BTreeMap;

/// Makes a table of weights whose fields can also be set by their names.
macro_rules! named_weights {
    ($(#[$of_table:meta])* $visible:vis struct $table:ident {
        $($(#[$of_field:meta])* $inner:vis $field:ident: f64,)+
    }) => {
        $(#[$of_table])*
        $visible struct $table {
            $($(#[$of_field])* $inner $field: f64,)+
        }

        impl $table {
            /// The names, in the order of the table.
            #[cfg(test)]
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];

            /// Sets one by its name; a name that is none of ours sets nothing.
            fn set(&mut self, name: &str, points: f64) {
                match name {
                    $(stringify!($field) => self.$field = points,)+
                    _ => {}
                }
            }
        }
    };
}

named_weights! {
/// What each piece of evidence adds or takes.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    /// Two alerts about which nothing is known are most likely not the same trouble.
    pub(super) bias: f64,
    /// A direct tie while little else goes on: coincidence is unlikely.
    pub(super) quiet: f64,
    /// The same alert fires again.
    pub(super) same_alert: f64,
    /// Both name one service.
    pub(super) same_service: f64,
    /// The newer one directly calls the service of the other: trouble climbs to callers.
    pub(super) climbs: f64,
    /// The newer one is directly called by the service of the other.
    pub(super) descends: f64,
    /// Two calls apart, either way.
    pub(super) second_call: f64,
    /// Both stand beside one service without a call between them; less the busier it is.
    pub(super) siblings: f64,
    /// The caller alerted first, in full from ten minutes on.
    pub(super) wrong_order: f64,
    /// The caller shows nothing that a broken call would cause.
    pub(super) not_a_symptom: f64,
    /// Both look like causes of their own, at two places.
    pub(super) two_causes: f64,
    /// Both name one machine.
    pub(super) same_node: f64,
    /// One names the machine on which the other, which lost its place, runs.
    pub(super) placed: f64,
    /// One names the machine on which the other runs.
    pub(super) placed_other: f64,
    /// One is about a machine, the other names another.
    pub(super) other_node: f64,
    /// One is about what the cluster stands on (DNS, network, control plane).
    pub(super) shared_ground: f64,
    /// Same alert name, of a symptom or a loss of place.
    pub(super) same_alertname: f64,
    /// One message told of both under one name.
    pub(super) one_message: f64,
    /// Same namespace or folder, less when most alerts have it.
    pub(super) same_namespace: f64,
    /// For the rarest part that both service names have.
    pub(super) alike_names: f64,
    /// For the rarest other label that both have.
    pub(super) rare_label: f64,
    /// For the share of the two that is critical.
    pub(super) critical: f64,
    /// The cluster of one is unknown where several are known.
    pub(super) unknown_cluster: f64,
    /// For every ten minutes between the firings.
    pub(super) gap: f64,
    /// For every ten minutes between the starts of what still fires, as far as it is busy.
    pub(super) apart: f64,
    /// The same of a direct tie, where the earlier builds up or the later shows late.
    pub(super) apart_slow: f64,
    /// Two starts within about two minutes.
    pub(super) together: f64,
    /// Planned work explains only one of them.
    pub(super) one_maintained: f64,
    /// Planned work explains both.
    pub(super) both_maintained: f64,
    /// For every ten minutes of the incident's age beyond `age_free_minutes`, as far as it is busy.
    pub(super) age: f64,
    /// See `age`.
    pub(super) age_free_minutes: f64,
    /// The incident holds at least two different alerts.
    pub(super) company: f64,
    /// It spans at least three namespaces.
    pub(super) wide: f64,
    /// For each of up to two earlier firings in two hours that stayed alone.
    pub(super) alone_before: f64,
    /// For the share of witnesses that had ended before.
    pub(super) partly_over: f64,
    /// What two floating alerts need beyond the score to open an incident, where neither would alone.
    pub(super) open: f64,
    /// What a floating alert needs beyond the score of a new one.
    pub(super) adopt: f64,
    /// What an incident of one alert needs beyond the score of a new one to become part of another.
    pub(super) merge: f64,
    /// How many other alerts in two hours leave the stream quiet …
    pub(super) busy_free: f64,
    /// … and how many more make it busy.
    pub(super) busy_at: f64,
    /// Seconds by which a caller may alert first.
    pub(super) order_tolerance: f64,
    /// For what became of earlier alerts of the same name.
    pub(super) habit: f64,
    /// Load goes down: the caller's traffic explains the callee.
    pub(super) load: f64,
    /// Same alert name, of another sign.
    pub(super) other_alertname: f64,
    /// What everything stands on alerted after what it should explain, in full from ten minutes on.
    pub(super) late_ground: f64,
    /// By how many seconds a caller may have begun first and still count as climbing.
    pub(super) climb_tolerance: f64,
    /// For every ten minutes since a member that fires again had ended, when incidents compete.
    pub(super) return_gap: f64,
    /// The incident of a member that fires again had recovered, when incidents compete.
    pub(super) return_recovered: f64,
    /// Below a caller whose trouble is explained by another service that it calls.
    pub(super) explained: f64,
    /// It looks like a cause of its own, and the incident has one at another place.
    pub(super) second_cause: f64,
    /// A symptom of a service that does not reach the incident's cause by its calls.
    pub(super) unreached: f64,
    /// A cache lost its contents, and a store beside it has to answer.
    pub(super) cold_cache: f64,
    /// For every ten minutes between the starts, where the earlier fills up the service of both.
    pub(super) apart_filling: f64,
    /// One of two that nothing ties is only strained by itself.
    pub(super) strain_alone: f64,
    /// One of two that nothing ties broke by itself after the other suffered.
    pub(super) late_cause: f64,
    /// The service of the alert was changed after the incident began, shortly before the alert.
    pub(super) own_change: f64,
    /// The cluster of one is unknown, and a direct tie within five minutes says that it is the same.
    pub(super) unknown_tied: f64,
    /// What trouble begins with came minutes after the incident began, in full from ten on.
    pub(super) late_origin: f64,
}
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
        second_call: 1.5,
        siblings: -1.25,
        wrong_order: -3.5,
        not_a_symptom: -2.25,
        two_causes: -3.0,
        same_node: 3.25,
        placed: 8.25,
        placed_other: 2.0,
        other_node: -2.0,
        shared_ground: 3.25,
        same_alertname: 1.5,
        one_message: 3.0,
        same_namespace: 1.0,
        alike_names: 0.25,
        rare_label: 0.5,
        critical: 1.25,
        unknown_cluster: -2.75,
        gap: -2.5,
        apart: -2.5,
        apart_slow: -1.5,
        together: 1.25,
        one_maintained: -2.75,
        both_maintained: 3.5,
        age: -3.25,
        age_free_minutes: 12.0,
        company: 1.25,
        wide: 0.0,
        alone_before: -1.0,
        partly_over: -5.0,
        open: 0.75,
        adopt: 1.25,
        merge: 3.0,
        busy_free: 1.0,
        busy_at: 1.0,
        order_tolerance: 60.0,
        load: 4.0,
        habit: 1.0,
        other_alertname: 0.5,
        late_ground: -3.5,
        climb_tolerance: 0.0,
        return_gap: -2.5,
        return_recovered: -3.0,
        explained: -1.0,
        second_cause: -4.0,
        unreached: -1.5,
        cold_cache: 2.0,
        apart_filling: -0.75,
        strain_alone: -2.0,
        late_cause: -1.5,
        own_change: -3.0,
        unknown_tied: -0.75,
        late_origin: -10.0,
    };

    /// Where it does not.
    pub(super) const UNMAPPED: Self = Self {
        bias: -2.25,
        same_service: 2.75,
        two_causes: -0.75,
        same_node: 5.25,
        shared_ground: 2.25,
        same_alertname: 1.5,
        one_message: 3.0,
        same_namespace: 1.5,
        alike_names: 1.0,
        critical: 1.75,
        unknown_cluster: -3.75,
        unknown_tied: -3.75,
        apart: -3.0,
        apart_slow: -3.0,
        together: 0.75,
        age: -3.0,
        age_free_minutes: 9.0,
        company: 1.25,
        wide: 0.5,
        alone_before: -0.75,
        partly_over: -4.0,
        apart_filling: -3.0,
        open: 2.0,
        adopt: 2.0,
        merge: 3.0,
        ..Self::MAPPED
    };
}

/// The two tables in force.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    mapped: Weights,
    unmapped: Weights,
}

impl Tables {
    /// Our own points, with those that the configuration sets in their place in both tables.
    pub(super) fn with(points: &BTreeMap<String, f64>) -> Self {
        let mut tables = Self { mapped: Weights::MAPPED, unmapped: Weights::UNMAPPED };
        for (name, points) in points {
            tables.mapped.set(name, *points);
            tables.unmapped.set(name, *points);
        }
        tables
    }

    /// The table for a pair, or an alert, by whether the graph knows its services.
    pub(super) const fn of(&self, is_mapped: bool) -> &Weights {
        if is_mapped { &self.mapped } else { &self.unmapped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rules::WEIGHTS;

    #[test]
    fn the_configuration_can_name_every_weight_and_no_other() {
        assert_eq!(Weights::NAMES, WEIGHTS);
    }

    #[test]
    fn a_weight_of_the_configuration_holds_in_both_tables() {
        let points = BTreeMap::from([("same_node".to_owned(), 9.5), ("other".to_owned(), 1.0)]);
        let tables = Tables::with(&points);
        for is_mapped in [true, false] {
            assert!((tables.of(is_mapped).same_node - 9.5).abs() < f64::EPSILON);
        }
        assert!((tables.of(true).bias - Weights::MAPPED.bias).abs() < f64::EPSILON);
    }
}

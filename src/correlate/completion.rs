//! Calls that the service graph leaves out but its own pattern shows.
//!
//! Graphs are drawn by people or sampled from traces, and miss calls. Two patterns fill them in:
//! a call known in most of the clusters that have both services, and a call that most services of
//! one role make (`x-api` to `x-db`, every `x-worker` to `kafka`). Called when a graph is indexed.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::Name;

/// A call and the clusters in which it is known; no cluster means everywhere.
pub(super) type Calls = BTreeMap<(Name, Name), BTreeSet<Option<Name>>>;

/// How many services of one role must make a call before the others are taken to make it.
const ROLE_EXAMPLES_MIN: usize = 3;

/// A call as its role makes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pattern {
    /// `x-api` calls `x-db`.
    Within(String, String),
    /// `x-worker` calls one and the same service.
    To(String, Name),
}

/// Adds what the pattern of a graph shows. `homes` tells in which clusters each service is known.
pub(super) fn complete(calls: &mut Calls, homes: &BTreeMap<Name, BTreeSet<Name>>) {
    complete_clusters(calls, homes);
    complete_roles(calls, homes);
}

fn shared_homes(
    homes: &BTreeMap<Name, BTreeSet<Name>>,
    caller: &Name,
    callee: &Name,
) -> BTreeSet<Name> {
    match (homes.get(caller), homes.get(callee)) {
        (Some(x), Some(y)) => x.intersection(y).cloned().collect(),
        _ => BTreeSet::new(),
    }
}

/// A call known in at least two and half of the clusters that have both services is made in all.
fn complete_clusters(calls: &mut Calls, homes: &BTreeMap<Name, BTreeSet<Name>>) {
    for ((caller, callee), clusters) in calls.iter_mut() {
        let shared = shared_homes(homes, caller, callee);
        if clusters.len() >= 2 && clusters.len() * 2 >= shared.len() {
            clusters.extend(shared.into_iter().map(Some));
        }
    }
}

/// A call that two thirds of the services of one role make is made by all of them.
fn complete_roles(calls: &mut Calls, homes: &BTreeMap<Name, BTreeSet<Name>>) {
    let services: BTreeSet<&Name> = calls.keys().flat_map(|(x, y)| [x, y]).collect();
    let mut by_role: BTreeMap<&str, Vec<(&str, &Name)>> = BTreeMap::new();
    for &service in &services {
        if let Some((product, role)) = service.as_str().rsplit_once('-') {
            by_role.entry(role).or_default().push((product, service));
        }
    }
    let mut examples: BTreeMap<Pattern, usize> = BTreeMap::new();
    for (caller, callee) in calls.keys() {
        let Some((product, role)) = caller.as_str().rsplit_once('-') else { continue };
        let pattern = match callee.as_str().rsplit_once('-') {
            Some((other, target)) if other == product => {
                Pattern::Within(role.to_owned(), target.to_owned())
            }
            _ => Pattern::To(role.to_owned(), callee.clone()),
        };
        *examples.entry(pattern).or_default() += 1;
    }
    let mut added: Vec<(Name, Name)> = Vec::new();
    for (pattern, made) in examples.into_iter().filter(|(_, made)| *made >= ROLE_EXAMPLES_MIN) {
        let role = match &pattern {
            Pattern::Within(role, _) | Pattern::To(role, _) => role.as_str(),
        };
        let possible: Vec<(Name, Name)> = by_role
            .get(role)
            .into_iter()
            .flatten()
            .filter_map(|(product, caller)| {
                let callee = match &pattern {
                    Pattern::Within(_, target) => {
                        Name::from(format!("{product}-{target}").as_str())
                    }
                    Pattern::To(_, callee) => callee.clone(),
                };
                (services.contains(&callee) && callee != **caller)
                    .then(|| ((*caller).clone(), callee))
            })
            .collect();
        if made * 3 >= possible.len() * 2 {
            added.extend(possible);
        }
    }
    for (caller, callee) in added {
        let shared = shared_homes(homes, &caller, &callee);
        let clusters = calls.entry((caller, callee)).or_default();
        if shared.is_empty() && clusters.is_empty() {
            clusters.insert(None);
        }
        clusters.extend(shared.into_iter().map(Some));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(list: &[(&str, &str, &str)]) -> (Calls, BTreeMap<Name, BTreeSet<Name>>) {
        let mut calls = Calls::new();
        let mut homes: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
        for (caller, callee, cluster) in list {
            let cluster = Name::from(*cluster);
            for service in [caller, callee] {
                homes.entry(Name::from(*service)).or_default().insert(cluster.clone());
            }
            let key = (Name::from(*caller), Name::from(*callee));
            calls.entry(key).or_default().insert(Some(cluster));
        }
        (calls, homes)
    }

    fn knows(calls: &Calls, caller: &str, callee: &str, cluster: &str) -> bool {
        calls
            .get(&(Name::from(caller), Name::from(callee)))
            .is_some_and(|clusters| clusters.contains(&Some(Name::from(cluster))))
    }

    #[test]
    fn a_call_made_in_most_clusters_is_made_in_all_that_have_both() {
        let (mut calls, homes) = calls(&[
            ("web", "api", "eu"),
            ("web", "api", "us"),
            ("web", "x", "ap"),
            ("api", "x", "ap"),
            ("x", "api", "eu"),
        ]);
        complete(&mut calls, &homes);
        assert!(knows(&calls, "web", "api", "ap"));
        assert!(!knows(&calls, "x", "api", "ap"));
    }

    #[test]
    fn a_call_that_most_of_a_role_make_is_made_by_all_of_it() {
        let (mut calls, homes) = calls(&[
            ("shop-worker", "kafka", "eu"),
            ("mail-worker", "kafka", "eu"),
            ("chat-worker", "kafka", "eu"),
            ("maps-worker", "maps-db", "eu"),
            ("shop-api", "shop-db", "eu"),
            ("chat-api", "chat-db", "eu"),
            ("maps-api", "kafka", "eu"),
        ]);
        complete(&mut calls, &homes);
        assert!(knows(&calls, "maps-worker", "kafka", "eu"));
        // Two examples are no rule.
        assert!(!knows(&calls, "maps-api", "maps-db", "eu"));
    }
}

//! Section 3 of the domain page, rule by rule.

use super::world::{Alert, World, minute};
use crate::domain::alert::EndKind;
use crate::domain::incident::{CaveatKind, IncidentState};
use crate::domain::record::Path;
use crate::domain::{Ending, EpisodeStatus};

const AM0: &str = "http://am-0:9093";
const AM1: &str = "http://am-1:9093";

fn down() -> Alert {
    Alert::new("PostgresDown", "orders-db", "critical", 0.0)
}

#[test]
fn repeats_retries_and_twins_are_one_episode() {
    let mut world = World::new();
    world.say_as(0.5, &down(), AM0, Path::Webhook);
    world.say_as(0.6, &down(), AM0, Path::Webhook);
    world.say_as(0.7, &down(), AM1, Path::Webhook);
    world.say_as(0.8, &down().leased(4.8), "", Path::Api);
    assert_eq!(world.episodes().len(), 1);
    assert_eq!(world.episode(1).deliveries, 4);
    assert_eq!(world.episode(1).sources.len(), 2);
}

#[test]
fn a_shifted_start_of_a_peer_is_an_alias_and_the_earliest_counts() {
    let mut world = World::new();
    world.say_as(0.5, &down().from(0.2), AM0, Path::Webhook);
    world.say_as(0.9, &down().from(0.0), AM1, Path::Webhook);
    assert_eq!(world.episodes().len(), 1);
    assert_eq!(world.episode(1).starts_at(), minute(0.0));
}

#[test]
fn the_same_sender_with_a_later_start_tells_of_a_new_firing() {
    let mut world = World::new();
    world.say(0.5, &down().from(0.0));
    world.say(1.2, &down().from(0.3).over(1.0));
    assert_eq!(world.episodes().len(), 2);
    let first = world.episode(1);
    assert_eq!(first.end.as_ref().unwrap().how, EndKind::Superseded);
    assert_eq!(first.ends_at(), Some(minute(0.3)));
    assert_eq!(world.episode(2).ends_at(), Some(minute(1.0)));
}

#[test]
fn an_old_firing_within_the_window_is_stale() {
    let mut world = World::new();
    world.say_as(0.0, &down(), AM0, Path::Webhook);
    world.say_as(1.0, &down().over(1.0), AM0, Path::Webhook);
    world.say_as(1.2, &down(), AM1, Path::Webhook);
    assert_eq!(world.episode(1).status(), EpisodeStatus::Resolved);
    world.say_as(1.5, &down().over(1.0), AM1, Path::Webhook);
    assert_eq!(world.episodes().len(), 1);
    assert!(world.incident(1).caveats.is_empty());
}

#[test]
fn an_old_firing_after_the_window_withdraws_the_resolve() {
    let mut world = World::new();
    world.say(0.0, &down());
    world.say(1.0, &down().over(1.0));
    world.tick(11.5);
    assert_eq!(world.incident(1).state, IncidentState::Resolved);
    world.say(12.0, &down());
    assert_eq!(world.episode(1).status(), EpisodeStatus::Firing);
    assert_eq!(world.incident(1).state, IncidentState::Open);
    assert_eq!(world.incident(1).caveats[0].kind, CaveatKind::ResolveWithdrawn);
}

#[test]
fn a_missing_resolve_ends_unknown_and_any_later_word_continues() {
    let mut world = World::new();
    world.say(0.0, &down());
    world.tick(13.0 * 60.0 + 1.0);
    assert_eq!(world.episode(1).status(), EpisodeStatus::Unknown);
    world.tick(13.0 * 60.0 + 12.0);
    assert_eq!(world.incident(1).state, IncidentState::Resolved);
    world.say(60.0 * 40.0, &down());
    assert_eq!(world.episodes().len(), 1);
    assert_eq!(world.episode(1).status(), EpisodeStatus::Firing);
    assert_eq!(world.incident(1).state, IncidentState::Open);
}

#[test]
fn a_resolve_never_seen_firing_creates_a_closed_episode() {
    let mut world = World::new();
    world.say(5.0, &down().over(4.0));
    assert_eq!(world.episode(1).status(), EpisodeStatus::Resolved);
    assert_eq!(world.episode(1).starts_at(), minute(0.0));
    world.tick(16.0);
    assert_eq!(world.incident(1).state, IncidentState::Resolved);
}

#[test]
fn a_lease_that_runs_out_ends_the_episode_inferred() {
    let mut world = World::new();
    world.say_as(0.0, &down().leased(4.0), "", Path::Api);
    world.say_as(1.0, &down().leased(5.0), "", Path::Api);
    world.tick(4.5);
    assert_eq!(world.episode(1).status(), EpisodeStatus::Firing);
    world.tick(5.0);
    assert_eq!(world.episode(1).end.as_ref().unwrap().how, EndKind::LeaseExpired);
    // An explicit end beats a timeout.
    world.say_as(6.0, &down().over(4.2), "", Path::Api);
    assert_eq!(world.episode(1).end.as_ref().unwrap().how, EndKind::Reported);
    assert_eq!(world.episode(1).ends_at(), Some(minute(4.2)));
}

#[test]
fn a_lease_ends_nothing_that_a_webhook_holds() {
    let mut world = World::new();
    world.say_as(0.0, &down().leased(4.0), "", Path::Api);
    world.say(0.5, &down());
    world.tick(5.0);
    assert_eq!(world.episode(1).status(), EpisodeStatus::Firing);
}

#[test]
fn a_restarted_prometheus_moves_the_start_within_the_lease() {
    let mut world = World::new();
    world.say_as(0.0, &down().leased(4.0), "", Path::Api);
    world.say_as(2.0, &down().from(1.8).leased(6.0), "", Path::Api);
    assert_eq!(world.episodes().len(), 1);
    assert_eq!(world.episode(1).starts_at(), minute(0.0));
}

#[test]
fn grafana_resolves_with_equal_start_and_end() {
    let mut world = World::new();
    world.say(0.0, &down());
    world.say(5.0, &down().from(4.5).over(4.5));
    world.say(5.5, &down().from(4.5).over(4.5));
    assert_eq!(world.episodes().len(), 1);
    assert_eq!(world.episode(1).starts_at(), minute(0.0));
    assert_eq!(world.episode(1).ends_at(), Some(minute(4.5)));
}

#[test]
fn an_abandoned_rule_is_an_end_but_no_recovery() {
    let mut world = World::new();
    world.say(0.0, &down());
    let mut end = down().over(3.0);
    end.ending = Ending::Abandoned("MissingSeries".into());
    world.say(3.5, &end);
    assert_eq!(
        world.episode(1).end.as_ref().unwrap().how,
        EndKind::Abandoned("MissingSeries".into())
    );
}

#[test]
fn an_earlier_start_is_an_older_episode_that_ended_by_the_next() {
    let mut world = World::new();
    world.say(60.0, &down().from(59.0));
    world.say(61.0, &down().from(20.0));
    let older = world.episode(2);
    assert_eq!(older.ends_at(), Some(minute(59.0)));
    assert_eq!(older.end.as_ref().unwrap().how, EndKind::Superseded);
    // A firing of it is stale, a resolve gives it its true end.
    world.say(62.0, &down().from(20.0));
    assert_eq!(world.episode(2).status(), EpisodeStatus::Resolved);
    world.say(63.0, &down().from(20.0).over(30.0));
    assert_eq!(world.episode(2).ends_at(), Some(minute(30.0)));
}

#[test]
fn a_heartbeat_never_joins_and_its_absence_opens_an_incident() {
    let mut world = World::new();
    let watchdog = Alert::new("Watchdog", "", "none", -600.0);
    for at in [0.0, 1.0, 2.0, 3.0] {
        world.say(at, &watchdog);
    }
    assert_eq!(world.episode(1).incident(), None);
    world.tick(7.9);
    assert!(world.committed.incidents.is_empty());
    world.tick(8.0);
    assert_eq!(world.incident(1).title, "Heartbeat watchdog is missing");
    world.say(20.0, &watchdog);
    world.tick(30.1);
    assert_eq!(world.incident(1).state, IncidentState::Resolved);
}

#[test]
fn a_firing_is_told_by_what_it_was_at_its_worst() {
    let mut world = World::new();
    let errors = || Alert::new("ErrorRate", "shop-web", "critical", 0.0);
    for (at, value) in [(0.5, 12.0), (1.0, 85.0), (2.0, 40.0)] {
        world.say(at, &errors().measured(value));
    }
    let values = |world: &World| world.episode(1).values.clone();
    assert_eq!(values(&world), [("B".into(), 85.0)]);
    world.say(3.0, &errors().measured(3.0).over(2.5));
    assert_eq!(values(&world), [("B".into(), 85.0)], "a resolve tells of a service that works");
}

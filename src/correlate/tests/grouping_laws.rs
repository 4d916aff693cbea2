//! What holds for grouping whatever comes, on random histories.

use proptest::prelude::*;

use super::world::{Alert, World};
use crate::domain::record::OperationAction;
use crate::domain::{EpisodeId, IncidentId};

fn edges() -> World {
    World::with_edges(&[("shop-web", "shop-db"), ("mail-web", "mail-db")])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Alerts that share nothing but a source and a moment are never one incident.
    #[test]
    fn no_incident_from_an_empty_key(starts in prop::collection::vec(0..30u8, 2..8)) {
        let mut world = World::new();
        for (index, start) in starts.iter().enumerate() {
            let mut alert = Alert::new(&format!("Odd{index}"), "", "critical", f64::from(*start));
            alert.labels.retain(|(name, _)| name != "service");
            world.say(31.0, &alert);
        }
        prop_assert_eq!(world.committed.incidents.len(), starts.len());
    }

    /// A cascade is one incident in whichever order its messages come.
    #[test]
    fn the_order_of_messages_does_not_split_a_cascade(
        order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
        pause in 0..60u8,
    ) {
        let alerts = [
            Alert::new("DbDown", "shop-db", "critical", 0.0),
            Alert::new("SlowQueries", "shop-db", "warning", 0.5),
            Alert::new("HighErrorRate", "shop-web", "critical", 1.0),
            Alert::new("SlowResponses", "shop-web", "warning", 1.5),
        ];
        let mut world = edges();
        for (place, index) in order.into_iter().enumerate() {
            let at = 2.0 + f64::from(pause) / 60.0 * f64::from(u8::try_from(place).unwrap());
            world.say(at, &alerts[index]);
        }
        let incidents: Vec<_> = world.episodes().iter().map(|e| e.incident()).collect();
        prop_assert!(incidents.iter().all(|id| id.is_some() && *id == incidents[0]));
    }

    /// Where a person put an alert it stays, whatever evidence comes later.
    #[test]
    fn what_a_person_moved_stays_where_it_was_put(
        later in prop::collection::vec((0..6usize, 0..10u8), 1..20),
    ) {
        let mut world = edges();
        world.say(0.5, &Alert::new("HighErrorRate", "shop-web", "critical", 0.0));
        world.say(0.6, &Alert::new("MailDown", "mail-web", "critical", 0.0));
        world.act(1.0, OperationAction::Move(IncidentId(2), vec![EpisodeId(1)]));
        let mut now = 2.0;
        for (index, pause) in later {
            let (name, service) = [
                ("DbDown", "shop-db"),
                ("SlowQueries", "shop-db"),
                ("SlowResponses", "shop-web"),
                ("MailDbDown", "mail-db"),
                ("SlowMail", "mail-web"),
                ("HighErrorRate", "shop-web"),
            ][index];
            now += f64::from(pause) / 4.0;
            world.say(now + 0.1, &Alert::new(name, service, "critical", now));
        }
        prop_assert_eq!(world.episode(1).incident(), Some(IncidentId(2)));
    }
}

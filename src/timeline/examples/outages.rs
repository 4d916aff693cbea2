//! The five outages of the scenarios.

use std::collections::BTreeMap;

use super::story::{Story, at};
use crate::domain::change::ChangeKind;
use crate::domain::incident::{ActionKind, CandidateKind, Horizon, NoteKind};
use crate::domain::{Facts, Severity};

const IMPROVEMENT: ActionKind = ActionKind::Improvement;
const TASK: ActionKind = ActionKind::Task;

/// Scenario `bookstore-503`.
pub(crate) fn bookstore() -> Facts {
    let mut s = Story::new("2024-06-22", "Http503RateHigh on bookstore-web");
    s.alert("Http503RateHigh", "bookstore-web", Severity::Critical, "15:15")
        .says("503 responses: share of requests in percent", "85")
        .generated_by("http://prometheus:9090/graph?g0.expr=Http503RateHigh&g0.tab=1")
        .ended("17:00");
    s.alert("DatabaseConnectionTimeouts", "bookstore-db", Severity::Critical, "16:00")
        .says("Connection timeouts to bookstore-db-0 per second", "42")
        .labelled("instance", "bookstore-db-0")
        .generated_by("http://prometheus:9090/graph?g0.expr=DatabaseConnectionTimeouts&g0.tab=1")
        .ended("16:55");
    s.alert("ReplicationLagHigh", "bookstore-db", Severity::Warning, "16:20")
        .says("Replica is behind, in seconds", "310")
        .labelled("instance", "bookstore-db-1")
        .ended("16:44");
    let db = "database team";
    let config = ChangeKind::Config;
    s.change("15:05", "15:05:20", config, "bookstore-db", "Routine update of the replication settings", db)
        .change("16:35", "16:35:20", config, "bookstore-db", "Replication settings corrected", db)
        .note("15:17", NoteKind::Notification, "On-call engineer paged by the monitoring system", "monitoring")
        .acknowledged("15:20", "on-call")
        .note("15:20", NoteKind::Investigation, "Web server logs read", "on-call")
        .note("15:30", NoteKind::WrongLead, "Traffic surge assumed; server capacity raised, without effect", "on-call")
        .note("15:45", NoteKind::Investigation, "Traffic is normal; attention turns to the database", "on-call")
        .note("16:15", NoteKind::Escalation, "Database team called", "on-call")
        .note("16:25", NoteKind::Diagnosis, "Replication is misconfigured since the update", db)
        .note("16:36", NoteKind::Mitigation, "Settings corrected, but the site stays down", db)
        .note("16:45", NoteKind::Mitigation, "Caches cleared and services restarted", "on-call")
        .note("17:00", NoteKind::Resolution, "Site works again in full", "on-call")
        .report(|r| {
            r.impact_users_percent = Some(85.0);
            r.impact = Some("The whole bookstore was down; about 85% of users could neither browse nor buy".into());
            r.root_cause = Some("Replication settings broken by a routine update led to replication lag, connection timeouts and a cascade up to the web tier".into());
            r.resolution = Some("Settings corrected, caches cleared, services restarted".into());
        })
        .action("Validate database configuration before it is deployed", IMPROVEMENT, None)
        .action("Add a staging environment for database changes", IMPROVEMENT, None)
        .action("Alert on replication lag and connection timeouts", TASK, None)
        .action("Write rollback procedures for database changes", TASK, None)
        .action("Audit database configuration regularly", TASK, None)
        .candidate(CandidateKind::Change, "c1", "Routine update of the replication settings (config on bookstore-db)", 0.87,
            &["bookstore-web calls bookstore-db", "10m before the onset", "still in place when the incident began"])
        .candidate(CandidateKind::Service, "bookstore-db", "bookstore-db", 0.74, &["bookstore-web calls it", "2 of 3 alerts"])
        .candidate(CandidateKind::Service, "bookstore-web", "bookstore-web", 0.26, &["first symptom at the onset"]);
    s.resolved("17:15")
}

/// Scenario `food-delivery`, in Africa/Lagos (UTC+1).
pub(crate) fn food_delivery() -> Facts {
    let mut s = Story::new("2024-01-30", "RegistrationErrorRate on registration");
    s.alert("RegistrationErrorRate", "registration", Severity::Warning, "11:00")
        .says("Error rate of user registration above 5%", "7.4")
        .ended("14:00");
    s.alert("RegistrationErrorRate", "registration", Severity::Critical, "11:15")
        .says("Error rate of user registration above 20%", "31")
        .ended("14:00");
    s.alert("DatabaseSyncErrors", "database", Severity::Warning, "12:40")
        .says("Synchronisation errors on db-1", "12")
        .labelled("instance", "db-1")
        .ended("13:45");
    let db = "database team";
    s.change(
        "13:30",
        "13:30:20",
        ChangeKind::Config,
        "database",
        "Synchronisation settings corrected",
        db,
    )
    .acknowledged("11:25", "on-call")
    .note(
        "11:25",
        NoteKind::Investigation,
        "Team begins to look into the registration errors",
        "on-call",
    )
    .note(
        "11:50",
        NoteKind::Diagnosis,
        "Database logs show that settings are not what the code expects",
        "on-call",
    )
    .note("12:30", NoteKind::Escalation, "Database team asked to help", "on-call")
    .note("13:00", NoteKind::Diagnosis, "Database synchronisation settings found to be wrong", db)
    .note("13:30", NoteKind::Mitigation, "Database synchronisation fixed", db)
    .note("14:00", NoteKind::Recovery, "Database performance is back to normal", db)
    .note("14:30", NoteKind::Resolution, "Service confirmed fully restored", "on-call")
    .report(|r| {
        r.timezone = Some("Africa/Lagos".into());
        r.impact = Some(
            "Front end and back end of the site could not be linked; user registration failed"
                .into(),
        );
        r.root_cause =
            Some("Wrong database synchronisation settings, not caught for want of testing".into());
        r.resolution = Some("Synchronisation settings corrected".into());
        r.milestones = BTreeMap::from([(
            crate::domain::milestone::Milestone::Resolution,
            at("2024-01-30", "14:30"),
        )]);
    })
    .action("Tighten change management for database configuration", IMPROVEMENT, None)
    .action("Improve real-time monitoring of database performance", IMPROVEMENT, None)
    .action("Review recent database configuration changes", TASK, Some(Horizon::Immediate))
    .action("Test database changes before they are deployed", TASK, Some(Horizon::ShortTerm))
    .action("Plan for unexpected database load", TASK, Some(Horizon::LongTerm))
    .candidate(
        CandidateKind::Service,
        "database",
        "database",
        0.6,
        &["registration calls it", "its alert came 100m after the onset"],
    );
    s.resolved("14:45")
}

/// Scenario `accounts-outage`, in America/New_York (UTC-5 then).
#[expect(clippy::too_many_lines, reason = "one fact a line")]
pub(crate) fn accounts() -> Facts {
    let mut s = Story::new("2024-03-04", "DatabaseQueryLatencyHigh on accounts-db");
    s.alert("DatabaseQueryLatencyHigh", "accounts-db", Severity::Critical, "15:05")
        .says("p99 query latency in seconds", "9.1")
        .ended("18:50");
    s.alert("DatabaseQueryErrors", "accounts-db", Severity::Critical, "15:05")
        .says("Query error rate in percent", "38")
        .ended("18:30");
    s.alert("LoginFailures", "accounts", Severity::Critical, "15:12")
        .says("Failed logins in percent", "75")
        .ended("19:00");
    s.alert("DatabaseMemoryHigh", "accounts-db", Severity::Warning, "16:20")
        .says("Memory of the database in percent", "97")
        .ended("18:20");
    let team = "incident team";
    let engineers = "database engineering";
    s.change(
        "14:52",
        "16:45",
        ChangeKind::Config,
        "accounts-db",
        "Cache settings changed without approval",
        "unknown",
    )
    .change(
        "18:00",
        "18:00:20",
        ChangeKind::Rollback,
        "accounts-db",
        "Cache settings rolled back",
        engineers,
    )
    .acknowledged("15:10", team)
    .note(
        "15:10",
        NoteKind::Investigation,
        "Incident team assembled; database performance examined",
        team,
    )
    .note(
        "15:15",
        NoteKind::Communication,
        "Customer support sees complaints about account access rise",
        "customer support",
    )
    .note(
        "15:30",
        NoteKind::WrongLead,
        "DDoS suspected; counter-measures brought no improvement",
        team,
    )
    .note(
        "16:00",
        NoteKind::Investigation,
        "Network ruled out; database configuration examined",
        team,
    )
    .note(
        "16:45",
        NoteKind::Diagnosis,
        "A change of the cache settings without approval has driven memory use up",
        team,
    )
    .note("17:30", NoteKind::Escalation, "Database engineering asked for an urgent rollback", team)
    .note("18:00", NoteKind::Mitigation, "Rollback begun; error rate and latency fall", engineers)
    .note("19:00", NoteKind::Resolution, "Service confirmed restored; review scheduled", team)
    .report(|r| {
        r.timezone = Some("America/New_York".into());
        r.impact_users_percent = Some(75.0);
        r.impact = Some(
            "75% of users could not reach their accounts: time-outs and errors at login".into(),
        );
        r.root_cause =
            Some("An unapproved change of the database cache settings used up the memory".into());
        r.resolution = Some("Settings rolled back".into());
        r.milestones = BTreeMap::from([(
            crate::domain::milestone::Milestone::Onset,
            at("2024-03-04", "15:00"),
        )]);
    })
    .action("Require review and approval for every production change", IMPROVEMENT, None)
    .action("Alert on unusual database memory use", TASK, None)
    .candidate(
        CandidateKind::Change,
        "c1",
        "Cache settings changed without approval (config on accounts-db)",
        0.9,
        &[
            "same service as the first alert",
            "8m before the onset",
            "rolled back at the end, and recovery followed",
        ],
    );
    s.resolved("19:15")
}

/// Scenario `ecommerce-cascade`, in America/New_York (UTC-4 then).
pub(crate) fn ecommerce() -> Facts {
    let mut s = Story::new("2024-06-08", "HighErrorRate on shop-web");
    for (name, service, severity, start, end, summary, value) in [
        (
            "HighErrorRate",
            "shop-web",
            Severity::Critical,
            "14:30",
            "16:45",
            "Requests that fail, in percent",
            "64",
        ),
        (
            "SlowResponses",
            "shop-web",
            Severity::Warning,
            "14:30",
            "16:45",
            "p95 response time in seconds",
            "8.5",
        ),
        (
            "DatabaseReadWriteLatency",
            "shop-db",
            Severity::Critical,
            "15:15",
            "16:30",
            "Read and write latency in milliseconds",
            "2400",
        ),
        (
            "ReplicationLag",
            "shop-db",
            Severity::Critical,
            "15:30",
            "16:25",
            "Secondary is behind, in seconds",
            "640",
        ),
        (
            "DatabaseOverloaded",
            "shop-db",
            Severity::Critical,
            "15:50",
            "16:28",
            "Load of the primary in percent",
            "99",
        ),
    ] {
        s.alert(name, service, severity, start).says(summary, value).from("grafana").ended(end);
    }
    let (web, db) = ("web team", "database team");
    s.change("13:40", "13:40:20", ChangeKind::Deploy, "shop-web", "Release of the shop front end", web)
        .change("14:12", "14:12:20", ChangeKind::Config, "shop-db", "Replication parameter changed", db)
        .change("15:00", "15:00:20", ChangeKind::Rollback, "shop-web", "Release rolled back", web)
        .change("16:15", "16:15:20", ChangeKind::Config, "shop-db", "Replication reconfigured, reads spread over the cluster", db)
        .note("14:35", NoteKind::Notification, "Engineering team notified by the on-call system", "on-call system")
        .acknowledged("14:40", "on-call")
        .note("14:40", NoteKind::Investigation, "Web servers and load balancer examined", "on-call")
        .note("15:00", NoteKind::WrongLead, "Recent release suspected and rolled back, without improvement", "on-call")
        .note("15:20", NoteKind::Escalation, "Database team called: latency of reads and writes is abnormal", "on-call")
        .note("15:35", NoteKind::Diagnosis, "Replication lag and inconsistent data found", db)
        .note("16:00", NoteKind::Diagnosis, "A wrong replication parameter makes secondaries fall behind and overloads the primary", db)
        .note("16:15", NoteKind::Mitigation, "Replication being reconfigured, load being balanced", db)
        .note("16:30", NoteKind::Recovery, "Site partly reachable again", "on-call")
        .note("16:45", NoteKind::Resolution, "All services restored", "on-call")
        .report(|r| {
            r.timezone = Some("America/New_York".into());
            r.impact_users_percent = Some(80.0);
            r.impact_users = Some(20_000);
            r.impact = Some("The site was out of reach; about 80% of users, an estimated 20,000, could neither browse nor buy".into());
            r.root_cause = Some("A replication parameter was set wrongly: secondaries fell behind and the primary was overloaded".into());
            r.resolution = Some("Replication reconfigured and reads spread over the cluster".into());
        })
        .action("Drill disaster recovery", IMPROVEMENT, None)
        .action("Load-test every two weeks", TASK, None);
    s.resolved("17:00")
}

/// Scenario `replication-failure`: six days.
pub(crate) fn replication() -> Facts {
    let mut s = Story::new("2023-07-29", "DatabaseLatencyHigh on database");
    s.alert("DatabaseLatencyHigh", "database", Severity::Critical, "09:00")
        .says("p99 latency of db-primary above 2 s", "4.8")
        .labelled("instance", "db-primary")
        .ended("2023-08-04T04:25:00Z")
        .edit(|e| e.deliveries = 12);
    s.alert("AppUnavailable", "app", Severity::Critical, "09:20")
        .says("Share of users that cannot reach the platform", "74")
        .ended("2023-08-04T04:30:00Z")
        .edit(|e| e.deliveries = 12);
    let db = "database team";
    s.change("2023-08-04T03:30:00Z", "2023-08-04T03:30:20Z", ChangeKind::Config, "database", "Replica configured like the primary", db)
        .note("09:30", NoteKind::Investigation, "Application servers examined first, as the reports speak of latency", "on-call")
        .note("14:00", NoteKind::WrongLead, "A running server maintenance task and recent application changes suspected; neither was the cause", "on-call")
        .note("2023-08-02T10:00:00Z", NoteKind::Escalation, "Handed to the database team after code and servers were ruled out", "on-call")
        .note("2023-08-03T22:00:00Z", NoteKind::Diagnosis, "Primary and replica run with different settings; replication has failed and the data has diverged", db)
        .note("2023-08-04T03:45:00Z", NoteKind::Mitigation, "Data copied from primary to replica by hand", db)
        .note("2023-08-04T04:30:00Z", NoteKind::Resolution, "Replica is up to date; platform reachable", db)
        .report(|r| {
            r.impact_users_percent = Some(74.0);
            r.impact = Some("74% of users could not reach the platform; critical services down".into());
            r.root_cause = Some("Configuration mismatch between primary and replica database".into());
            r.resolution = Some("Replica configured like the primary, data synchronised by hand".into());
        })
        .action("Detect configuration drift between components", IMPROVEMENT, None)
        .action("Automate synchronisation of replicas", TASK, None);
    s.resolved("2023-08-04T05:10:00Z")
}

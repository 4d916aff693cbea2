//! The hard shapes: storms, flaps, skewed clocks, hostile text and more.

use super::story::{Story, at};
use crate::domain::alert::EndKind;
use crate::domain::change::ChangeKind;
use crate::domain::incident::{
    ActionKind, CandidateKind, CaveatKind, LifecycleKind, NoteKind, Opening, Similar,
};
use crate::domain::{EpisodeId, Facts, IncidentId, Name, Severity, Timestamp};

/// One rule fires on fourteen pods within six minutes, and ends on all of them.
pub(crate) fn storm() -> Facts {
    let mut s = Story::new("2026-03-04", "HighErrorRate on checkout");
    for pod in 0..14_u8 {
        let start = format!("02:{:02}:{:02}", 14 + pod / 2, (pod % 2) * 30);
        let end = format!("02:{:02}:{:02}", 50 + pod / 4, pod);
        s.alert("HighErrorRate", "checkout", Severity::Critical, &start)
            .says(
                &format!("Error rate of checkout-7d9f-{pod} above 5%"),
                &format!("{}.5", 11 + pod),
            )
            .labelled("pod", &format!("checkout-7d9f-{pod}"))
            .annotated("runbook_url", "https://runbooks.example.test/errors")
            .ended(&end);
    }
    s.acknowledged("02:21", "dana");
    s.resolved("03:10")
}

/// One alert comes and goes six times, then ends for good.
pub(crate) fn flapping() -> Facts {
    let mut s = Story::new("2026-03-04", "DiskPressure on orders-db");
    s.alert("OrdersFailing", "orders", Severity::Critical, "10:02")
        .says("Failed orders in percent", "12")
        .ended("11:05");
    for round in 0..6 {
        let (start, end) = (format!("10:{:02}", round * 9), format!("10:{:02}", round * 9 + 4));
        s.alert("DiskPressure", "orders-db", Severity::Warning, &start)
            .says("Disk pressure on n1 (instance n1:9100)", "0.93")
            .labelled("instance", "n1:9100")
            .ended(&end);
    }
    s.resolved("11:20")
}

/// Still running, nothing said by people, one alert left out by its sender.
pub(crate) fn unresolved() -> Facts {
    let mut s = Story::new("2026-03-04", "PostgresDown on orders-db");
    s.alert("PostgresDown", "orders-db", Severity::Critical, "02:14:07")
        .annotated("summary", "Postgres down on db-1")
        .annotated("description", "No answer for 2 minutes.\n  VALUE = 0\n  LABELS = map[a:b]");
    s.alert("HighLatency", "orders", Severity::Warning, "02:14:40")
        .annotated(
            "description",
            "p99 latency of orders is high\n  VALUE = 4.25\n  LABELS = map[a:b]",
        )
        .ended_how("02:40", EndKind::Abandoned("MissingSeries".into()));
    s.caveat(
        "02:15",
        None,
        CaveatKind::Truncated,
        "alertmanager left 7 alerts out of a delivery (max_alerts)",
    )
    .caveat(
        "02:30",
        Some("02:41"),
        CaveatKind::Deaf,
        "scribed was down for 11m and may have missed something",
    );
    s.running("03:00")
}

/// Clocks that cannot be right, words that came late, ends that nobody heard of.
pub(crate) fn skewed() -> Facts {
    let mut s = Story::new("2026-03-04", "ApiErrors on api");
    s.alert("ApiErrors", "api", Severity::Critical, "12:00")
        .says("Errors of api in percent", "7")
        .edit(|e| e.start_refused = Some("0001-01-01T00:00:00Z".into()))
        .ended("12:40")
        .edit(|e| e.end.as_mut().unwrap().refused = Some("2026-03-03T00:00:00Z".into()));
    s.alert("QueueGrows", "worker", Severity::Warning, "12:05")
        .says("Queue of worker", "1200")
        .heard("12:31")
        .ended_how("12:20", EndKind::Unknown);
    s.alert("LeaseOnly", "api", Severity::Warning, "12:10")
        .ended_how("12:25", EndKind::LeaseExpired);
    s.change("11:30", "12:50", ChangeKind::Deploy, "api", "Release 4.2", "ci");
    s.note("12:15", NoteKind::Investigation, "Looks like the release", "dana");
    let note = s.facts.incident.notes.last_mut().unwrap();
    note.received_at = at("2026-03-04", "13:40");
    note.kind_inferred = true;
    s.resolved("13:40")
}

/// Text that tries to forge structure wherever text can stand.
pub(crate) fn hostile() -> Facts {
    const MARKDOWN: &str = "``` \n| a | b |\n|---|---|\n# Resolved\n---\n- [x] done\n<!-- --> [click](http://evil.example.test) ![i](http://evil.example.test/p.png)\n[^1]: x";
    const MIX: &str = "# Resolved | 1 | <script>alert(1)</script> **bold** @everyone :boom: javascript:alert(1) \u{202e}gnp.exe\u{200b}\u{1b}[31m\n\n## Timeline\n- 10:00 fake entry";
    let mut s = Story::new("2026-03-02", MIX);
    s.alert("PostgresDown", "\"><script>alert(1)</script>", Severity::Critical, "10:00")
        .says(MARKDOWN, "| 5 |")
        .labelled("instance", "\"><script>alert(1)</script>")
        .annotated("runbook_url", "javascript:alert(1)")
        .generated_by("javascript:alert(1)")
        .ended("10:30");
    s.alert("Second", "db", Severity::Warning, "10:05")
        .says("line\r\n\r\n## Timeline\r\n- 10:00 fake entry", "1")
        .generated_by(
            "http://prometheus.example.test:9090/graph?g0.expr=up)[x](http://evil&g0.tab=1",
        )
        .ended("10:30");
    s.change("09:50", "09:50", ChangeKind::Deploy, "db", MIX, MIX)
        .note("10:10", NoteKind::WrongLead, MIX, MIX)
        .note("10:11", NoteKind::Observation, "1. one\n2. two", "- [ ] x")
        .report(|r| {
            r.impact = Some(MIX.into());
            r.root_cause = Some("- a\n- b\n\n1. c\n\n=====\n\n> quote".into());
            r.lead = Some("<b>@lead</b>".into());
        })
        .action(MIX, ActionKind::Task, None)
        .candidate(CandidateKind::Change, "c1", MIX, 0.5, &[MIX]);
    s.facts.changes[0].report.link = Some("javascript:alert(1)".into());
    s.facts.incident.actions[0].draft.link = Some("https://tickets.example.test/1".into());
    s.resolved("10:45")
}

/// Over the night in which New York turns its clocks forward.
pub(crate) fn daylight_saving() -> Facts {
    let mut s = Story::new("2024-03-10", "JobLate on billing");
    s.alert("JobLate", "billing", Severity::Critical, "06:30")
        .says("Invoices late, in minutes", "25")
        .ended("08:10");
    s.note("06:50", NoteKind::Investigation, "Scheduler looked at", "dana")
        .note(
            "07:05",
            NoteKind::Diagnosis,
            "The job waits for 02:30, which does not exist tonight",
            "dana",
        )
        .acknowledged("06:40", "dana");
    s.report(|r| r.timezone = Some("America/New_York".into()));
    s.resolved("08:20")
}

/// A heartbeat that stayed away.
pub(crate) fn heartbeat() -> Facts {
    let mut s = Story::new("2026-03-04", "Heartbeat watchdog missed");
    s.facts.incident.opening = Opening::Heartbeat {
        name: Name::from("watchdog"),
        episode: EpisodeId(99),
        last_word_at: at("2026-03-04", "02:00"),
        at: at("2026-03-04", "02:07:30"),
    };
    s.event("02:07:30", LifecycleKind::Opened, None);
    s.running("02:20")
}

/// One rule fires on forty services within four minutes.
pub(crate) fn many_lanes() -> Facts {
    let mut s = Story::new("2026-03-05", "GatewayTimeout on service-00");
    for number in 0..40_u8 {
        let start = format!("11:{:02}:{:02}", number / 10, (number % 10) * 6);
        let end = format!("11:{:02}", 30 + number / 10);
        let severity = if number % 4 == 0 { Severity::Critical } else { Severity::Warning };
        s.alert("GatewayTimeout", &format!("service-{number:02}"), severity, &start)
            .says("Upstream does not answer", "30")
            .annotated("runbook_url", "https://runbooks.example.test/gateway")
            .ended(&end);
    }
    s.note("11:12", NoteKind::Mitigation, "Gateway rolled back", "dana");
    s.acknowledged("11:06", "dana");
    s.resolved("11:45")
}

/// A disk that fills again, as it did twice before.
pub(crate) fn seen_before() -> Facts {
    let mut s = Story::new("2026-03-06", "DiskFull on orders-db");
    s.alert("DiskFull", "orders-db", Severity::Critical, "08:00")
        .says("Disk of orders-db is full", "99%")
        .ended("08:40");
    let similar = |incident: u64, day: &str, score: f64| Similar {
        incident: IncidentId(incident),
        title: "DiskFull on orders-db".to_owned(),
        started_at: Some(Timestamp::parse(&format!("{day}T08:00:00Z")).unwrap()),
        ended_at: Some(Timestamp::parse(&format!("{day}T09:10:00Z")).unwrap()),
        score,
        why: vec![
            "1 of 1 alerts here fired then too: DiskFull on orders-db, 1 with the same labels \
             (+0.62)"
                .to_owned(),
        ],
        resolution: None,
        root_cause: None,
        mitigation: None,
    };
    s.facts.incident.similar = vec![
        Similar {
            resolution: Some("Old archives deleted, disk doubled".to_owned()),
            root_cause: Some("Archiving had stopped".to_owned()),
            ..similar(3, "2026-01-10", 0.9)
        },
        Similar {
            mitigation: Some("Old archives deleted".to_owned()),
            ..similar(7, "2026-02-14", 1.0)
        },
    ];
    s.resolved("09:00")
}

/// Grafana tells values by refID, of which one is the rule's yes or no, and one rule without data.
pub(crate) fn grafana_values() -> Facts {
    let mut s = Story::new("2026-03-07", "High CPU on web");
    s.alert("High CPU", "web", Severity::Critical, "10:00")
        .from("grafana")
        .labelled("grafana_folder", "Prod")
        .annotated("summary", "CPU of web in percent")
        .annotated("runbook_url", "https://runbooks.example.test/cpu")
        .edit(|e| e.values = vec![("B".into(), 93.4), ("C".into(), 1.0)])
        .ended("10:40");
    s.alert("Queue and lag", "worker", Severity::Warning, "10:05")
        .from("grafana")
        .annotated("summary", "Queue grows and consumers lag")
        .edit(|e| {
            e.values =
                vec![("lag".into(), 42.123_456), ("queue".into(), 180_000.0), ("C".into(), 1.0)];
        })
        .ended("10:35");
    s.alert("DatasourceNoData", "web", Severity::Warning, "10:10")
        .from("grafana")
        .labelled("rulename", "Error budget")
        .ended_how("10:20", EndKind::Abandoned("MissingSeries".into()));
    s.acknowledged("10:03", "dana");
    s.resolved("10:50")
}

/// The receiver was down while the trouble began; its senders told it all at once afterwards.
pub(crate) fn receiver_down() -> Facts {
    let mut s = Story::new("2026-03-08", "CheckoutDown on checkout");
    for (name, service, severity, starts) in [
        ("QueueBacklog", "orders-queue", Severity::Warning, "02:12"),
        ("CheckoutDown", "checkout", Severity::Critical, "02:19"),
        ("HighErrorRate", "web", Severity::Critical, "02:21"),
        ("HighLatency", "web", Severity::Warning, "02:24:30"),
    ] {
        let firing = s
            .alert(name, service, severity, starts)
            .annotated("runbook_url", "https://runbooks.example.test/checkout");
        match name {
            "QueueBacklog" => firing.says("Messages that wait", "5200").ended("02:50"),
            _ => firing.heard("02:38:10").ended("02:55"),
        };
    }
    s.caveat(
        "02:15",
        Some("02:38"),
        CaveatKind::Deaf,
        "scribed was not running for 23m; what was sent then may be missing",
    );
    s.note("02:30", NoteKind::Mitigation, "Checkout restarted", "dana");
    s.resolved("03:10")
}

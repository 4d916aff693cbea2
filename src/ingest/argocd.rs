//! Argo CD notifications, as changes.
//!
//! The body is whatever template a person wrote, so that only usual names are looked for: the
//! application as Argo CD serialises it (`app.metadata.name`, `app.status.operationState.phase`),
//! its parts, and the flat fields of common templates.

use std::borrow::Cow;

use super::alert::content_hash;
use super::wire::Object;
use super::{Envelope, Found, Parsed, Unusable, change};
use crate::domain::record::Path;
use crate::domain::{ChangeKind, Name};

/// Where the application's name may stand.
const APP: &[&str] = &[
    "app.metadata.name",
    "metadata.name",
    "app.name",
    "app",
    "application",
    "appName",
    "app_name",
    "service",
    "name",
];
/// Where the phase of the sync may stand.
const PHASE: &[&str] = &[
    "app.status.operationState.phase",
    "status.operationState.phase",
    "operationState.phase",
    "phase",
    "status",
    "state",
];
/// Where the revision may stand.
const REVISION: &[&str] = &[
    "app.status.operationState.syncResult.revision",
    "app.status.operationState.operation.sync.revision",
    "app.status.sync.revision",
    "status.operationState.syncResult.revision",
    "status.operationState.operation.sync.revision",
    "status.sync.revision",
    "operationState.syncResult.revision",
    "sync.revision",
    "revision",
    "commit",
    "sha",
];
/// Where the end of the sync may stand.
const FINISHED: &[&str] = &[
    "app.status.operationState.finishedAt",
    "status.operationState.finishedAt",
    "operationState.finishedAt",
    "finishedAt",
    "finished_at",
    "time",
    "timestamp",
];
/// Where its beginning may stand.
const STARTED: &[&str] = &[
    "app.status.operationState.startedAt",
    "status.operationState.startedAt",
    "operationState.startedAt",
    "startedAt",
    "started_at",
];

/// Reads a notification.
pub(super) fn read(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    let body = Object::body(text)?;
    let app = body.first_of(APP).ok_or_else(|| {
        Unusable::wrong_shape("no application is named; put `app` with its name into the template")
    })?;
    let phase = body.first_of(PHASE);
    let revision = body.first_of(REVISION);
    let (started, finished) = (body.first_of(STARTED), body.first_of(FINISHED));
    let told = body.first_of(&["summary", "message", "text", "title"]);

    let mut summary = format!("Sync {app}");
    if let Some(revision) = &revision {
        let shown: String = revision.chars().take(40).collect();
        summary = format!("{summary} to {shown}");
    }
    if let Some(phase) = &phase {
        summary = format!("{summary} ({phase})");
    }
    let mut report = change::report(envelope, told.as_deref().unwrap_or(&summary));
    report.kind = match told.as_deref().map(change::suggest_kind) {
        Some(ChangeKind::Other) | None if phase.is_some() || revision.is_some() => {
            ChangeKind::Deploy
        }
        Some(kind) => kind,
        None => ChangeKind::Other,
    };
    let moment = finished.as_deref().or(started.as_deref());
    report.at = change::claimed(moment, envelope.received_at);
    report.service = Some(Name::new(change::name(app.clone())));
    report.author = body
        .first_of(&["app.status.operationState.operation.initiatedBy.username", "author", "user"])
        .map(change::name);
    report.link = change::link(body.first_of(&["link", "url", "appUrl", "app_url"]));
    report.labels = change::labels(labels(&body, phase, revision.clone()));
    // A later sync to the same revision (a rollback) is another change: its time is in the key.
    report.key = started.or(finished).map(|at| {
        let revision = revision.unwrap_or_default();
        content_hash(&[app.as_bytes(), revision.as_bytes(), at.as_bytes()])
    });
    Found::change(report).finish(envelope, Path::Webhook)
}

fn labels<'a>(
    body: &Object<'a>,
    phase: Option<Cow<'a, str>>,
    revision: Option<Cow<'a, str>>,
) -> impl Iterator<Item = (&'static str, Cow<'a, str>)> {
    let of = |paths: &[&str]| body.first_of(paths);
    [
        ("phase", phase),
        ("revision", revision),
        ("namespace", of(&["app.spec.destination.namespace", "namespace"])),
        ("cluster", of(&["app.spec.destination.name", "cluster"])),
        ("project", of(&["app.spec.project", "project"])),
        ("env", of(&["env", "environment"])),
        ("health", of(&["app.status.health.status", "health"])),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

#[cfg(test)]
mod tests {
    use crate::domain::SourceType::Argocd;
    use crate::domain::{ChangeKind, ChangeReport, Name};
    use crate::ingest::Reason;
    use crate::ingest::fixtures::{ARGOCD, at, parse, reason, received_at};

    fn change(body: &[u8]) -> ChangeReport {
        parse(Argocd, body).delivery.changes.remove(0)
    }

    #[test]
    fn the_application_as_argo_cd_writes_it() {
        let change = change(ARGOCD);
        assert_eq!(change.summary, "Sync orders to 9f2c1e7ab0 (Succeeded)");
        assert_eq!((change.kind, change.at), (ChangeKind::Deploy, at("2026-03-02T09:58:12Z")));
        assert_eq!(change.service, Some(Name::from("orders")));
        assert_eq!(change.labels.get("cluster"), Some("eu-1"));
        assert_eq!(change.labels.get("namespace"), Some("prod"));
        assert!(change.key.is_some());
    }

    #[test]
    fn templates_of_people_are_read_by_their_usual_names() {
        for (body, summary, kind) in [
            (r#"{"app":"orders","revision":"abc"}"#, "Sync orders to abc", ChangeKind::Deploy),
            (
                r#"{"application":"orders","phase":"Failed","finishedAt":"x"}"#,
                "Sync orders (Failed)",
                ChangeKind::Deploy,
            ),
            (
                r#"{"app":"orders","message":"Rollback of orders","revision":"abc"}"#,
                "Rollback of orders",
                ChangeKind::Rollback,
            ),
            (r#"{"name":"orders","text":"is degraded"}"#, "is degraded", ChangeKind::Other),
        ] {
            let change = change(body.as_bytes());
            assert_eq!((change.summary.as_str(), change.kind), (summary, kind), "{body}");
            assert_eq!(change.at, received_at());
        }
    }

    #[test]
    fn a_later_sync_to_the_same_revision_is_another_change() {
        let text = std::str::from_utf8(ARGOCD).unwrap();
        let later = text.replace("09:57:00", "09:59:00");
        assert_eq!(change(ARGOCD).key, change(text.replace("Succeeded", "Running").as_bytes()).key);
        assert_ne!(change(ARGOCD).key, change(later.as_bytes()).key);
    }

    #[test]
    fn an_application_must_be_named() {
        assert_eq!(reason(Argocd, br#"{"phase":"Succeeded"}"#), Reason::WrongShape);
        assert_eq!(reason(Argocd, b"[]"), Reason::WrongShape);
    }
}

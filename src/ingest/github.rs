//! GitHub webhooks, as changes: finished workflow runs, deployments that ended, published
//! releases, and pushes to the default branch.
//!
//! Every other event and action, `ping` among them, is in order and says nothing to us. The event
//! is named by the header `x-github-event`; without it the shape decides. A run is known by its id
//! and attempt, so that a redelivery is the same change and a re-run is another.

use std::borrow::Cow;

use super::wire::{Object, percent_decoded};
use super::{Envelope, Found, Parsed, Unusable, change};
use crate::domain::record::Path;
use crate::domain::{ChangeKind, ChangeReport, Name, Timestamp};

/// Reads an event.
pub(super) fn read(envelope: &Envelope<'_>, text: &str) -> Result<Parsed, Unusable> {
    // A hook may be set up to send a form with the JSON in its field `payload`.
    let form = text.strip_prefix("payload=").map(|field| {
        let field = field.split('&').next().unwrap_or(field);
        percent_decoded(&field.replace('+', " "))
    });
    let body = Object::body(form.as_deref().unwrap_or(text))?;
    let report = match event(envelope, &body) {
        "workflow_run" => workflow_run(envelope, &body),
        "deployment_status" => deployment_status(envelope, &body),
        "release" => release(envelope, &body),
        "push" => push(envelope, &body),
        "" => {
            let problem = "neither the header X-GitHub-Event nor the shape tells which event it is";
            return Err(Unusable::wrong_shape(problem));
        }
        _ => None,
    };
    let found = report.map_or_else(Found::default, Found::change);
    found.finish(envelope, Path::Webhook)
}

/// The name of the event; empty when nothing tells.
fn event<'a>(envelope: &Envelope<'a>, body: &Object<'_>) -> &'a str {
    if let Some(event) = envelope.header("x-github-event") {
        return event;
    }
    for (field, event) in [
        ("workflow_run", "workflow_run"),
        ("deployment_status", "deployment_status"),
        ("release", "release"),
        ("pusher", "push"),
        ("zen", "ping"),
        ("repository", "other"),
    ] {
        if body.has(field) {
            return event;
        }
    }
    ""
}

/// What all events have in common.
fn report(envelope: &Envelope<'_>, body: &Object<'_>, summary: &str) -> ChangeReport {
    let mut report = change::report(envelope, summary);
    report.service = body.first_of(&["repository.name"]).map(|name| Name::new(change::name(name)));
    report.author = body.first_of(&["sender.login"]).map(change::name);
    report
}

/// The labels that are there.
fn set_labels(report: &mut ChangeReport, body: &Object<'_>, labels: &[(&'static str, &str)]) {
    report.labels = change::labels(
        labels.iter().filter_map(|(name, path)| Some((*name, body.first_of(&[*path])?))),
    );
}

fn workflow_run(envelope: &Envelope<'_>, body: &Object<'_>) -> Option<ChangeReport> {
    if body.text("action").as_deref() != Some("completed") {
        return None;
    }
    let run = body.object("workflow_run")?;
    let title = run.first_of(&["display_title", "name"]).unwrap_or(Cow::Borrowed("Workflow run"));
    let name = run.text("name").unwrap_or_default();
    let conclusion = run.text("conclusion").unwrap_or(Cow::Borrowed("unknown"));
    let named =
        if title.contains(&*name) { title.into_owned() } else { format!("{name}: {title}") };
    let mut report = report(envelope, body, &format!("{named} ({conclusion})"));
    report.kind =
        change::suggest_kind(&format!("{named} {}", run.text("path").unwrap_or_default()));
    report.at = change::claimed(run.text("updated_at").as_deref(), envelope.received_at);
    report.author = run
        .first_of(&["triggering_actor.login", "actor.login"])
        .map(change::name)
        .or(report.author);
    report.link = change::link(run.text("html_url"));
    set_labels(
        &mut report,
        body,
        &[
            ("repository", "repository.full_name"),
            ("workflow", "workflow_run.name"),
            ("conclusion", "workflow_run.conclusion"),
            ("branch", "workflow_run.head_branch"),
            ("sha", "workflow_run.head_sha"),
        ],
    );
    let attempt = run.scalar("run_attempt").unwrap_or(Cow::Borrowed("1"));
    report.key =
        key(envelope, "workflow_run", run.scalar("id").map(|id| format!("{id}/{attempt}")));
    Some(report)
}

/// A deployment counts when it ended; that an older one became inactive is not a change.
fn deployment_status(envelope: &Envelope<'_>, body: &Object<'_>) -> Option<ChangeReport> {
    let status = body.object("deployment_status")?;
    let state = status.text("state")?;
    if !matches!(&*state, "success" | "failure" | "error") {
        return None;
    }
    let deployment = body.object("deployment");
    let of = |path: &str| deployment.as_ref().and_then(|deployment| deployment.text(path));
    let what = of("ref").or_else(|| of("sha")).unwrap_or_default();
    let repository = body.first_of(&["repository.name"]).unwrap_or_default();
    let environment = status.text("environment").or_else(|| of("environment"));
    let place = environment.map(|e| format!(" to {e}")).unwrap_or_default();
    let mut report =
        report(envelope, body, &format!("Deploy {repository} {what}{place} ({state})"));
    let words =
        format!("{} {}", of("task").unwrap_or_default(), of("description").unwrap_or_default());
    report.kind = match change::suggest_kind(&words) {
        ChangeKind::Rollback => ChangeKind::Rollback,
        _ => ChangeKind::Deploy,
    };
    report.at = change::claimed(status.text("created_at").as_deref(), envelope.received_at);
    report.author = body
        .first_of(&["deployment.creator.login", "deployment_status.creator.login"])
        .map(change::name)
        .or(report.author);
    report.link = change::link(status.first_of(&["target_url", "log_url", "environment_url"]));
    set_labels(
        &mut report,
        body,
        &[
            ("repository", "repository.full_name"),
            ("environment", "deployment_status.environment"),
            ("state", "deployment_status.state"),
            ("ref", "deployment.ref"),
            ("sha", "deployment.sha"),
        ],
    );
    report.key = key(envelope, "deployment_status", status.scalar("id").map(Cow::into_owned));
    Some(report)
}

fn release(envelope: &Envelope<'_>, body: &Object<'_>) -> Option<ChangeReport> {
    if body.text("action").as_deref() != Some("published") {
        return None;
    }
    let release = body.object("release")?;
    let repository = body.first_of(&["repository.name"]).unwrap_or_default();
    let version = release.first_of(&["tag_name", "name"]).unwrap_or_default();
    let mut report = report(envelope, body, &format!("Release {repository} {version}"));
    report.kind = ChangeKind::Deploy;
    report.at = change::claimed(release.text("published_at").as_deref(), envelope.received_at);
    report.author = release.first_of(&["author.login"]).map(change::name).or(report.author);
    report.link = change::link(release.text("html_url"));
    set_labels(
        &mut report,
        body,
        &[("repository", "repository.full_name"), ("version", "release.tag_name")],
    );
    report.key = key(envelope, "release", release.scalar("id").map(Cow::into_owned));
    Some(report)
}

/// A push counts on the default branch. Its moment is that of the push, because commits may be
/// much older.
fn push(envelope: &Envelope<'_>, body: &Object<'_>) -> Option<ChangeReport> {
    let branch = body.first_of(&["repository.default_branch", "repository.master_branch"])?;
    let reference = body.text("ref")?;
    if reference.strip_prefix("refs/heads/") != Some(&*branch)
        || body.json("deleted") == Some("true")
    {
        return None;
    }
    let message = body.first_of(&["head_commit.message"]).unwrap_or_default();
    let repository = body.first_of(&["repository.name"]).unwrap_or_default();
    let line = message.lines().next().unwrap_or_default();
    let mut report = report(envelope, body, &format!("Push to {branch} of {repository}: {line}"));
    report.kind = change::suggest_kind(line);
    report.at = body
        .first_of(&["repository.pushed_at"])
        .and_then(|text| Timestamp::parse(&text).ok())
        .map_or(envelope.received_at, |at| at.min(envelope.received_at));
    report.author = body.first_of(&["pusher.name"]).map(change::name).or(report.author);
    report.link = change::link(body.first_of(&["compare", "head_commit.url"]));
    set_labels(
        &mut report,
        body,
        &[
            ("repository", "repository.full_name"),
            ("branch", "repository.default_branch"),
            ("sha", "after"),
        ],
    );
    report.key = key(envelope, "push", body.text("after").map(Cow::into_owned));
    Some(report)
}

/// The key of a change: the thing's own id, else the delivery's.
fn key(envelope: &Envelope<'_>, event: &str, id: Option<String>) -> Option<String> {
    let id = id.or_else(|| envelope.header("x-github-delivery").map(str::to_owned))?;
    (id.len() <= super::KEY_BYTES_MAX - 32).then(|| format!("{event}/{id}"))
}

#[cfg(test)]
mod tests {
    use crate::domain::SourceType::Github;
    use crate::domain::{ChangeKind, ChangeReport, Name};
    use crate::ingest::Reason;
    use crate::ingest::fixtures::{at, parse, payload, read_with, reason, received_at};

    fn changes(event: &str, body: &[u8]) -> Vec<ChangeReport> {
        let headers = [("x-github-event", event), ("x-github-delivery", "72d3162e")];
        read_with(Github, &headers, body).unwrap().delivery.changes
    }

    #[test]
    fn a_finished_run_is_a_change() {
        let body = payload!("github/10-synthetic-workflow_run-failure.json");
        let change = changes("workflow_run", body).remove(0);
        assert_eq!(change.summary, "Deploy orders 1.42.0 (failure)");
        assert_eq!((change.kind, change.at), (ChangeKind::Deploy, at("2026-03-02T09:58:12Z")));
        assert_eq!(change.service, Some(Name::from("orders")));
        assert_eq!(change.author.as_deref(), Some("dev1"));
        assert_eq!(change.link.as_deref(), Some("https://github.com/acme/orders/actions/runs/901"));
        assert_eq!(change.key.as_deref(), Some("workflow_run/901/2"));
        assert_eq!(change.labels.get("sha"), Some("9f2c1e7ab0"));
        // The same by shape alone, and from a form.
        assert_eq!(parse(Github, body).delivery.changes, std::slice::from_ref(&change));
        let text = std::str::from_utf8(body).unwrap();
        let form =
            text.replace('%', "%25").replace('"', "%22").replace(' ', "+").replace('&', "%26");
        assert_eq!(changes("workflow_run", format!("payload={form}").as_bytes()), [change]);
    }

    #[test]
    fn a_deployment_that_ended_is_a_change() {
        let body = payload!("github/11-synthetic-deployment_status.json");
        let change = changes("deployment_status", body).remove(0);
        assert_eq!(change.summary, "Deploy orders v1.42.0 to production (success)");
        assert_eq!((change.kind, change.at), (ChangeKind::Deploy, at("2026-03-02T09:58:12Z")));
        assert_eq!(change.key.as_deref(), Some("deployment_status/5"));
        assert_eq!(change.link.as_deref(), Some("https://ci.example.test/5"));
        let text = std::str::from_utf8(body).unwrap();
        for state in ["inactive", "in_progress", "queued", "pending"] {
            let other = text.replace("\"success\"", &format!("\"{state}\""));
            assert_eq!(changes("deployment_status", other.as_bytes()), [], "{state}");
        }
    }

    #[test]
    fn releases_and_pushes_to_the_default_branch_are_changes() {
        let release = br#"{"action":"published","release":{"id":9,"tag_name":"v2","published_at":"2026-03-02T09:00:00Z",
            "author":{"login":"dev2"},"html_url":"https://x.test"},"repository":{"name":"orders"}}"#;
        let change = changes("release", release).remove(0);
        assert_eq!(
            (change.summary.as_str(), change.kind),
            ("Release orders v2", ChangeKind::Deploy)
        );
        assert_eq!(
            (change.key.as_deref(), change.at),
            (Some("release/9"), at("2026-03-02T09:00:00Z"))
        );
        let push = |reference: &str, deleted: bool| {
            let body = format!(
                r#"{{"ref":"{reference}","after":"abc","deleted":{deleted},"pusher":{{"name":"dev3"}},
                    "head_commit":{{"message":"Revert pool size\n\nlong","timestamp":"2025-01-01T00:00:00Z"}},
                    "repository":{{"name":"orders","default_branch":"main","pushed_at":1772445600}}}}"#
            );
            changes("push", body.as_bytes())
        };
        let change = push("refs/heads/main", false).remove(0);
        assert_eq!(change.summary, "Push to main of orders: Revert pool size");
        assert_eq!((change.kind, change.at), (ChangeKind::Rollback, at("2026-03-02T10:00:00Z")));
        assert_eq!(change.key.as_deref(), Some("push/abc"));
        assert_eq!(push("refs/heads/feature", false), []);
        assert_eq!(push("refs/tags/main", false), []);
        assert_eq!(push("refs/heads/main", true), []);
    }

    #[test]
    fn other_events_are_in_order_and_say_nothing() {
        for (event, body) in [
            ("ping", r#"{"zen":"Keep it logically awesome.","hook_id":1}"#),
            ("workflow_run", r#"{"action":"requested","workflow_run":{"id":1}}"#),
            ("release", r#"{"action":"created","release":{"id":1}}"#),
            ("issues", r#"{"action":"opened"}"#),
        ] {
            assert_eq!(changes(event, body.as_bytes()), [], "{event}");
        }
        assert!(parse(Github, br#"{"zen":"x"}"#).delivery.changes.is_empty());
        assert_eq!(reason(Github, b"{}"), Reason::WrongShape);
        assert_eq!(reason(Github, b"hello"), Reason::NotJson);
    }

    #[test]
    fn a_run_without_an_id_is_known_by_its_delivery() {
        let body = br#"{"action":"completed","workflow_run":{"name":"CI"}}"#;
        let change = changes("workflow_run", body).remove(0);
        assert_eq!(change.key.as_deref(), Some("workflow_run/72d3162e"));
        assert_eq!((change.at, change.kind), (received_at(), ChangeKind::Other));
    }
}

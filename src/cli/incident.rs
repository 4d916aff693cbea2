//! `scribed incident`: list, show, and do what people do.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::arguments::{Form, ServerArguments, ShowArguments, filled, moment};
use super::client::{Answer, Call, Client};
use super::console::Console;
use super::failure::Failure;
use super::text::{Table, clean_line, length, minute, minute_utc, pairs};
use super::url::Target;
use super::wire::{Alert, Entry, Incident, Page, Raw};
use crate::clock::Clock;
use crate::domain::Timestamp;

/// Most items in one page, by contract.
const PAGE_SIZE_MAX: usize = 500;

/// Arguments of `incident`.
#[derive(Args, Debug)]
pub(super) struct IncidentArguments {
    #[command(subcommand)]
    command: IncidentCommand,
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    show: ShowArguments,
}

#[derive(Subcommand, Debug)]
enum IncidentCommand {
    /// List incidents, newest first.
    #[command(after_help = "Examples:\n  scribed incident list --state=open\n  \
        scribed incident list service=checkout 'severity=~\"crit.*\"'\n  \
        scribed incident list HighErrorRate --since=2026-03-01T00:00:00Z -o extended")]
    List(ListArguments),
    /// Show one incident; with `-o extended` its alerts and its timeline too.
    #[command(after_help = "Example:\n  scribed incident show 12 -o extended")]
    Show {
        /// Number of the incident.
        #[arg(value_name = "ID")]
        id: u64,
    },
    /// Say that somebody looks after it.
    #[command(after_help = "Example:\n  scribed incident ack 12 --by=ada")]
    Ack(DeedArguments),
    /// Say that users are no longer harmed.
    #[command(after_help = "Example:\n  scribed incident mitigate 12 --at=2026-03-04T02:40:00Z")]
    Mitigate(DeedArguments),
    /// Say that it is over.
    #[command(after_help = "Example:\n  scribed incident resolve 12 --by=ada")]
    Resolve(DeedArguments),
    /// Say that it is not over.
    #[command(after_help = "Example:\n  scribed incident reopen 12")]
    Reopen(DeedArguments),
    /// Keep it from retention, however old it gets.
    #[command(after_help = "Example:\n  scribed incident pin 12")]
    Pin(KeepArguments),
    /// Let retention have it again.
    #[command(after_help = "Example:\n  scribed incident unpin 12")]
    Unpin(KeepArguments),
    /// Make one incident part of another.
    #[command(after_help = "Example: incident 13 turns out to be part of 12:\n  \
        scribed incident merge 13 12")]
    Merge {
        /// Number of the incident that ends.
        #[arg(value_name = "ID")]
        id: u64,
        /// Number of the incident that takes it in.
        #[arg(value_name = "INTO")]
        into: u64,
        #[command(flatten)]
        by: ByArguments,
    },
    /// Move alerts into an incident, from wherever they are.
    #[command(after_help = "Example (`incident show 12 -o extended` lists the alert ids):\n  \
        scribed incident move 12 e40")]
    Move {
        /// Number of the incident that takes them in.
        #[arg(value_name = "ID")]
        id: u64,
        /// Ids of the alerts.
        #[arg(required = true, value_name = "ALERT")]
        alerts: Vec<String>,
        #[command(flatten)]
        by: ByArguments,
    },
    /// Move alerts out into an incident of their own.
    #[command(after_help = "Example (`incident show 12 -o extended` lists the alert ids):\n  \
        scribed incident split 12 e31 e32")]
    Split {
        /// Number of the incident.
        #[arg(value_name = "ID")]
        id: u64,
        /// Ids of the alerts that leave.
        #[arg(required = true, value_name = "ALERT")]
        alerts: Vec<String>,
        #[command(flatten)]
        by: ByArguments,
    },
}

/// By whom something is done, and when.
#[derive(Args, Debug)]
struct ByArguments {
    /// Who did it [default: the token's name, else the login name].
    #[arg(long, value_name = "NAME", value_parser = filled)]
    by: Option<String>,
    /// When it was done; now unless given.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
}

/// Whether an incident is kept.
#[derive(Args, Debug)]
struct KeepArguments {
    /// Number of the incident.
    #[arg(value_name = "ID")]
    id: u64,
    /// Who says so [default: the token's name, else the login name].
    #[arg(long, value_name = "NAME", value_parser = filled)]
    by: Option<String>,
}

/// Which incidents.
#[derive(Args, Debug)]
struct ListArguments {
    /// Alertmanager matchers on the labels of alerts; a bare word is an alert name.
    #[arg(value_name = "MATCHER")]
    matchers: Vec<String>,
    /// Only those in this state; merged ones show only with `merged`.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those of this severity.
    #[arg(long)]
    severity: Option<String>,
    /// Only those of this service.
    #[arg(long)]
    service: Option<String>,
    /// Only those that ran at this time or later.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only those that ran at this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only those with these words in them.
    #[arg(short, long, value_name = "WORDS")]
    query: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Open,
    Acknowledged,
    Mitigated,
    Resolved,
    Merged,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Mitigated => "mitigated",
            Self::Resolved => "resolved",
            Self::Merged => "merged",
        }
    }
}

/// Something a person does to an incident.
#[derive(Args, Debug)]
struct DeedArguments {
    /// Number of the incident.
    #[arg(value_name = "ID")]
    id: u64,
    #[command(flatten)]
    by: ByArguments,
}

/// Runs one of the commands.
///
/// # Errors
/// When the server cannot be asked or says no.
pub(super) async fn run(
    arguments: &IncidentArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let mut client = arguments.server.client()?;
    let form = arguments.show.form;
    let who = |by: &ByArguments| who(&arguments.server, by);
    match &arguments.command {
        IncidentCommand::List(which) => list(&mut client, which, form, console).await,
        IncidentCommand::Show { id } => show(&mut client, *id, form, console).await,
        IncidentCommand::Ack(deed) => {
            let target = Target::incident(deed.id).segment("acknowledge");
            act(&mut client, target, who(&deed.by), form, console).await
        }
        IncidentCommand::Mitigate(deed) => {
            let target = Target::incident(deed.id).segment("mitigate");
            act(&mut client, target, who(&deed.by), form, console).await
        }
        IncidentCommand::Resolve(deed) => {
            let target = Target::incident(deed.id).segment("resolve");
            act(&mut client, target, who(&deed.by), form, console).await
        }
        IncidentCommand::Reopen(deed) => {
            let target = Target::incident(deed.id).segment("reopen");
            act(&mut client, target, who(&deed.by), form, console).await
        }
        IncidentCommand::Pin(keep) => {
            pin(&mut client, &arguments.server, keep, true, form, console).await
        }
        IncidentCommand::Unpin(keep) => {
            pin(&mut client, &arguments.server, keep, false, form, console).await
        }
        IncidentCommand::Merge { id, into, by } => {
            let mut body = who(by);
            body.insert("into".to_owned(), json!(into));
            act(&mut client, Target::incident(*id).segment("merge"), body, form, console).await
        }
        IncidentCommand::Move { id, alerts, by } => {
            let mut body = who(by);
            body.insert("alerts".to_owned(), json!(alerts));
            act(&mut client, Target::incident(*id).segment("alerts"), body, form, console).await
        }
        IncidentCommand::Split { id, alerts, by } => {
            let mut body = who(by);
            body.insert("alerts".to_owned(), json!(alerts));
            act(&mut client, Target::incident(*id).segment("split"), body, form, console).await
        }
    }
}

/// The part of a body that says by whom and when.
fn who(server: &ServerArguments, by: &ByArguments) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(person) = server.person(by.by.as_deref()) {
        body.insert("by".to_owned(), person.into());
    }
    if let Some(at) = by.at {
        body.insert("at".to_owned(), at.to_string().into());
    }
    body
}

async fn list(
    client: &mut Client,
    which: &ListArguments,
    form: Form,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let limit = which.limit.map_or(usize::MAX, |limit| limit as usize);
    let mut items: Vec<Raw> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let wanted = (limit - items.len()).min(PAGE_SIZE_MAX);
        let target = list_target(which)
            .query("limit", &wanted.to_string())
            .query_opt("cursor", cursor.as_deref());
        let page: Page<Raw> = client.read(target).await?;
        let is_stuck = page.next_cursor.is_some() && page.next_cursor == cursor;
        items.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() || items.len() >= limit || is_stuck {
            break;
        }
    }
    if form == Form::Json {
        return console.json(&Page { items, next_cursor: cursor }.to_json()?);
    }
    let mut incidents: Vec<Incident> = Vec::with_capacity(items.len());
    for item in &items {
        incidents.push(read_item(item)?);
    }
    if incidents.is_empty() {
        console.notice("No incident matches");
        return Ok(());
    }
    console.block(&table(&incidents, form, Clock::system().now()))
}

fn read_item(item: &Raw) -> Result<Incident, Failure> {
    serde_json::from_str(item.get()).map_err(|error| {
        Failure::Client(super::client::ClientError::Unexpected {
            what: "GET /api/v1/incidents".to_owned(),
            problem: error.to_string(),
        })
    })
}

fn list_target(which: &ListArguments) -> Target {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let mut target = Target::new("/api/v1/incidents")
        .query_opt("state", which.state.map(State::as_str))
        .query_opt("severity", which.severity.as_deref())
        .query_opt("service", which.service.as_deref())
        .query_opt("since", time(which.since).as_deref())
        .query_opt("until", time(which.until).as_deref())
        .query_opt("q", which.query.as_deref());
    for matcher in &which.matchers {
        target = target.query("filter", &matcher_text(matcher));
    }
    target
}

/// A matcher as given; a bare word is an alert name, as for amtool.
fn matcher_text(text: &str) -> String {
    if text.contains(['=', '~', '{']) {
        return text.to_owned();
    }
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("alertname=\"{quoted}\"")
}

/// The list as a table.
pub(super) fn table(incidents: &[Incident], form: Form, now: Timestamp) -> String {
    let is_extended = form == Form::Extended;
    let mut headings = vec!["ID", "STATE", "SEVERITY", "STARTED (UTC)", "DURATION", "FIRING"];
    if is_extended {
        headings.extend(["ACKNOWLEDGED", "LEAD", "PINNED", "SERVICES"]);
    }
    headings.push("TITLE");
    let mut table = Table::new(&headings);
    for incident in incidents {
        let mut cells = vec![
            incident.id.to_string(),
            incident.state.clone(),
            incident.severity.clone().unwrap_or_default(),
            incident.started_at.map(minute).unwrap_or_default(),
            incident.duration(now).map(length).unwrap_or_default(),
            incident.alerts.to_string(),
        ];
        if is_extended {
            cells.extend([
                incident.acknowledged_at.map(minute).unwrap_or_default(),
                incident.lead.clone().unwrap_or_default(),
                if incident.pinned { "yes".to_owned() } else { String::new() },
                incident.services.join(","),
            ]);
        }
        cells.push(incident.title.clone());
        table.row(cells);
    }
    table.render()
}

async fn show(
    client: &mut Client,
    id: u64,
    form: Form,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let answer = client.call(&Call::get(Target::incident(id))).await?;
    if form == Form::Json {
        return console.json(&answer.body);
    }
    let incident: Incident = answer.read()?;
    console.block(&sheet(&incident, &page_url(client, incident.id), Clock::system().now()))?;
    if form == Form::Extended {
        let target = Target::new("/api/v1/alerts")
            .query("incident", &id.to_string())
            .query("limit", &PAGE_SIZE_MAX.to_string());
        let alerts: Page<Alert> = client.read(target).await?;
        console.block(&format!("\n{}", alert_table(&alerts.items)))?;
        if alerts.next_cursor.is_some() {
            console.notice(&format!("Only the first {PAGE_SIZE_MAX} alerts are shown"));
        }
        let timeline = client.call(&Call::get(Target::incident(id).segment("timeline"))).await?;
        console.block(&format!("\n{}", entry_table(&read_entries(&timeline)?)))?;
    }
    Ok(())
}

/// A timeline comes as a list like all lists, or as the bare entries.
fn read_entries(answer: &Answer) -> Result<Vec<Entry>, Failure> {
    match answer.read::<Page<Entry>>() {
        Ok(page) => Ok(page.items),
        Err(_) => Ok(answer.read::<Vec<Entry>>()?),
    }
}

async fn act(
    client: &mut Client,
    target: Target,
    body: Map<String, Value>,
    form: Form,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let answer = client.post(target, &body).await?;
    tell(client, &answer, form, console)
}

async fn pin(
    client: &mut Client,
    server: &ServerArguments,
    keep: &KeepArguments,
    pinned: bool,
    form: Form,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let body = json!({ "pinned": pinned, "by": server.person(keep.by.as_deref()) });
    let call = Call::send(http::Method::PATCH, Target::incident(keep.id), &body);
    let answer = client.call(&call).await?;
    if form != Form::Simple || answer.is_pending() {
        return tell(client, &answer, form, console);
    }
    let incident: Incident = answer.read()?;
    let kept = if incident.pinned { "pinned" } else { "not pinned" };
    console.line(&format!("Incident {} is {kept}: {}", incident.id, incident.title))
}

/// Tells how an incident stands after something was done to it.
fn tell(
    client: &Client,
    answer: &Answer,
    form: Form,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    if answer.is_pending() {
        console.notice(&pending(answer));
        return Ok(());
    }
    if form == Form::Json {
        return console.json(&answer.body);
    }
    let incident: Incident = answer.read()?;
    if form == Form::Extended {
        let page = page_url(client, incident.id);
        return console.block(&sheet(&incident, &page, Clock::system().now()));
    }
    let state = match incident.merged_into {
        Some(into) => format!("part of incident {into}"),
        None => incident.state.clone(),
    };
    console.line(&format!("Incident {} is {state}: {}", incident.id, incident.title))
}

/// What to say when the server took something, but has not worked it in yet.
pub(super) fn pending(answer: &Answer) -> String {
    let place = answer.location.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
    format!("Accepted and kept, but not worked in yet; look again in a moment{place}")
}

fn page_url(client: &Client, id: u64) -> String {
    client.url().full(&Target::new("/incidents").segment(&id.to_string()))
}

/// Everything about one incident that fits a screen.
fn sheet(incident: &Incident, page: &str, now: Timestamp) -> String {
    let number = |id: Option<u64>| id.map(|id| id.to_string()).unwrap_or_default();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let list = [
        ("State", incident.state.clone()),
        ("Severity", text(&incident.severity)),
        ("Services", incident.services.join(", ")),
        ("Started", minute_utc(incident.started_at)),
        ("Detected", minute_utc(incident.detected_at)),
        ("Notified", minute_utc(incident.notified_at)),
        ("Acknowledged", minute_utc(incident.acknowledged_at)),
        ("Mitigated", minute_utc(incident.mitigated_at)),
        ("Resolved", minute_utc(incident.resolved_at)),
        ("Duration", incident.duration(now).map(length).unwrap_or_default()),
        ("Alerts", format!("{} firing of {}", incident.alerts.firing, incident.alerts.total)),
        ("Lead", text(&incident.lead)),
        ("Impact", text(&incident.impact)),
        ("Root cause", text(&incident.root_cause)),
        ("Resolution", text(&incident.resolution)),
        ("Draft", text(&incident.status)),
        ("Time zone", text(&incident.timezone)),
        ("Pinned", if incident.pinned { "yes".to_owned() } else { String::new() }),
        ("Follows", number(incident.follows)),
        ("Merged into", number(incident.merged_into)),
        ("Page", page.to_owned()),
    ];
    format!("Incident {}: {}\n{}", incident.id, clean_line(&incident.title), pairs(&list))
}

/// Alerts as a table.
fn alert_table(alerts: &[Alert]) -> String {
    let headings =
        ["ALERT", "STATUS", "SEVERITY", "STARTED (UTC)", "ENDED (UTC)", "SERVICE", "NAME"];
    let mut table = Table::new(&headings);
    for alert in alerts {
        table.row([
            alert.id.clone(),
            alert.status.clone(),
            alert.severity.clone().unwrap_or_default(),
            alert.starts_at.map(minute).unwrap_or_default(),
            alert.ends_at.map(minute).unwrap_or_default(),
            alert.service.clone().unwrap_or_default(),
            alert.name(),
        ]);
    }
    if table.is_empty() { "No alerts\n".to_owned() } else { table.render() }
}

fn entry_table(entries: &[Entry]) -> String {
    let mut table = Table::new(&["TIME (UTC)", "PHASE", "BY", "SERVICE", "WHAT"]);
    for entry in entries {
        table.row([
            entry.occurred_at.map(minute).unwrap_or_default(),
            entry.phase.clone().unwrap_or_default(),
            entry.actor.clone().unwrap_or_default(),
            entry.service.clone().unwrap_or_default(),
            entry.text.clone(),
        ]);
    }
    if table.is_empty() { "No entries\n".to_owned() } else { table.render() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incidents() -> Vec<Incident> {
        serde_json::from_str(
            r#"[{"id": 12, "title": "Shop\u001b[31m down", "state": "open", "severity": "critical",
                 "services": ["shop-web", "shop-db"], "started_at": "2024-06-08T14:30:00.000Z",
                 "alerts": {"total": 3, "firing": 1}, "lead": "ada"},
                {"id": 3, "title": "Old", "state": "resolved", "severity": "high",
                 "started_at": "2024-06-01T10:00:00.000Z",
                 "resolved_at": "2024-06-01T10:00:42.000Z", "alerts": {"total": 1, "firing": 0}}]"#,
        )
        .unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::parse("2024-06-08T15:00:30Z").unwrap()
    }

    #[test]
    fn the_simple_list_says_what_matters() {
        assert_eq!(
            table(&incidents(), Form::Simple, now()),
            "ID  STATE     SEVERITY  STARTED (UTC)     DURATION  FIRING  TITLE\n\
             12  open      critical  2024-06-08 14:30  30m       1/3     Shop[31m down\n\
             3   resolved  high      2024-06-01 10:00  42s       0/1     Old\n"
        );
    }

    #[test]
    fn the_extended_list_adds_people_and_services() {
        let text = table(&incidents(), Form::Extended, now());
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].ends_with("ACKNOWLEDGED  LEAD  PINNED  SERVICES          TITLE"),
            "{text}"
        );
        assert!(
            lines[1].contains("-             ada   -       shop-web,shop-db  Shop[31m down"),
            "{text}"
        );
    }

    #[test]
    fn a_sheet_leaves_out_what_is_not_known() {
        let sheet = sheet(&incidents()[0], "http://h/incidents/12", now());
        assert!(sheet.starts_with("Incident 12: Shop[31m down\nState         open\n"), "{sheet}");
        assert!(sheet.contains("Alerts        1 firing of 3\n"), "{sheet}");
        assert!(!sheet.contains("Root cause"), "{sheet}");
    }

    #[test]
    fn a_bare_word_is_an_alert_name() {
        for (text, expect) in [
            ("HighErrorRate", r#"alertname="HighErrorRate""#),
            (r#"a"b\"#, r#"alertname="a\"b\\""#),
            ("service=web", "service=web"),
            (r#"{severity=~"crit.*"}"#, r#"{severity=~"crit.*"}"#),
            ("env!=prod", "env!=prod"),
        ] {
            assert_eq!(matcher_text(text), expect);
        }
    }
}

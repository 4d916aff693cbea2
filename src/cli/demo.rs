//! `scribed demo`: a server on a throw-away store, filled with the built-in outages.
//!
//! The outages go in over HTTP, as anybody's would; what is shown is read back the same way.

use std::fs::DirBuilder;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::positive_span;
use super::client::{Call, Client};
use super::console::Console;
use super::draft::draft_target;
use super::failure::Failure;
use super::player::{Player, Summary};
use super::progress;
use super::scenario::{Scenario, parse};
use super::serve::{ServeArguments, start};
use super::text::{clean_line, length};
use super::url::{ServerUrl, Target};
use super::wire::Incident;
use crate::clock::Clock;
use crate::domain::{Span, Timestamp};

/// Where the demo listens unless told otherwise.
const ADDRESS: &str = "127.0.0.1:7274";
/// A port of the system's choice.
const FREE_ADDRESS: &str = "127.0.0.1:0";
/// The outage whose draft is printed.
const SHOWN: &str = "bookstore-503";
/// How many names are tried for the folder.
const FOLDERS_MAX: u32 = 100;

/// The outages, in the order in which they happened.
const OUTAGES: [(&str, &str); 5] = [
    ("replication-failure", include_str!("../demo/replication-failure.json")),
    ("food-delivery", include_str!("../demo/food-delivery.json")),
    ("accounts-outage", include_str!("../demo/accounts-outage.json")),
    ("ecommerce-cascade", include_str!("../demo/ecommerce-cascade.json")),
    ("bookstore-503", include_str!("../demo/bookstore-503.json")),
];

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub(super) struct DemoArguments {
    /// Address to listen on [default: 127.0.0.1:7274, or a free port where that is taken].
    #[arg(long = "web.listen-address", value_name = "ADDR")]
    listen_address: Option<String>,
    /// Leave once everything is printed, instead of serving on.
    #[arg(long, visible_alias = "once")]
    exit: bool,
    /// Longest wait for one answer.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = positive_span)]
    timeout: Span,
}

/// Runs the demo until Ctrl-C.
///
/// # Errors
/// When the server does not start, or an outage cannot be played.
pub(super) async fn run(
    arguments: &DemoArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    // Asked for before anything is made, so that an early Ctrl-C cleans up as well.
    let stopped = stop_asked()?;
    let folder = Folder::make(&std::env::temp_dir())?;
    let address = address(arguments, console);
    let server = start(&ServeArguments::for_demo(&folder.path, address)).await?;
    let shown = tokio::select! {
        shown = show(&server.addresses, arguments, console) => shown,
        () = stopped => Ok(()),
    };
    let stopped = server.stop().await;
    shown?;
    stopped
}

/// Plays, prints, and unless it should exit, waits.
async fn show(
    addresses: &[SocketAddr],
    arguments: &DemoArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let listens = addresses
        .first()
        .ok_or_else(|| Failure::Server("the server listens nowhere".to_owned()))?;
    let mut client = Client::new(ServerUrl::of_socket(*listens), None, arguments.timeout);
    let outages = outages()?;
    let played = Player::new(&mut client, &outages, None)
        .play(&mut |report| progress::show(console, &report))
        .await;
    if console.can_draw() {
        console.clear();
    }
    print(&mut client, &outages, &played?, console).await?;
    if arguments.exit {
        return Ok(());
    }
    console.notice(&format!("Serving at {} on a throw-away store; stop with Ctrl-C", client.url()));
    std::future::pending().await
}

/// The built-in outages.
///
/// # Errors
/// Never in a build whose tests pass.
fn outages() -> Result<Vec<Scenario>, Failure> {
    OUTAGES.iter().map(|(name, text)| Ok(parse(name, text)?)).collect()
}

/// Lists the incidents that came of it, and one draft in full.
async fn print(
    client: &mut Client,
    outages: &[Scenario],
    summary: &Summary,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let now = Clock::system().now();
    for incident in &summary.made {
        console.block(&card(incident, client.url(), now))?;
    }
    let shown = outages.iter().zip(&summary.homes).find(|(outage, _)| outage.name == SHOWN);
    if let Some((_, Some(id))) = shown {
        let answer = client.call(&Call::get(draft_target(*id, "markdown"))).await?;
        console.document(&answer.body)?;
    }
    Ok(())
}

/// One incident and where to read it.
fn card(incident: &Incident, url: &ServerUrl, now: Timestamp) -> String {
    let duration = incident.duration(now).map(length).unwrap_or_default();
    let id = incident.id;
    let page = url.full(&Target::new("/incidents").segment(&id.to_string()));
    let mut text = format!("Incident {id}: {} ({duration})\n", clean_line(&incident.title));
    text.push_str(&format!("  page      {page}\n"));
    for format in ["markdown", "html", "json"] {
        text.push_str(&format!("  {format:<9} {}\n", url.full(&draft_target(id, format))));
    }
    text.push('\n');
    text
}

/// The address to listen on: the one that was given, else the usual one where it is free.
fn address(arguments: &DemoArguments, console: &mut Console<'_>) -> String {
    if let Some(address) = &arguments.listen_address {
        return address.clone();
    }
    // Whoever takes the port between this look and the start makes the start fail in words.
    if TcpListener::bind(ADDRESS).is_ok() {
        return ADDRESS.to_owned();
    }
    console.notice(&format!("{ADDRESS} is taken, so the demo listens on a free port"));
    FREE_ADDRESS.to_owned()
}

/// Resolves at Ctrl-C or SIGTERM.
///
/// # Errors
/// When the system does not let us listen for them.
fn stop_asked() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A folder of our own that is gone when this value is.
struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes a folder that was not there and that nobody else may enter.
    ///
    /// # Errors
    /// When it cannot be made.
    fn make(parent: &Path) -> Result<Self, Failure> {
        let mut last = None;
        for number in 0..FOLDERS_MAX {
            let path = parent.join(format!("scribed-demo-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    last = Some(error);
                }
                Err(error) => return Err(Failure::file("make the folder", path)(error)),
            }
        }
        let error = last.unwrap_or_else(|| std::io::ErrorKind::AlreadyExists.into());
        Err(Failure::file("make a folder in", parent)(error))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A left-over in the temporary folder is untidy, but no failure of the demo.
        drop(std::fs::remove_dir_all(&self.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_outages_are_scenarios_with_a_first_alert_and_no_expectations() {
        for ((name, text), outage) in OUTAGES.iter().zip(outages().unwrap()) {
            assert_eq!(outage.name, *name);
            assert!(outage.first_alert.is_some() && outage.title.is_some(), "{name}");
            assert!(!text.contains("\"expect\""), "{name}");
        }
        assert!(OUTAGES.iter().any(|(name, _)| *name == SHOWN));
    }

    #[test]
    fn the_built_in_outages_happen_as_in_the_fixtures_in_words_of_their_own() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scenarios");
        for outage in outages().unwrap() {
            let path = folder.join(format!("{}.json", outage.name));
            let fixture = &super::super::scenario::load(&[path]).unwrap()[0];
            assert_eq!(outage.timezone, fixture.timezone);
            assert_ne!(outage.title, fixture.title);
            assert_eq!(outage.events.len(), fixture.events.len(), "{}", outage.name);
            for (ours, theirs) in outage.events.iter().zip(&fixture.events) {
                assert_eq!(ours.describe(), theirs.describe(), "{}", outage.name);
            }
            let (ours, theirs) =
                (outage.first_alert.unwrap(), fixture.first_alert.clone().unwrap());
            assert!(theirs.fingerprints.contains(&ours.fingerprints[0]), "{}", outage.name);
        }
    }

    #[test]
    fn a_card_names_every_place_where_the_draft_can_be_read() {
        let incident: Incident = serde_json::from_str(
            r#"{"id": 5, "title": "Books\u001b[5m gone", "started_at": "2024-06-22T15:15:00.000Z",
                "resolved_at": "2024-06-22T17:00:00.000Z"}"#,
        )
        .unwrap();
        let url = "http://127.0.0.1:7274".parse().unwrap();
        assert_eq!(
            card(&incident, &url, Timestamp::EPOCH),
            "Incident 5: Books[5m gone (1h45m)\n  \
             page      http://127.0.0.1:7274/incidents/5\n  \
             markdown  http://127.0.0.1:7274/api/v1/incidents/5/draft?format=markdown\n  \
             html      http://127.0.0.1:7274/api/v1/incidents/5/draft?format=html\n  \
             json      http://127.0.0.1:7274/api/v1/incidents/5/draft?format=json\n\n"
        );
    }

    #[test]
    fn every_incident_is_listed_and_one_draft_printed_in_full() {
        use crate::cli::fake::{Fake, Reply};
        let fake = Fake::start(|asked| match asked.line().as_str() {
            "GET /api/v1/incidents/5/draft?format=markdown" => Reply::json(200, "# The draft\n"),
            _ => Reply::json(404, "{}"),
        });
        let made = [r#"{"id": 4, "title": "Shop"}"#, r#"{"id": 5, "title": "Books"}"#]
            .map(|text| serde_json::from_str(text).unwrap());
        let homes = vec![Some(1), Some(2), Some(3), Some(4), Some(5)];
        let summary = Summary { events: 9, made: made.into(), homes };
        let (mut results, mut diagnostics) = (Vec::new(), Vec::new());
        let mut console = Console::captured(&mut results, &mut diagnostics, false);
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(print(&mut fake.client(), &outages().unwrap(), &summary, &mut console))
            .unwrap();
        let text = String::from_utf8(results).unwrap();
        assert!(text.contains("Incident 4: Shop") && text.contains("Incident 5: Books"), "{text}");
        assert!(text.ends_with("\n\n# The draft\n"), "{text}");
    }

    #[test]
    fn the_folder_is_new_private_and_gone_afterwards() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let (first, second) =
            (Folder::make(parent.path()).unwrap(), Folder::make(parent.path()).unwrap());
        assert_ne!(first.path, second.path);
        assert_eq!(first.path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(first.path.join("file"), "x").unwrap();
        drop((first, second));
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}

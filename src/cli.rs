//! The command line: arguments in, a command run, an exit code out.
//!
//! `main` hands over to [`run`] and does nothing else. `serve`, `check-config` and `demo` reach the
//! program through `cli/serve.rs`, and `backup`, `restore`, `verify` and `whatif` work on a store
//! through `app`; every other command is a client that knows only the HTTP contract. Results go to
//! standard output, diagnostics to standard error; the exit code is 0 when it is done, 1 when it failed, and 2 for wrong usage or
//! bad configuration.

mod arguments;
mod audit;
mod backup;
mod change;
mod check_config;
mod client;
mod completions;
mod console;
mod demo;
mod draft;
mod explain;
mod failure;
#[cfg(test)]
mod fake;
mod incident;
mod man;
mod note;
mod player;
mod progress;
mod quarantine;
mod redact;
mod replay;
mod restore;
mod scenario;
mod serve;
mod storage;
mod text;
mod trust;
mod url;
mod verify;
mod whatif;
mod wire;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use console::Console;
use failure::Failure;

/// Alerts in, a postmortem draft out, while the incident still runs.
#[derive(Debug, Parser)]
#[command(name = "scribed", version, propagate_version = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Receive alerts and serve drafts.
    #[command(after_help = "Every flag can also be set in the environment (--storage.path as \
        SCRIBED_STORAGE_PATH) and in the file; a flag wins over the environment, and that over \
        the file.\n\nExamples:\n  scribed serve\n  \
        scribed serve --config.file=scribed.yml --log.format=json")]
    Serve(serve::ServeArguments),
    /// Say of configuration files whether the server would start with them.
    #[command(after_help = "Example:\n  scribed check-config /etc/scribed/scribed.yml")]
    CheckConfig(check_config::CheckArguments),
    /// Serve on a throw-away store after replaying the built-in outages.
    #[command(after_help = "Example:\n  scribed demo")]
    Demo(demo::DemoArguments),
    /// Play scenario files, merged by time, into a running server.
    #[command(after_help = "The server has to allow it: `scribed serve --replay.allow`, or a \
        token with the scope replay.\n\nExamples:\n  scribed replay outage.json\n  \
        scribed replay --speed=60 monday.json tuesday.json")]
    Replay(replay::ReplayArguments),
    /// List and show incidents, and do what people do to them.
    #[command(after_help = "Examples:\n  scribed incident list --state=open\n  \
        scribed incident show 12\n  scribed incident ack 12 --by=ada")]
    Incident(incident::IncidentArguments),
    /// Fetch the postmortem draft of an incident.
    #[command(after_help = "Examples:\n  scribed draft 12 > outage.md\n  \
        scribed draft 12 --format=html --tz=Africa/Lagos --output=outage.html")]
    Draft(draft::DraftArguments),
    /// Attach a note to an incident.
    #[command(after_help = "Example:\n  \
        scribed note 12 'Traffic is normal; looking at the database' --kind=investigation --author=ada")]
    Note(note::NoteArguments),
    /// Tell of a deploy, a rollback, a new setting.
    #[command(after_help = "Examples:\n  scribed change 'shop 2.14.0' --service=shop-web\n  \
        scribed change 'cache size halved' --service=shop-db --kind=config --author=ada")]
    Change(change::ChangeArguments),
    /// Say why an alert is in its incident, or in none.
    #[command(after_help = "Examples:\n  scribed explain e17\n  \
        scribed explain 9ba69599550c63f0@2026-03-04T02:14:00Z")]
    Explain(explain::ExplainArguments),
    /// Take back for good what a person wrote: a password in a note.
    #[command(after_help = "The words go from everything that is stored, their hash stays. Needs \
        the scope admin.\n\nExamples:\n  scribed redact 12 --note=n3\n  \
        scribed redact 12 --field=root_cause --by=ada")]
    Redact(redact::RedactArguments),
    /// List what could not be used, and read it again.
    #[command(after_help = "Examples:\n  scribed quarantine list\n  scribed quarantine replay q3")]
    Quarantine(quarantine::QuarantineArguments),
    /// Say who did what, when and from where.
    #[command(
        after_help = "Needs the scope admin.\n\nExamples:\n  scribed audit --incident=12\n  \
        scribed audit --actor=ada --since=2026-03-01T00:00:00Z -o extended"
    )]
    Audit(audit::AuditArguments),
    /// Write a checked copy of the store into a file; a server may be running on it.
    #[command(after_help = "The file is one moment of the store, and is there whole or not at \
        all.\n\nExamples:\n  scribed backup /var/backups/scribed.db --force\n  \
        scribed backup monday.db --storage.path=/var/lib/scribed")]
    Backup(backup::BackupArguments),
    /// Put a backup in the place of a store on which no server runs.
    #[command(after_help = "Nothing is deleted: with --force the database that is there is moved \
        into a folder beside it.\n\nExample:\n  \
        scribed restore /var/backups/scribed.db --storage.path=/var/lib/scribed")]
    Restore(restore::RestoreArguments),
    /// Check a store: the file, the ledger, and that replaying it gives what is stored.
    #[command(after_help = "While a server runs, a copy is checked, which takes as much space as \
        the store for as long.\n\nExample:\n  \
        scribed verify --storage.path=/var/lib/scribed")]
    Verify(verify::VerifyArguments),
    /// Replay a store under another configuration, and tell which incidents would be others.
    #[command(
        name = "whatif",
        after_help = "The store is left as it is, and a server may be running \
        on it. What people decided (move, split, merge, resolve) holds in it as well.\n\nExamples:\n  \
        scribed whatif --config.file=new.yml --storage.path=/var/lib/scribed\n  \
        scribed whatif --config.file=new.yml --since=7d -o extended"
    )]
    WhatIf(whatif::WhatIfArguments),
    /// Write a completion script for a shell.
    #[command(after_help = "Example:\n  \
        scribed completions bash > /usr/share/bash-completion/completions/scribed")]
    Completions(completions::CompletionsArguments),
    /// Write manual pages into a folder.
    #[command(after_help = "Example:\n  scribed man /usr/local/share/man/man1")]
    Man(man::ManArguments),
}

/// Runs the command that the arguments name (the first one is the program's name).
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too; clap knows which stream and code each has, and
            // a stream that is closed leaves nobody to tell.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let (mut results, mut diagnostics) = (std::io::stdout(), std::io::stderr());
    let mut console = Console::of_process(&mut results, &mut diagnostics);
    match execute(&arguments.command, &mut console) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.exit_code();
            if code != 0 {
                console.notice(&format!("error: {failure}"));
            }
            ExitCode::from(code)
        }
    }
}

fn execute(command: &Command, console: &mut Console<'_>) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::CheckConfig(arguments) => check_config::run(arguments, console),
        Command::Demo(arguments) => {
            // The demo's server runs beside its client, so it gets threads of its own.
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            runtime.enable_all().build()?.block_on(demo::run(arguments, console))
        }
        Command::Replay(arguments) => wait(replay::run(arguments, console)),
        Command::Incident(arguments) => wait(incident::run(arguments, console)),
        Command::Draft(arguments) => wait(draft::run(arguments, console)),
        Command::Note(arguments) => wait(note::run(arguments, console)),
        Command::Change(arguments) => wait(change::run(arguments, console)),
        Command::Explain(arguments) => wait(explain::run(arguments, console)),
        Command::Redact(arguments) => wait(redact::run(arguments, console)),
        Command::Quarantine(arguments) => wait(quarantine::run(arguments, console)),
        Command::Audit(arguments) => wait(audit::run(arguments, console)),
        Command::Backup(arguments) => backup::run(arguments, console),
        Command::Restore(arguments) => restore::run(arguments, console),
        Command::Verify(arguments) => verify::run(arguments, console),
        Command::WhatIf(arguments) => whatif::run(arguments, console),
        Command::Completions(arguments) => {
            completions::run(arguments, Arguments::command(), console)
        }
        Command::Man(arguments) => man::run(arguments, Arguments::command(), console),
    }
}

/// Runs a client command; one thread is enough for one request at a time.
fn wait(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

#[cfg(test)]
mod tests;

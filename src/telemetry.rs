//! Log lines on standard error, as logfmt or as JSON.
//!
//! One event is one line, whatever its values hold: line breaks, control characters and characters
//! that turn the direction of text are escaped, so that a label of an alert can forge neither a
//! line nor a colour. The time of a line comes from the [`Clock`]. Lines that nobody reads are given
//! up and counted (`output`): logging never holds up what it tells of. Called once, by the command
//! line, before anything else starts.

mod output;

use std::fmt;
use std::io;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::Clock;
use crate::config::{Log, LogFormat};
use output::{Output, Unhurried};

/// Longest value in characters; a log is no place for bodies.
const VALUE_CHARS_MAX: usize = 4096;
/// Names that a line has of its own; a field with one of them gets a `_` behind it.
const OWN_KEYS: [&str; 4] = ["ts", "level", "msg", "target"];

/// Logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none, which the configuration should have told before.
    #[error("cannot log at `{level}`; write a level or a filter such as info,scribed::store=debug")]
    Filter {
        /// What was asked for.
        level: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody has started logging in this process already; that one goes on.
    #[error("cannot start logging a second time; start it once, in the command line")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging to standard error for the whole process.
///
/// # Errors
/// When the level is no filter, or when logging was started before; what runs goes on then.
pub fn init(log: &Log, clock: Clock) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|source| TelemetryError::Filter { level: log.level.clone(), source })?;
    let lines = Lines::new(log.format, clock, Unhurried::new(io::stderr()));
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(())
}

/// Writes events as lines.
struct Lines<O> {
    format: LogFormat,
    clock: Clock,
    /// One lock for one line, so that lines of threads never mix.
    sheet: Mutex<Sheet<O>>,
}

struct Sheet<O> {
    output: O,
    /// Lines that were given up since the last one that was taken.
    lost: u64,
}

impl<O: Output> Lines<O> {
    fn new(format: LogFormat, clock: Clock, output: O) -> Self {
        Self { format, clock, sheet: Mutex::new(Sheet { output, lost: 0 }) }
    }

    fn text(&self, line: &Line<'_>) -> String {
        match self.format {
            LogFormat::Logfmt => line.logfmt(),
            LogFormat::Json => line.json(),
        }
    }

    /// Writes a line, and before it how many were given up, if any were.
    fn put(&self, at: &str, text: &str) {
        // A poisoned lock only means that another line was cut off.
        let mut sheet = self.sheet.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if sheet.lost > 0 {
            let told = self.text(&Line {
                at,
                level: word(Level::WARN),
                message: "Nobody read the log; lines were given up",
                target: module_path!(),
                fields: &[("lines".to_owned(), Value::Plain(sheet.lost.to_string()))],
            });
            if !sheet.output.put(&told) {
                sheet.lost += 1;
                return;
            }
            sheet.lost = 0;
        }
        if !sheet.output.put(text) {
            sheet.lost += 1;
        }
    }
}

impl<S, O> Layer<S> for Lines<O>
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    O: Output + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            record.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                outer.list.iter().for_each(|(key, value)| fields.set(key, value.clone()));
            }
        }
        event.record(&mut fields);
        let at = self.clock.now().to_string();
        let text = self.text(&Line {
            at: &at,
            level: word(*event.metadata().level()),
            message: &fields.message,
            target: event.metadata().target(),
            fields: &fields.list,
        });
        self.put(&at, &text);
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// A value, with what JSON needs to know of its type.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    /// A number or a truth value, as both formats write it.
    Plain(String),
}

/// The fields of an event or a span, in the order in which they came, each name once.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    list: Vec<(String, Value)>,
}

impl Fields {
    /// Sets a field; the innermost value of a name counts.
    fn set(&mut self, key: &str, value: Value) {
        match self.list.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = value,
            None => self.list.push((key.to_owned(), value)),
        }
    }

    fn visit(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        match (name, value) {
            ("message", Value::Text(text) | Value::Plain(text)) => self.message = text,
            (name, value) if OWN_KEYS.contains(&name) => self.set(&format!("{name}_"), value),
            (name, value) => self.set(name, value),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.visit(field, Value::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.visit(field, Value::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        // The causes belong to the line: nobody else will log them.
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        self.visit(field, Value::Text(text));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.visit(field, Value::Plain(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.visit(field, Value::Plain(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.visit(field, Value::Plain(value.to_string()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.visit(field, Value::Plain(value.to_string()));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.visit(field, Value::Plain(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for infinities and no-numbers.
        let text = value.to_string();
        self.visit(field, if value.is_finite() { Value::Plain(text) } else { Value::Text(text) });
    }
}

/// One line before it is written.
struct Line<'a> {
    at: &'a str,
    level: &'static str,
    message: &'a str,
    target: &'a str,
    fields: &'a [(String, Value)],
}

impl Line<'_> {
    fn logfmt(&self) -> String {
        let mut line = format!("ts={} level={} msg={}", self.at, self.level, quoted(self.message));
        for (key, value) in self.fields {
            line.push(' ');
            line.extend(key.chars().map(|c| if is_key_character(c) { c } else { '_' }));
            line.push('=');
            match value {
                Value::Plain(text) => line.push_str(text),
                Value::Text(text) if is_bare(text) => line.push_str(text),
                Value::Text(text) => line.push_str(&quoted(text)),
            }
        }
        line.push_str(" target=");
        line.push_str(self.target);
        line.push('\n');
        line
    }

    fn json(&self) -> String {
        let mut line = format!(
            "{{\"ts\":\"{}\",\"level\":\"{}\",\"msg\":{}",
            self.at,
            self.level,
            quoted(self.message)
        );
        let target = [("target".to_owned(), Value::Text(self.target.to_owned()))];
        for (key, value) in self.fields.iter().chain(&target) {
            line.push(',');
            line.push_str(&quoted(key));
            line.push(':');
            match value {
                Value::Plain(text) => line.push_str(text),
                Value::Text(text) => line.push_str(&quoted(text)),
            }
        }
        line.push_str("}\n");
        line
    }
}

fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/')
}

/// True when logfmt needs no quotes.
fn is_bare(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= VALUE_CHARS_MAX
        && text.chars().all(|c| !matches!(c, ' ' | '=' | '"' | '\\') && !is_unsafe(c))
}

/// A text in quotes, escaped as JSON does it, which readers of logfmt understand as well. Too long
/// ones are cut, with `…` at the end.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len().min(VALUE_CHARS_MAX) + 2);
    quoted.push('"');
    for character in text.chars().take(VALUE_CHARS_MAX) {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_unsafe(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    quoted.push_str(&format!("\\u{unit:04x}"));
                }
            }
            c => quoted.push(c),
        }
    }
    if text.chars().nth(VALUE_CHARS_MAX).is_some() {
        quoted.push('…');
    }
    quoted.push('"');
    quoted
}

/// Characters that end a line, steer a terminal, turn the direction of text, or cannot be seen.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::domain::Timestamp;

    /// An output that a test can look into, and that takes nothing when told so.
    #[derive(Clone, Default)]
    struct Paper {
        text: Arc<Mutex<String>>,
        is_full: Arc<AtomicBool>,
    }

    impl Output for Paper {
        fn put(&mut self, line: &str) -> bool {
            let has_room = !self.is_full.load(Ordering::SeqCst);
            if has_room {
                self.text.lock().unwrap().push_str(line);
            }
            has_room
        }
    }

    fn clock() -> Clock {
        Clock::manual(Timestamp::parse("2026-03-04T02:14:07.25Z").unwrap())
    }

    /// What is written while `act` runs, under a filter.
    fn written(format: LogFormat, filter: &str, act: impl Fn()) -> String {
        let paper = Paper::default();
        let subscriber = tracing_subscriber::registry()
            .with(EnvFilter::try_new(filter).unwrap())
            .with(Lines::new(format, clock(), paper.clone()));
        tracing::subscriber::with_default(subscriber, act);
        paper.text.lock().unwrap().clone()
    }

    #[test]
    fn lines_that_nobody_took_are_counted() {
        let paper = Paper::default();
        let lines = Lines::new(LogFormat::Logfmt, clock(), paper.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::info!("One");
            paper.is_full.store(true, Ordering::SeqCst);
            tracing::info!("Two");
            tracing::info!("Three");
            paper.is_full.store(false, Ordering::SeqCst);
            tracing::info!("Four");
            tracing::info!("Five");
        });
        let text = paper.text.lock().unwrap().clone();
        let said: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once("level=").map(|(_, rest)| rest))
            .collect();
        assert_eq!(said.len(), 4, "{text}");
        assert!(
            said[1].starts_with("warn msg=\"Nobody read the log; lines were given up\" lines=2")
        );
        assert!(
            said[2].starts_with("info msg=\"Four\"") && said[3].starts_with("info msg=\"Five\"")
        );
    }

    /// Both formats of the same event, without what begins and ends every line.
    fn check(act: impl Fn(), logfmt: &str, json: &str) {
        assert_eq!(
            written(LogFormat::Logfmt, "info", &act),
            format!("ts=2026-03-04T02:14:07.250Z {logfmt} target=scribed::telemetry::tests\n")
        );
        let line = written(LogFormat::Json, "info", &act);
        assert_eq!(
            line,
            format!(
                "{{\"ts\":\"2026-03-04T02:14:07.250Z\",{json},\"target\":\"scribed::telemetry::tests\"}}\n"
            )
        );
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
    }

    #[test]
    fn an_event_is_one_line_with_its_fields() {
        check(
            || tracing::info!(delivery.bytes = 512, source = "am-1", fresh = true, "Stored it"),
            r#"level=info msg="Stored it" delivery.bytes=512 source=am-1 fresh=true"#,
            r#""level":"info","msg":"Stored it","delivery.bytes":512,"source":"am-1","fresh":true"#,
        );
        check(
            || tracing::warn!(load = f64::NAN, ratio = 0.5, empty = "", "Odd"),
            r#"level=warn msg="Odd" load=NaN ratio=0.5 empty="""#,
            r#""level":"warn","msg":"Odd","load":"NaN","ratio":0.5,"empty":"""#,
        );
    }

    #[test]
    fn values_cannot_forge_lines_or_colours() {
        check(
            || tracing::info!(v = "a\nlevel=error \"b\"\\\u{1b}[31m\u{202e}", "One\r\ntwo"),
            r#"level=info msg="One\r\ntwo" v="a\nlevel=error \"b\"\\\u001b[31m\u202e""#,
            r#""level":"info","msg":"One\r\ntwo","v":"a\nlevel=error \"b\"\\\u001b[31m\u202e""#,
        );
    }

    #[test]
    fn a_field_cannot_take_the_place_of_our_own() {
        check(
            || tracing::info!(level = "none", ts = 0, msg = "x", "Said"),
            r#"level=info msg="Said" level_=none ts_=0 msg_=x"#,
            r#""level":"info","msg":"Said","level_":"none","ts_":0,"msg_":"x""#,
        );
    }

    #[test]
    fn spans_lend_their_fields_and_the_innermost_counts() {
        check(
            || {
                let outer = tracing::info_span!("request", request.id = "r1", status = 0);
                outer.in_scope(|| {
                    outer.record("status", 503);
                    tracing::info_span!("inner", step = 2).in_scope(|| {
                        tracing::error!(step = 3, "Failed");
                    });
                });
            },
            r#"level=error msg="Failed" request.id=r1 status=503 step=3"#,
            r#""level":"error","msg":"Failed","request.id":"r1","status":503,"step":3"#,
        );
    }

    #[test]
    fn an_error_brings_its_causes() {
        let error = cause();
        check(
            || tracing::error!(error = &error as &(dyn std::error::Error + 'static), "No"),
            r#"level=error msg="No" error="cannot read x: gone""#,
            r#""level":"error","msg":"No","error":"cannot read x: gone""#,
        );
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read x")]
    struct Outer(#[source] io::Error);

    fn cause() -> Outer {
        Outer(io::Error::other("gone"))
    }

    #[test]
    fn the_filter_decides_what_is_shown() {
        let act = || {
            tracing::debug!("Quiet");
            tracing::info!("Loud");
        };
        for (filter, lines) in [("off", 0), ("error", 0), ("info", 1), ("debug", 2)] {
            let text = written(LogFormat::Logfmt, filter, act);
            assert_eq!(text.lines().count(), lines, "{filter}");
        }
        let text = written(LogFormat::Logfmt, "error,scribed::telemetry=debug", act);
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn a_value_that_is_too_long_is_cut() {
        let long = "x".repeat(VALUE_CHARS_MAX + 1);
        let text = written(LogFormat::Logfmt, "info", || tracing::info!(long, "Long"));
        assert!(text.len() < VALUE_CHARS_MAX + 200);
        assert!(text.contains("x…\""), "the cut is marked");
    }

    #[test]
    fn logging_starts_once() {
        let log = Log { level: "off".to_owned(), format: LogFormat::Logfmt };
        let clock = Clock::manual(Timestamp::EPOCH);
        // Another test of this process may have been first; the second start is refused anyway.
        drop(init(&log, clock.clone()));
        assert!(matches!(init(&log, clock.clone()), Err(TelemetryError::Started(_))));
        let bad = Log { level: "scribed=loud".to_owned(), ..log };
        let error = init(&bad, clock).unwrap_err().to_string();
        assert!(error.starts_with("cannot log at `scribed=loud`"), "{error}");
    }
}

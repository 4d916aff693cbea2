//! The `process_*` metrics that every Prometheus client has, read from `/proc/self` when scraped.
//!
//! Where there is no `/proc` (not Linux), they are absent.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

/// `USER_HZ`: fixed by Linux' interface to programs on every machine that Rust compiles for.
const TICKS_PER_SECOND: f64 = 100.0;
const BYTES_PER_KIB: f64 = 1024.0;

/// Reads them at each scrape.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    cpu: Counter,
    resident: Gauge,
    virtual_memory: Gauge,
    open_fds: Gauge,
    max_fds: Gauge,
    start_time: Gauge,
}

/// What `/proc` says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Readings {
    cpu_seconds: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    open_fds: f64,
    max_fds: f64,
    started_unix_seconds: f64,
}

impl ProcessMetrics {
    /// Declares them.
    ///
    /// # Errors
    /// When a name is not valid, which a test rules out.
    pub(super) fn new() -> prometheus::Result<Self> {
        Ok(Self {
            cpu: Counter::new(
                "process_cpu_seconds_total",
                "Total user and system CPU time spent in seconds.",
            )?,
            resident: Gauge::new(
                "process_resident_memory_bytes",
                "Resident memory size in bytes.",
            )?,
            virtual_memory: Gauge::new(
                "process_virtual_memory_bytes",
                "Virtual memory size in bytes.",
            )?,
            open_fds: Gauge::new("process_open_fds", "Number of open file descriptors.")?,
            max_fds: Gauge::new("process_max_fds", "Maximum number of open file descriptors.")?,
            start_time: Gauge::new(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
            )?,
        })
    }
}

impl Collector for ProcessMetrics {
    fn desc(&self) -> Vec<&Desc> {
        let gauges =
            [&self.resident, &self.virtual_memory, &self.open_fds, &self.max_fds, &self.start_time];
        self.cpu.desc().into_iter().chain(gauges.into_iter().flat_map(Collector::desc)).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(readings) = read() else { return Vec::new() };
        // A counter takes no value, only what is added; a scrape that overlaps another adds nothing
        // twice, for the difference is then zero or, at worst, made up at the next scrape.
        self.cpu.inc_by((readings.cpu_seconds - self.cpu.get()).max(0.0));
        self.resident.set(readings.resident_bytes);
        self.virtual_memory.set(readings.virtual_bytes);
        self.open_fds.set(readings.open_fds);
        self.max_fds.set(readings.max_fds);
        self.start_time.set(readings.started_unix_seconds);
        let gauges =
            [&self.resident, &self.virtual_memory, &self.open_fds, &self.max_fds, &self.start_time];
        self.cpu
            .collect()
            .into_iter()
            .chain(gauges.into_iter().flat_map(Collector::collect))
            .collect()
    }
}

fn read() -> Option<Readings> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    // The folder that is being listed is itself open, which is one too many.
    let open_fds = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    let (cpu_seconds, started_after_boot_seconds) = times(&stat)?;
    Some(Readings {
        cpu_seconds,
        resident_bytes: number_after(&status, "VmRSS:")? * BYTES_PER_KIB,
        virtual_bytes: number_after(&status, "VmSize:")? * BYTES_PER_KIB,
        open_fds: f64::from(u32::try_from(open_fds).ok()?),
        // "unlimited" is no number; Prometheus' own clients leave such a limit out or say infinite.
        max_fds: number_after(&limits, "Max open files").unwrap_or(f64::INFINITY),
        started_unix_seconds: number_after(&system, "btime ")? + started_after_boot_seconds,
    })
}

/// CPU seconds, and seconds from boot to start. The name of the program stands in parentheses and
/// may hold anything, so fields are counted after the last one.
fn times(stat: &str) -> Option<(f64, f64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // The manual counts from 1 and the name is field 2: user time is 14, system time 15, start 22.
    let ticks = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some(((ticks(14)? + ticks(15)?) / TICKS_PER_SECOND, ticks(22)? / TICKS_PER_SECOND))
}

/// The first number in the line that begins with `label`.
fn number_after(text: &str, label: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_program_name() {
        let stat = "42 (odd ) name) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 4 0 12345 \
                    1000000 200 18446744073709551615";
        assert_eq!(times(stat), Some((2.0, 123.45)));
        assert_eq!(times("42 (short) S 1"), None);
    }

    #[test]
    fn numbers_are_found_by_their_label() {
        let text =
            "VmPeak:\t 9 kB\nVmRSS:\t    1234 kB\nMax open files            1024      4096 files\n";
        assert_eq!(number_after(text, "VmRSS:"), Some(1234.0));
        assert_eq!(number_after(text, "Max open files"), Some(1024.0));
        assert_eq!(number_after(text, "VmSize:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_can_be_read() {
        let readings = read().unwrap();
        assert!(readings.resident_bytes > 0.0 && readings.started_unix_seconds > 0.0);
        assert!(readings.open_fds <= readings.max_fds);
    }
}

//! Processes that are measured: starting and ending them, and what the kernel says of them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Failure;

/// How long a server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server under measurement; ended when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// An address on loopback that nobody listens on now.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Server {
    /// Starts a command whose arguments name `address`, and waits until it listens.
    pub(crate) fn start(
        command: &mut Command,
        address: SocketAddr,
        log: &Path,
    ) -> Result<Self, Failure> {
        let out = fs::File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .map_err(|error| format!("starting {:?}: {error}", command.get_program()))?;
        let mut server = Self { child, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!(
                    "{:?} ended at its start with {status}; see {}",
                    command.get_program(),
                    log.display()
                )
                .into());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{:?} does not listen", command.get_program()).into());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(server)
    }

    /// CPU seconds of all threads whose name begins with one of these; of all threads for none.
    pub(crate) fn cpu_seconds(&self, names: &[&str]) -> f64 {
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", self.child.id())) else { return 0.0 };
        let of_task = |folder: &Path| -> Option<f64> {
            let name = fs::read_to_string(folder.join("comm")).ok()?;
            if !names.is_empty() && !names.iter().any(|wanted| name.starts_with(wanted)) {
                return None;
            }
            // The first number of `schedstat` is the time on a CPU, in nanoseconds.
            let times = fs::read_to_string(folder.join("schedstat")).ok()?;
            times.split(' ').next()?.parse::<f64>().ok().map(|nanos| nanos / 1e9)
        };
        tasks.flatten().filter_map(|task| of_task(&task.path())).sum()
    }

    /// Resident memory in MiB: now, and the most there ever was.
    pub(crate) fn memory_mib(&self) -> (f64, f64) {
        let status = self.proc("status");
        let kib = |key: &str| number_behind(&status, key) / 1024.0;
        (kib("VmRSS:"), kib("VmHWM:"))
    }

    /// Bytes that it caused to be written to the disk.
    pub(crate) fn written_bytes(&self) -> f64 {
        number_behind(&self.proc("io"), "\nwrite_bytes:")
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }

    /// Asks it to end in good order, and waits.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        self.end(Signal::TERM)
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(self) -> Result<(), Failure> {
        self.end(Signal::KILL)
    }

    fn end(mut self, signal: Signal) -> Result<(), Failure> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, signal)?;
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, unless a measurement failed half-way.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn number_behind(text: &str, key: &str) -> f64 {
    text.split_once(key)
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0)
}

/// The body of a GET on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address)?;
    // In one piece: the second of two small ones would wait for the first to be acknowledged.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status)?;
    if status.split(' ').nth(1) != Some("200") {
        return Err(format!("GET {path} was answered {}", status.trim()).into());
    }
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let mut body = Vec::new();
    match length {
        Some(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body)?;
        }
        None => {
            reader.read_to_end(&mut body)?;
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

//! The real binary, started for one test.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::client::{Answer, Client, Request};
use super::wait;

/// How often a port that somebody else took in between is tried anew.
const PORT_ATTEMPTS: usize = 5;

/// The path of the program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_scribed");

/// How a server is to be started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    flags: Vec<String>,
    config: Option<String>,
    files: Vec<(String, String)>,
}

impl Setup {
    /// With the built-in defaults, but for the port and the folder.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Lets requests state their original time of receipt.
    pub(crate) fn replay(self) -> Self {
        self.flag("--replay.allow")
    }

    /// Adds a flag.
    pub(crate) fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Gives it a configuration file with this text.
    pub(crate) fn config(mut self, yaml: &str) -> Self {
        self.config = Some(yaml.to_owned());
        self
    }

    /// Puts a file into its folder, where it runs.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Gives it a file of this text for `--web.config.file`.
    pub(crate) fn web(self, yaml: &str) -> Self {
        self.file("web.yml", yaml).flag("--web.config.file=web.yml")
    }

    /// Starts it in a new folder and waits until it is ready.
    pub(crate) fn start(self) -> Server {
        self.start_in(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// As [`Setup::start`], in a folder that may hold a store already, below `store`.
    pub(crate) fn start_in(self, folder: tempfile::TempDir) -> Server {
        if let Some(yaml) = &self.config {
            fs::write(folder.path().join("scribed.yml"), yaml)
                .expect("the configuration is written");
        }
        for (name, text) in &self.files {
            fs::write(folder.path().join(name), text).expect("a file is written");
        }
        let (child, client) = launch(&self, folder.path());
        Server { setup: self, folder, child: Some(child), client }
    }
}

/// A running server; killed when dropped, and its log printed when the test failed.
pub(crate) struct Server {
    setup: Setup,
    folder: tempfile::TempDir,
    child: Option<Child>,
    client: Client,
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Server {
    /// Starts one with the built-in defaults that lets requests state their time of receipt.
    pub(crate) fn start() -> Self {
        Setup::new().replay().start()
    }

    /// As [`Server::start`], and every write states this time of receipt unless it states one
    /// itself: the program lives at that moment.
    pub(crate) fn start_at(time: &'static str) -> Self {
        let mut server = Self::start();
        server.client.received_at = Some(time);
        server
    }

    /// The folder that holds configuration, store and log.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.path().join("scribed.yml")
    }

    /// Where it is reached.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.client.address)
    }

    /// Sends it a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("the server runs");
        // The shell's own kill: procps may be missing.
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", child.id())])
            .status()
            .expect("sh runs");
        assert!(status.success(), "kill -{name} failed");
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("the server runs");
        let status =
            wait::until("the server to end", || child.try_wait().expect("it can be waited for"));
        self.child = None;
        status
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself already.
            drop(child.kill());
            child.wait().expect("a killed process can be waited for");
        }
    }

    /// Starts it again on the same store, on a new port.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server runs");
        let (child, client) = launch(&self.setup, self.folder.path());
        self.child = Some(child);
        self.client.address = client.address;
    }

    /// The most memory that it has had at once, as the kernel counts it.
    pub(crate) fn resident_peak_bytes(&self) -> u64 {
        let child = self.child.as_ref().expect("the server runs");
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kibibytes * 1024
    }

    /// Everything it wrote to stdout and stderr.
    pub(crate) fn log(&self) -> String {
        read_log(self.folder.path())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the server\n{}\n--- end of log", self.log());
        }
    }
}

/// A command of the program with a clean environment.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).env_clear().env("HOME", folder);
    for name in ["PATH", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a loopback port is free")
        .port()
}

/// Starts the program in a folder and waits until it is ready.
fn launch(setup: &Setup, folder: &Path) -> (Child, Client) {
    for _ in 0..PORT_ATTEMPTS {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let client = Client::new(address);
        let mut child = spawn(setup, folder, address).expect("the program starts");
        let ended = wait::until("the server to be ready", || {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                return Some(Some(status));
            }
            let answer = client.try_send(&Request::new("GET", "/-/ready"));
            // Over TLS, plain http is told so once the server runs.
            let is_told = |a: &Answer| a.status == 400 && a.text().contains("speaks https");
            answer.is_ok_and(|a| a.status == 200 || is_told(&a)).then_some(None)
        });
        match ended {
            None => return (child, client),
            Some(_)
                if read_log(folder).to_lowercase().contains("address already in use")
                    || read_log(folder).to_lowercase().contains("address in use") => {}
            Some(status) => panic!("the server ended with {status}:\n{}", read_log(folder)),
        }
    }
    panic!("no port stayed free:\n{}", read_log(folder));
}

/// Starts the program in a folder.
fn spawn(setup: &Setup, folder: &Path, address: SocketAddr) -> io::Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
    let mut command = program(folder);
    command
        .arg("serve")
        .arg(format!("--web.listen-address={address}"))
        .arg(format!("--storage.path={}", folder.join("store").display()))
        .args(&setup.flags)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    if setup.config.is_some() {
        command.arg(format!("--config.file={}", folder.join("scribed.yml").display()));
    }
    command.spawn()
}

/// What the servers of a folder wrote so far.
fn read_log(folder: &Path) -> String {
    fs::read(folder.join("log"))
        .map(|b| String::from_utf8_lossy(&b).into_owned())
        .unwrap_or_default()
}

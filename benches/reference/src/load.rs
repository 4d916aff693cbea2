//! The load generator: one thread, many kept connections, closed or open loop.
//!
//! In the closed loop each connection sends its next request when it has its answer. In the open
//! loop requests fall due at a fixed rate whatever the server does, wait for a free connection if
//! they must, and their latency is counted from the moment at which they were due.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use crate::Failure;
use crate::payload::MARK;

/// What to send, and how.
#[derive(Clone, Debug)]
pub(crate) struct Load<'a> {
    /// The server.
    pub(crate) address: SocketAddr,
    /// The path, with nothing behind it.
    pub(crate) path: &'a str,
    /// Header lines beside the usual ones, each with its end.
    pub(crate) headers: &'a str,
    /// The body, with marks.
    pub(crate) body: &'a str,
    /// Alerts in the body.
    pub(crate) alerts: usize,
    /// Numbers that a body takes: one for each alert, or one for all of them.
    pub(crate) numbers: usize,
    /// Connections.
    pub(crate) connections: usize,
    /// Different alerts before they come again; 0 for never.
    pub(crate) distinct: u64,
    /// Number of the first alert, so that two loads may differ.
    pub(crate) first: u64,
    /// Requests per second in the open loop; 0 for the closed loop.
    pub(crate) rate: f64,
    /// What to leave out of the measurement at the beginning.
    pub(crate) warm_up: Duration,
    /// When to end.
    pub(crate) until: Until,
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// After this long, the warm-up not counted.
    Time(Duration),
    /// After this many requests.
    Requests(u64),
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Requests answered 2xx within the measured window.
    pub(crate) answered: u64,
    /// Requests answered otherwise, or not at all, at any time.
    pub(crate) refused: u64,
    /// Length of the window.
    pub(crate) seconds: f64,
    /// Number of the next alert.
    pub(crate) next: u64,
    /// Bytes of bodies answered 2xx, at any time.
    pub(crate) body_bytes: u64,
    /// Alerts of bodies answered 2xx, at any time.
    pub(crate) alerts: u64,
    latencies_us: Vec<u32>,
}

impl Outcome {
    /// The latency in milliseconds that this share of the requests kept within.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        quantile(&self.latencies_us, share)
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        self.answered as f64 / self.seconds
    }
}

/// A quantile in milliseconds of sorted microseconds.
pub(crate) fn quantile(sorted_us: &[u32], share: f64) -> f64 {
    let last = sorted_us.len().saturating_sub(1);
    let index = (share * sorted_us.len() as f64) as usize;
    sorted_us.get(index.min(last)).map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
}

/// One kept connection and the request that it sends again and again.
struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    /// Where the marks of each alert stand.
    marks: Vec<Vec<usize>>,
    sent: usize,
    answer: Vec<u8>,
    /// When the running request was due; `None` while idle.
    due: Option<Instant>,
}

impl Connection {
    fn open(load: &Load<'_>) -> Result<Self, Failure> {
        let stream = TcpStream::connect(load.address)
            .map_err(|error| format!("connecting to {}: {error}", load.address))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{}\r\n",
            load.path,
            load.address,
            load.body.len(),
            load.headers
        );
        let found: Vec<usize> =
            load.body.match_indices(MARK).map(|(at, _)| head.len() + at).collect();
        let each = (found.len() / load.numbers.max(1)).max(1);
        let marks = found.chunks(each).map(<[usize]>::to_vec).collect();
        let request = [head.as_bytes(), load.body.as_bytes()].concat();
        Ok(Self { stream, request, marks, sent: 0, answer: Vec::new(), due: None })
    }

    /// Begins the next request; `number` is that of its first alert.
    fn begin(&mut self, number: u64, distinct: u64, due: Instant) -> Result<(), Failure> {
        for (number, marks) in (number..).zip(&self.marks) {
            let number = if distinct > 0 { number % distinct } else { number };
            // Spread over the whole width, as real fingerprints are.
            let digits =
                format!("{:016x}", number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            for at in marks {
                self.request[*at..*at + MARK.len()].copy_from_slice(digits.as_bytes());
            }
        }
        (self.sent, self.due) = (0, Some(due));
        self.answer.clear();
        self.write()
    }

    fn write(&mut self) -> Result<(), Failure> {
        while self.sent < self.request.len() {
            match self.stream.write(&self.request[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Goes on with what is running; the status once the whole answer is here.
    fn go_on(&mut self) -> Result<Option<u16>, Failure> {
        self.write()?;
        let mut piece = [0; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(count) => self.answer.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if let Some(status) = whole_answer(&self.answer) {
                return Ok(Some(status));
            }
        }
    }
}

/// The status of an answer that is complete.
fn whole_answer(answer: &[u8]) -> Option<u16> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let length: usize = head
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        })
        .unwrap_or(0);
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (answer.len() >= end + length).then_some(status)
}

/// A timer that wakes the loop for the next request that falls due.
const TIMER: u64 = u64::MAX;

/// Sends a load. `at_window` is called when the measured window opens and when it closes.
pub(crate) fn run(load: &Load<'_>, mut at_window: impl FnMut()) -> Result<Outcome, Failure> {
    let mut state = Running::open(load)?;
    let began = Instant::now();
    let opens = began + load.warm_up;
    let closes = match load.until {
        Until::Time(length) => Some(opens + length),
        Until::Requests(_) => None,
    };
    let mut opened_at = None;
    state.start(began)?;
    loop {
        let now = Instant::now();
        if opened_at.is_none() && now >= opens {
            at_window();
            opened_at = Some(Instant::now());
            state.outcome.answered = 0;
            state.outcome.latencies_us.clear();
        }
        let is_over = match load.until {
            Until::Time(_) => closes.is_some_and(|closes| now >= closes),
            Until::Requests(_) => state.is_idle() && !state.may_begin(),
        };
        if is_over {
            break;
        }
        if load.rate > 0.0 {
            state.begin_due(began, now)?;
        }
        state.wait(began)?;
    }
    state.outcome.seconds = opened_at.unwrap_or(began).elapsed().as_secs_f64();
    at_window();
    state.outcome.next = state.next;
    state.outcome.latencies_us.sort_unstable();
    Ok(state.outcome)
}

/// A load under way.
struct Running<'a> {
    load: &'a Load<'a>,
    connections: Vec<Connection>,
    idle: Vec<usize>,
    /// Requests that are due and wait for a connection.
    waiting: VecDeque<Instant>,
    /// Requests that have fallen due.
    fallen_due: u64,
    begun: u64,
    next: u64,
    epoll: rustix::fd::OwnedFd,
    timer: rustix::fd::OwnedFd,
    events: Vec<epoll::Event>,
    outcome: Outcome,
}

impl<'a> Running<'a> {
    fn open(load: &'a Load<'a>) -> Result<Self, Failure> {
        let connections =
            (0..load.connections).map(|_| Connection::open(load)).collect::<Result<Vec<_>, _>>()?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, connection) in connections.iter().enumerate() {
            let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
            epoll::add(&epoll, &connection.stream, epoll::EventData::new_u64(index as u64), flags)?;
        }
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;
        Ok(Self {
            idle: (0..connections.len()).rev().collect(),
            load,
            connections,
            waiting: VecDeque::new(),
            fallen_due: 0,
            begun: 0,
            next: load.first,
            epoll,
            timer,
            events: Vec::with_capacity(128),
            outcome: Outcome::default(),
        })
    }

    fn is_idle(&self) -> bool {
        self.idle.len() == self.connections.len()
    }

    fn may_begin(&self) -> bool {
        match self.load.until {
            Until::Time(_) => true,
            Until::Requests(requests) => self.begun < requests,
        }
    }

    /// In the closed loop every connection begins at once.
    fn start(&mut self, now: Instant) -> Result<(), Failure> {
        while self.load.rate == 0.0 && self.may_begin() {
            let Some(index) = self.idle.pop() else { break };
            self.begin(index, now)?;
        }
        Ok(())
    }

    fn begin(&mut self, index: usize, due: Instant) -> Result<(), Failure> {
        self.begun += 1;
        let number = self.next;
        self.next += self.load.numbers as u64;
        self.connections[index].begin(number, self.load.distinct, due)
    }

    /// When the request of this number is due.
    fn due(&self, began: Instant, number: u64) -> Instant {
        began + Duration::from_secs_f64(number as f64 / self.load.rate)
    }

    /// Begins what has fallen due, as far as connections are free.
    fn begin_due(&mut self, began: Instant, now: Instant) -> Result<(), Failure> {
        loop {
            let due = self.due(began, self.fallen_due);
            if due > now {
                break;
            }
            self.waiting.push_back(due);
            self.fallen_due += 1;
        }
        while let (Some(due), true) = (self.waiting.front().copied(), self.may_begin()) {
            let Some(index) = self.idle.pop() else { break };
            self.waiting.pop_front();
            self.begin(index, due)?;
        }
        Ok(())
    }

    /// Waits for answers, or for the next request to fall due.
    fn wait(&mut self, began: Instant) -> Result<(), Failure> {
        let mut timeout = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        if self.load.rate > 0.0 {
            let until = self.due(began, self.fallen_due).saturating_duration_since(Instant::now());
            if until < Duration::from_millis(20) {
                let once = Timespec { tv_sec: 0, tv_nsec: i64::from(until.subsec_nanos().max(1)) };
                let never = Timespec { tv_sec: 0, tv_nsec: 0 };
                let spec = Itimerspec { it_interval: never, it_value: once };
                rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &spec)?;
                timeout.tv_nsec = 50_000_000;
            }
        }
        self.events.clear();
        let room = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, room, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in std::mem::take(&mut self.events) {
            let data = event.data.u64();
            if data == TIMER {
                let mut expirations = [0; 8];
                // Nothing to read means that it has not run out after all.
                rustix::io::read(&self.timer, &mut expirations).ok();
            } else if let Ok(index) = usize::try_from(data) {
                self.advance(index)?;
            }
        }
        self.events.reserve(128);
        Ok(())
    }

    /// Goes on with one connection, and begins its next request in the closed loop.
    fn advance(&mut self, index: usize) -> Result<(), Failure> {
        let connection = &mut self.connections[index];
        let Some(due) = connection.due else { return Ok(()) };
        let Some(status) = connection.go_on()? else { return Ok(()) };
        connection.due = None;
        let now = Instant::now();
        if (200..300).contains(&status) {
            self.outcome.answered += 1;
            self.outcome.body_bytes += self.load.body.len() as u64;
            self.outcome.alerts += self.load.alerts as u64;
            let us = u32::try_from((now - due).as_micros()).unwrap_or(u32::MAX);
            self.outcome.latencies_us.push(us);
        } else {
            self.outcome.refused += 1;
        }
        if self.load.rate == 0.0 && self.may_begin() {
            self.begin(index, now)
        } else if let (Some(due), true) = (self.waiting.front().copied(), self.may_begin()) {
            self.waiting.pop_front();
            self.begin(index, due)
        } else {
            self.idle.push(index);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let head = b"HTTP/1.1 503 Not now\r\ncontent-length: 2\r\n\r\n";
        assert_eq!(whole_answer(&[&head[..], b"o"].concat()), None);
        assert_eq!(whole_answer(&[&head[..], b"ok"].concat()), Some(503));
        assert_eq!(whole_answer(b"HTTP/1.1 200 OK\r\n\r\n"), Some(200));
        assert_eq!(whole_answer(b"HTTP/1.1 200 OK\r\n"), None);
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let sorted: Vec<u32> = (1..=1000).map(|n| n * 1000).collect();
        assert_eq!([quantile(&sorted, 0.5), quantile(&sorted, 0.99)], [501.0, 991.0]);
        assert_eq!(quantile(&sorted, 1.0), 1000.0);
    }
}

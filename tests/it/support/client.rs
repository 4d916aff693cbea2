//! A blocking HTTP/1.1 client of one request per connection: enough for tests, no dependency.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A request to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: vec![], body: vec![] }
    }

    /// Adds a header; one of this name that is there already is replaced.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body as it is.
    pub(crate) fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a JSON body with its content type.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").bytes(body.to_string())
    }

    /// States the original time of receipt.
    pub(crate) fn received_at(self, time: &str) -> Self {
        self.header("Scribed-Received-At", time)
    }

    /// The bytes on the wire.
    fn wire(&self, client: &Client) -> Vec<u8> {
        let address = client.address;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let is_set = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !is_set("Host") {
            head += &format!("Host: {address}\r\n");
        }
        if let Some(time) = client.received_at
            && self.method != "GET"
            && !is_set("Scribed-Received-At")
        {
            head += &format!("Scribed-Received-At: {time}\r\n");
        }
        if !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head.push_str("Connection: close\r\n\r\n");
        let mut wire = head.into_bytes();
        wire.extend_from_slice(&self.body);
        wire
    }
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// The body, decoded.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The media type, without parameters.
    pub(crate) fn media_type(&self) -> &str {
        self.header("Content-Type").unwrap_or("").split(';').next().unwrap_or("").trim()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is UTF-8")
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("no JSON ({e}) in {}: {}", self.status, self.lossy()))
    }

    /// Panics unless the status is this one; returns the answer.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "unexpected answer: {}", self.lossy());
        self
    }

    /// The body for messages.
    fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(2000).collect()
    }
}

/// Speaks to one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The time of receipt that writes state unless they state one themselves.
    pub(crate) received_at: Option<&'static str>,
}

impl Client {
    /// A client of whoever listens there.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, received_at: None }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn try_send(&self, request: &Request) -> io::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_TIMEOUT)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        let wire = request.wire(self);
        // A server may answer and hang up before it has read a body that it will not take; the
        // answer is there all the same.
        let sent = stream.write_all(&wire);
        let mut bytes = Vec::new();
        let received = read_answer(&mut stream, &mut bytes);
        match parse(&bytes, request.method == "HEAD") {
            Some(answer) => Ok(answer),
            None => Err(sent.and(received).err().unwrap_or_else(|| {
                io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("cut answer of {} bytes", bytes.len()),
                )
            })),
        }
    }

    /// As [`Client::try_send`], for servers that must be there.
    #[track_caller]
    pub(crate) fn send(&self, request: &Request) -> Answer {
        self.try_send(request)
            .unwrap_or_else(|e| panic!("{} {} was not answered: {e}", request.method, request.path))
    }

    /// GET.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&Request::new("GET", path))
    }

    /// GET of JSON that must be there.
    #[track_caller]
    pub(crate) fn get_json(&self, path: &str) -> Value {
        self.get(path).expect(200).json()
    }

    /// POST of JSON.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(&Request::new("POST", path).json(body))
    }

    /// PATCH of JSON.
    #[track_caller]
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(&Request::new("PATCH", path).json(body))
    }

    /// All items of a list, page by page.
    #[track_caller]
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor = None::<String>;
        loop {
            let mut page = format!("{path}{separator}limit=500");
            if let Some(cursor) = &cursor {
                page += &format!("&cursor={cursor}");
            }
            let answer = self.get_json(&page);
            items.extend(answer["items"].as_array().expect("a list has items").iter().cloned());
            match answer["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return items,
            }
        }
    }

    /// Waits until everything received is worked in; returns the status.
    #[track_caller]
    pub(crate) fn settle(&self) -> Value {
        super::wait::until("the engine to work everything in", || {
            let status = self.get_json("/api/v1/status");
            (status["head"].is_u64() && status["head"] == status["cursor"]).then_some(status)
        })
    }
}

/// Reads until the other side hangs up, or has sent as much as it said it would: not everybody
/// hangs up when asked to.
fn read_answer(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 64 * 1024];
    let mut expected = None;
    while expected.is_none_or(|expected| bytes.len() < expected) {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        expected = expected.or_else(|| expected_length(bytes));
    }
    Ok(())
}

/// How long the whole answer is, once its head says so.
fn expected_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut headers = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let (_, length) = headers.find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"))?;
    Some(end + 4 + length.trim().parse::<usize>().ok()?)
}

/// Reads an answer; `None` when it is cut.
fn parse(bytes: &[u8], is_head: bool) -> Option<Answer> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: vec![] };
    let rest = &bytes[end + 4..];
    let is_chunked = answer
        .header("Transfer-Encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    answer.body = if is_head {
        // It tells the length of a body that it does not carry.
        vec![]
    } else if is_chunked {
        unchunk(rest)?
    } else if let Some(length) = answer.header("Content-Length") {
        rest.get(..length.parse().ok()?)?.to_vec()
    } else {
        rest.to_vec()
    };
    Some(answer)
}

/// Joins the chunks of a body; `None` when the last one is missing.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        let data = rest.get(end + 2..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(data.get(..size)?);
        rest = data.get(size + 2..)?;
    }
}

#[test]
fn answers_are_read_whole_or_not_at_all() {
    let check = |wire: &str, body: Option<&str>| {
        let answer = parse(wire.as_bytes(), false);
        assert_eq!(answer.map(|a| a.text()), body.map(str::to_owned), "{wire}");
    };
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Some("ok"));
    check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", None);
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n",
        Some("ok!"),
    );
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", None);
    check("HTTP/1.1 204 No Content\r\n\r\n", Some(""));
    check("HTTP/1.1 200", None);
    assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true).is_some());
}

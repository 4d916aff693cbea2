//! The client: one request at a time over HTTP/1.1, in the clear or over TLS, with a limit on time
//! and size.
//!
//! It knows the HTTP contract and nothing of the server's inside. It follows no redirect, keeps
//! its connection between requests, and never sends a request twice once it may have arrived.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::url::{ServerUrl, Target};
use super::wire::Problem;
use crate::domain::Span;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest token file that is read.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// States the original time of receipt.
const RECEIVED_AT: &str = "scribed-received-at";

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    target: Target,
    body: Option<Bytes>,
    received_at: Option<String>,
}

impl Call {
    /// Reads.
    pub(super) fn get(target: Target) -> Self {
        Self { method: Method::GET, target, body: None, received_at: None }
    }

    /// Sends JSON text as it is.
    pub(super) fn send_text(method: Method, target: Target, json: &str) -> Self {
        let body = Some(Bytes::copy_from_slice(json.as_bytes()));
        Self { method, target, body, received_at: None }
    }

    /// Sends a JSON value.
    pub(super) fn send(method: Method, target: Target, body: &serde_json::Value) -> Self {
        Self::send_text(method, target, &body.to_string())
    }

    /// States when it was first received.
    pub(super) fn received_at(mut self, at: &str) -> Self {
        self.received_at = Some(at.to_owned());
        self
    }
}

/// A good answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// 2xx.
    pub(super) status: StatusCode,
    /// How many revisions came since a draft was final.
    pub(super) since_final: Option<u64>,
    /// Where the thing can be read, when it was accepted but not worked in yet.
    pub(super) location: Option<String>,
    /// The body.
    pub(super) body: Bytes,
    /// What was asked, for messages.
    what: String,
}

impl Answer {
    /// The body, read as JSON.
    ///
    /// # Errors
    /// When it is not of that shape.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(|error| ClientError::Unexpected {
            what: self.what.clone(),
            problem: error.to_string(),
        })
    }

    /// True when the server took it, but answers before it is worked in.
    pub(super) fn is_pending(&self) -> bool {
        self.status == StatusCode::ACCEPTED
    }
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// No connection.
    #[error(
        "cannot reach {url}: {problem}; start `scribed serve` there, or name another address with \
         --url"
    )]
    Connect {
        /// The server.
        url: String,
        /// What the system said.
        problem: String,
    },
    /// There is somebody, but nobody whom we believe.
    #[error(
        "cannot speak TLS with {url}: {problem}; name the file of its authority with --ca-file, or \
         write http:// if it speaks no TLS"
    )]
    Untrusted {
        /// The server.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Too slow.
    #[error("{url} did not answer {what} within {limit}; raise --timeout or look at the server")]
    Timeout {
        /// The server.
        url: String,
        /// What was asked.
        what: String,
        /// The limit.
        limit: Span,
    },
    /// The engine of the server is behind.
    #[error(
        "{url} has not worked in what it received after {limit}; its log and /api/v1/status tell \
         more"
    )]
    Unsettled {
        /// The server.
        url: String,
        /// How long we waited.
        limit: Span,
    },
    /// The connection broke, so that nobody knows whether the request arrived.
    #[error("the connection to {url} broke during {what}: {problem}")]
    Broken {
        /// The server.
        url: String,
        /// What was asked.
        what: String,
        /// What went wrong.
        problem: String,
    },
    /// The server said no.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// An answer that this client does not understand.
    #[error("the answer to {what} is not what scribed answers: {problem}; is --url right?")]
    Unexpected {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The token cannot be used.
    #[error("cannot use the token file {path}: {problem}")]
    Token {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The file of authorities cannot be used.
    #[error("cannot use the authorities of {path}: {problem}; name a file with --ca-file")]
    Authorities {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl ClientError {
    /// True when the fault lies in what the client was started with: the server refuses a value
    /// that only it can judge, such as the name of a template, with 400.
    pub(super) fn is_usage(&self) -> bool {
        matches!(self, Self::Token { .. } | Self::Authorities { .. })
            || self.status() == Some(StatusCode::BAD_REQUEST)
    }

    /// The status with which the server said no.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            Self::Connect { .. }
            | Self::Untrusted { .. }
            | Self::Timeout { .. }
            | Self::Unsettled { .. }
            | Self::Broken { .. }
            | Self::Unexpected { .. }
            | Self::Token { .. }
            | Self::Authorities { .. } => None,
        }
    }

    /// After how long the server wants to be asked again, if it does.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) if refusal.status == StatusCode::SERVICE_UNAVAILABLE => {
                Some(refusal.retry_after.unwrap_or(Duration::from_secs(1)))
            }
            _ => None,
        }
    }
}

/// What the server said when it said no.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    what: String,
    retry_after: Option<Duration>,
    location: Option<String>,
    problem: Problem,
}

impl std::fmt::Display for Refusal {
    /// `the server refused GET /api/v1/incidents/9 (404 Not Found): There is no incident 9`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the server refused {} ({})", self.what, self.status)?;
        if let Some(text) = self.problem.text() {
            write!(f, ": {}", text.trim_end_matches('.'))?;
        }
        if let Some(id) = &self.problem.request_id {
            write!(f, " [request {id}]")?;
        }
        match (self.status.as_u16(), &self.location) {
            (401, _) => f.write_str("; name a valid token with --token-file"),
            (403, _) => f.write_str("; a token with the right scope (--token-file) may do it"),
            (300..=399, Some(to)) => write!(f, "; it points to {to}: name that with --url"),
            (503, _) => f.write_str("; try again in a moment"),
            _ => Ok(()),
        }
    }
}

type Body = Full<Bytes>;

/// A server to talk to.
pub(super) struct Client {
    url: ServerUrl,
    token: Option<HeaderValue>,
    timeout: Span,
    tls: Option<TlsConnector>,
    connection: Option<SendRequest<Body>>,
}

impl Client {
    /// A client without a connection yet.
    pub(super) fn new(url: ServerUrl, token: Option<HeaderValue>, timeout: Span) -> Self {
        Self { url, token, timeout, tls: None, connection: None }
    }

    /// The same over TLS.
    pub(super) fn over_tls(self, connector: TlsConnector) -> Self {
        Self { tls: Some(connector), ..self }
    }

    /// The server.
    pub(super) fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Sends one request and waits for a good answer.
    ///
    /// # Errors
    /// When no answer comes in time, or it is anything but 2xx.
    pub(super) async fn call(&mut self, call: &Call) -> Result<Answer, ClientError> {
        let what = format!("{} {}", call.method, call.target.as_str());
        let limit = self.timeout;
        let result = match tokio::time::timeout(limit.to_std(), self.exchange(call, &what)).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Timeout { url: self.url.to_string(), what, limit }),
        };
        if !matches!(result, Ok(_) | Err(ClientError::Refused(_))) {
            // After a fault nobody knows what still lies in the connection.
            self.connection = None;
        }
        result
    }

    /// Reads a resource as JSON.
    ///
    /// # Errors
    /// As [`Client::call`], or when the answer has another shape.
    pub(super) async fn read<T: DeserializeOwned>(
        &mut self,
        target: Target,
    ) -> Result<T, ClientError> {
        self.call(&Call::get(target)).await?.read()
    }

    /// Posts a JSON value.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub(super) async fn post(
        &mut self,
        target: Target,
        body: &impl Serialize,
    ) -> Result<Answer, ClientError> {
        let body = serde_json::to_value(body).map_err(|error| ClientError::Unexpected {
            what: format!("POST {}", target.as_str()),
            problem: error.to_string(),
        })?;
        self.call(&Call::send(Method::POST, target, &body)).await
    }

    async fn exchange(&mut self, call: &Call, what: &str) -> Result<Answer, ClientError> {
        let response = self.send(self.request(call, what)?, what).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| self.broken(what, error.as_ref()))?
            .to_bytes();
        let location = text_of(&parts.headers, &header::LOCATION);
        if parts.status.is_success() {
            let since_final = parts.headers.get("scribed-since-final");
            let since_final = since_final.and_then(|n| n.to_str().ok()?.parse().ok());
            let (status, what) = (parts.status, what.to_owned());
            return Ok(Answer { status, since_final, location, body, what });
        }
        Err(ClientError::Refused(Box::new(Refusal {
            status: parts.status,
            what: what.to_owned(),
            retry_after: text_of(&parts.headers, &header::RETRY_AFTER)
                .and_then(|seconds| seconds.parse().ok())
                .map(Duration::from_secs),
            location,
            problem: Problem::read(&body),
        })))
    }

    fn request(&self, call: &Call, what: &str) -> Result<Request<Body>, ClientError> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(self.url.path(&call.target))
            .header(header::HOST, self.url.authority())
            .header(header::USER_AGENT, concat!("scribed/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "*/*");
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token.clone());
        }
        if let Some(at) = &call.received_at {
            request = request.header(RECEIVED_AT, at);
        }
        request.body(Full::new(call.body.clone().unwrap_or_default())).map_err(|error| {
            ClientError::Unexpected { what: what.to_owned(), problem: error.to_string() }
        })
    }

    /// Sends over the kept connection, or over a new one where the kept one has ended before it
    /// took the request.
    async fn send(
        &mut self,
        mut request: Request<Body>,
        what: &str,
    ) -> Result<Response<Incoming>, ClientError> {
        if let Some(mut kept) = self.connection.take()
            && kept.ready().await.is_ok()
        {
            match kept.try_send_request(request).await {
                Ok(response) => {
                    self.connection = Some(kept);
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(self.broken(what, error.error())),
                },
            }
        }
        let mut fresh = self.connect().await?;
        let response =
            fresh.send_request(request).await.map_err(|error| self.broken(what, &error))?;
        self.connection = Some(fresh);
        Ok(response)
    }

    async fn connect(&self) -> Result<SendRequest<Body>, ClientError> {
        let unreachable = |error: &dyn std::error::Error| ClientError::Connect {
            url: self.url.to_string(),
            problem: error.to_string(),
        };
        let stream =
            TcpStream::connect(self.url.endpoint()).await.map_err(|error| unreachable(&error))?;
        // Small requests should leave at once; where that cannot be set they leave a bit later.
        drop(stream.set_nodelay(true));
        let Some(connector) = &self.tls else {
            return begin(stream).await.map_err(|error| unreachable(&error));
        };
        let untrusted = |error: &dyn std::error::Error| ClientError::Untrusted {
            url: self.url.to_string(),
            problem: error.to_string(),
        };
        let name = ServerName::try_from(self.url.endpoint().0.to_owned())
            .map_err(|error| untrusted(&error))?;
        let stream = connector.connect(name, stream).await.map_err(|error| untrusted(&error))?;
        begin(stream).await.map_err(|error| unreachable(&error))
    }

    fn broken(&self, what: &str, error: &dyn std::error::Error) -> ClientError {
        let mut problem = error.to_string();
        if let Some(source) = error.source() {
            problem = format!("{problem}: {source}");
        }
        ClientError::Broken { url: self.url.to_string(), what: what.to_owned(), problem }
    }
}

/// Begins to speak HTTP over a connection.
async fn begin<S>(stream: S) -> hyper::Result<SendRequest<Body>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The task ends with the connection, which ends with its sender; errors reach the request that
    // waits for its answer.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

fn text_of(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Reads a bearer token from its file: one line, surrounding space ignored.
///
/// # Errors
/// When the file cannot be read, is empty, or holds what no header can hold.
pub(super) fn read_token(path: &Path) -> Result<HeaderValue, ClientError> {
    let refuse = |problem: String| ClientError::Token { path: path.display().to_string(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let token = text.trim();
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return Err(refuse("it is empty or too long; it holds one token".to_owned()));
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .ok()
        .filter(|_| token.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(|| refuse("it holds more than one token of plain characters".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests;

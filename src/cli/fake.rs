//! A server for tests: answers what the test says, and remembers what it was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::client::Client;
use super::url::ServerUrl;
use crate::domain::Span;

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// Which connection it came by, counted from 1.
    pub(super) connection: usize,
}

impl Asked {
    /// `POST /api/v1/changes`.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What to answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    is_withheld: bool,
}

impl Reply {
    pub(super) fn json(status: u16, body: impl ToString) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string(), is_withheld: false }
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Never answers.
    pub(super) fn never() -> Self {
        Self { is_withheld: true, ..Self::json(200, "") }
    }
}

/// A server in a thread of its own, which ends with this value.
pub(super) struct Fake {
    pub(super) url: ServerUrl,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub(super) fn start(answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = ServerUrl::of_socket(listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let state = (Arc::clone(&asked), Arc::new(Mutex::new(answer)));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                tokio::select! {
                    () = accept(TcpListener::from_std(listener).unwrap(), state.0, state.1) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { url, asked, stop: Some(stop), thread: Some(thread) }
    }

    /// A client for it.
    pub(super) fn client(&self) -> Client {
        Client::new(self.url.clone(), None, Span::from_seconds(30))
    }

    /// Everything asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The lines of everything asked so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // A sender that is gone says stop as well as one that sends.
        self.stop = None;
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn accept(
    listener: TcpListener,
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Mutex<impl FnMut(&Asked) -> Reply + Send + 'static>>,
) {
    for connection in 1.. {
        let (stream, _) = listener.accept().await.unwrap();
        let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
        let service = service_fn(move |request: http::Request<Incoming>| {
            let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let this = Asked {
                    method: parts.method.to_string(),
                    target: parts.uri.to_string(),
                    headers: parts.headers,
                    body: String::from_utf8(body.to_vec()).unwrap(),
                    connection,
                };
                asked.lock().unwrap().push(this.clone());
                let reply = (answer.lock().unwrap())(&this);
                if reply.is_withheld {
                    std::future::pending::<()>().await;
                }
                let mut response = Response::builder().status(reply.status);
                for (name, value) in reply.headers {
                    response = response.header(name, value);
                }
                Ok::<_, Infallible>(response.body(Full::new(Bytes::from(reply.body))).unwrap())
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

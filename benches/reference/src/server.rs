//! The reference servers: what any receiver of alerts must do at least.
//!
//! `echo` reads a body and answers. `parse` also reads it into owned structures. `sqlite-full` also
//! stores a row for each alert with three indices, in groups, and answers after the commit. None of
//! them groups, counts, logs or asks who is there.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;

use crate::Failure;
use crate::rows_store::Rows;

/// A notification in owned structures.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    pub(crate) version: String,
    pub(crate) group_key: String,
    #[serde(default)]
    pub(crate) truncated_alerts: u64,
    pub(crate) status: String,
    pub(crate) receiver: String,
    #[serde(default)]
    pub(crate) group_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) common_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL", default)]
    pub(crate) external_url: String,
    pub(crate) alerts: Vec<Alert>,
}

/// One alert of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Alert {
    pub(crate) status: String,
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) starts_at: String,
    #[serde(default)]
    pub(crate) ends_at: String,
    #[serde(rename = "generatorURL", default)]
    pub(crate) generator_url: String,
    pub(crate) fingerprint: String,
}

/// What a server does with a body.
enum Mode {
    Echo,
    Parse,
    Rows(Rows),
}

/// Serves until the process is ended.
pub(crate) fn serve(mode: &str, address: SocketAddr, database: &str) -> Result<(), Failure> {
    let mode = Arc::new(match mode {
        "echo" => Mode::Echo,
        "parse" => Mode::Parse,
        "sqlite-full" => Mode::Rows(Rows::start(database)?),
        other => return Err(format!("there is no reference server `{other}`").into()),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let mode = Arc::clone(&mode);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(Arc::clone(&mode), request));
                // A connection that breaks concerns the load generator, which tells.
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    })
}

async fn answer(
    mode: Arc<Mode>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let status = match request.into_body().collect().await {
        Ok(body) => work(&mode, &body.to_bytes()).await,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(b"ok")));
    *response.status_mut() = status;
    Ok(response)
}

async fn work(mode: &Mode, body: &[u8]) -> StatusCode {
    if matches!(mode, Mode::Echo) {
        return StatusCode::OK;
    }
    let Ok(notification) = serde_json::from_slice::<Notification>(body) else {
        return StatusCode::BAD_REQUEST;
    };
    let Mode::Rows(rows) = mode else {
        std::hint::black_box(&notification);
        return StatusCode::OK;
    };
    if rows.store(notification).await { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

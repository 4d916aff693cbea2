//! The one script, the one style and the icon of the pages, compiled into the program.
//!
//! Open to everyone: they say nothing about incidents. Pages name them with a mark of their
//! content, so a browser keeps them for good and a new release brings new ones. Caller: the table
//! of routes.

use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Uri};
use sha2::{Digest, Sha256};

const SCRIPT: &str = include_str!("../../web/app.js");
const STYLE: &str = include_str!("../../web/style.css");

/// A mark of the content of both, for their addresses.
pub(super) fn mark() -> String {
    let digest = Sha256::new().chain_update(SCRIPT).chain_update(STYLE).finalize();
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// GET `/assets/app.js`.
pub(super) async fn script(uri: Uri) -> Response {
    asset(&uri, "text/javascript; charset=utf-8", SCRIPT)
}

/// GET `/assets/style.css`.
pub(super) async fn style(uri: Uri) -> Response {
    asset(&uri, "text/css; charset=utf-8", STYLE)
}

/// GET `/assets/icon.svg`.
pub(super) async fn icon(uri: Uri) -> Response {
    asset(&uri, "image/svg+xml", include_str!("../../web/icon.svg"))
}

fn asset(uri: &Uri, content_type: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(text.into());
    let sent = response.headers_mut();
    sent.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Without its mark the address says nothing about the content.
    let is_marked = uri.query().is_some_and(|query| query == mark());
    let kept = if is_marked { "max-age=31536000, immutable" } else { "no-cache" };
    sent.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    response
}

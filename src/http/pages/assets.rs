//! The one script and the one style of the pages, compiled into the program.
//!
//! Open to everyone: they say nothing about incidents. Caller: the table of routes.

use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// GET `/assets/app.js`.
pub(super) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../../web/app.js"))
}

/// GET `/assets/style.css`.
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../../web/style.css"))
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(text.into());
    let sent = response.headers_mut();
    sent.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Short: a new release brings new ones under the same address.
    sent.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    response
}

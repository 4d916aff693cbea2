//! Pages and assets go out packed where the browser takes it: a page on a phone in a tunnel.
//!
//! Only what was made whole is packed. What a page repeats of its address could tell a secret by
//! the packed length to who can make a browser ask again and again; the cookie of a session is
//! never sent along with requests of other sites (`SameSite=Strict`), so nobody can. Caller:
//! `pages`.

use std::io::{self, Write as _};

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue};

use super::super::answer::Problem;

/// Shorter bodies gain nothing.
const BYTES_MIN: usize = 1024;
/// No page is longer; what is stays as it is.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Half the work of the usual level, and nearly as small.
const LEVEL: Compression = Compression::new(4);

/// Packs the answer when the browser says that it can unpack it.
///
/// # Errors
/// When packing fails, which would be a fault of ours.
pub(super) async fn packed(request: Request, next: Next) -> Result<Response, Problem> {
    let is_taken = takes_gzip(request.headers());
    let response = next.run(request).await;
    let is_text = response.headers().get(CONTENT_TYPE).is_some_and(|sort| {
        ["text/html", "text/css", "text/javascript"]
            .iter()
            .any(|text| sort.as_bytes().starts_with(text.as_bytes()))
    });
    if !is_text {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    let fault = |error: String| Problem::Internal(format!("packing a page failed: {error}"));
    let bytes =
        axum::body::to_bytes(body, BYTES_MAX).await.map_err(|error| fault(error.to_string()))?;
    if !is_taken || bytes.len() < BYTES_MIN {
        return Ok(Response::from_parts(parts, Body::from(bytes)));
    }
    let packed = tokio::task::spawn_blocking(move || gzip(&bytes))
        .await
        .map_err(|error| fault(error.to_string()))?
        .map_err(|error| fault(error.to_string()))?;
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(Response::from_parts(parts, Body::from(packed)))
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), LEVEL);
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// True when `Accept-Encoding` names gzip and does not refuse it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").and_then(|weight| weight.parse::<f64>().ok());
            weight.is_some_and(|weight| weight <= 0.0)
        });
        is_gzip && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_where_it_is_named_and_not_refused() {
        let check = |header: &'static str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(header));
            assert_eq!(takes_gzip(&headers), expect, "{header}");
        };
        check("gzip, deflate, br", true);
        check("br;q=1.0, GZIP;q=0.5", true);
        check("gzip;q=0", false);
        check("br", false);
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}

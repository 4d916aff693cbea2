//! Reading bodies, bounded in size, in time and in sum.
//!
//! The limit holds for what comes over the wire and again for what comes out of decompression, and
//! all bodies that are being read share one budget, so that neither one huge body nor a thousand
//! large ones exhaust the memory. A body that comes too slowly is answered 503, never 408. Callers:
//! handlers that take a body.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use serde::de::DeserializeOwned;

use super::Shared;
use super::answer::Problem;

/// The longest body of our own API: a note or a patch; the service graph has its own limit.
pub const API_BYTES_MAX: usize = 1024 * 1024;
/// All bodies that are being read together; beyond it 503. At the default limit of 16 MiB that is
/// sixteen of the largest, or a hundred thousand of the usual ones.
const BUDGET_BYTES: usize = 256 * 1024 * 1024;
/// Asked for before the first byte came; a body declares its length but need not send it.
const CAPACITY_MAX: usize = 64 * 1024;
/// From here on, taking a body apart is no work for a runtime thread: about a quarter millisecond.
const HEAVY_BYTES: usize = 64 * 1024;
/// Decompressed at a time, between two looks at the budget.
const UNPACK_BYTES: u64 = 256 * 1024;

/// How many bytes of bodies are in memory.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    used: Arc<AtomicUsize>,
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
struct Share {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Budget {
    const fn limit(bytes_max: usize) -> usize {
        // One body of the largest allowed size must always find room.
        if bytes_max > BUDGET_BYTES { bytes_max } else { BUDGET_BYTES }
    }

    fn share(&self) -> Share {
        Share { used: Arc::clone(&self.used), bytes: 0 }
    }
}

impl Share {
    fn grow(&mut self, bytes: usize, limit: usize) -> Result<(), Problem> {
        self.bytes += bytes;
        if self.used.fetch_add(bytes, Ordering::Relaxed) + bytes > limit {
            return Err(Problem::unavailable("too many large bodies are being received"));
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A body as it came over the wire.
#[derive(Debug)]
pub struct Received {
    /// The bytes, possibly compressed.
    pub wire: Bytes,
    encoding: Encoding,
    /// Counts the body, also what comes out of decompression, until it is dropped.
    share: Share,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let (first, second) = (values.next(), values.next());
        let word = first.map_or("", |value| value.to_str().unwrap_or("?")).trim();
        match word.to_ascii_lowercase().as_str() {
            "" | "identity" if second.is_none() => Ok(Self::Identity),
            "gzip" | "x-gzip" if second.is_none() => Ok(Self::Gzip),
            _ => Err(Problem::UnsupportedMedia(
                "the content encoding is not one that we read; send gzip or none".to_owned(),
            )),
        }
    }
}

impl Received {
    /// True when taking it apart may take so long that a runtime thread must not do it.
    #[must_use]
    pub fn is_heavy(&self) -> bool {
        self.encoding == Encoding::Gzip || self.wire.len() > HEAVY_BYTES
    }

    /// The body after decompression. Costs time in the measure of [`Received::is_heavy`].
    ///
    /// # Errors
    /// `TooLarge` when more than `bytes_max` come out; `Unusable` when it is not gzip;
    /// `Unavailable` when too much is being received.
    pub fn decoded(&mut self, bytes_max: usize) -> Result<Bytes, Problem> {
        match self.encoding {
            Encoding::Identity => Ok(self.wire.clone()),
            Encoding::Gzip => gunzip(&self.wire, bytes_max, &mut self.share).map(Bytes::from),
        }
    }
}

/// Unpacks piece by piece, and stops at the first piece that goes beyond a limit.
fn gunzip(wire: &[u8], bytes_max: usize, share: &mut Share) -> Result<Vec<u8>, Problem> {
    let mut decoder = flate2::read::MultiGzDecoder::new(wire);
    let mut bytes = Vec::new();
    loop {
        let count =
            decoder.by_ref().take(UNPACK_BYTES).read_to_end(&mut bytes).map_err(|error| {
                Problem::Unusable(format!("the body is not valid gzip: {error}"))
            })?;
        if bytes.len() > bytes_max {
            return Err(Problem::TooLarge { bytes_max });
        }
        if count == 0 {
            return Ok(bytes);
        }
        share.grow(count, Budget::limit(bytes_max))?;
    }
}

/// Receives a body, within the limits of size, time and sum.
///
/// # Errors
/// `UnsupportedMedia` for an encoding we do not read, `TooLarge` beyond `bytes_max`, `Unavailable`
/// when it comes too slowly or too much is being received, `Invalid` when it breaks off.
pub async fn receive(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Received, Problem> {
    let encoding = Encoding::read(headers)?;
    let declared: usize = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    if declared > bytes_max {
        return Err(Problem::TooLarge { bytes_max });
    }
    let mut share = shared.bodies.share();
    let patience = shared.config().web.timeouts.body.to_std();
    let collecting = collect(body, declared, bytes_max, &mut share);
    let Ok(wire) = tokio::time::timeout(patience, collecting).await else {
        return Err(Problem::unavailable("the body came too slowly"));
    };
    Ok(Received { wire: wire?, encoding, share })
}

async fn collect(
    mut body: Body,
    declared: usize,
    bytes_max: usize,
    share: &mut Share,
) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::Invalid("the body broke off".to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > bytes_max {
            return Err(Problem::TooLarge { bytes_max });
        }
        share.grow(data.len(), Budget::limit(bytes_max))?;
        if bytes.is_empty() && body.is_end_stream() {
            // All of it came in one piece, which need not be copied.
            return Ok(data);
        }
        bytes.reserve(declared.min(CAPACITY_MAX).saturating_sub(bytes.len()));
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Receives a body of our own API as JSON. An empty one reads as an object without members.
///
/// # Errors
/// As [`receive`]; `UnsupportedMedia` when it is declared as something else; `Invalid` when it is
/// not JSON or not of this shape.
pub async fn json<T: DeserializeOwned>(
    shared: &Shared,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    require_json(headers)?;
    let bytes = receive(shared, headers, body, API_BYTES_MAX).await?.decoded(API_BYTES_MAX)?;
    let text: &[u8] = if bytes.trim_ascii().is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text)
        .map_err(|error| Problem::Invalid(format!("the body is not what this path takes: {error}")))
}

/// Nothing, when the body is declared as JSON or not declared at all. A form of a web page, which
/// any site can send without asking, is neither.
///
/// # Errors
/// `UnsupportedMedia`.
fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or("").to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or("").trim();
    if essence == "application/json" || essence.ends_with("+json") {
        return Ok(());
    }
    Err(Problem::UnsupportedMedia("send the body as application/json".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_unpacked_up_to_the_limit_and_not_beyond() {
        let budget = Budget::default();
        let gunzip = |wire: &[u8], bytes_max| gunzip(wire, bytes_max, &mut budget.share());
        let exact = vec![b'a'; 1000];
        assert_eq!(gunzip(&gzip(&exact), 1000), Ok(exact.clone()));
        assert_eq!(gunzip(&gzip(&exact), 999), Err(Problem::TooLarge { bytes_max: 999 }));
        let two_members = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(gunzip(&two_members, 1000), Ok(b"one two".to_vec()));
        let bomb = gzip(&vec![0; 8 * 1024 * 1024]);
        assert!(bomb.len() < 10_000, "{}", bomb.len());
        assert_eq!(gunzip(&bomb, usize::MAX).map(|bytes| bytes.len()), Ok(8 * 1024 * 1024));
        assert_eq!(gunzip(&bomb, 65_536), Err(Problem::TooLarge { bytes_max: 65_536 }));
    }

    #[test]
    fn what_comes_out_of_gzip_counts_in_the_budget() {
        let budget = Budget::default();
        let mut share = budget.share();
        let bytes = vec![0; 1_000_000];
        assert_eq!(gunzip(&gzip(&bytes), 2_000_000, &mut share), Ok(bytes));
        assert_eq!(budget.used.load(Ordering::Relaxed), 1_000_000);
        assert_eq!(
            share.grow(BUDGET_BYTES, BUDGET_BYTES).map_err(|p| p.status().as_u16()),
            Err(503)
        );
    }

    #[test]
    fn what_is_not_gzip_is_unusable() {
        let whole = gzip(b"some text");
        for bad in [&b"not gzip"[..], &whole[..whole.len() - 3], b"", &whole[..5]] {
            let got = gunzip(bad, 1000, &mut Budget::default().share());
            assert!(matches!(got, Err(Problem::Unusable(_))), "{bad:?}");
        }
    }

    #[test]
    fn only_gzip_and_nothing_are_encodings() {
        for (values, expect) in [
            (vec![], Some(Encoding::Identity)),
            (vec!["identity"], Some(Encoding::Identity)),
            (vec!["gzip"], Some(Encoding::Gzip)),
            (vec!["X-GZIP"], Some(Encoding::Gzip)),
            (vec!["deflate"], None),
            (vec!["br"], None),
            (vec!["gzip, gzip"], None),
            (vec!["gzip", "gzip"], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(CONTENT_ENCODING, value.parse().unwrap());
            }
            assert_eq!(Encoding::read(&headers).ok(), expect, "{values:?}");
        }
    }

    #[test]
    fn writes_are_json_or_undeclared() {
        for (value, expect) in [
            (None, true),
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("application/merge-patch+json"), true),
            (Some("text/plain"), false),
            (Some("application/x-www-form-urlencoded"), false),
            (Some(""), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(CONTENT_TYPE, value.parse().unwrap());
            }
            assert_eq!(require_json(&headers).is_ok(), expect, "{value:?}");
        }
    }

    #[test]
    fn a_share_of_the_budget_comes_back() {
        let budget = Budget::default();
        let mut first = budget.share();
        let mut second = budget.share();
        assert_eq!(first.grow(60, 100), Ok(()));
        assert!(second.grow(60, 100).is_err());
        drop(second);
        assert_eq!(first.grow(40, 100), Ok(()));
        drop(first);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}

//! When a write was received: our clock at the socket, or the original time that a replay states.
//!
//! A stated time needs a permission, because it decides what the ledger takes for the truth. The
//! true receipt is always kept beside it. Callers: every handler that writes.

use http::HeaderMap;

use super::Shared;
use super::answer::Problem;
use super::auth::{Need, Principal};
use crate::domain::{RecordBody, Span, Timestamp};
use crate::store::{Append, Appended, AuditEntry, InFlight, RawDelivery};

/// The header that states the original time of receipt.
const HEADER: &str = "scribed-received-at";
/// How far a stated time may lie ahead: clocks of two machines are never the same.
const AHEAD_MAX: Span = Span::from_minutes(1);

/// When a write was received. While it lives, no deadline after `true_at` is taken for passed.
#[derive(Debug)]
pub struct Receipt {
    /// What the ledger takes for the receipt.
    pub stated: Timestamp,
    /// Our clock at the socket.
    pub true_at: Timestamp,
    /// Keeps the request counted until it is dropped.
    pub in_flight: InFlight,
}

/// Takes the receipt of a write. To be called before the body is read, which may take long.
///
/// # Errors
/// `Forbidden` when a time is stated without permission; `Invalid` when it cannot be read or lies
/// more than a minute ahead.
pub fn receipt(
    shared: &Shared,
    headers: &HeaderMap,
    principal: &Principal,
) -> Result<Receipt, Problem> {
    let true_at = shared.clock.now();
    let may_state = shared.config().replay_allow || principal.may(&Need::Replay);
    let stated = stated(headers, true_at, may_state)?;
    Ok(Receipt { stated, true_at, in_flight: shared.store.receive(true_at) })
}

fn stated(headers: &HeaderMap, now: Timestamp, may_state: bool) -> Result<Timestamp, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(now) };
    if !may_state {
        return Err(Problem::Forbidden(
            "stating the time of receipt needs the scope replay, or --replay.allow".to_owned(),
        ));
    }
    let stated = value
        .to_str()
        .ok()
        .filter(|_| values.next().is_none())
        .and_then(|text| Timestamp::parse_rfc3339(text).ok())
        .ok_or_else(|| {
            Problem::Invalid(
                "Scribed-Received-At is not one RFC 3339 time such as 2026-03-04T02:14:07Z"
                    .to_owned(),
            )
        })?;
    if stated - now > AHEAD_MAX {
        return Err(Problem::Invalid(format!(
            "Scribed-Received-At {stated} is more than a minute ahead of our clock, {now}"
        )));
    }
    Ok(stated)
}

impl Receipt {
    /// Appends a record that is no delivery, as received then. Returns after the commit.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot take it now.
    pub async fn append(self, shared: &Shared, body: RecordBody) -> Result<Appended, Problem> {
        self.append_raw(shared, body, None).await
    }

    /// Appends a record with the body that it came in.
    ///
    /// # Errors
    /// As [`Receipt::append`].
    pub async fn append_raw(
        self,
        shared: &Shared,
        body: RecordBody,
        raw: Option<RawDelivery>,
    ) -> Result<Appended, Problem> {
        // `self` ends with this function, and so does the guard: only after the commit may a
        // deadline after this receipt be taken for passed.
        Ok(shared.store.append(self.stated_append(body, raw)).await?)
    }

    /// Appends a record that is somebody's doing, with who that was and from where.
    ///
    /// # Errors
    /// As [`Receipt::append`].
    pub async fn append_audited(
        self,
        shared: &Shared,
        body: RecordBody,
        raw: Option<RawDelivery>,
        entry: AuditEntry,
    ) -> Result<Appended, Problem> {
        Ok(shared.store.append_audited(self.stated_append(body, raw), entry).await?)
    }

    fn stated_append(&self, body: RecordBody, raw: Option<RawDelivery>) -> Append {
        Append { body, received_at: Some(self.stated), true_received_at: self.true_at, raw }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moment that counts as the receipt, or the status of the refusal.
    fn check(values: &[&str], may_state: bool, expect: Result<&str, u16>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.parse().unwrap());
        }
        let now = Timestamp::parse("2026-03-04T02:00:00Z").unwrap();
        let got = stated(&headers, now, may_state)
            .map(|at| at.to_string())
            .map_err(|problem| problem.status().as_u16());
        assert_eq!(got, expect.map(str::to_owned), "{values:?}");
    }

    #[test]
    fn a_stated_time_needs_permission_and_must_not_lie_ahead() {
        check(&[], false, Ok("2026-03-04T02:00:00.000Z"));
        check(&[], true, Ok("2026-03-04T02:00:00.000Z"));
        check(&["2025-01-01T00:00:00Z"], true, Ok("2025-01-01T00:00:00.000Z"));
        check(&["2026-03-04T07:30:59.5+05:30"], true, Ok("2026-03-04T02:00:59.500Z"));
        check(&["2026-03-04T02:01:00Z"], true, Ok("2026-03-04T02:01:00.000Z"));
        check(&["2026-03-04T02:01:00.001Z"], true, Err(400));
        check(&["1772590447"], true, Err(400));
        check(&["yesterday"], true, Err(400));
        check(&[""], true, Err(400));
        check(&["2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z"], true, Err(400));
        check(&["2025-01-01T00:00:00Z"], false, Err(403));
        check(&["yesterday"], false, Err(403));
    }
}

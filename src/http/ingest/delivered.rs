//! What came of a delivery, and how its sender is told.

use std::fmt::Write as _;

use http::StatusCode;
use serde_json::{Value, json};

use crate::domain::Seq;
use crate::http::answer::{Answer, json as json_answer, json_text};
use crate::store::{DoorCounts, RefusedAlert};

/// What came of a delivery.
#[derive(Clone, Debug)]
pub(super) struct Delivered {
    /// Its place in the ledger.
    pub(super) seq: Seq,
    pub(super) counts: DoorCounts,
    pub(super) refused: Vec<RefusedAlert>,
    /// What only this sender wants to know.
    pub(super) reply: Option<Value>,
}

impl Delivered {
    /// The answer in our own form, with what the sender wants to know beside it.
    pub(super) fn answer(self) -> Answer {
        if self.refused.is_empty() && self.reply.is_none() {
            return Ok(json_text(StatusCode::OK, self.plain_answer()));
        }
        let errors: Vec<Value> = self
            .refused
            .iter()
            .map(|refused| json!({ "index": refused.index, "detail": refused.problem }))
            .collect();
        let mut members = json!({
            "delivery": delivery_id(self.seq),
            "alerts": {
                "new": self.counts.new,
                "updated": self.counts.updated,
                "repeated": self.counts.repeated,
                "rejected": self.refused.len(),
            },
            "errors": errors,
        });
        if let (Some(ours), Some(Value::Object(theirs))) = (members.as_object_mut(), self.reply) {
            for (name, value) in theirs {
                ours.entry(name).or_insert(value);
            }
        }
        json_answer(StatusCode::OK, &members)
    }

    /// The same answer where all is well, which is the usual one: numbers need no JSON writer.
    fn plain_answer(&self) -> String {
        let DoorCounts { new, updated, repeated } = self.counts;
        let mut text = String::with_capacity(128);
        // Writing into a text cannot fail.
        write!(
            text,
            "{{\"alerts\":{{\"new\":{new},\"rejected\":0,\"repeated\":{repeated},\
             \"updated\":{updated}}},\"delivery\":\"{}\",\"errors\":[]}}",
            delivery_id(self.seq)
        )
        .ok();
        text
    }

    /// The answer that programs written for another receiver wait for. The room that knows the
    /// sender's form has written it.
    pub(super) fn answer_in_senders_form(self, status: StatusCode) -> Answer {
        match &self.reply {
            Some(reply) => json_answer(status, reply),
            None => self.answer(),
        }
    }
}

/// The id of a delivery, from its place in the ledger.
pub(in crate::http) fn delivery_id(seq: Seq) -> String {
    format!("d{seq}")
}

/// The place in the ledger that an id names.
pub(in crate::http) fn delivery_seq(id: &str) -> Option<Seq> {
    let digits = id.strip_prefix('d')?;
    let number: i64 = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
    u64::try_from(number).ok().map(Seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_tells_the_counts_the_errors_and_what_the_sender_needs() {
        let delivered = Delivered {
            seq: Seq(17),
            counts: DoorCounts { new: 1, updated: 0, repeated: 2 },
            refused: vec![RefusedAlert { index: 3, problem: "no labels".to_owned() }],
            reply: Some(json!({ "dedup_key": "k", "delivery": "never mine" })),
        };
        let plain = Delivered { refused: Vec::new(), reply: None, ..delivered.clone() };
        let response = delivered.answer().unwrap();
        let body = crate::http::answer::tests::read(response);
        assert_eq!(
            body,
            json!({
                "delivery": "d17",
                "alerts": { "new": 1, "updated": 0, "repeated": 2, "rejected": 1 },
                "errors": [{ "index": 3, "detail": "no labels" }],
                "dedup_key": "k",
            })
        );
        assert_eq!(
            crate::http::answer::tests::read(plain.answer().unwrap()),
            json!({
                "delivery": "d17",
                "alerts": { "new": 1, "updated": 0, "repeated": 2, "rejected": 0 },
                "errors": [],
            })
        );
    }

    #[test]
    fn ids_of_deliveries_read_back() {
        assert_eq!(delivery_seq(&delivery_id(Seq(17))), Some(Seq(17)));
        for bad in ["17", "d", "d-1", "d+1", "q17", "d99999999999999999999"] {
            assert_eq!(delivery_seq(bad), None, "{bad}");
        }
    }
}

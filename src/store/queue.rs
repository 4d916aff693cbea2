//! The queue in front of the writer: bounded by number and by bytes.
//!
//! Full is an answer, never a wait: a sender that gets 503 tries again, a sender that waits ties up
//! a connection. Our own threads (engine commits, signs of life, retention) pass the bounds, because
//! each of them waits for its answer before it asks again, so there is a handful of them at most,
//! and because a full queue of deliveries must not keep the engine from draining them.
//!
//! What an engine commits that has nothing left to do is in no hurry, and would make the next
//! delivery wait for a sync that is not its own: it waits a moment for one to go along with.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{StoreError, lock};

/// How long a patient job waits for company: as long as a sender that waits for its answer takes to
/// send the next delivery. What comes at longer intervals finds the disk free again.
const PATIENCE: Duration = Duration::from_micros(250);

/// See the module.
#[derive(Debug)]
pub(super) struct Queue<T> {
    inner: Mutex<Inner<T>>,
    arrived: Condvar,
    jobs_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Inner<T> {
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
    /// Those among them that are in a hurry.
    hurried: usize,
    is_closed: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    job: T,
    bytes: usize,
    terms: Terms,
}

/// On what terms a job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terms {
    /// Within the bounds: it comes from outside.
    Bounded,
    /// Whatever the bounds: it comes from a thread of our own that waits for the answer.
    Free,
    /// The same, in no hurry.
    Patient,
}

impl<T> Queue<T> {
    pub(super) fn new(jobs_max: usize, bytes_max: usize) -> Self {
        let inner = Inner { waiting: VecDeque::new(), bytes: 0, hurried: 0, is_closed: false };
        Self { inner: Mutex::new(inner), arrived: Condvar::new(), jobs_max, bytes_max }
    }

    /// Puts a job at the end; returns how many wait now.
    ///
    /// # Errors
    /// `Unavailable` when the queue is full or closed. A single job that is larger than the byte
    /// bound is taken when nothing else waits, or it could never be stored.
    pub(super) fn push(&self, job: T, bytes: usize, terms: Terms) -> Result<usize, StoreError> {
        let mut inner = lock(&self.inner);
        if inner.is_closed {
            return Err(StoreError::Unavailable("it is closing".to_owned()));
        }
        if terms == Terms::Bounded && !inner.waiting.is_empty() {
            if inner.waiting.len() >= self.jobs_max {
                return Err(StoreError::Unavailable(format!(
                    "{} deliveries wait for the disk already, try again soon",
                    inner.waiting.len()
                )));
            }
            if inner.bytes.saturating_add(bytes) > self.bytes_max {
                return Err(StoreError::Unavailable(format!(
                    "{} bytes wait for the disk already, try again soon",
                    inner.bytes
                )));
            }
        }
        inner.waiting.push_back(Waiting { job, bytes, terms });
        inner.bytes += bytes;
        inner.hurried += usize::from(terms != Terms::Patient);
        let depth = inner.waiting.len();
        drop(inner);
        self.arrived.notify_one();
        Ok(depth)
    }

    /// Takes what waits, oldest first, up to both bounds but at least one job; waits for the first
    /// one, and for one in a hurry as long as the others are patient. `None` once the queue is
    /// closed and empty.
    pub(super) fn take(&self, jobs_max: usize, bytes_max: usize) -> Option<Vec<T>> {
        let mut inner = lock(&self.inner);
        while inner.waiting.is_empty() {
            if inner.is_closed {
                return None;
            }
            inner = self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        let is_in_no_hurry = |inner: &mut Inner<T>| inner.hurried == 0 && !inner.is_closed;
        (inner, _) = self
            .arrived
            .wait_timeout_while(inner, PATIENCE, is_in_no_hurry)
            .unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::new();
        let mut batch_bytes = 0_usize;
        while batch.len() < jobs_max {
            match inner.waiting.front() {
                Some(next) if batch.is_empty() || batch_bytes + next.bytes <= bytes_max => {
                    batch_bytes += next.bytes;
                }
                _ => break,
            }
            if let Some(next) = inner.waiting.pop_front() {
                inner.hurried -= usize::from(next.terms != Terms::Patient);
                batch.push(next.job);
            }
        }
        inner.bytes -= batch_bytes;
        Some(batch)
    }

    /// How many jobs wait.
    pub(super) fn depth(&self) -> usize {
        lock(&self.inner).waiting.len()
    }

    /// Takes nothing more. What waits is still handed out.
    pub(super) fn close(&self) {
        lock(&self.inner).is_closed = true;
        self.arrived.notify_all();
    }

    /// Takes nothing more and drops what waits, for when nobody is left to work on it.
    pub(super) fn abandon(&self) {
        let dropped = {
            let mut inner = lock(&self.inner);
            inner.is_closed = true;
            inner.bytes = 0;
            inner.hurried = 0;
            std::mem::take(&mut inner.waiting)
        };
        // Dropped outside the lock: a job's reply may run code of its owner.
        drop(dropped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_what_comes_from_outside_only() {
        let queue = Queue::new(2, 100);
        assert_eq!(queue.push("a", 60, Terms::Bounded).unwrap(), 1);
        let error = queue.push("b", 60, Terms::Bounded).unwrap_err().to_string();
        assert!(error.contains("60 bytes wait"), "{error}");
        queue.push("b", 40, Terms::Bounded).unwrap();
        let error = queue.push("c", 0, Terms::Bounded).unwrap_err().to_string();
        assert!(error.contains("2 deliveries wait"), "{error}");
        assert_eq!(queue.push("engine", 500, Terms::Free).unwrap(), 3);
        assert_eq!(queue.take(512, 1000), Some(vec!["a", "b", "engine"]));
        assert_eq!(queue.depth(), 0);
        queue.push("huge", 1000, Terms::Bounded).unwrap();
    }

    #[test]
    fn a_batch_keeps_both_bounds_but_takes_one_job_at_least() {
        let queue = Queue::new(10, 1000);
        for (job, bytes) in [(1, 300), (2, 10), (3, 10), (4, 10)] {
            queue.push(job, bytes, Terms::Bounded).unwrap();
        }
        assert_eq!(queue.take(512, 100), Some(vec![1]));
        assert_eq!(queue.take(2, 100), Some(vec![2, 3]));
        assert_eq!(queue.take(2, 5), Some(vec![4]));
    }

    #[test]
    fn a_closed_queue_hands_out_what_waits_and_then_ends() {
        let queue = Queue::new(10, 1000);
        queue.push(1, 1, Terms::Bounded).unwrap();
        queue.close();
        assert!(queue.push(2, 1, Terms::Free).is_err());
        assert_eq!(queue.take(10, 100), Some(vec![1]));
        assert_eq!(queue.take(10, 100), None);
    }

    #[test]
    fn a_patient_job_goes_along_with_one_in_a_hurry_or_after_a_moment_by_itself() {
        let queue = std::sync::Arc::new(Queue::new(10, 1000));
        queue.push("patient", 1, Terms::Patient).unwrap();
        assert_eq!(queue.take(10, 100), Some(vec!["patient"]));
        queue.push("patient", 1, Terms::Patient).unwrap();
        queue.push("hurried", 1, Terms::Bounded).unwrap();
        assert_eq!(queue.take(1, 100), Some(vec!["patient"]), "in the order in which they came");
        assert_eq!(lock(&queue.inner).hurried, 1);
        assert_eq!(queue.take(10, 100), Some(vec!["hurried"]));
        assert_eq!(lock(&queue.inner).hurried, 0);
        queue.push("patient", 1, Terms::Patient).unwrap();
        queue.close();
        assert_eq!(queue.take(10, 100), Some(vec!["patient"]));
        assert_eq!(queue.take(10, 100), None);
    }
}

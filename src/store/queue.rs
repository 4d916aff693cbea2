//! The queue in front of the writer: bounded by number and by bytes.
//!
//! Full is an answer, never a wait: a sender that gets 503 tries again, a sender that waits ties up
//! a connection. Our own threads (engine commits, signs of life, retention) pass the bounds, because
//! each of them waits for its answer before it asks again, so there is a handful of them at most,
//! and because a full queue of deliveries must not keep the engine from draining them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

use super::{StoreError, lock};

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
    /// What waits, each with its weight in bytes.
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    is_closed: bool,
}

/// Whether the bounds hold for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bounds {
    /// They do: it comes from outside.
    Hold,
    /// They do not: it comes from a thread of our own that waits for the answer.
    Pass,
}

impl<T> Queue<T> {
    pub(super) fn new(jobs_max: usize, bytes_max: usize) -> Self {
        let inner = Inner { waiting: VecDeque::new(), bytes: 0, is_closed: false };
        Self { inner: Mutex::new(inner), arrived: Condvar::new(), jobs_max, bytes_max }
    }

    /// Puts a job at the end; returns how many wait now.
    ///
    /// # Errors
    /// `Unavailable` when the queue is full or closed. A single job that is larger than the byte
    /// bound is taken when nothing else waits, or it could never be stored.
    pub(super) fn push(&self, job: T, bytes: usize, bounds: Bounds) -> Result<usize, StoreError> {
        let mut inner = lock(&self.inner);
        if inner.is_closed {
            return Err(StoreError::Unavailable("it is closing".to_owned()));
        }
        if bounds == Bounds::Hold && !inner.waiting.is_empty() {
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
        inner.waiting.push_back((job, bytes));
        inner.bytes += bytes;
        let depth = inner.waiting.len();
        drop(inner);
        self.arrived.notify_one();
        Ok(depth)
    }

    /// Takes what waits, oldest first, up to both bounds but at least one job; waits for the first
    /// one. `None` once the queue is closed and empty.
    pub(super) fn take(&self, jobs_max: usize, bytes_max: usize) -> Option<Vec<T>> {
        let mut inner = lock(&self.inner);
        while inner.waiting.is_empty() {
            if inner.is_closed {
                return None;
            }
            inner = self.arrived.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        let mut batch = Vec::new();
        let mut batch_bytes = 0_usize;
        while batch.len() < jobs_max {
            match inner.waiting.front() {
                Some((_, bytes)) if batch.is_empty() || batch_bytes + bytes <= bytes_max => {
                    batch_bytes += bytes;
                }
                _ => break,
            }
            batch.extend(inner.waiting.pop_front().map(|(job, _)| job));
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
        assert_eq!(queue.push("a", 60, Bounds::Hold).unwrap(), 1);
        let error = queue.push("b", 60, Bounds::Hold).unwrap_err().to_string();
        assert!(error.contains("60 bytes wait"), "{error}");
        queue.push("b", 40, Bounds::Hold).unwrap();
        let error = queue.push("c", 0, Bounds::Hold).unwrap_err().to_string();
        assert!(error.contains("2 deliveries wait"), "{error}");
        assert_eq!(queue.push("engine", 500, Bounds::Pass).unwrap(), 3);
        assert_eq!(queue.take(512, 1000), Some(vec!["a", "b", "engine"]));
        assert_eq!(queue.depth(), 0);
        queue.push("huge", 1000, Bounds::Hold).unwrap();
    }

    #[test]
    fn a_batch_keeps_both_bounds_but_takes_one_job_at_least() {
        let queue = Queue::new(10, 1000);
        for (job, bytes) in [(1, 300), (2, 10), (3, 10), (4, 10)] {
            queue.push(job, bytes, Bounds::Hold).unwrap();
        }
        assert_eq!(queue.take(512, 100), Some(vec![1]));
        assert_eq!(queue.take(2, 100), Some(vec![2, 3]));
        assert_eq!(queue.take(2, 5), Some(vec![4]));
    }

    #[test]
    fn a_closed_queue_hands_out_what_waits_and_then_ends() {
        let queue = Queue::new(10, 1000);
        queue.push(1, 1, Bounds::Hold).unwrap();
        queue.close();
        assert!(queue.push(2, 1, Bounds::Pass).is_err());
        assert_eq!(queue.take(10, 100), Some(vec![1]));
        assert_eq!(queue.take(10, 100), None);
    }
}

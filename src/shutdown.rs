//! The stop token: one sender, any number of watchers.

use tokio::sync::watch;

/// Says stop, once.
#[derive(Debug)]
pub struct Stopper {
    sender: watch::Sender<bool>,
}

/// Hears stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StopSignal {
    receiver: watch::Receiver<bool>,
}

impl Stopper {
    /// A stopper and its signal.
    #[must_use]
    pub fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(false);
        (Self { sender }, StopSignal { receiver })
    }

    /// Tells everyone to stop.
    pub fn stop(&self) {
        self.sender.send_replace(true);
    }
}

impl StopSignal {
    /// True once stop was said, or the stopper is gone.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.receiver.borrow() || self.receiver.has_changed().is_err()
    }

    /// Waits until stop is said.
    pub async fn stopped(&mut self) {
        // An error means that the stopper is gone, which is a stop as well.
        drop(self.receiver.wait_for(|stopped| *stopped).await);
    }
}

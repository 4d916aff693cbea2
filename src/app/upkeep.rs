//! What has to be done now and then: retention.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::domain::Timestamp;
use crate::http::Shared;
use crate::shutdown::StopSignal;

/// How often old things are looked for.
const EVERY: Duration = Duration::from_secs(60);

/// Drops what is older than the configuration keeps, a bounded piece at a time, until told to
/// stop. Ingest goes on in between.
pub(super) async fn run(shared: Arc<Shared>, mut stop: StopSignal) {
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        while !stop.is_stopped() && retain(&shared).await {}
    }
}

/// One piece; true when more is left.
async fn retain(shared: &Shared) -> bool {
    let config = shared.config();
    let now = shared.clock.now();
    let raw_before: Timestamp = now - config.storage.raw_retention;
    let before = config.storage.retention.map(|retention| now - retention);
    let retained = shared.read(move |store| store.retain(Some(raw_before), before)).await;
    retained.unwrap_or_else(|_| {
        warn!("Old data could not be dropped; it is tried again in a minute");
        false
    })
}

//! Loading the configuration again: all of it or nothing.

use std::sync::Arc;

use tracing::{error, info, warn};

use super::LoadConfig;
use crate::config::restart_only_differences;
use crate::domain::RecordBody;
use crate::http::{Reloaded, Shared};
use crate::store::Append;

/// Puts a newly loaded configuration in force; what it says to the machine goes into the ledger.
/// Tells what of it holds only from the next start on.
///
/// # Errors
/// The text of what is wrong; the former configuration stays in force.
pub(super) async fn reload(shared: &Arc<Shared>, load: &LoadConfig) -> Reloaded {
    match try_reload(shared, load).await {
        Ok(later) => {
            note_success(shared);
            for setting in &later {
                warn!(setting, "This setting changes only with a restart");
            }
            info!("The configuration was reloaded");
            Ok(later)
        }
        Err(problem) => {
            shared.metrics.config_last_reload_successful.set(0);
            error!(error = %problem, "The configuration was not reloaded; the former one stays in force");
            Err(problem)
        }
    }
}

/// Says in the metrics that the configuration in force was loaded just now.
pub(super) fn note_success(shared: &Shared) {
    shared.metrics.config_last_reload_successful.set(1);
    shared.metrics.config_last_reload_success_timestamp.set(shared.clock.now().seconds_f64());
}

async fn try_reload(shared: &Arc<Shared>, load: &LoadConfig) -> Reloaded {
    let new = load().map_err(|errors| errors.to_string())?;
    let old = shared.config();
    // Another path holds only from the next start on, and so does what stands there.
    let web_file =
        Some(new.web_file.clone()).filter(|_| new.web.config_file == old.web.config_file);
    if let Some(file) = &web_file {
        shared.perimeter.may_replace(file)?;
    }
    let later = restart_only_differences(&old, &new);
    if new.rules != old.rules {
        append(shared, RecordBody::Rules(Box::new(new.rules.clone()))).await?;
    }
    if let Some(topology) = new.topology.clone() {
        let known = shared
            .read(|store| store.topology())
            .await
            .map_err(|_| "the store could not be read".to_owned())?;
        if known.as_ref() != Some(&topology) {
            append(shared, RecordBody::Topology(topology)).await?;
        }
    }
    if let Some(file) = web_file {
        shared.perimeter.replace(file)?;
    }
    shared.replace_config(Arc::new(new));
    crate::http::ingest::prime_metrics(shared);
    Ok(later)
}

/// A record of the program's own, which has no time of its own.
async fn append(shared: &Shared, body: RecordBody) -> Result<(), String> {
    let append =
        Append { body, received_at: None, true_received_at: shared.clock.now(), raw: None };
    shared.store.append(append).await.map(drop).map_err(|error| error.to_string())
}

//! What every store promises, whatever keeps it: one suite, run against each of [`STORES`].

use crate::outbox::testing::{STORES, Stage};

mod accepting;
mod alarms;
mod claiming;
mod dead_letters;
mod ending;
mod listing;
mod operating;
mod reading;
mod renaming;
mod senders;
mod size;
mod test_attempts;

/// Checks a promise against each store, from empty.
async fn on_every_store(promise: impl AsyncFn(Stage)) {
    for new_store in STORES {
        promise(Stage::with(new_store).await).await;
    }
}

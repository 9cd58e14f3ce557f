//! What a command that ends by itself runs its waiting on.

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

/// A runtime on the command's own thread.
pub(super) fn on_this_thread() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("failed to start the runtime")
}

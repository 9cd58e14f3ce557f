//! The one place where everything meets: store, deliverer, heartbeats, endpoints, reload and stop.

use std::path::PathBuf;

use crate::settings::Settings;

/// Runs the relay until a signal stops it.
pub(crate) async fn serve(_file: PathBuf, settings: Settings) -> anyhow::Result<()> {
    anyhow::bail!("the store at {} has not landed yet", settings.store.path.display())
}

//! What the flags `--engine.*` resolve to.

use std::path::PathBuf;
use std::time::Duration;

use super::url::PageUrl;

/// The settings of the engines' pages.
#[derive(Clone, Debug)]
pub(crate) struct EngineSettings {
    /// `--engine.page`, each once; at least one.
    pub(crate) pages: Vec<PageUrl>,
    /// `None` without `--engine.canary`.
    pub(crate) canary: Option<CanarySettings>,
}

/// The settings of canaries.
#[derive(Clone, Debug)]
pub(crate) struct CanarySettings {
    /// `--engine.canary.quiet`: how long nothing must have moved before one is sent.
    pub(crate) quiet: Duration,
    /// `--engine.canary.api-key-file`
    pub(crate) api_key_file: Option<PathBuf>,
}

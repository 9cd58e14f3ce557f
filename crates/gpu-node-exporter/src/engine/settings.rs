//! What the flags `--engine.*` resolve to.

use super::url::PageUrl;

/// The settings of the engines' pages.
#[derive(Clone, Debug)]
pub(crate) struct EngineSettings {
    /// `--engine.page`, each once; at least one.
    pub(crate) pages: Vec<PageUrl>,
}

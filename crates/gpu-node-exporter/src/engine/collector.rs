//! The `engine` collector: what was last published of the pages.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::families::families;
use super::page::Page;
use super::url::PageUrl;
use crate::collector::{Collected, Collector};

/// A page, and where what is known of it is published.
pub(super) struct Published {
    pub(super) url: PageUrl,
    pub(super) page: ArcSwap<Page>,
}

/// Reads what was published and nothing else.
pub(super) struct EngineCollector {
    pub(super) pages: Arc<[Published]>,
}

impl Collector for EngineCollector {
    fn name(&self) -> &'static str {
        "engine"
    }

    /// A page that does not answer is a reading, not a fault.
    fn collect(&mut self) -> Collected {
        let known: Vec<_> =
            self.pages.iter().map(|published| (&published.url, published.page.load())).collect();
        let pages = known.iter().map(|(url, page)| (*url, &***page));
        Collected::complete(families(pages, Instant::now()))
    }
}

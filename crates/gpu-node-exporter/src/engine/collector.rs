//! The `engine` collector: what was last published of the pages.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::canary::Canaries;
use super::families::{families, of_canaries};
use super::page::Page;
use super::url::PageUrl;
use crate::collector::{Collected, Collector};

/// A page, and where what is known of it is published.
pub(super) struct Published {
    pub(super) url: PageUrl,
    pub(super) page: ArcSwap<Page>,
    pub(super) canaries: ArcSwap<Canaries>,
}

/// Reads what was published and nothing else.
pub(super) struct EngineCollector {
    pub(super) pages: Arc<[Published]>,
    /// Whether canaries are sent.
    pub(super) sends_canaries: bool,
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
        let mut families = families(pages, Instant::now());
        if self.sends_canaries {
            let canaries: Vec<_> =
                self.pages.iter().map(|published| (&published.url, published.canaries.load())).collect();
            families.extend(of_canaries(canaries.iter().map(|(url, canaries)| (*url, &***canaries))));
        }
        Collected::complete(families)
    }
}

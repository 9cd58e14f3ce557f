//! The thread that asks the pages.
//!
//! It has a runtime of its own: neither a page that hangs nor one that is long keeps a scrape waiting. Each page is asked in its own time,
//! so one that hangs holds up no other.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use arc_swap::ArcSwap;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::client::Client;
use super::collector::{EngineCollector, Published};
use super::page::{News, Page};
use super::settings::EngineSettings;
use crate::collector::Collector;

/// Time from one look at a page to the next.
const EVERY: Duration = Duration::from_secs(5);

/// The pages that are being asked. Dropping it ends that.
pub(crate) struct EnginePages {
    pages: Arc<[Published]>,
    _running: oneshot::Sender<()>,
}

impl EnginePages {
    /// Starts asking.
    pub(crate) fn start(settings: &EngineSettings) -> io::Result<Self> {
        let publish = |url: &_| Published { url: Clone::clone(url), page: ArcSwap::default() };
        let pages: Arc<[Published]> = settings.pages.iter().map(publish).collect();
        // Its other threads look up names, which can take as long as a name server is silent.
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(4)
            .thread_name("engine-names")
            .thread_stack_size(256 << 10)
            .build()?;
        let (running, ended) = oneshot::channel();
        let asked = Arc::clone(&pages);
        thread::Builder::new().name("engine-pages".to_owned()).spawn(move || {
            let client = Client::for_pages(asked.iter().map(|published| &published.url));
            runtime.block_on(async {
                let mut asking = JoinSet::new();
                for number in 0..asked.len() {
                    asking.spawn(ask(Arc::clone(&asked), number, client.clone()));
                }
                // An error is the end as well: the sender is gone.
                let _ = ended.await;
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { pages, _running: running })
    }

    /// What a scrape asks; it never waits.
    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(EngineCollector { pages: Arc::clone(&self.pages) })
    }
}

async fn ask(pages: Arc<[Published]>, number: usize, client: Client) {
    let (published, mut page) = (&pages[number], Page::default());
    let mut times = interval(EVERY);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        let answer = client.page(&published.url).await;
        let news = page.heard(published.url.shown(), answer, Instant::now());
        published.page.store(Arc::new(page.clone()));
        match news {
            Some(News { is_good: true, text }) => tracing::info!("{text}"),
            Some(News { is_good: false, text }) => tracing::warn!("{text}"),
            None => {}
        }
    }
}

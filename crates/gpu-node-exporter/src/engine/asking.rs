//! The thread that asks the pages, and sends canaries where that is asked for.
//!
//! It has a runtime of its own: neither a page that hangs nor one that is long keeps a scrape waiting. Each page is asked in its own time,
//! so one that hangs holds up no other. Canaries are sent one at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use arc_swap::ArcSwap;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::canary::{self, ApiKey, Canaries, Waiting};
use super::client::Client;
use super::collector::{EngineCollector, Published};
use super::page::{News, Page};
use super::settings::EngineSettings;
use crate::collector::Collector;

/// Time from one look at a page to the next, and from one look for who is due a canary to the next.
const EVERY: Duration = Duration::from_secs(5);

/// The pages that are being asked. Dropping it ends that.
pub(crate) struct EnginePages {
    pages: Arc<[Published]>,
    sends_canaries: bool,
    _running: oneshot::Sender<()>,
}

impl EnginePages {
    /// Starts asking.
    pub(crate) fn start(settings: &EngineSettings, api_key: ApiKey) -> io::Result<Self> {
        let publish = |url: &_| Published {
            url: Clone::clone(url),
            page: ArcSwap::default(),
            canaries: ArcSwap::default(),
        };
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
        let (asked, quiet) = (Arc::clone(&pages), settings.canary.as_ref().map(|canary| canary.quiet));
        thread::Builder::new().name("engine-pages".to_owned()).spawn(move || {
            let client = Client::for_pages(asked.iter().map(|published| &published.url));
            runtime.block_on(async {
                let mut asking = JoinSet::new();
                for number in 0..asked.len() {
                    asking.spawn(ask(Arc::clone(&asked), number, client.clone()));
                }
                if let Some(quiet) = quiet {
                    asking.spawn(send_canaries(Arc::clone(&asked), client, api_key, quiet));
                }
                // An error is the end as well: the sender is gone.
                let _ = ended.await;
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { pages, sends_canaries: quiet.is_some(), _running: running })
    }

    /// What a scrape asks; it never waits.
    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(EngineCollector { pages: Arc::clone(&self.pages), sends_canaries: self.sends_canaries })
    }
}

fn times() -> Interval {
    let mut times = interval(EVERY);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    times
}

fn log(news: Option<News>) {
    match news {
        Some(News { is_good: true, text }) => tracing::info!("{text}"),
        Some(News { is_good: false, text }) => tracing::warn!("{text}"),
        None => {}
    }
}

async fn ask(pages: Arc<[Published]>, number: usize, client: Client) {
    let (published, mut page, mut times) = (&pages[number], Page::default(), times());
    loop {
        times.tick().await;
        let answer = client.page(&published.url).await;
        let news = page.heard(published.url.shown(), answer, Instant::now());
        published.page.store(Arc::new(page.clone()));
        log(news);
    }
}

async fn send_canaries(pages: Arc<[Published]>, client: Client, api_key: ApiKey, quiet: Duration) {
    let mut times = times();
    loop {
        times.tick().await;
        let known: Vec<_> =
            pages.iter().map(|page| (page.page.load_full(), page.canaries.load_full())).collect();
        let known = known.iter().map(|(page, canaries)| (&**page, &**canaries));
        if let Some(waiting) = canary::next(known, quiet, Instant::now()) {
            send(&pages[waiting.page], &waiting, &client, &api_key).await;
        }
    }
}

/// Sends a canary, unless a last look at the page shows that somebody else has come.
async fn send(published: &Published, waiting: &Waiting, client: &Client, api_key: &ApiKey) {
    let Ok(reading) = client.page(&published.url).await else { return };
    let page = published.page.load_full();
    if !canary::is_still_quiet(&page, &reading) {
        return;
    }
    let mut canaries = Canaries::clone(&published.canaries.load());
    canaries.sent(waiting.kind, Instant::now());
    let answer = canary::ask(client, &published.url, api_key, waiting.kind, &waiting.model).await;
    let news = canaries.answered(published.url.shown(), waiting.kind, page.starts, answer);
    published.canaries.store(Arc::new(canaries));
    log(news);
}

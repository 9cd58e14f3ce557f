use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use std::time::Duration;

use super::*;
use crate::collector::Collected;
use crate::family::{Family, Labels};

const LONG: Duration = Duration::from_secs(30);

/// Does what the test says.
struct Scripted<F> {
    name: &'static str,
    act: F,
}

impl<F: FnMut() -> Collected + Send> Collector for Scripted<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn collect(&mut self) -> Collected {
        (self.act)()
    }
}

fn scripted(name: &'static str, act: impl FnMut() -> Collected + Send + 'static) -> Box<dyn Collector> {
    Box::new(Scripted { name, act })
}

fn answers(name: &'static str) -> Box<dyn Collector> {
    scripted(name, || Collected::complete(vec![Family::gauge("one", "One.").with(Labels::NONE, 1_u64)]))
}

/// A collector that says when it was entered and waits until the test lets it go on.
fn held(name: &'static str) -> (Box<dyn Collector>, Receiver<()>, Sender<()>) {
    let (entered, was_entered) = channel();
    let (let_go, wait) = channel();
    let collector = scripted(name, move || {
        entered.send(()).unwrap();
        wait.recv().unwrap();
        Collected::default()
    });
    (collector, was_entered, let_go)
}

async fn read(scraper: &Scraper, patience: Duration) -> Vec<(&'static str, bool)> {
    let readings = scraper.read(|_| true, Instant::now() + patience).await;
    readings.iter().map(|reading| (reading.collector, reading.success())).collect()
}

#[tokio::test]
async fn a_panic_costs_one_collector() {
    let panics = scripted("panics", || panic!("as the test wants"));
    let scraper = Scraper::start(together(vec![answers("first"), panics, answers("last")])).unwrap();
    for _ in 0..2 {
        assert_eq!(read(&scraper, LONG).await, [("first", true), ("panics", false), ("last", true)]);
    }
}

/// All in one worker.
fn together(collectors: Vec<Box<dyn Collector>>) -> Vec<(WaitsFor, Box<dyn Collector>)> {
    collectors.into_iter().map(|collector| (WaitsFor::Nothing, collector)).collect()
}

/// Lets the run under way have begun earlier by so much.
fn backdate(scraper: &Scraper, by: Duration) {
    scraper.workers[0].backdate(by);
}

#[test]
fn collectors_that_may_have_to_wait_are_apart_from_those_that_need_not() {
    let scraper = Scraper::start(vec![
        (WaitsFor::TextFiles, answers("text")),
        (WaitsFor::Nothing, answers("one")),
        (WaitsFor::FileSystems, answers("mounts")),
        (WaitsFor::Nothing, answers("two")),
    ]);
    let workers = scraper.unwrap().workers;
    let names: Vec<Vec<_>> = workers.iter().map(|worker| worker.collectors().collect()).collect();
    assert_eq!(names, [vec!["one", "two"], vec!["mounts", "text"]], "text files are last");
}

#[tokio::test]
async fn a_collector_that_hangs_costs_itself_until_it_returns() {
    let (hangs, entered, let_go) = held("hangs");
    let mut collectors = together(vec![answers("before"), hangs, answers("after")]);
    collectors.push((WaitsFor::FileSystems, answers("other")));
    let scraper = Scraper::start(collectors).unwrap();

    // Long enough for the other collectors on a busy machine.
    let only_it = [("before", true), ("hangs", false), ("after", true), ("other", true)];
    assert_eq!(read(&scraper, Duration::from_secs(2)).await, only_it);
    entered.recv().unwrap();

    // It is known to be late: nobody waits for it, and it is not asked again.
    backdate(&scraper, LONG);
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(read(&scraper, LONG).await, only_it);
        assert!(began.elapsed() < LONG / 2, "the scrape waited for a collector known to be late");
    }

    let_go.send(()).unwrap();
    while scraper.workers[0].is_running() {
        tokio::task::yield_now().await;
    }
    let_go.send(()).unwrap();
    assert!(read(&scraper, LONG).await.iter().all(|(_, success)| *success));
    assert_eq!(entered.try_iter().count(), 1, "it was asked again before it returned");
}

#[tokio::test]
async fn several_that_hang_cost_themselves() {
    let (one, _entered_one, let_one_go) = held("one");
    let (two, _entered_two, let_two_go) = held("two");
    let scraper = Scraper::start(together(vec![one, answers("between"), two, answers("after")])).unwrap();
    let only_they = [("one", false), ("between", true), ("two", false), ("after", true)];
    for _ in 0..2 {
        assert_eq!(read(&scraper, Duration::from_secs(2)).await, only_they);
    }
    // One is back, the other is not.
    let_two_go.send(()).unwrap();
    let_two_go.send(()).unwrap();
    while scraper.workers[0].away() > 1 {
        tokio::task::yield_now().await;
    }
    let one_left = [("one", false), ("between", true), ("two", true), ("after", true)];
    assert_eq!(read(&scraper, Duration::from_secs(2)).await, one_left);
    drop(let_one_go);
}

#[tokio::test]
async fn a_slow_collector_holds_up_no_other_and_is_waited_for() {
    let (slow, entered, let_go) = held("slow");
    let (seen, after_it) = channel();
    let last = scripted("last", move || {
        seen.send(()).unwrap();
        Collected::default()
    });
    let scraper = Scraper::start(together(vec![slow, last])).unwrap();
    let release = async {
        // The one after it is read while it is being waited for.
        while after_it.try_recv().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        entered.recv().unwrap();
        let_go.send(()).unwrap();
    };
    let (readings, ()) = tokio::join!(read(&scraper, LONG), release);
    assert_eq!(readings, [("slow", true), ("last", true)]);
}

#[tokio::test]
async fn a_scraper_that_hangs_up_leaves_no_worker_to_wait_for() {
    let (hangs, entered, _let_go) = held("hangs");
    let scraper = Scraper::start(together(vec![hangs])).unwrap();
    assert!(tokio::time::timeout(Duration::ZERO, read(&scraper, LONG)).await.is_err(), "it hung up");
    entered.recv().unwrap();
    backdate(&scraper, LONG);
    let began = Instant::now();
    assert_eq!(read(&scraper, LONG).await, [("hangs", false)]);
    assert!(began.elapsed() < LONG / 2, "the scrape waited for a worker that is late");
}

#[tokio::test]
async fn a_scraper_with_little_time_makes_no_worker_late_for_others() {
    let (hangs, entered, let_go) = held("hangs");
    let scraper = Scraper::start(together(vec![hangs])).unwrap();
    assert_eq!(read(&scraper, Duration::from_millis(1)).await, [("hangs", false)]);
    entered.recv().unwrap();
    let release = async { let_go.send(()).unwrap() };
    let (patient, ()) = tokio::join!(read(&scraper, LONG), release);
    assert_eq!(patient, [("hangs", true)]);
}

#[tokio::test]
async fn scrapes_at_the_same_time_share_one_reading() {
    let readings = Arc::new(AtomicUsize::new(0));
    let (hangs, entered, let_go) = held("hangs");
    let counted = Arc::clone(&readings);
    let counts = scripted("counts", move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Collected::default()
    });
    let scraper = Scraper::start(together(vec![counts, hangs])).unwrap();
    let release = async {
        // Both scrapes have asked once this runs: futures are polled in order.
        tokio::task::yield_now().await;
        entered.recv().unwrap();
        let_go.send(()).unwrap();
    };
    let (first, second, ()) = tokio::join!(read(&scraper, LONG), read(&scraper, LONG), release);
    assert_eq!(first, [("counts", true), ("hangs", true)]);
    assert_eq!(first, second);
    assert_eq!(readings.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn only_what_is_wanted_is_read() {
    let mut collectors = together(vec![answers("b"), answers("c")]);
    collectors.push((WaitsFor::TextFiles, answers("a")));
    let scraper = Scraper::start(collectors).unwrap();
    let readings = scraper.read(|name| name == "c", Instant::now() + LONG).await;
    let names: Vec<_> = readings.iter().map(|reading| reading.collector).collect();
    assert_eq!(names, ["c"]);
}

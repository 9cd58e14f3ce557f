//! A thread with its collectors, read one after the other.
//!
//! Owns the thread, the queue in front of it, and when it counts as late. Scrapes that ask at the same moment share one
//! *run*. A run counts as late by its own age, so a scraper that hangs up early, or that has little time, does not decide
//! for the others. A late worker is left alone until it returns: scrapes go on without its collectors, and without
//! waiting for it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::reading::Reading;
use crate::collector::{Collected, Collector, Fault};
use crate::fault_log::FaultLog;

/// Collectors keep what they parse on the heap; the deepest stacks seen were below 40 KiB.
const STACK: usize = 256 * 1024;

/// No run is called late before this age, however little time a scraper has.
const LATE_AFTER: Duration = Duration::from_secs(1);

/// The collectors of a worker that are asked for, one bit each.
type Mask = u64;

/// What a run has given so far, by the collectors' places.
type Results = Vec<Option<Arc<Reading>>>;

/// A thread, and the names of its collectors.
pub(super) struct Worker {
    collectors: Vec<&'static str>,
    shared: Arc<Shared>,
}

/// What the thread shares with the scrapes.
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queued: Option<Queued>,
    running: Option<Running>,
    closed: bool,
}

/// The next run.
struct Queued {
    wishes: Wishes,
    results: watch::Sender<Results>,
}

/// The run under way.
struct Running {
    wishes: Wishes,
    results: watch::Receiver<Results>,
    since: Instant,
    /// The collectors that were logged as late in this run, as the log names them.
    late: Option<String>,
}

/// What the scrapes that wait for a run want of it: each different mask once.
#[derive(Clone, Default)]
struct Wishes(Vec<Mask>);

impl Wishes {
    fn add(&mut self, mask: Mask) {
        if !self.0.contains(&mask) {
            self.0.push(mask);
        }
    }

    /// All that has to be read.
    fn union(&self) -> Mask {
        self.0.iter().fold(0, |union, mask| union | mask)
    }

    /// Whether somebody's wish is fulfilled just now, with the last of `done`. To wake a scrape for less costs more than
    /// most collectors do.
    fn is_fulfilled(&self, done: Mask, last: Mask) -> bool {
        self.0.iter().any(|mask| mask & last != 0 && mask & done == *mask)
    }
}

impl Shared {
    /// Nothing from outside can cause a panic while the lock is held; should one happen, the state is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// Starts the thread. It ends when this is dropped.
    pub(super) fn start(name: &str, collectors: Vec<Box<dyn Collector>>) -> io::Result<Self> {
        assert!(
            collectors.len() <= Mask::BITS as usize,
            "a worker's collectors are counted in the bits of a mask"
        );
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        let names = collectors.iter().map(|collector| collector.name()).collect();
        let of_thread = Arc::clone(&shared);
        thread::Builder::new()
            .name(name.to_owned())
            .stack_size(STACK)
            .spawn(move || work(&of_thread, collectors))?;
        Ok(Self { collectors: names, shared })
    }

    /// The names of its collectors, in order.
    pub(super) fn collectors(&self) -> impl Iterator<Item = &'static str> {
        self.collectors.iter().copied()
    }

    /// Asks for the collectors that are wanted; `None` when none of them is this worker's.
    ///
    /// Joins the run under way when another scrape wants the same of it, else queues one. A run that has already taken
    /// all the time this scrape has is not waited for.
    pub(super) fn ask(&self, wanted: impl Fn(&str) -> bool, patience: Duration) -> Option<Asked<'_>> {
        let bits = self.collectors.iter().enumerate().filter(|(_, name)| wanted(name));
        let mask = bits.fold(0, |mask, (index, _)| mask | 1 << index);
        (mask != 0).then(|| Asked { worker: self, mask, run: self.run(mask, patience) })
    }

    fn run(&self, mask: Mask, patience: Duration) -> Option<watch::Receiver<Results>> {
        let mut state = self.shared.state();
        match &mut state.running {
            Some(running) if running.since.elapsed() >= patience.max(LATE_AFTER) => {
                self.log_late(running);
                return None;
            }
            Some(running) if running.wishes.0.contains(&mask) => return Some(running.results.clone()),
            _ => {}
        }
        let queued = state.queued.get_or_insert_with(|| Queued {
            wishes: Wishes::default(),
            results: watch::Sender::new(vec![None; self.collectors.len()]),
        });
        queued.wishes.add(mask);
        let run = queued.results.subscribe();
        self.shared.wake.notify_one();
        Some(run)
    }

    /// Logs once for each run that it is late.
    fn log_late(&self, running: &mut Running) {
        if running.late.is_some() {
            return;
        }
        let results = running.results.borrow().clone();
        let missing: Vec<_> = chosen(running.wishes.union(), &results)
            .filter(|(_, result)| result.is_none())
            .map(|(index, _)| self.collectors[index])
            .collect();
        let names = format!("`{}`", missing.join("`, `"));
        tracing::warn!(
            collectors = missing.join(","),
            "the collectors {names} did not answer in time and are left out until they return"
        );
        running.late = Some(names);
    }

    /// Stands for the reading of a collector that did not answer.
    fn late(&self, index: usize, asked: Instant) -> Arc<Reading> {
        let since = self.shared.state().running.as_ref().map_or(asked, |running| running.since);
        Arc::new(Reading {
            collector: self.collectors[index],
            took: since.elapsed(),
            families: Arc::default(),
            faults: vec![Fault::new("did not answer in time")],
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.wake.notify_one();
    }
}

/// One scrape's place in the queue of a worker.
pub(super) struct Asked<'worker> {
    worker: &'worker Worker,
    mask: Mask,
    /// `None` when the run under way is too late to be waited for.
    run: Option<watch::Receiver<Results>>,
}

impl Asked<'_> {
    /// Adds a reading for each collector asked for: what came until the deadline, and a failed one for each other.
    pub(super) async fn wait(self, asked: Instant, deadline: Instant, readings: &mut Vec<Arc<Reading>>) {
        let Self { worker, mask, run } = self;
        let results = match run {
            None => vec![None; worker.collectors.len()],
            Some(mut run) => {
                let complete = |results: &Results| chosen(mask, results).all(|(_, result)| result.is_some());
                let answered = tokio::time::timeout_at(deadline.into(), run.wait_for(complete)).await;
                let in_time = matches!(answered, Ok(Ok(_)));
                drop(answered);
                if !in_time
                    && let Some(running) = &mut worker.shared.state().running
                    && running.since.elapsed() >= LATE_AFTER
                {
                    worker.log_late(running);
                }
                run.borrow().clone()
            }
        };
        for (index, result) in chosen(mask, &results) {
            readings.push(result.clone().unwrap_or_else(|| worker.late(index, asked)));
        }
    }
}

fn chosen(mask: Mask, results: &Results) -> impl Iterator<Item = (usize, &Option<Arc<Reading>>)> {
    results.iter().enumerate().filter(move |(index, _)| mask & (1 << index) != 0)
}

/// The thread: waits for a run, reads the collectors in order, and gives out each result at once.
fn work(shared: &Shared, collectors: Vec<Box<dyn Collector>>) {
    let mut logged: Vec<Logged> = collectors.into_iter().map(Logged::new).collect();
    loop {
        let Some((wishes, results)) = next_run(shared) else { return };
        let (wanted, mut done) = (wishes.union(), 0);
        for (index, collector) in logged.iter_mut().enumerate() {
            let this = 1 << index;
            if wanted & this != 0 {
                let reading = Arc::new(collector.read());
                done |= this;
                results.send_if_modified(|results| {
                    results[index] = Some(reading);
                    wishes.is_fulfilled(done, this)
                });
            }
        }
        let finished = shared.state().running.take();
        if let Some((since, names)) = finished.and_then(|running| Some((running.since, running.late?))) {
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!(seconds, "the collectors {names} returned after {seconds:.1} s");
        }
    }
}

fn next_run(shared: &Shared) -> Option<(Wishes, watch::Sender<Results>)> {
    let mut state = shared.state();
    loop {
        if state.closed {
            return None;
        }
        if let Some(Queued { wishes, results }) = state.queued.take() {
            let running = Running {
                wishes: wishes.clone(),
                results: results.subscribe(),
                since: Instant::now(),
                late: None,
            };
            state.running = Some(running);
            return Some((wishes, results));
        }
        state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

/// A collector, and where its faults are logged; `None` when it logs them itself.
struct Logged {
    collector: Box<dyn Collector>,
    log: Option<FaultLog>,
}

impl Logged {
    fn new(collector: Box<dyn Collector>) -> Self {
        let log = (!collector.logs_its_faults()).then(|| FaultLog::new(collector.name()));
        Self { collector, log }
    }

    fn read(&mut self) -> Reading {
        let began = Instant::now();
        let collector = &mut self.collector;
        // A panic would be our own bug; it costs this collector and neither its thread nor the process.
        let Collected { families, faults } = catch_unwind(AssertUnwindSafe(|| collector.collect()))
            .unwrap_or_else(|panic| Collected::failed(Fault::new(format!("panicked: {}", message(&*panic)))));
        let reading = Reading {
            collector: self.collector.name(),
            took: began.elapsed(),
            families: Arc::new(families),
            faults,
        };
        if let Some(log) = &mut self.log {
            log.log(&reading.faults);
        }
        reading
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
impl Worker {
    /// Whether a run is under way.
    pub(super) fn is_running(&self) -> bool {
        self.shared.state().running.is_some()
    }

    /// Lets the run under way have begun earlier by so much.
    pub(super) fn backdate(&self, by: Duration) {
        let mut state = self.shared.state();
        let running = state.running.as_mut().expect("a run is under way");
        running.since = running.since.checked_sub(by).expect("the clock has run for that long");
    }
}

//! One reading for all who ask at the same moment, with a deadline.
//!
//! Owns when collectors run. Each lane is one OS thread with its collectors in a row: the ones that only read memory of
//! the kernel share a lane, and those that wait for something else (a file server, a lock of a driver) have their own.
//! A lane that is late costs its own collectors' success, is left alone until it returns, and delays no scrape that
//! comes after its patience was spent. A run's own age says whether it is late, so that no scraper that hangs up or is
//! in a hurry decides for the others. Leaves out what is read, and how it is written.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::collector::{Collected, Collector, Fault};
use crate::family::Family;
use crate::fault_log::FaultLog;

/// Collectors keep what they parse on the heap; the deepest stacks seen were below 40 KiB.
const LANE_STACK: usize = 256 * 1024;

/// What one collector gave to one scrape.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The collector's name.
    pub(crate) collector: &'static str,
    /// How long it took, or has taken so far when it is late.
    pub(crate) took: Duration,
    /// What it read.
    pub(crate) families: Arc<Vec<Family>>,
    /// What went wrong.
    pub(crate) faults: Vec<Fault>,
}

impl Reading {
    /// Whether everything was read.
    pub(crate) fn success(&self) -> bool {
        self.faults.is_empty()
    }
}

/// All lanes.
pub(crate) struct Scraper {
    lanes: Vec<Lane>,
}

impl Scraper {
    /// Starts one thread for each lane: its name and its collectors.
    pub(crate) fn start(lanes: Vec<(&'static str, Vec<Box<dyn Collector>>)>) -> io::Result<Self> {
        let lanes = lanes.into_iter().map(|(name, collectors)| Lane::start(name, collectors));
        Ok(Self { lanes: lanes.collect::<io::Result<_>>()? })
    }

    /// The names of all collectors, in the order of the lanes.
    pub(crate) fn collectors(&self) -> impl Iterator<Item = &'static str> {
        self.lanes.iter().flat_map(|lane| lane.collectors.iter().copied())
    }

    /// Reads the collectors that `wanted` names, waiting no longer than until `deadline`.
    pub(crate) async fn read(&self, wanted: impl Fn(&str) -> bool, deadline: Instant) -> Vec<Arc<Reading>> {
        let asked = Instant::now();
        let patience = deadline.saturating_duration_since(asked);
        // All lanes are set to work before the first is waited for.
        let asked_lanes: Vec<_> = self
            .lanes
            .iter()
            .map(|lane| (lane, lane.mask(&wanted)))
            .filter(|(_, mask)| *mask != 0)
            .map(|(lane, mask)| (lane, mask, lane.ask(mask, patience)))
            .collect();
        let mut readings = Vec::new();
        for (lane, mask, run) in asked_lanes {
            lane.wait(mask, run, asked, deadline, &mut readings).await;
        }
        readings
    }
}

/// The collectors of a lane that are asked for, one bit each.
type Mask = u64;

/// What the scrapes that wait for a run want of it: each different mask once.
#[derive(Clone, Default)]
struct Asked(Vec<Mask>);

impl Asked {
    fn add(&mut self, mask: Mask) {
        if !self.0.contains(&mask) {
            self.0.push(mask);
        }
    }

    /// All that has to be read.
    fn union(&self) -> Mask {
        self.0.iter().fold(0, |union, mask| union | mask)
    }

    /// Whether somebody's wish is fulfilled just now, with the last of `done`. Waking for less costs more than most
    /// collectors do.
    fn is_fulfilled(&self, done: Mask, last: Mask) -> bool {
        self.0.iter().any(|mask| mask & last != 0 && mask & done == *mask)
    }
}

/// What a run has given so far, by the collectors' places in their lane.
type Results = Vec<Option<Arc<Reading>>>;

struct Lane {
    collectors: Vec<&'static str>,
    shared: Arc<Shared>,
}

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

struct Queued {
    asked: Asked,
    results: watch::Sender<Results>,
}

struct Running {
    asked: Asked,
    results: watch::Receiver<Results>,
    since: Instant,
    /// It was said that this run is late.
    told: bool,
}

/// No run is called late before this age, however little time a scraper has.
const LATE_AFTER: Duration = Duration::from_secs(1);

impl Shared {
    /// A panic while the lock is held is impossible to provoke from outside; should one happen, the state is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    fn start(name: &'static str, collectors: Vec<Box<dyn Collector>>) -> io::Result<Self> {
        assert!(
            collectors.len() <= Mask::BITS as usize,
            "a lane's collectors are counted in the bits of a mask"
        );
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        let names = collectors.iter().map(|collector| collector.name()).collect();
        let worker = Arc::clone(&shared);
        thread::Builder::new()
            .name(format!("lane-{name}"))
            .stack_size(LANE_STACK)
            .spawn(move || work(&worker, collectors))?;
        Ok(Self { collectors: names, shared })
    }

    fn mask(&self, wanted: impl Fn(&str) -> bool) -> Mask {
        let bits = self.collectors.iter().enumerate().filter(|(_, name)| wanted(name));
        bits.fold(0, |mask, (index, _)| mask | 1 << index)
    }

    /// Joins the run that is under way when somebody else wants the same of it, else queues one; `None` when the run
    /// under way has taken all the time a scraper of this patience would give it.
    fn ask(&self, mask: Mask, patience: Duration) -> Option<watch::Receiver<Results>> {
        let mut state = self.shared.state();
        match &mut state.running {
            Some(running) if running.since.elapsed() >= patience.max(LATE_AFTER) => {
                self.tell_late(running);
                return None;
            }
            Some(running) if running.asked.0.contains(&mask) => return Some(running.results.clone()),
            _ => {}
        }
        let queued = state.queued.get_or_insert_with(|| Queued {
            asked: Asked::default(),
            results: watch::Sender::new(vec![None; self.collectors.len()]),
        });
        queued.asked.add(mask);
        let run = queued.results.subscribe();
        self.shared.wake.notify_one();
        Some(run)
    }

    /// Adds a reading for each collector of the mask: what came until the deadline, and a failed one for each other.
    async fn wait(
        &self,
        mask: Mask,
        run: Option<watch::Receiver<Results>>,
        asked: Instant,
        deadline: Instant,
        readings: &mut Vec<Arc<Reading>>,
    ) {
        let results = match run {
            None => vec![None; self.collectors.len()],
            Some(mut run) => {
                let complete = |results: &Results| chosen(mask, results).all(|(_, result)| result.is_some());
                let answered = tokio::time::timeout_at(deadline.into(), run.wait_for(complete)).await;
                let in_time = matches!(answered, Ok(Ok(_)));
                drop(answered);
                if !in_time
                    && let Some(running) = &mut self.shared.state().running
                    && running.since.elapsed() >= LATE_AFTER
                {
                    self.tell_late(running);
                }
                run.borrow().clone()
            }
        };
        for (index, result) in chosen(mask, &results) {
            readings.push(result.clone().unwrap_or_else(|| self.late(index, asked)));
        }
    }

    /// Says once for each run that it is late.
    fn tell_late(&self, running: &mut Running) {
        if std::mem::replace(&mut running.told, true) {
            return;
        }
        let results = running.results.borrow().clone();
        let missing: Vec<_> = chosen(running.asked.union(), &results)
            .filter(|(_, result)| result.is_none())
            .map(|(index, _)| self.collectors[index])
            .collect();
        tracing::warn!(
            collectors = missing.join(","),
            "the collectors `{}` did not answer in time and are left out until they return",
            missing.join("`, `")
        );
    }

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

impl Drop for Lane {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.wake.notify_one();
    }
}

fn chosen(mask: Mask, results: &Results) -> impl Iterator<Item = (usize, &Option<Arc<Reading>>)> {
    results.iter().enumerate().filter(move |(index, _)| mask & (1 << index) != 0)
}

/// The lane's thread: waits for a run, reads the collectors in order, and hands each result out at once.
fn work(shared: &Shared, collectors: Vec<Box<dyn Collector>>) {
    let mut watched: Vec<Watched> = collectors.into_iter().map(Watched::new).collect();
    loop {
        let Some((asked, results)) = next_run(shared) else { return };
        let (wanted, mut done) = (asked.union(), 0);
        for (index, collector) in watched.iter_mut().enumerate() {
            let this = 1 << index;
            if wanted & this != 0 {
                let reading = Arc::new(collector.read());
                done |= this;
                results.send_if_modified(|results| {
                    results[index] = Some(reading);
                    asked.is_fulfilled(done, this)
                });
            }
        }
        let finished = shared.state().running.take();
        if let Some(running) = finished.filter(|running| running.told) {
            let seconds = running.since.elapsed().as_secs_f64();
            tracing::info!(seconds, "collectors that were late have returned after {seconds:.1} s");
        }
    }
}

fn next_run(shared: &Shared) -> Option<(Asked, watch::Sender<Results>)> {
    let mut state = shared.state();
    loop {
        if state.closed {
            return None;
        }
        if let Some(Queued { asked, results }) = state.queued.take() {
            let running = Running {
                asked: asked.clone(),
                results: results.subscribe(),
                since: Instant::now(),
                told: false,
            };
            state.running = Some(running);
            return Some((asked, results));
        }
        state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

/// A collector, and where its faults are told.
struct Watched {
    collector: Box<dyn Collector>,
    log: Option<FaultLog>,
}

impl Watched {
    fn new(collector: Box<dyn Collector>) -> Self {
        let log = (!collector.logs_its_faults()).then(|| FaultLog::new(collector.name()));
        Self { collector, log }
    }

    fn read(&mut self) -> Reading {
        let began = Instant::now();
        let collector = &mut self.collector;
        // A panic would be our own bug; it costs this collector and neither its lane nor the process.
        let Collected { families, faults } = catch_unwind(AssertUnwindSafe(|| collector.collect()))
            .unwrap_or_else(|panic| Collected::failed(Fault::new(format!("panicked: {}", message(&*panic)))));
        let reading = Reading {
            collector: self.collector.name(),
            took: began.elapsed(),
            families: Arc::new(families),
            faults,
        };
        if let Some(log) = &mut self.log {
            log.tell(&reading.faults);
        }
        reading
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests;

//! A thread with its collectors, read one after the other.
//!
//! Owns the thread, the queue in front of it, and what becomes of a collector that hangs: the thread is left behind with
//! it, and a new one goes on with the others, so that it costs them nothing. The collector is left out until its thread
//! returns. Scrapes that ask at the same moment share one *run*. A collector counts as late by the age of its own
//! reading, so a scraper that hangs up early, or that has little time, does not decide for the others.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::logged::Logged;
use super::reading::{Reading, labels};
use crate::collector::{Collector, Fault};

/// Collectors keep what they parse on the heap; the deepest stacks seen were below 40 KiB.
const STACK: usize = 256 * 1024;

/// No collector is called late before this age, however little time a scraper has.
const LATE_AFTER: Duration = Duration::from_secs(1);

/// The collectors of a worker that are asked for, one bit each.
type Mask = u128;

/// What a run has given so far.
#[derive(Clone, Debug)]
struct Results {
    /// By the collectors' places.
    readings: Vec<Option<Arc<Reading>>>,
    /// Those that are there.
    done: Mask,
}

impl Results {
    /// Of so many collectors nothing yet.
    fn none(collectors: usize) -> Self {
        Self { readings: vec![None; collectors], done: 0 }
    }
}

/// Collectors that share a thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
}

/// What the thread shares with the scrapes.
struct Shared {
    thread_name: &'static str,
    names: Vec<&'static str>,
    /// Each is locked by the thread that reads it.
    collectors: Vec<Mutex<Logged>>,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queued: Option<Queued>,
    running: Option<Running>,
    left: Vec<Left>,
    /// The number of the thread that goes on; the ones before it were left behind.
    in_charge: u64,
    closed: bool,
}

/// The next run.
struct Queued {
    wishes: Wishes,
    results: watch::Sender<Results>,
}

/// A run that has begun.
struct Run {
    wishes: Wishes,
    results: watch::Sender<Results>,
}

/// The run under way.
struct Running {
    run: Arc<Run>,
    /// What it has still to read.
    todo: Mask,
    now: Option<Now>,
}

/// The collector that is being read.
#[derive(Clone, Copy)]
struct Now {
    index: usize,
    since: Instant,
    /// Whether it was logged as late.
    logged: bool,
}

/// A collector that keeps a thread waiting, which was left behind with it.
struct Left {
    now: Now,
    /// The runs that want its reading when it returns.
    runs: Vec<Arc<Run>>,
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

impl Run {
    fn give(&self, index: usize, reading: &Arc<Reading>) {
        self.results.send_if_modified(|results| {
            results.readings[index] = Some(Arc::clone(reading));
            results.done |= 1 << index;
            self.wishes.is_fulfilled(results.done, 1 << index)
        });
    }
}

impl State {
    /// The collectors that keep a thread waiting.
    fn away(&self) -> Mask {
        self.left.iter().fold(0, |away, left| away | 1 << left.now.index)
    }

    /// What is known of a collector that is being read.
    fn reading(&mut self, index: usize) -> Option<&mut Now> {
        let now = self.running.as_mut().and_then(|running| running.now.as_mut());
        now.into_iter().chain(self.left.iter_mut().map(|left| &mut left.now)).find(|now| now.index == index)
    }
}

impl Shared {
    /// Nothing from outside can cause a panic while the lock is held; should one happen, the state is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_thread(self: &Arc<Self>, number: u64) -> io::Result<()> {
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name(self.thread_name.to_owned()).stack_size(STACK);
        thread.spawn(move || shared.work(number)).map(drop)
    }

    /// A thread: reads the collectors of each run in order, and gives out each result at once.
    fn work(&self, thread: u64) {
        while let Some((index, run)) = self.next(thread) {
            let collector = &self.collectors[index];
            let reading = Arc::new(collector.lock().unwrap_or_else(PoisonError::into_inner).read());
            run.give(index, &reading);
            self.returned(index, &reading);
        }
    }

    /// What to read next; `None` when this thread is to end.
    fn next(&self, thread: u64) -> Option<(usize, Arc<Run>)> {
        let mut state = self.state();
        loop {
            if state.closed || state.in_charge != thread {
                return None;
            }
            match &mut state.running {
                Some(running) if running.todo != 0 => {
                    let index = running.todo.trailing_zeros() as usize;
                    running.todo &= !(1 << index);
                    running.now = Some(Now { index, since: Instant::now(), logged: false });
                    return Some((index, Arc::clone(&running.run)));
                }
                _ => state.running = None,
            }
            if let Some(Queued { wishes, results }) = state.queued.take() {
                let todo = wishes.union() & !state.away();
                let run = Arc::new(Run { wishes, results });
                for left in &mut state.left {
                    if run.wishes.union() & 1 << left.now.index != 0 {
                        left.runs.push(Arc::clone(&run));
                    }
                }
                state.running = Some(Running { run, todo, now: None });
            } else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// A collector was read, after however long.
    fn returned(&self, index: usize, reading: &Arc<Reading>) {
        let mut state = self.state();
        let now = if let Some(place) = state.left.iter().position(|left| left.now.index == index) {
            let left = state.left.swap_remove(place);
            for run in &left.runs {
                run.give(index, reading);
            }
            Some(left.now)
        } else {
            state.running.as_mut().and_then(|running| running.now.take())
        };
        drop(state);
        if let Some(now) = now.filter(|now| now.logged) {
            let (name, seconds) = (reading.collector, now.since.elapsed().as_secs_f64());
            tracing::info!(collector = name, seconds, "the collector `{name}` returned after {seconds:.1} s");
        }
    }

    /// Leaves the thread behind when it has been with one collector for so long. Says when to look again.
    fn leave_hanging(self: &Arc<Self>, state: &mut State, after: Duration) -> Instant {
        let Some(Running { run, now, .. }) = &mut state.running else { return Instant::now() + after };
        let Some(hanging) = now.filter(|now| now.since.elapsed() >= after) else {
            return now.map_or_else(Instant::now, |now| now.since) + after;
        };
        match self.start_thread(state.in_charge + 1) {
            Ok(()) => {
                state.in_charge += 1;
                *now = None;
                state.left.push(Left { now: hanging, runs: vec![Arc::clone(run)] });
            }
            Err(error) => tracing::warn!(
                collector = self.names[hanging.index],
                "no thread can be started to read the collectors after the one that does not answer: {error}"
            ),
        }
        Instant::now() + after
    }
}

impl Worker {
    /// Starts the thread. It ends when this is dropped.
    pub(super) fn start(thread_name: &'static str, collectors: Vec<Box<dyn Collector>>) -> io::Result<Self> {
        assert!(
            collectors.len() <= Mask::BITS as usize,
            "a worker's collectors are counted in the bits of a mask"
        );
        let names = collectors.iter().map(|collector| collector.name()).collect();
        let collectors = collectors.into_iter().map(|collector| Mutex::new(Logged::new(collector))).collect();
        let (state, wake) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { thread_name, names, collectors, state, wake });
        shared.start_thread(0)?;
        Ok(Self { shared })
    }

    /// The names of its collectors, in order.
    pub(super) fn collectors(&self) -> impl Iterator<Item = &'static str> {
        self.shared.names.iter().copied()
    }

    /// Asks for the collectors that are wanted; `None` when none of them is this worker's.
    ///
    /// Joins the run under way when another scrape wants the same of it, else queues one. A collector that has already
    /// taken all the time this scrape has is not waited for.
    pub(super) fn ask(&self, wanted: impl Fn(&str) -> bool, patience: Duration) -> Option<Asked<'_>> {
        let bits = self.collectors().enumerate().filter(|(_, name)| wanted(name));
        let mask = bits.fold(0, |mask, (index, _)| mask | 1 << index);
        (mask != 0).then(|| Asked { worker: self, mask, run: self.run(mask, patience), patience })
    }

    fn run(&self, mask: Mask, patience: Duration) -> Option<watch::Receiver<Results>> {
        let mut state = self.shared.state();
        // When no scrape waits, nobody has looked at how the run goes on.
        self.shared.leave_hanging(&mut state, hangs_after(patience));
        let late = state.left.iter().filter(|left| left.now.since.elapsed() >= patience.max(LATE_AFTER));
        let late = late.fold(0, |late, left| late | 1 << left.now.index);
        self.log_late(&mut state, mask & late);
        let mask = mask & !late;
        if mask == 0 {
            return None;
        }
        if let Some(Running { run, .. }) = &state.running
            && run.wishes.0.contains(&mask)
        {
            return Some(run.results.subscribe());
        }
        let queued = state.queued.get_or_insert_with(|| Queued {
            wishes: Wishes::default(),
            results: watch::Sender::new(Results::none(self.shared.names.len())),
        });
        queued.wishes.add(mask);
        let run = queued.results.subscribe();
        // The thread that wakes wants the lock.
        drop(state);
        // All threads but the one in charge are with a collector.
        self.shared.wake.notify_one();
        Some(run)
    }

    /// Logs once for each reading that it is late.
    fn log_late(&self, state: &mut State, late: Mask) {
        for (index, name) in self.collectors().enumerate().filter(|(index, _)| late & (1 << index) != 0) {
            if let Some(now) = state.reading(index)
                && now.since.elapsed() >= LATE_AFTER
                && !now.logged
            {
                now.logged = true;
                tracing::warn!(
                    collector = name,
                    "the collector `{name}` did not answer in time and is left out until it returns"
                );
            }
        }
    }

    /// Stands for the reading of a collector that did not answer.
    fn late(&self, index: usize, asked: Instant) -> Arc<Reading> {
        let since = self.shared.state().reading(index).map_or(asked, |now| now.since);
        Arc::new(Reading {
            collector: self.shared.names[index],
            labels: labels(self.shared.names[index]),
            took: since.elapsed(),
            families: Vec::new(),
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

/// How long one collector may keep the others of its worker waiting, for a scraper with this much time: several may hang,
/// one after the other.
fn hangs_after(patience: Duration) -> Duration {
    (patience / 8).clamp(Duration::from_millis(50), Duration::from_secs(1))
}

/// One scrape's place in the queue of a worker.
pub(super) struct Asked<'worker> {
    worker: &'worker Worker,
    mask: Mask,
    /// `None` when all that is asked for is too late to be waited for.
    run: Option<watch::Receiver<Results>>,
    patience: Duration,
}

impl Asked<'_> {
    /// Adds a reading for each collector asked for: what came until the deadline, and a failed one for each other.
    pub(super) async fn wait(self, asked: Instant, deadline: Instant, readings: &mut Vec<Arc<Reading>>) {
        let Self { worker, mask, run, patience } = self;
        let results = match run {
            None => Results::none(worker.shared.names.len()),
            Some(mut run) => {
                let hangs_after = hangs_after(patience);
                let mut look = asked + hangs_after;
                let complete = |results: &Results| mask & results.done == mask;
                loop {
                    let until = deadline.min(look);
                    let answered = tokio::time::timeout_at(until.into(), run.wait_for(complete)).await;
                    // A run that ended has nothing more to give.
                    if answered.is_ok() || Instant::now() >= deadline {
                        break;
                    }
                    let mut state = worker.shared.state();
                    look = worker.shared.leave_hanging(&mut state, hangs_after);
                }
                run.borrow().clone()
            }
        };
        let missing = mask & !results.done;
        if missing != 0 {
            worker.log_late(&mut worker.shared.state(), missing);
        }
        for (index, reading) in results.readings.into_iter().enumerate() {
            if mask & (1 << index) != 0 {
                readings.push(reading.unwrap_or_else(|| worker.late(index, asked)));
            }
        }
    }
}

#[cfg(test)]
impl Worker {
    /// Whether a collector is being read.
    pub(super) fn is_running(&self) -> bool {
        let state = self.shared.state();
        state.running.is_some() || !state.left.is_empty()
    }

    /// How many collectors keep a thread waiting.
    pub(super) fn away(&self) -> usize {
        self.shared.state().left.len()
    }

    /// Lets the reading under way have begun earlier by so much.
    pub(super) fn backdate(&self, by: Duration) {
        let mut state = self.shared.state();
        let index = (0..self.shared.names.len()).find(|index| state.reading(*index).is_some());
        let now = index.and_then(|index| state.reading(index)).expect("a collector is being read");
        now.since = now.since.checked_sub(by).expect("the clock has run for that long");
    }
}

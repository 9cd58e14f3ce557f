//! Questions that may never be answered: a file on a dead server, an attribute whose driver hangs.
//!
//! Owns the thread that asks. When a question keeps it waiting, the thread is left behind with that question and a new one
//! asks the others. The question counts as stuck until its thread comes back. A thread inside the kernel cannot be ended,
//! so their number has a limit. The limit is only for questions that were not answered the last time: one that was is
//! always asked, so that no number of dead file servers can hide the machine's own disks.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// At this many threads stuck, questions that were not answered last time are not asked. If this many get stuck in one
/// round, the questions that were not asked yet count as not answered.
const MOST_STUCK: usize = 16;

/// Asks questions of one kind.
pub(crate) struct Detached<Q, A> {
    thread_name: &'static str,
    patience: Patience,
    answer: Answering<Q, A>,
    worker: Option<Worker<Q, A>>,
    /// Questions that were answered the last time they were asked.
    alive: HashSet<Q>,
    stuck: Vec<(Q, Worker<Q, A>)>,
}

/// What answers.
type Answering<Q, A> = Arc<dyn Fn(&Q) -> A + Send + Sync>;

/// How long an answer may take. The first that takes longer has shown that something is wrong: the next get less time,
/// so that one dead server with many mounts does not hold up the collector for minutes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) first: Duration,
    pub(crate) next: Duration,
}

/// A thread that answers questions in order.
struct Worker<Q, A> {
    /// The thread ends after the question it is stuck in and does not go on with the next.
    left_behind: Arc<AtomicBool>,
    questions: Sender<Q>,
    answers: Receiver<A>,
}

impl<Q: Clone + Eq + Hash + Send + 'static, A: Send + 'static> Detached<Q, A> {
    /// No thread is started before the first question.
    pub(crate) fn new(
        thread_name: &'static str,
        patience: Patience,
        answer: impl Fn(&Q) -> A + Send + Sync + 'static,
    ) -> Self {
        let answer = Arc::new(answer);
        Self { thread_name, patience, answer, worker: None, alive: HashSet::new(), stuck: Vec::new() }
    }

    /// One answer for each question, in order; `None` for one that is stuck.
    pub(crate) fn ask(&mut self, questions: Vec<Q>) -> Vec<Option<A>> {
        // A thread that has answered, or whose channel is closed, is free again.
        self.stuck.retain(|(_, worker)| matches!(worker.answers.try_recv(), Err(mpsc::TryRecvError::Empty)));
        let mut answers: Vec<Option<A>> = questions.iter().map(|_| None).collect();
        let askable = |(_, question): &(usize, Q)| !self.stuck.iter().any(|(stuck, _)| stuck == question);
        let mut waiting: VecDeque<(usize, Q)> = questions.into_iter().enumerate().filter(askable).collect();
        waiting.make_contiguous().sort_by_key(|(_, question)| !self.alive.contains(question));
        let mut patience = self.patience.first;
        let mut lost = 0;
        loop {
            if lost == MOST_STUCK {
                for (_, question) in waiting.drain(..) {
                    self.alive.remove(&question);
                }
            }
            if self.stuck.len() >= MOST_STUCK {
                waiting.retain(|(_, question)| self.alive.contains(question));
            }
            if waiting.is_empty() {
                return answers;
            }
            let Some(worker) = self.worker() else { return answers };
            for (_, question) in &waiting {
                // A closed channel shows in the answers.
                let _ = worker.questions.send(question.clone());
            }
            while let Some((index, question)) = waiting.pop_front() {
                match worker.answers.recv_timeout(patience) {
                    Ok(answer) => {
                        answers[index] = Some(answer);
                        self.alive.insert(question);
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        worker.left_behind.store(true, Ordering::Relaxed);
                        self.alive.remove(&question);
                        self.stuck.push((question, worker));
                        patience = self.patience.next;
                        lost += 1;
                        break;
                    }
                    // The thread is gone, with this question.
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if waiting.is_empty() {
                    self.worker = Some(worker);
                    return answers;
                }
            }
        }
    }

    /// What is not asked any more (mount points of containers that are gone) must not pile up.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(&Q) -> bool) {
        self.alive.retain(|question| !is_gone(question));
    }

    /// How many questions were answered when they were last asked.
    pub(crate) fn known(&self) -> usize {
        self.alive.len()
    }

    /// For questions that are seldom asked; the next one starts a thread again.
    pub(crate) fn end_idle_thread(&mut self) {
        self.worker = None;
    }

    /// The idle thread, or a new one; `None` when the machine cannot start one.
    fn worker(&mut self) -> Option<Worker<Q, A>> {
        if let Some(worker) = self.worker.take() {
            return Some(worker);
        }
        let (questions, asked) = mpsc::channel::<Q>();
        let (give, answers) = mpsc::channel();
        let left_behind = Arc::new(AtomicBool::new(false));
        let (answer, leave) = (Arc::clone(&self.answer), Arc::clone(&left_behind));
        thread::Builder::new()
            .name(self.thread_name.to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                for question in asked {
                    if give.send(answer(&question)).is_err() || leave.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
            .ok()?;
        Some(Worker { left_behind, questions, answers })
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// Long enough for a thread to start and answer on any machine. A test waits so long for a mount that hangs.
    const LONG: Duration = Duration::from_secs(12);

    /// Too short for a busy machine: what is asked so is asked until it is answered.
    const SHORT: Duration = Duration::from_millis(100);

    /// Asks until these are the answers.
    #[track_caller]
    fn ask_until(
        asking: &mut Detached<PathBuf, ()>,
        paths: impl Fn() -> Vec<PathBuf>,
        expected: &[Option<()>],
    ) {
        let deadline = std::time::Instant::now() + Duration::from_mins(1);
        loop {
            let answers = asking.ask(paths());
            if answers == expected {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{answers:?} instead of {expected:?}");
            thread::yield_now();
        }
    }

    /// Holds back the answers of mounts that begin with `/dead` while it is shut. Each test has its own.
    struct Gate(Mutex<bool>, Condvar);

    impl Gate {
        const fn new(shut: bool) -> Self {
            Self(Mutex::new(shut), Condvar::new())
        }

        fn shut(&self, shut: bool) {
            *self.0.lock().unwrap() = shut;
            self.1.notify_all();
        }

        fn pass(&self, path: &Path) {
            if path.starts_with("/dead") {
                let shut = self.0.lock().unwrap();
                drop(self.1.wait_while(shut, |shut| *shut).unwrap());
            }
        }
    }

    fn paths(written: &[&str]) -> Vec<PathBuf> {
        written.iter().map(PathBuf::from).collect()
    }

    fn asking(patience: Patience, gate: &'static Gate) -> Detached<PathBuf, ()> {
        Detached::new("asks", patience, move |path: &PathBuf| gate.pass(path))
    }

    #[test]
    fn a_dead_mount_costs_only_itself_until_it_is_back() {
        static GATE: Gate = Gate::new(true);
        let mut sizes = asking(Patience { first: SHORT, next: SHORT }, &GATE);
        let paths = || paths(&["/a", "/dead/1", "/b", "/dead/2", "/c"]);
        for _ in 0..3 {
            ask_until(&mut sizes, paths, &[Some(()), None, Some(()), None, Some(())]);
            // One that is known to be stuck and is asked again would be there twice.
            let stuck = |dead: &str| sizes.stuck.iter().filter(|(path, _)| path == Path::new(dead)).count();
            assert_eq!([stuck("/dead/1"), stuck("/dead/2")], [1, 1]);
        }
        GATE.shut(false);
        ask_until(&mut sizes, paths, &[Some(()); 5]);
    }

    /// More than may be stuck at the same time.
    const MANY: usize = MOST_STUCK + 4;

    /// Only mounts that hang are asked with this patience: no thread has to start within it.
    const NONE: Duration = Duration::from_millis(1);

    fn many_dead() -> impl Iterator<Item = PathBuf> {
        (0..MANY).map(|number| PathBuf::from(format!("/dead/{number}")))
    }

    #[test]
    fn many_dead_mounts_do_not_hide_those_that_answered_before() {
        static GATE: Gate = Gate::new(true);
        let mut sizes = asking(Patience { first: LONG, next: NONE }, &GATE);
        assert_eq!(sizes.ask(paths(&["/", "/data"])), [Some(()), Some(())]);
        for _ in 0..3 {
            let answers = sizes.ask(many_dead().chain(paths(&["/", "/data", "/new"])).collect());
            let (dead, others) = answers.split_at(MANY);
            assert!(dead.iter().all(Option::is_none), "{dead:?}");
            assert_eq!(
                others,
                [Some(()), Some(()), None],
                "one that never answered must wait until a thread is free"
            );
            assert_eq!(sizes.stuck.len(), MOST_STUCK);
        }
    }

    #[test]
    fn many_mounts_that_die_together_have_a_limit_too() {
        static GATE: Gate = Gate::new(false);
        let mut sizes = asking(Patience { first: LONG, next: NONE }, &GATE);
        let paths = || paths(&["/"]).into_iter().chain(many_dead()).collect();
        assert!(sizes.ask(paths()).iter().all(Option::is_some));
        GATE.shut(true);
        for _ in 0..3 {
            let answers = sizes.ask(paths());
            assert_eq!(answers[0], Some(()));
            assert!(answers[1..].iter().all(Option::is_none), "{answers:?}");
            assert_eq!(sizes.stuck.len(), MOST_STUCK);
        }
        GATE.shut(false);
        ask_until(&mut sizes, paths, &[Some(()); MANY + 1]);
    }
}

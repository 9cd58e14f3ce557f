//! Asking mounts for their size with `statvfs(2)`, which hangs when a file server is dead.
//!
//! Owns the thread that asks. When a mount keeps it waiting, the thread is left behind with that mount and a new one asks
//! the others. The mount counts as stuck until its thread comes back. A thread inside a dead mount cannot be ended, so
//! their number has a limit. The limit is only for mounts that did not answer the last time: one that did is always
//! asked, so that no number of dead file servers can hide the machine's own disks.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// A mount's size, or a short text that says why not (it becomes the label `device_error`).
pub(super) type Answer = Result<Size, String>;

/// `struct statvfs` in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) total: u64,
    pub(super) free: u64,
    pub(super) available: u64,
    pub(super) files: u64,
    pub(super) files_free: u64,
}

/// At this many threads stuck in a mount, mounts that did not answer last time are not asked. If this many get stuck in one
/// reading, the mounts that were not asked yet count as not answering.
const MOST_STUCK: usize = 16;
const STUCK: &str = "mountpoint timeout";

/// Asks mounts.
pub(super) struct Sizes {
    patience: Patience,
    question: fn(&Path) -> Answer,
    worker: Option<Worker>,
    /// Mounts that answered the last time they were asked.
    alive: HashSet<PathBuf>,
    stuck: Vec<(PathBuf, Worker)>,
}

/// How long a mount may take. The first that takes longer has shown that something is wrong: the next get less time,
/// so that one dead server with many mounts does not hold up the collector for minutes.
struct Patience {
    first: Duration,
    next: Duration,
}

/// A thread that answers questions in order.
struct Worker {
    /// The thread ends after the question it is stuck in and does not go on with the next.
    left_behind: Arc<AtomicBool>,
    questions: Sender<PathBuf>,
    answers: Receiver<Answer>,
}

impl Sizes {
    pub(super) fn new(timeout: Duration) -> Self {
        Self::asking(Patience { first: timeout, next: timeout / 10 }, statvfs)
    }

    fn asking(patience: Patience, question: fn(&Path) -> Answer) -> Self {
        Self { patience, question, worker: None, alive: HashSet::new(), stuck: Vec::new() }
    }

    /// One answer for each path, in order.
    pub(super) fn ask(&mut self, paths: Vec<PathBuf>) -> Vec<Answer> {
        // A thread that has answered, or whose channel is closed, is free again.
        self.stuck.retain(|(_, worker)| matches!(worker.answers.try_recv(), Err(mpsc::TryRecvError::Empty)));
        self.forget_all_but(&paths);
        let mut answers: Vec<Answer> = vec![Err(STUCK.to_owned()); paths.len()];
        let askable = |(_, path): &(usize, PathBuf)| !self.stuck.iter().any(|(stuck, _)| stuck == path);
        let mut waiting: VecDeque<(usize, PathBuf)> = paths.into_iter().enumerate().filter(askable).collect();
        waiting.make_contiguous().sort_by_key(|(_, path)| !self.alive.contains(path));
        let mut patience = self.patience.first;
        let mut lost = 0;
        loop {
            if lost == MOST_STUCK {
                for (_, path) in waiting.drain(..) {
                    self.alive.remove(&path);
                }
            }
            if self.stuck.len() >= MOST_STUCK {
                waiting.retain(|(_, path)| self.alive.contains(path));
            }
            if waiting.is_empty() {
                return answers;
            }
            let Some(worker) = self.worker() else { return answers };
            for (_, path) in &waiting {
                // A closed channel shows in the answers.
                let _ = worker.questions.send(path.clone());
            }
            while let Some((index, path)) = waiting.pop_front() {
                match worker.answers.recv_timeout(patience) {
                    Ok(answer) => {
                        answers[index] = answer;
                        self.alive.insert(path);
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        worker.left_behind.store(true, Ordering::Relaxed);
                        self.alive.remove(&path);
                        self.stuck.push((path, worker));
                        patience = self.patience.next;
                        lost += 1;
                        break;
                    }
                    Err(RecvTimeoutError::Disconnected) => {
                        answers[index] = Err("no answer".to_owned());
                        break;
                    }
                }
                if waiting.is_empty() {
                    self.worker = Some(worker);
                    return answers;
                }
            }
        }
    }

    /// Mount points of containers that are gone must not pile up.
    fn forget_all_but(&mut self, paths: &[PathBuf]) {
        if self.alive.len() > paths.len() {
            let mounted: HashSet<&PathBuf> = paths.iter().collect();
            self.alive.retain(|path| mounted.contains(path));
        }
    }

    /// The idle thread, or a new one; `None` when the machine cannot start one.
    fn worker(&mut self) -> Option<Worker> {
        if let Some(worker) = self.worker.take() {
            return Some(worker);
        }
        let (questions, asked) = mpsc::channel::<PathBuf>();
        let (answer, answers) = mpsc::channel();
        let left_behind = Arc::new(AtomicBool::new(false));
        let (question, leave) = (self.question, Arc::clone(&left_behind));
        thread::Builder::new()
            .name("statvfs".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || {
                for path in asked {
                    if answer.send(question(&path)).is_err() || leave.load(Ordering::Relaxed) {
                        return;
                    }
                }
            })
            .ok()?;
        Some(Worker { left_behind, questions, answers })
    }
}

fn statvfs(path: &Path) -> Answer {
    match rustix::fs::statvfs(path) {
        Ok(stat) => Ok(Size {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            free: stat.f_bfree.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
            files: stat.f_files,
            files_free: stat.f_ffree,
        }),
        Err(errno) => Err(short(&io::Error::from(errno))),
    }
}

/// `permission denied`, not `Permission denied (os error 13)`: what `node_exporter` says in this label.
fn short(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// Long enough for a thread to start on a busy machine.
    const LONG: Duration = Duration::from_millis(400);

    const SOME: Size = Size { total: 1, free: 1, available: 1, files: 1, files_free: 1 };

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

        fn pass(&self, path: &Path) -> Size {
            if path.starts_with("/dead") {
                let shut = self.0.lock().unwrap();
                drop(self.1.wait_while(shut, |shut| *shut).unwrap());
            }
            SOME
        }
    }

    fn paths(written: &[&str]) -> Vec<PathBuf> {
        written.iter().map(PathBuf::from).collect()
    }

    fn stuck() -> Answer {
        Err(STUCK.to_owned())
    }

    #[test]
    fn a_dead_mount_costs_only_itself_until_it_is_back() {
        static GATE: Gate = Gate::new(true);
        let mut sizes = Sizes::asking(Patience { first: LONG, next: LONG }, |path| Ok(GATE.pass(path)));
        let paths = || paths(&["/a", "/dead/1", "/b", "/dead/2", "/c"]);
        let expected = [Ok(SOME), stuck(), Ok(SOME), stuck(), Ok(SOME)];
        assert_eq!(sizes.ask(paths()), expected);
        let began = std::time::Instant::now();
        assert_eq!(sizes.ask(paths()), expected);
        assert!(began.elapsed() < LONG, "a mount known to be stuck was waited for");
        GATE.shut(false);
        let all_back = [const { Ok(SOME) }; 5];
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while sizes.ask(paths()) != all_back {
            assert!(std::time::Instant::now() < deadline, "the mounts did not come back");
            thread::yield_now();
        }
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
        let mut sizes = Sizes::asking(Patience { first: LONG, next: NONE }, |path| Ok(GATE.pass(path)));
        assert_eq!(sizes.ask(paths(&["/", "/data"])), [Ok(SOME), Ok(SOME)]);
        for _ in 0..3 {
            let answers = sizes.ask(many_dead().chain(paths(&["/", "/data", "/new"])).collect());
            let (dead, others) = answers.split_at(MANY);
            assert!(dead.iter().all(|answer| *answer == stuck()), "{dead:?}");
            assert_eq!(
                others,
                [Ok(SOME), Ok(SOME), stuck()],
                "one that never answered must wait until a thread is free"
            );
            assert_eq!(sizes.stuck.len(), MOST_STUCK);
        }
    }

    #[test]
    fn many_mounts_that_die_together_have_a_limit_too() {
        static GATE: Gate = Gate::new(false);
        let mut sizes = Sizes::asking(Patience { first: LONG, next: NONE }, |path| Ok(GATE.pass(path)));
        let paths = || paths(&["/"]).into_iter().chain(many_dead()).collect();
        assert!(sizes.ask(paths()).iter().all(Result::is_ok));
        GATE.shut(true);
        for _ in 0..3 {
            let answers = sizes.ask(paths());
            assert_eq!(answers[0], Ok(SOME));
            assert!(answers[1..].iter().all(|answer| *answer == stuck()), "{answers:?}");
            assert_eq!(sizes.stuck.len(), MOST_STUCK);
        }
        GATE.shut(false);
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while !sizes.ask(paths()).iter().all(Result::is_ok) {
            assert!(std::time::Instant::now() < deadline, "the mounts did not come back");
            thread::yield_now();
        }
    }

    #[test]
    fn asks_the_kernel() {
        let answers = Sizes::new(Duration::from_secs(5)).ask(vec!["/".into(), "/nonexistent".into()]);
        assert!(answers[0].as_ref().is_ok_and(|size| size.total > 0), "{answers:?}");
        assert_eq!(answers[1], Err("no such file or directory".to_owned()));
    }
}

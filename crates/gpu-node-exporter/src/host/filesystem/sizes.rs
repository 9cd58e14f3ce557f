//! Asking mounts for their size with `statvfs(2)`, which hangs when a file server is dead.
//!
//! Owns a helper thread that asks, and what becomes of it: when one mount keeps it waiting, the thread is left behind
//! with that mount, a new one asks the others, and the mount counts as stuck until its thread comes back. A thread
//! inside a dead mount cannot be ended, so their number has a limit.

use std::collections::VecDeque;
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

/// Threads left behind at the same time; mounts that hang beyond that are not asked at all.
const MOST_STUCK: usize = 16;
const STUCK: &str = "mountpoint timeout";

/// Asks mounts.
pub(super) struct Sizes {
    patience: Patience,
    question: fn(&Path) -> Answer,
    worker: Option<Worker>,
    stuck: Vec<(PathBuf, Worker)>,
}

/// How long a mount may take. The first that takes longer has shown that something is wrong: the next get less time,
/// so that one dead server with many mounts does not hold up the lane for minutes.
struct Patience {
    first: Duration,
    next: Duration,
}

/// A thread that answers questions in order.
struct Worker {
    /// Tells the thread to leave after the question it is stuck in rather than to go on with the next.
    left_behind: Arc<AtomicBool>,
    questions: Sender<PathBuf>,
    answers: Receiver<Answer>,
}

impl Sizes {
    pub(super) fn new(timeout: Duration) -> Self {
        Self::asking(Patience { first: timeout, next: timeout / 10 }, statvfs)
    }

    fn asking(patience: Patience, question: fn(&Path) -> Answer) -> Self {
        Self { patience, question, worker: None, stuck: Vec::new() }
    }

    /// One answer for each path, in order.
    pub(super) fn ask(&mut self, paths: Vec<PathBuf>) -> Vec<Answer> {
        // A thread that has answered, or whose channel is closed, is free again.
        self.stuck.retain(|(_, worker)| matches!(worker.answers.try_recv(), Err(mpsc::TryRecvError::Empty)));
        let mut answers: Vec<Answer> = vec![Err(STUCK.to_owned()); paths.len()];
        let askable = |(_, path): &(usize, PathBuf)| !self.stuck.iter().any(|(stuck, _)| stuck == path);
        let mut waiting: VecDeque<(usize, PathBuf)> = paths.into_iter().enumerate().filter(askable).collect();
        let mut patience = self.patience.first;
        while !waiting.is_empty() {
            let Some(worker) = self.worker() else { break };
            for (_, path) in &waiting {
                // A closed channel shows in the answers.
                let _ = worker.questions.send(path.clone());
            }
            while let Some((index, path)) = waiting.pop_front() {
                match worker.answers.recv_timeout(patience) {
                    Ok(answer) => answers[index] = answer,
                    Err(RecvTimeoutError::Timeout) => {
                        worker.left_behind.store(true, Ordering::Relaxed);
                        self.stuck.push((path, worker));
                        patience = self.patience.next;
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
        answers
    }

    /// The idle thread, or a new one; `None` when too many are stuck.
    fn worker(&mut self) -> Option<Worker> {
        if let Some(worker) = self.worker.take() {
            return Some(worker);
        }
        if self.stuck.len() >= MOST_STUCK {
            return None;
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

    /// Paths that begin with `/dead` do not answer before this is set.
    static REVIVED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    #[expect(clippy::unnecessary_wraps, reason = "has the signature of a question")]
    fn slow(path: &Path) -> Answer {
        if path.starts_with("/dead") {
            let revived = REVIVED.0.lock().unwrap();
            drop(REVIVED.1.wait_while(revived, |revived| !*revived).unwrap());
        }
        Ok(SOME)
    }

    #[test]
    fn a_dead_mount_costs_only_itself_until_it_is_back() {
        let mut sizes = Sizes::asking(Patience { first: LONG, next: LONG }, slow);
        let paths = || ["/a", "/dead/1", "/b", "/dead/2", "/c"].map(PathBuf::from).to_vec();
        let stuck = || Err(STUCK.to_owned());
        let expected = [Ok(SOME), stuck(), Ok(SOME), stuck(), Ok(SOME)];
        assert_eq!(sizes.ask(paths()), expected);
        let began = std::time::Instant::now();
        assert_eq!(sizes.ask(paths()), expected);
        assert!(began.elapsed() < LONG, "a mount known to be stuck was waited for");
        *REVIVED.0.lock().unwrap() = true;
        REVIVED.1.notify_all();
        let all_back = [const { Ok(SOME) }; 5];
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while sizes.ask(paths()) != all_back {
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

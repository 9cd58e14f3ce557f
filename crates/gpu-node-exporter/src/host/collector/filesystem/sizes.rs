//! Asking mounts for their size with `statvfs(2)`, which hangs when a file server is dead.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::detached::{Detached, Patience};

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

/// Where a mount is, and whether it may keep whoever asks waiting.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mounted {
    pub(super) path: PathBuf,
    pub(super) may_hang: bool,
}

/// As `node_exporter` says it.
const STUCK: &str = "mountpoint timeout";

/// Asks mounts.
pub(super) struct Sizes(Detached<PathBuf, Answer>);

impl Sizes {
    pub(super) fn new(timeout: Duration) -> Self {
        let patience = Patience { first: timeout, next: timeout / 10 };
        Self(Detached::new("statvfs", patience, |path: &PathBuf| statvfs(path)))
    }

    /// One answer for each mount, in order. Those that may hang are asked on a thread of their own.
    pub(super) fn ask(&mut self, mounted: &[Mounted]) -> Vec<Answer> {
        let apart: Vec<PathBuf> =
            mounted.iter().filter(|mount| mount.may_hang).map(|mount| mount.path.clone()).collect();
        if self.0.known() > apart.len() {
            let asked: HashSet<&PathBuf> = apart.iter().collect();
            self.0.forget(|path| !asked.contains(path));
        }
        let mut answers = if apart.is_empty() { Vec::new() } else { self.0.ask(apart) }.into_iter();
        let stuck = || Err(STUCK.to_owned());
        let answer = |mount: &Mounted| {
            if mount.may_hang { answers.next().flatten().unwrap_or_else(stuck) } else { statvfs(&mount.path) }
        };
        mounted.iter().map(answer).collect()
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
    use super::*;

    #[test]
    fn asks_the_kernel() {
        let mut sizes = Sizes::new(Duration::from_secs(5));
        let mounted = |path: &str, may_hang| Mounted { path: path.into(), may_hang };
        for may_hang in [[false, false, false, false], [true, false, true, false], [true, true, true, true]] {
            let paths = ["/", "/nonexistent", "/nonexistent/a", "/"];
            let mounted: Vec<_> =
                paths.iter().zip(may_hang).map(|(path, may_hang)| mounted(path, may_hang)).collect();
            let answers = sizes.ask(&mounted);
            let is_size = |answer: &Answer| answer.as_ref().is_ok_and(|size| size.total > 0);
            assert!(is_size(&answers[0]) && is_size(&answers[3]), "{answers:?}");
            assert_eq!(answers[1], Err("no such file or directory".to_owned()));
            assert_eq!(answers[2], answers[1]);
        }
    }
}

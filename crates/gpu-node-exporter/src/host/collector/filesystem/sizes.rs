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

/// As `node_exporter` says it.
const STUCK: &str = "mountpoint timeout";

/// Asks mounts.
pub(super) struct Sizes(Detached<PathBuf, Answer>);

impl Sizes {
    pub(super) fn new(timeout: Duration) -> Self {
        let patience = Patience { first: timeout, next: timeout / 10 };
        Self(Detached::new("statvfs", patience, |path: &PathBuf| statvfs(path)))
    }

    /// One answer for each path, in order.
    pub(super) fn ask(&mut self, paths: Vec<PathBuf>) -> Vec<Answer> {
        if self.0.known() > paths.len() {
            let mounted: HashSet<&PathBuf> = paths.iter().collect();
            self.0.forget(|path| !mounted.contains(path));
        }
        let answers = self.0.ask(paths).into_iter();
        answers.map(|answer| answer.unwrap_or_else(|| Err(STUCK.to_owned()))).collect()
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
        let answers = Sizes::new(Duration::from_secs(5)).ask(vec!["/".into(), "/nonexistent".into()]);
        assert!(answers[0].as_ref().is_ok_and(|size| size.total > 0), "{answers:?}");
        assert_eq!(answers[1], Err("no such file or directory".to_owned()));
    }
}

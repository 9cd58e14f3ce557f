//! Whether the open files are still those under their names.
//!
//! A file that is deleted or replaced while it is open goes on to be written, and is gone with the process: what was answered 200 would be
//! lost.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The files of a store, as they were when it was opened.
#[derive(Debug)]
pub(super) struct OpenFiles(Vec<OpenFile>);

#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl OpenFiles {
    /// The store at `path` and its log, once something was written.
    pub(super) fn of(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let open = |path: PathBuf| {
            let file = std::fs::metadata(&path).ok()?;
            Some(OpenFile { path, device: file.dev(), inode: file.ino() })
        };
        Self([path.to_owned(), log.into()].into_iter().filter_map(open).collect())
    }

    /// One that is no longer under its name.
    pub(super) fn gone(&self) -> Option<&Path> {
        let is_gone = |file: &&OpenFile| {
            std::fs::metadata(&file.path)
                .map_or(true, |found| (found.dev(), found.ino()) != (file.device, file.inode))
        };
        self.0.iter().find(is_gone).map(|file| file.path.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_deleted_or_replaced_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let (store, log) = (directory.path().join("relay.db"), directory.path().join("relay.db-wal"));
        let write = |path: &Path| std::fs::write(path, "x").unwrap();
        write(&store);
        write(&log);
        let files = OpenFiles::of(&store);
        assert_eq!(files.gone(), None);
        std::fs::remove_file(&log).unwrap();
        assert_eq!(files.gone(), Some(log.as_path()));
        write(&log);
        let files = OpenFiles::of(&store);
        let copy = directory.path().join("copy");
        std::fs::copy(&store, &copy).unwrap();
        std::fs::rename(&copy, &store).unwrap();
        assert_eq!(files.gone(), Some(store.as_path()));
    }
}

//! The files behind a web-config, each read once and remembered with its print, so that a change shows.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::section::Section;

/// The directory that relative paths start from, and every file read so far.
pub(crate) struct Files {
    directory: PathBuf,
    seen: Vec<Seen>,
}

/// A file as it was just before it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    path: PathBuf,
    /// Device, inode, bytes, and when it was last written (s, ns). `None`: it could not be looked at.
    print: Option<(u64, u64, u64, i64, i64)>,
}

impl Seen {
    /// The file as it is now.
    pub(crate) fn now(path: &Path) -> Self {
        // Links are followed: a Kubernetes secret changes by turning a link.
        let print = fs::metadata(path).ok().map(|m| (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec()));
        Self { path: path.to_owned(), print }
    }

    /// The same file as it is now.
    pub(crate) fn again(&self) -> Self {
        Self::now(&self.path)
    }
}

impl Files {
    /// Starts with the config file itself and gives its text, or what is wrong with it.
    pub(crate) fn beside(path: &Path) -> (Self, Result<String, String>) {
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        let seen = vec![Seen::now(path)];
        let text = fs::read_to_string(path).map_err(|error| cannot_read(path, &error));
        (Self { directory, seen }, text)
    }

    /// The content given inline under `key` or in the file that `file_key` names; never both.
    pub(crate) fn inline_or_file(
        &mut self,
        section: &mut Section<'_, '_>,
        key: &'static str,
        file_key: &'static str,
    ) -> Option<Vec<u8>> {
        match (section.text(key), section.text(file_key)) {
            (Some(_), Some(_)) => {
                section.problem(key, format_args!("given as well as `{file_key}` (hint: keep one of them)"));
                None
            }
            (Some(inline), None) => Some(inline.into_bytes()),
            (None, Some(named)) => {
                let path = self.directory.join(named);
                self.seen.push(Seen::now(&path));
                fs::read(&path).map_err(|error| section.problem(file_key, cannot_read(&path, &error))).ok()
            }
            (None, None) => None,
        }
    }

    /// Every file that was asked for, the config itself first.
    pub(crate) fn seen(self) -> Vec<Seen> {
        self.seen
    }
}

fn cannot_read(path: &Path, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "paths are relative to the web configuration's directory",
        io::ErrorKind::PermissionDenied => "let the user this process runs as read it",
        io::ErrorKind::InvalidData => "UTF-8 text is expected",
        _ => "a readable file is expected",
    };
    format!("cannot read `{}`: {error} (hint: {hint})", path.display())
}

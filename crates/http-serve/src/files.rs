//! The files behind a web-config, each read once and remembered with its print, so that a change shows.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use settings_document::{Section, reader_hint};

/// Every file read so far.
pub(crate) struct Files {
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
        let seen = vec![Seen::now(path)];
        let text = fs::read_to_string(path)
            .map_err(|error| cannot_read("the web configuration", &error, "a file is expected there"));
        (Self { seen }, text)
    }

    /// The content given inline under `key` or in the file that `file_key` names; never both.
    pub(crate) fn inline_or_file(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        file_key: &'static str,
    ) -> Option<Vec<u8>> {
        match (section.text_or_number(key), section.text_or_number(file_key)) {
            (Some(_), Some(_)) => {
                section.problem(key, format!("given as well as `{file_key}` (hint: keep one of them)"));
                None
            }
            (Some(inline), None) => Some(inline.into_owned().into_bytes()),
            // Most likely what should be in the file: it is not shown.
            (None, Some(named)) if named.contains(char::is_control) => {
                section.problem(file_key, format!("expected a path (hint: PEM text goes under `{key}`)"));
                None
            }
            (None, Some(named)) => {
                let path = section.directory().join(&*named);
                self.seen.push(Seen::now(&path));
                let cannot_read = |error| {
                    let if_absent = "relative paths start at the web configuration's directory";
                    cannot_read(&format!("`{}`", path.display()), &error, if_absent)
                };
                fs::read(&path).map_err(|error| section.problem(file_key, cannot_read(error))).ok()
            }
            (None, None) => None,
        }
    }

    /// Every file that was asked for, the config itself first.
    pub(crate) fn seen(self) -> Vec<Seen> {
        self.seen
    }
}

/// `if_absent` is the hint for a file that is not there.
fn cannot_read(what: &str, error: &io::Error, if_absent: &str) -> String {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => if_absent,
        io::ErrorKind::PermissionDenied => {
            return format!("cannot read {what}: {error}{}", reader_hint(error));
        }
        io::ErrorKind::InvalidData => "UTF-8 text is expected",
        _ => "a readable file is expected",
    };
    format!("cannot read {what}: {error} (hint: {hint})")
}

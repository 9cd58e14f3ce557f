//! One file of `/proc`, and the text it holds.

use super::kept_file::{Buffer, KeptFile, ReadError};
use super::root::Root;

/// A file of `/proc` with the memory for its text. It is opened at its first reading and stays open.
#[derive(Debug)]
pub(crate) struct ProcFile {
    file: KeptFile,
    buffer: Buffer,
}

impl ProcFile {
    /// `path` is relative to `--path.procfs`. Nothing is opened yet.
    pub(crate) fn new(root: &Root, path: &str) -> Self {
        Self { file: KeptFile::new(root.proc.join(path)), buffer: Buffer::default() }
    }

    /// The same, of a file whose length does not follow from what is in the machine.
    pub(crate) fn of_few_lines(root: &Root, path: &str) -> Self {
        Self { file: KeptFile::of_few_lines(root.proc.join(path)), buffer: Buffer::default() }
    }

    /// The same file, of which is known how the kernel gives it.
    pub(crate) fn known(self, how: impl FnOnce(KeptFile) -> KeptFile) -> Self {
        Self { file: how(self.file), ..self }
    }

    /// The same, of a file that may have more bytes than others.
    pub(crate) fn at_most(root: &Root, path: &str, most: usize) -> Self {
        Self { file: KeptFile::new(root.proc.join(path)).at_most(most), buffer: Buffer::default() }
    }

    /// The whole text as it is now.
    pub(crate) fn read(&mut self) -> Result<&str, ReadError> {
        self.file.read(&mut self.buffer)
    }
}

//! What a command was asked to print.
//!
//! Whoever reads it may have seen enough (`| head`): the command then goes on, and its exit code says what became of it.

use std::io::{self, ErrorKind, Write as _};

use anyhow::Context as _;

/// Prints this text.
///
/// # Errors
/// It cannot be written, as on a full disk. A reader who has left is none.
pub(super) fn text(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the answer"),
    }
}

/// As [`text`], with a line's end.
pub(super) fn line(line: &str) -> anyhow::Result<()> {
    text(&format!("{line}\n"))
}

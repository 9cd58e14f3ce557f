//! The user that this process runs as, for messages about what that user may not do: in a container, or under systemd, it is not who
//! reads the message.

use std::io;

use rustix::process::Uid;

/// By number: a container's users have no names on the machine.
pub(crate) fn user() -> Uid {
    rustix::process::geteuid()
}

/// What to do about a file that this process may not read, as ` (hint: …)`; empty for any other error.
pub(crate) fn reader_hint(error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    format!(
        " (hint: user {}, as which this runs, may not read it; see \"What it needs\" in crates/gpu-node-exporter/README.md)",
        user()
    )
}

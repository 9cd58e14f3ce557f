//! Who reads a file: in a container, or under systemd, that is not who has made it.

use std::io;

/// What to do about a file that this process may not read, as ` (hint: …)`; empty for any other error.
pub fn reader_hint(error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    let user = rustix::process::geteuid();
    format!(
        " (hint: user {user}, as which this runs, has to be able to read it; `chown {user}` gives it to that user; \
         see \"When it does not start\" in deploy/README.md)"
    )
}

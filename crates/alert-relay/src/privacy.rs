//! What the process keeps from other users and programs of the machine.

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};

/// Files that are made from now on (the store, its log, its lock, the control socket) are this user's alone. And no memory is written to a
/// core dump, where addresses and passwords would lie in the clear; with that goes `/proc/PID/mem`, `root` and `environ` for other
/// processes of the same user. A limit of zero on core files would not do: dumps that are piped to a handler ignore it (core(5)).
pub(crate) fn keep() {
    umask(Mode::from_raw_mode(0o077));
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "core dumps of the relay cannot be switched off: {error}");
    }
}

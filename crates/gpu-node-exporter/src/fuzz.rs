//! What fuzzers drive: each target takes any bytes and asserts what must hold of them, beyond not crashing.
//!
//! `fuzz/` at the top of the repository has a program for each target, and bytes to begin with; the tests below give
//! all of those to the same functions. Built for tests and for fuzzers (`--cfg fuzzing`) alone.

pub use crate::engine::fuzz::engine_page;
pub use crate::gpu::fuzz::{gpu_frames, kernel_log, process_files};
pub use crate::host::fuzz::{dbus, kernel_files, netlink, text_files};

#[cfg(test)]
mod replay {
    test_peers::replay_corpus!(
        dbus,
        engine_page,
        gpu_frames,
        kernel_files,
        kernel_log,
        netlink,
        process_files,
        text_files
    );
}

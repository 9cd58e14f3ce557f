//! What fuzzers drive: each target takes any bytes and asserts what must hold of them, beyond not crashing.
//!
//! `fuzz/` at the top of the repository has a program for each target, and bytes to begin with; the tests below give
//! all of those to the same functions. Built for tests and for fuzzers (`--cfg fuzzing`) alone.

pub use crate::auth::fuzz::credentials;
pub use crate::web_config::fuzz::web_config;

#[cfg(test)]
mod replay {
    test_peers::replay_corpus!(credentials, web_config);
}

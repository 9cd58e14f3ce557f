//! Asking from a thread that waits for the answer: one that asks again and again keeps a runtime for it, and who asks once needs none.

use std::{io, thread};

use tokio::runtime::{Builder, Runtime};

use super::failure::Failure;

/// What a thread asks with.
pub(in crate::gpu) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}

/// Asks once, on a thread of its own: the one that wants to know may have a runtime already.
pub(in crate::gpu) fn once<T: Send, F: Future<Output = Result<T, Failure>>>(
    ask: impl FnOnce() -> F + Send,
) -> Result<T, String> {
    let asking = || {
        let runtime = runtime().map_err(|error| error.to_string())?;
        runtime.block_on(ask()).map_err(|failure| failure.to_string())
    };
    thread::scope(|scope| scope.spawn(asking).join())
        .unwrap_or_else(|_| Err("the thread that asks it has ended".to_owned()))
}

//! Work on a large input, away from the threads that answer requests.
//!
//! An async thread that parses a webhook of megabytes answers nobody meanwhile, `/-/healthy` neither. What is small is done at once:
//! handing it over would take longer. A thread of its own does it and not one of tokio's for blocking work: where the system refuses a
//! further thread (a limit of processes, `pids` of a container), tokio panics, or lets the work wait for one that is busy for long.

use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

/// Inputs of more bytes are large: parsing one takes some milliseconds on a slow machine.
const LARGE: usize = 128 * 1024;

/// The system starts no further thread now.
pub(crate) struct NoThread<W> {
    /// Has not begun.
    pub(crate) work: W,
    /// The system's words.
    pub(crate) error: io::Error,
}

impl<W> fmt::Display for NoThread<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "the system starts no further thread: {} (hint: the limit of processes: `pids` of a container, TasksMax of a systemd unit)",
            self.error
        )
    }
}

impl<W> fmt::Debug for NoThread<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(out)
    }
}

/// Runs `work` on an input of this many bytes. A panic in it goes on here. What must not outlive the work, although nobody waits for it
/// any more, belongs into it.
pub(crate) async fn offload<T, W>(bytes: usize, work: W) -> Result<T, NoThread<W>>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    if bytes <= LARGE {
        return Ok(work());
    }
    on_a_thread(thread::Builder::new().name("large-input".to_owned()), work).await
}

/// The work follows its thread, so that it is still here if there is none.
async fn on_a_thread<T, W>(builder: thread::Builder, work: W) -> Result<T, NoThread<W>>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    let (give, given) = mpsc::channel::<W>();
    let (tell, told) = oneshot::channel();
    let started = builder.spawn(move || {
        if let Ok(work) = given.recv() {
            // Who has hung up hears nothing.
            let _ = tell.send(work());
        }
    });
    let thread = match started {
        Ok(thread) => thread,
        Err(error) => return Err(NoThread { work, error }),
    };
    if let Err(mpsc::SendError(work)) = give.send(work) {
        return Err(NoThread { work, error: io::Error::other("it ended at once") });
    }
    if let Ok(done) = told.await {
        return Ok(done);
    }
    match thread.join() {
        Err(panic) => resume_unwind(panic),
        // It tells, or it panics.
        Ok(()) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_large_leaves_the_async_thread_and_what_is_small_stays() {
        let here = thread::current().id();
        assert_eq!(offload(LARGE, || thread::current().id()).await.unwrap(), here);
        assert_ne!(offload(LARGE + 1, || thread::current().id()).await.unwrap(), here);
    }

    #[tokio::test]
    async fn without_a_thread_the_work_is_given_back() {
        // No machine has room for such a stack.
        let builder = thread::Builder::new().stack_size(1 << 60);
        let refused = on_a_thread(builder, || "done").await.unwrap_err();
        assert_eq!((refused.work)(), "done");
    }

    #[tokio::test]
    #[should_panic(expected = "as it was")]
    async fn a_panic_goes_on_where_the_work_is_waited_for() {
        let _ = offload(LARGE + 1, || panic!("as it was")).await;
    }
}

//! Work on a large input, away from the threads that answer requests.
//!
//! An async thread that parses a webhook of megabytes answers nobody meanwhile, `/-/healthy` neither. What is small is done at once:
//! handing it over would take longer.

/// Inputs of more bytes are large: parsing one takes some milliseconds on a slow machine.
const LARGE: usize = 128 * 1024;

/// Runs `work` on an input of this many bytes. A panic in it goes on here.
pub(crate) async fn offload<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= LARGE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime stops, and with it everybody who could wait for this.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_large_leaves_the_async_thread_and_what_is_small_stays() {
        let here = std::thread::current().id();
        assert_eq!(offload(LARGE, || std::thread::current().id()).await, here);
        assert_ne!(offload(LARGE + 1, || std::thread::current().id()).await, here);
    }
}

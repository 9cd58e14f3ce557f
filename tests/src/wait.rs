//! Waiting for something to become true, with a deadline and a name for what was missing.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// How often a condition is looked at. Short against everything waited for here, long against the cost of looking.
const TICK: Duration = Duration::from_millis(25);

/// Asks `probe` until it answers.
///
/// Errors when `limit` has passed: the message names `what` was awaited.
pub async fn until<T>(what: &str, limit: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let asking = async {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tick.tick().await;
            if let Some(answer) = probe().await {
                return answer;
            }
        }
    };
    tokio::time::timeout(limit, asking).await.with_context(|| format!("waited {limit:?} for {what}"))
}

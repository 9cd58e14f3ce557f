//! `rate_limit`: how many requests the whole server answers; the rest get 429.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use settings_document::Section;

/// A token bucket: one request per `interval` in the long run, `burst` at once.
#[derive(Debug)]
pub(crate) struct RateLimit {
    interval: Duration,
    burst: u32,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl RateLimit {
    /// Reads `rate_limit`. `None` when it asks for nothing, or is wrong, which was noted.
    pub(crate) fn read(mut section: Section<'_>) -> Option<Self> {
        let gives_interval = section.gives_any(&["interval"]);
        let gives_burst = section.has("burst");
        let interval = if gives_interval { section.duration("interval") } else { None };
        let burst = section.count("burst", u64::from(u32::MAX)).and_then(|burst| u32::try_from(burst).ok());
        if gives_interval != gives_burst {
            section.own_problem("`interval` and `burst` belong together");
        }
        section.finish();
        Some(Self::new(interval?, burst?))
    }

    fn new(interval: Duration, burst: u32) -> Self {
        let bucket = Bucket { tokens: f64::from(burst), filled_at: Instant::now() };
        Self { interval, burst, bucket: Mutex::new(bucket) }
    }

    /// Takes the right to one request; if there is none, tells how long until there is.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = now.saturating_duration_since(bucket.filled_at).div_duration_f64(self.interval);
        bucket.tokens = (bucket.tokens + gained).min(f64::from(self.burst));
        bucket.filled_at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            Ok(())
        } else {
            Err(self.interval.mul_f64(1.0 - bucket.tokens))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let limit = RateLimit::new(Duration::from_secs(2), 3);
        let start = Instant::now();
        let passed = |seconds| limit.take(start + Duration::from_secs(seconds)).is_ok();
        assert_eq!(
            [0, 0, 0, 0, 2, 2, 3, 4, 100, 100, 100, 100].map(passed),
            [true, true, true, false, true, false, false, true, true, true, true, false]
        );
    }

    #[test]
    fn the_wait_is_told() {
        let limit = RateLimit::new(Duration::from_secs(10), 1);
        let start = Instant::now();
        limit.take(start).unwrap();
        let wait = limit.take(start + Duration::from_secs(4)).unwrap_err();
        assert!(wait.abs_diff(Duration::from_secs(6)) < Duration::from_millis(1), "{wait:?}");
    }
}

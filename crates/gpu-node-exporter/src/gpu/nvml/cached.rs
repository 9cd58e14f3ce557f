//! Answers that are kept from one sweep to the next, since they change seldom or never.

use std::time::{Duration, Instant};

use super::ask::Ask;
use super::support::AGAIN;
use crate::gpu::fault::ReadingFault;

/// What changes seldom is asked for this often at most: some of it costs the driver milliseconds.
const SELDOM: Duration = Duration::from_secs(5);

/// An answer that may be older than the sweep. Once the GPU was lost, or the driver reported an event, it is asked for anew.
pub(crate) struct Cached<T>(Option<Kept<T>>);

struct Kept<T> {
    value: T,
    asked_at: Instant,
    /// The GPU's events by then.
    events: u32,
    /// What failed: a fault lasts until it is asked again.
    faults: Vec<ReadingFault>,
    /// Some of it was refused.
    is_refused: bool,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Clone> Cached<T> {
    /// What stays the same while the driver is loaded. Asked for until all of it was answered; what was refused, after minutes.
    pub(crate) fn once<'a, D>(&mut self, ask: &mut Ask<'a, D>, read: impl FnOnce(&mut Ask<'a, D>) -> T) -> T {
        self.get(ask, read, |kept, now| {
            let is_due = kept.is_refused && now.saturating_duration_since(kept.asked_at) >= AGAIN;
            kept.faults.is_empty() && !is_due
        })
    }

    /// What changes seldom.
    pub(crate) fn seldom<'a, D>(
        &mut self,
        ask: &mut Ask<'a, D>,
        read: impl FnOnce(&mut Ask<'a, D>) -> T,
    ) -> T {
        self.get(ask, read, |kept, now| now.saturating_duration_since(kept.asked_at) < SELDOM)
    }

    fn get<'a, D>(
        &mut self,
        ask: &mut Ask<'a, D>,
        read: impl FnOnce(&mut Ask<'a, D>) -> T,
        is_valid: impl Fn(&Kept<T>, Instant) -> bool,
    ) -> T {
        let moment = ask.moment();
        let is_valid = |kept: &&Kept<T>| kept.events == moment.events && is_valid(kept, moment.now);
        if let Some(kept) = self.0.as_ref().filter(is_valid) {
            ask.note(&kept.faults);
            return kept.value.clone();
        }
        let (value, missing) = ask.now_and_then(read);
        self.0 = missing.map(|missing| Kept {
            value: value.clone(),
            asked_at: moment.now,
            events: moment.events,
            faults: missing.faults,
            is_refused: missing.is_refused,
        });
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::fault::FaultReason;
    use crate::gpu::nvml::ask::Moment;
    use crate::gpu::nvml::support::Support;
    use nvml_wrapper::error::NvmlError;

    /// Asks for "limit" at each of these seconds, after so many events. Returns what came, whether the GPU was asked, and
    /// how many faults there were.
    fn asked(
        is_once: bool,
        steps: &[(u64, u32, Result<u32, u32>)],
    ) -> Vec<(Option<u32>, bool, Result<usize, FaultReason>)> {
        let (start, mut support, mut cached) = (Instant::now(), Support::default(), Cached::default());
        let mut seen = Vec::new();
        for (second, events, answer) in steps {
            let now = start + Duration::from_secs(*second);
            let moment = Moment { now, events: *events, losses: 0, longest_gap: Duration::ZERO };
            let mut ask = Ask::new(&(), &mut support, moment);
            let mut was_asked = false;
            let read = |ask: &mut Ask<'_, ()>| {
                ask.ask("limit", |()| {
                    was_asked = true;
                    answer.map_err(|code| match code {
                        3 => NvmlError::NotSupported,
                        15 => NvmlError::GpuLost,
                        _ => NvmlError::Unknown,
                    })
                })
            };
            let value = if is_once { cached.once(&mut ask, read) } else { cached.seldom(&mut ask, read) };
            seen.push((value, was_asked, ask.into_faults().map(|faults| faults.len())));
        }
        seen
    }

    #[test]
    fn what_changes_seldom_is_asked_every_five_seconds_and_its_faults_last_as_long() {
        assert_eq!(
            asked(false, &[(0, 0, Ok(7)), (4, 0, Ok(8)), (5, 0, Ok(9)), (6, 1, Ok(10))]),
            [
                (Some(7), true, Ok(0)),
                (Some(7), false, Ok(0)),
                (Some(9), true, Ok(0)),
                (Some(10), true, Ok(0)), // It was lost in between.
            ]
        );
        assert_eq!(
            asked(false, &[(0, 0, Err(999)), (4, 0, Ok(8)), (5, 0, Ok(9))]),
            [(None, true, Ok(1)), (None, false, Ok(1)), (Some(9), true, Ok(0))]
        );
    }

    #[test]
    fn a_constant_is_asked_for_until_it_is_answered() {
        assert_eq!(
            asked(true, &[(0, 0, Err(999)), (1, 0, Ok(8)), (900, 0, Ok(9)), (901, 1, Ok(10))]),
            [(None, true, Ok(1)), (Some(8), true, Ok(0)), (Some(8), false, Ok(0)), (Some(10), true, Ok(0)),]
        );
    }

    #[test]
    fn a_constant_that_is_refused_is_asked_for_again_after_minutes() {
        assert_eq!(
            asked(true, &[(0, 0, Err(3)), (299, 0, Ok(8)), (300, 0, Ok(9)), (9999, 0, Ok(10))]),
            [(None, true, Ok(0)), (None, false, Ok(0)), (Some(9), true, Ok(0)), (Some(9), false, Ok(0))]
        );
        assert_eq!(
            asked(true, &[(0, 0, Err(3)), (1, 1, Ok(8))]),
            [(None, true, Ok(0)), (Some(8), true, Ok(0))],
            "and after an event"
        );
    }

    #[test]
    fn a_lost_gpu_leaves_nothing_to_keep() {
        assert_eq!(
            asked(false, &[(0, 0, Err(15)), (1, 0, Ok(8))]),
            [(None, true, Err(FaultReason::Lost)), (Some(8), true, Ok(0))]
        );
    }
}

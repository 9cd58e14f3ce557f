//! Which part of a GPU's memory counts as rising: not what a process takes that loads its model.
//!
//! A process loads while its engine says so (state `starting`); where nothing is known of it, until it has been there for as long as
//! loading takes. Where the driver lists no processes, what rises from an empty card counts as loading for that long.

use std::collections::BTreeMap;

use crate::forecast::Level;

/// How a process on the GPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Of an engine that does not listen yet.
    Starting,
    /// Of an engine that has started.
    Serving,
    /// Nothing is known.
    Unknown,
}

/// A process on the GPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// What it holds, in the unit of [`Counted`]; `None` where the driver does not say.
    pub memory: Option<f64>,
    /// How it is.
    pub standing: Standing,
}

/// The memory of a GPU at a moment, in any unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    /// What is used.
    pub used: f64,
    /// What can still be had.
    pub free: f64,
    /// All of it.
    pub total: f64,
}

/// What has been seen of a GPU's processes, and what counts of its memory.
#[derive(Clone, Debug, Default)]
pub struct Loading {
    seen: BTreeMap<u32, Seen>,
    /// Whether processes were listed the last time.
    was_listed: Option<bool>,
    /// When the card was last empty, where no processes are listed.
    empty: Option<f64>,
    /// When something began or ceased to count.
    changed: Option<f64>,
    /// Added to what counts, so that a change is no step.
    offset: f64,
    /// The mean level before a change, and what counts since.
    before: Option<f64>,
    after: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    since: f64,
    counts: bool,
}

/// A model loads no longer, in seconds.
const LOADING: f64 = 28.0 * 60.0;

/// The driver lists processes less often than it says how much is used: the two agree again after so many seconds.
const SETTLES: f64 = 15.0;

/// A card of which a smaller share is used holds no process that computes.
const EMPTY: f64 = 0.02;

impl Loading {
    /// The level that counts at so many seconds; `None` while none can be told.
    pub fn level(&mut self, at: f64, memory: Counted, processes: Option<&[Process]>) -> Option<Level> {
        let counted = match processes {
            Some(processes) => self.established(at, memory.used, processes),
            None => self.unlisted(at, memory),
        };
        if self.was_listed.replace(processes.is_some()) != Some(processes.is_some()) || counted.is_none() {
            self.changed = Some(at);
        }
        let counted = counted? / memory.total;
        if self.changed.is_some_and(|changed| at - changed < SETTLES) {
            self.after = Some(mean(self.after, counted));
            return None;
        }
        if let (Some(before), Some(after)) = (self.before, self.after.take()) {
            self.offset = before - after;
        }
        let used = counted + self.offset;
        self.before = Some(mean(self.before, used));
        Some(Level { used, room: memory.free / memory.total })
    }

    /// What is used, but for what loading processes hold; `None` where it is not known how much that is.
    fn established(&mut self, at: f64, used: f64, processes: &[Process]) -> Option<f64> {
        let were_here = self.seen.len();
        self.seen.retain(|pid, _| processes.iter().any(|process| process.pid == *pid));
        let mut has_changed = self.seen.len() != were_here;
        // What was there before us is of unknown age, and counts.
        let since = if self.was_listed.is_some() { at } else { f64::NEG_INFINITY };
        let mut loading = Some(0.0);
        for process in processes {
            let seen = self.seen.entry(process.pid).or_insert_with(|| {
                has_changed = true;
                Seen { since, counts: false }
            });
            let counts = match process.standing {
                Standing::Starting => false,
                Standing::Serving => true,
                Standing::Unknown => at - seen.since >= LOADING,
            };
            has_changed |= counts != seen.counts;
            seen.counts = counts;
            if !counts {
                loading = loading.zip(process.memory).map(|(sum, memory)| sum + memory);
            }
        }
        if has_changed {
            self.changed = Some(at);
        }
        Some((used - loading?).max(0.0))
    }

    /// What is used; `None` while that may be loading.
    fn unlisted(&mut self, at: f64, memory: Counted) -> Option<f64> {
        if memory.used <= EMPTY * memory.total {
            self.empty = Some(at);
        }
        let is_loading = self.empty.is_some_and(|empty| at - empty < LOADING);
        (!is_loading).then_some(memory.used)
    }
}

/// A mean in which each value weighs less with every one that follows: of about the last fifteen.
fn mean(before: Option<f64>, value: f64) -> f64 {
    const WEIGHT: f64 = 0.07;
    before.map_or(value, |before| before + WEIGHT * (value - before))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: f64 = 80.0;

    /// The levels that count, one a second, of these amounts used and processes.
    fn levels(readings: impl Iterator<Item = (f64, Option<Vec<Process>>)>) -> Vec<Option<f64>> {
        let mut loading = Loading::default();
        let level = |(second, (used, processes)): (usize, (f64, Option<Vec<Process>>))| {
            let memory = Counted { used, free: TOTAL - used, total: TOTAL };
            loading.level(second as f64, memory, processes.as_deref()).map(|level| level.used * TOTAL)
        };
        readings.enumerate().map(level).collect()
    }

    fn process(pid: u32, memory: f64, standing: Standing) -> Process {
        Process { pid, memory: Some(memory), standing }
    }

    /// From 60 s on a second process takes half a gigabyte a second, up to 60.
    fn load(standing: impl Fn(usize) -> Standing) -> Vec<Option<f64>> {
        levels((0_usize..3000).map(|second| {
            let taken = (second.saturating_sub(60) as f64 / 2.0).min(60.0);
            let mut processes = vec![process(1, 10.0, Standing::Unknown)];
            if second >= 60 {
                processes.push(process(2, taken, standing(second)));
            }
            (10.0 + taken, Some(processes))
        }))
    }

    fn most(levels: &[Option<f64>]) -> f64 {
        levels.iter().flatten().copied().fold(0.0, f64::max)
    }

    #[test]
    fn what_a_model_takes_does_not_count() {
        let starts = load(|second| if second < 200 { Standing::Starting } else { Standing::Serving });
        assert!((most(&starts) - 10.0).abs() < 1e-9);
        assert_eq!(starts.iter().filter(|level| level.is_none()).count(), 3 * 15, "while lists settle");
        let unknown = load(|_| Standing::Unknown);
        assert!((most(&unknown) - 10.0).abs() < 1e-9);
        let serves = load(|_| Standing::Serving);
        assert!(most(&serves) > 60.0, "an engine that has started loads nothing");
    }

    #[test]
    fn a_process_that_was_there_before_us_counts() {
        let found = levels((0..600).map(|second| {
            let taken = 10.0 + f64::from(second) / 100.0;
            (taken, Some(vec![process(1, taken, Standing::Unknown)]))
        }));
        assert!((found[599].unwrap() - 15.99).abs() < 1e-9);
    }

    #[test]
    fn a_restart_is_no_fall_and_no_step() {
        let restarted = levels((0..4000).map(|second| match second {
            0..1000 => (50.0, Some(vec![process(1, 50.0, Standing::Unknown)])),
            1000..1060 => (0.5, Some(Vec::new())),
            _ => (50.0, Some(vec![process(2, 50.0, Standing::Unknown)])),
        }));
        assert!(restarted.iter().flatten().all(|level| (level - 50.0).abs() < 1e-9));
    }

    #[test]
    fn without_a_list_a_rise_from_an_empty_card_is_a_load() {
        let rise = |from: f64| {
            levels((0..4000).map(move |second| ((from + f64::from(second) / 100.0).min(60.0), None)))
        };
        let (empty, used) = (rise(0.5), rise(5.0));
        let told = |levels: &[Option<f64>]| levels.iter().position(Option::is_some).unwrap();
        assert_eq!(told(&used), 15);
        assert!((1680..1900).contains(&told(&empty)), "{}", told(&empty));
    }

    #[test]
    fn nothing_is_told_while_it_is_not_known_what_a_load_holds() {
        let silent = |memory| Process { pid: 2, memory, standing: Standing::Starting };
        let told = |memory| levels((0..60).map(|_| (10.0, Some(vec![silent(memory)]))));
        assert!(told(None).iter().all(Option::is_none));
        assert!(told(Some(5.0)).iter().any(Option::is_some));
    }
}

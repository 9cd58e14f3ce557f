//! The time of the SMs and the energy of a GPU, shared out among whom its processes belong to: an estimate.
//!
//! The driver says how busy each process kept the SMs, and how much energy the GPU used as a whole. Of the energy each owner gets the part
//! that its processes' kernels took of the time; the part in which none ran is idle. What is not known is nobody's: a GPU on which kernels
//! run while no process is listed is not idle. Owns these sums. Pure. Leaves out MIG, where the driver gives no shares.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::cgroup::Owner;
use crate::units::{Joules, Ratio, Seconds};

/// What one owner used of one GPU since it was first seen there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Share {
    pub(crate) sm_time: Seconds,
    /// `None` where the GPU gives no energy.
    pub(crate) energy: Option<Joules>,
}

/// One GPU's sums.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shares {
    /// Of those who have processes on it.
    pub(crate) owners: BTreeMap<Owner, Share>,
    /// Used while no kernel ran, since the exporter started.
    pub(crate) idle: Option<Joules>,
    /// The reading before: when it arrived, and the GPU's energy by then.
    last: Option<(Instant, Option<Joules>)>,
}

/// One reading of a GPU.
#[derive(Clone, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) arrived: Instant,
    pub(crate) energy: Option<Joules>,
    /// Share of the time in which a kernel of whatever process ran.
    pub(crate) utilization: Option<Ratio>,
    /// In MIG mode.
    pub(crate) is_divided: bool,
    /// Whose each process is, and its share of the SMs; one without a share is not known.
    pub(crate) processes: Vec<(&'a Owner, Option<Ratio>)>,
}

impl Shares {
    /// Adds a reading. A gap of more than `longest_gap` before it adds nothing. In MIG mode there are no sums.
    pub(crate) fn add(&mut self, reading: &Reading<'_>, longest_gap: Duration) {
        if self.last.is_some_and(|(arrived, _)| arrived == reading.arrived) {
            return;
        }
        let before = self.last.replace((reading.arrived, reading.energy));
        if reading.is_divided {
            *self = Self { last: self.last, ..Self::default() };
            return;
        }
        let present: BTreeSet<&Owner> = reading.processes.iter().map(|(owner, _)| *owner).collect();
        self.owners.retain(|owner, _| present.contains(owner));
        let shares: Vec<_> =
            reading.processes.iter().filter_map(|(owner, sm)| Some((*owner, (*sm)?.0))).collect();
        // Without any share nothing is known, unless there is no process: the driver may list none to a container with process numbers of its own.
        let is_idle = reading.processes.is_empty() && reading.utilization == Some(Ratio(0.0));
        if shares.is_empty() && !is_idle {
            return;
        }
        let Some((arrived, energy)) = before else { return };
        let gap = reading.arrived.saturating_duration_since(arrived);
        if gap > longest_gap {
            return;
        }
        // The counter begins anew with the driver.
        let used = reading.energy.zip(energy).map(|(now, then)| now.0 - then.0).filter(|used| *used >= 0.0);
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        let scale = sum.max(1.0);
        for (owner, share) in shares {
            let known = self.owners.entry(owner.clone()).or_default();
            known.sm_time.0 += gap.as_secs_f64() * share / scale;
            if let Some(used) = used {
                known.energy.get_or_insert_default().0 += used * share / scale;
            }
        }
        if let Some(used) = used {
            // Kernels of processes without a share are nobody's, and not idle.
            let busy = reading.utilization.map_or(0.0, |share| share.0.min(1.0)).max(sum / scale);
            self.idle.get_or_insert_default().0 += used * (1.0 - busy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(id: &str) -> Owner {
        Owner { id: id.to_owned(), ..Owner::default() }
    }

    /// Whose each process is, and its share.
    type Processes<'a> = &'a [(&'a str, Option<f64>)];

    /// The sums after these readings, each at a second and with the energy by then.
    fn shared(readings: &[(u64, Option<f64>, Processes<'_>)]) -> Shares {
        let (start, mut shares) = (Instant::now(), Shares::default());
        for (second, energy, processes) in readings {
            let owners: Vec<_> = processes.iter().map(|(id, sm)| (owner(id), sm.map(Ratio))).collect();
            let reading = Reading {
                arrived: start + Duration::from_secs(*second),
                energy: energy.map(Joules),
                utilization: Some(Ratio(processes.iter().filter_map(|(_, sm)| *sm).sum())),
                is_divided: false,
                processes: owners.iter().map(|(owner, sm)| (owner, *sm)).collect(),
            };
            shares.add(&reading, Duration::from_mins(1));
        }
        shares
    }

    /// SM seconds and joules of an owner.
    fn of(shares: &Shares, id: &str) -> Option<(f64, Option<f64>)> {
        shares.owners.get(&owner(id)).map(|share| (share.sm_time.0, share.energy.map(|energy| energy.0)))
    }

    #[test]
    fn what_was_used_is_shared_out_and_the_rest_is_idle() {
        let two: &[_] = &[("a", Some(0.5)), ("b", Some(0.25))];
        let shares = shared(&[(0, Some(1000.0), two), (2, Some(1800.0), two)]);
        assert_eq!(of(&shares, "a"), Some((1.0, Some(400.0))));
        assert_eq!(of(&shares, "b"), Some((0.5, Some(200.0))));
        assert_eq!(shares.idle, Some(Joules(200.0)));
    }

    #[test]
    fn nobody_gets_more_than_there_was() {
        let crowd: &[_] = &[("a", Some(1.0)), ("b", Some(0.75)), ("a", Some(0.25))];
        let shares = shared(&[(0, Some(0.0), crowd), (2, Some(800.0), crowd)]);
        assert_eq!(of(&shares, "a"), Some((1.25, Some(500.0))));
        assert_eq!(of(&shares, "b"), Some((0.75, Some(300.0))));
        assert_eq!(shares.idle, Some(Joules(0.0)));
    }

    #[test]
    fn an_empty_gpu_is_idle_and_who_left_has_no_sums() {
        let busy: &[_] = &[("a", Some(1.0))];
        let shares = shared(&[(0, Some(0.0), busy), (1, Some(100.0), busy), (2, Some(150.0), &[])]);
        assert_eq!((of(&shares, "a"), shares.idle), (None, Some(Joules(50.0))));
    }

    #[test]
    fn a_gpu_without_listed_processes_is_idle_only_while_no_kernel_runs() {
        for (utilization, is_divided, expected) in [
            (Some(0.0), false, Some(Joules(1400.0))),
            (Some(0.9), false, None),
            (None, false, None),
            (Some(0.0), true, None),
        ] {
            let (start, mut shares) = (Instant::now(), Shares::default());
            for second in 0..3 {
                let reading = Reading {
                    arrived: start + Duration::from_secs(second),
                    energy: Some(Joules(700.0 * second as f64)),
                    utilization: utilization.map(Ratio),
                    is_divided,
                    processes: Vec::new(),
                };
                shares.add(&reading, Duration::from_mins(1));
            }
            assert_eq!(shares.idle, expected, "{utilization:?}, divided: {is_divided}");
        }
    }

    /// Three quarters of the time a kernel ran, and half of the time a listed process's.
    #[test]
    fn what_ran_and_is_nobodys_is_not_idle() {
        let (start, mut shares, owner) = (Instant::now(), Shares::default(), owner("a"));
        for second in 0..2 {
            let reading = Reading {
                arrived: start + Duration::from_secs(second),
                energy: Some(Joules(1_000.0 * second as f64)),
                utilization: Some(Ratio(0.75)),
                is_divided: false,
                processes: vec![(&owner, Some(Ratio(0.5)))],
            };
            shares.add(&reading, Duration::from_mins(1));
        }
        assert_eq!(of(&shares, "a"), Some((0.5, Some(500.0))));
        assert_eq!(shares.idle, Some(Joules(250.0)));
    }

    #[test]
    fn a_gpu_that_is_divided_has_no_sums_any_more() {
        let (start, mut shares, owner) = (Instant::now(), Shares::default(), owner("a"));
        for second in 0..3 {
            let is_divided = second == 2;
            let reading = Reading {
                arrived: start + Duration::from_secs(second),
                energy: Some(Joules(700.0 * second as f64)),
                utilization: (!is_divided).then_some(Ratio(0.5)),
                is_divided,
                processes: vec![(&owner, (!is_divided).then_some(Ratio(0.5)))],
            };
            shares.add(&reading, Duration::from_mins(1));
            assert_eq!(shares.idle.is_some(), second == 1);
        }
        assert_eq!(shares.owners, BTreeMap::new());
    }

    #[test]
    fn what_is_not_known_is_not_shared_out() {
        let busy: &[_] = &[("a", Some(1.0))];
        let none: Option<(f64, Option<f64>)> = None;
        for (what, readings, expected) in [
            (
                "MIG mode",
                &[(0, Some(0.0), &[("a", None)][..]), (1, Some(100.0), &[("a", None)][..])][..],
                none,
            ),
            ("the first reading", &[(0, Some(0.0), busy)], none),
            ("a long gap", &[(0, Some(0.0), busy), (100, Some(100.0), busy)], none),
            ("one reading, looked at twice", &[(0, Some(0.0), busy), (0, Some(0.0), busy)], none),
            ("no energy", &[(0, None, busy), (1, None, busy)], Some((1.0, None))),
            (
                "a counter that began anew",
                &[(0, Some(900.0), busy), (1, Some(5.0), busy), (2, Some(25.0), busy)],
                Some((2.0, Some(20.0))),
            ),
        ] {
            assert_eq!(of(&shared(readings), "a"), expected, "{what}");
        }
    }
}

//! What the clock alone decides: whose silence is too long, and what is due to be started.

use std::collections::BTreeSet;
use std::mem;
use std::time::Duration;

use super::gpu::{self, Next};
use super::probe::{Probe, Standing, State};
use super::{MOST_HANGING, Order, Watch};
use crate::gpu::restart::Restart;

/// GPUs that lost their probe to a call that hangs are divided among so many new ones at most.
const MOST_APART: usize = 16;

impl Watch {
    /// Decides what is due at `now`.
    pub(in crate::gpu::supervisor) fn tick(&mut self, now: Duration) -> Vec<Order> {
        let probes: Vec<_> = self.probes.iter().map(|(number, probe)| (*number, probe.state)).collect();
        for (probe, state) in probes {
            match state {
                State::Touching { gpu, since } => self.silent_in_call(now, probe, gpu, since),
                State::Starting { .. } if now >= self.overdue_at(probe, state) => {
                    self.slow_starts += 1;
                    self.give_up_in_driver(now, probe);
                }
                State::Resting { .. } if now >= self.overdue_at(probe, state) => {
                    self.give_up_in_driver(now, probe);
                }
                State::Starting { .. } | State::Resting { .. } => {}
            }
        }
        if self.may_start() {
            self.start_due(now);
        }
        mem::take(&mut self.orders)
    }

    /// When [`Watch::tick`] next has something to decide; `None` is "not before something happens".
    pub(in crate::gpu::supervisor) fn deadline(&self) -> Option<Duration> {
        let silence = self.probes.iter().map(|(number, probe)| self.overdue_at(*number, probe.state));
        let starts = self.may_start().then(|| {
            let gpus =
                self.gpus.iter().filter(|(index, known)| known.next().is_some() && !self.hangs(**index));
            let all = self.needs_list().then_some(self.starts_at);
            let list = (!self.unlisted.addresses.is_empty()).then_some(self.unlisted.due);
            gpus.map(|(_, known)| known.due).chain(all).chain(list).min()
        });
        silence.chain(starts.flatten()).min()
    }

    /// When the silence of a probe is next too long for something.
    fn overdue_at(&self, probe: u64, state: State) -> Duration {
        let limits = &self.limits;
        let has_answered = self.probes.get(&probe).is_some_and(|probe| probe.has_answered);
        match state {
            State::Starting { since } => since + limits.start_timeout_after(self.slow_starts),
            State::Resting { since } => {
                let limit = if has_answered { limits.probe_timeout } else { limits.start_timeout };
                since + limits.sample_interval + limit
            }
            State::Touching { gpu, since } => {
                let Some(known) = self.gpus.get(&gpu) else { return since + limits.start_timeout };
                let is_verdict_out = known.reader != Some(probe) || known.state == gpu::State::Stuck;
                let verdict = (!is_verdict_out).then_some(known.verdict(limits));
                let patience = self.keeps_others_waiting(probe, gpu).then_some(limits.patience);
                let first = verdict.into_iter().chain(patience).chain([known.limit(limits)]).min();
                since + first.unwrap_or(limits.probe_timeout)
            }
        }
    }

    fn keeps_others_waiting(&self, probe: u64, gpu: u32) -> bool {
        self.probes.get(&probe).is_some_and(|probe| probe.gpus.iter().any(|other| *other != gpu))
    }

    fn silent_in_call(&mut self, now: Duration, probe: u64, gpu: u32, since: Duration) {
        let silence = now.saturating_sub(since);
        if silence >= self.limits.patience && self.keeps_others_waiting(probe, gpu) {
            self.stall(now, probe, gpu);
        }
        let Some(known) = self.gpus.get_mut(&gpu) else {
            // The driver listed it and no longer does.
            if silence >= self.limits.start_timeout {
                self.give_up_in_driver(now, probe);
            }
            return;
        };
        let (is_reader, limit) = (known.reader == Some(probe), known.limit(&self.limits));
        if is_reader && silence >= known.verdict(&self.limits) && known.state != gpu::State::Stuck {
            known.state = gpu::State::Stuck;
            self.orders.push(Order::Stuck { gpu });
        }
        if silence >= limit {
            if is_reader {
                (known.reader, known.is_apart) = (None, true);
                if self.probes.get(&probe).is_some_and(Probe::is_stalled) {
                    known.wait(now, &self.limits);
                } else {
                    known.fail(now, &self.limits);
                }
            }
            self.kill(probe, Some(gpu));
        }
    }

    /// A call to this GPU takes long: the probe's other GPUs are read by others from now on.
    fn stall(&mut self, now: Duration, probe: u64, gpu: u32) {
        let Some(stalled) = self.probes.get_mut(&probe) else { return };
        stalled.standing = Standing::Stalled;
        let all = mem::take(&mut stalled.gpus);
        stalled.gpus.extend(all.get(&gpu));
        for index in all {
            let Some(known) = self.gpus.get_mut(&index) else { continue };
            known.is_apart = true;
            if index == gpu {
                known.fail(now, &self.limits);
            } else if known.reader == Some(probe) {
                (known.reader, known.due) = (None, now);
            } else {
                known.wait(now, &self.limits);
            }
        }
    }

    /// The probe hangs in the driver itself; no GPU is to blame.
    fn give_up_in_driver(&mut self, now: Duration, probe: u64) {
        let Some(gone) = self.probes.remove(&probe) else { return };
        let start = now + self.pause(now, gone.has_answered);
        self.starts_at = start;
        self.set_free(now, probe, &gone.gpus, start);
        self.kill(probe, None);
    }

    fn may_start(&self) -> bool {
        !self.is_released && self.hanging.values().filter(|gpu| gpu.is_none()).count() < MOST_HANGING
    }

    /// Whether a process hangs in a call to this GPU that could not be ended yet.
    fn hangs(&self, gpu: u32) -> bool {
        self.hanging.values().any(|hanging| *hanging == Some(gpu))
    }

    /// Whether nobody knows which GPUs there are.
    fn needs_list(&self) -> bool {
        self.gpus.is_empty() && self.probes.is_empty()
    }

    fn start_due(&mut self, now: Duration) {
        if self.needs_list() && now >= self.starts_at {
            self.start(now, None);
        }
        if !self.unlisted.addresses.is_empty() && now >= self.unlisted.due {
            self.unlisted.failures += 1;
            self.unlisted.due = now + self.limits.retrial(self.unlisted.failures);
            self.count(Restart::Retrial);
            self.start(now, Some(Vec::new()));
        }
        let due = |next: Next| {
            let is_due = move |known: &gpu::Gpu| known.next() == Some(next) && now >= known.due;
            let due = self.gpus.iter().filter(|(index, known)| is_due(known) && !self.hangs(**index));
            due.map(|(index, known)| (*index, known.is_apart)).collect::<Vec<_>>()
        };
        let (without, failing, joining) = (due(Next::Start), due(Next::Try), due(Next::Join));
        let (apart, together): (Vec<_>, Vec<_>) = without.into_iter().partition(|(_, is_apart)| *is_apart);
        let group = apart.len().div_ceil(MOST_APART).max(1);
        for gpus in apart.chunks(group).chain(together.chunks(together.len().max(1))) {
            self.start_for(now, gpus.iter().map(|(index, _)| *index).collect());
        }
        for (gpu, _) in failing {
            self.count(Restart::Retrial);
            if let Some(known) = self.gpus.get_mut(&gpu) {
                known.fail(now, &self.limits);
                known.is_apart = true;
            }
            self.start(now, Some(vec![gpu]));
        }
        if !joining.is_empty() {
            self.join(now);
        }
    }

    /// Starts a probe for GPUs that have none.
    fn start_for(&mut self, now: Duration, gpus: Vec<u32>) {
        for gpu in &gpus {
            let Some(known) = self.gpus.get_mut(gpu) else { continue };
            known.reader = Some(self.last_probe + 1);
            known.wait(now, &self.limits);
            if known.state == gpu::State::Stuck {
                self.count(Restart::Retrial);
            }
        }
        self.start(now, Some(gpus));
    }

    /// GPUs that have answered apart for long enough share one probe again, with those that share one now.
    fn join(&mut self, now: Duration) {
        let is_ready = |known: &gpu::Gpu| {
            known.state == gpu::State::Answers
                && known.reader.is_some()
                && (!known.is_apart || now >= known.due)
        };
        let ready: Vec<_> =
            self.gpus.iter().filter(|(_, known)| is_ready(known)).map(|(index, _)| *index).collect();
        let mut readers = BTreeSet::new();
        for known in self.gpus.values_mut().filter(|known| is_ready(known)) {
            known.is_apart = false;
            readers.extend(known.reader);
        }
        if readers.len() > 1 {
            self.start(now, Some(ready));
        }
    }
}

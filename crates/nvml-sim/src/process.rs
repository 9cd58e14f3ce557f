//! Processes on a simulated GPU: what they hold, how busy they keep it, and when they are there.
//!
//! Owns a process' keys and their check; README.md is the reference. Leaves out how a driver lists them: that is
//! [`abi`](crate::abi)'s, and which of them a GPU has now: that is [`machine`](crate::machine)'s.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::curve::Curve;
use crate::duration::{duration, optional_duration};
use crate::incident::NEVER;

/// One process on one GPU.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Process {
    /// The GPU's index.
    pub(crate) gpu: u32,
    /// As the machine's own processes see it.
    pub(crate) pid: u32,
    /// Memory of the GPU that it holds, in MiB; without it, the driver cannot say.
    #[serde(default)]
    memory_mib: Option<u64>,
    /// Share of time in which its kernels run.
    #[serde(default = "idle")]
    utilization: Curve,
    /// The GPU instance it runs in, in MIG mode.
    #[serde(default)]
    pub(crate) gpu_instance: Option<u32>,
    /// When it begins to use the GPU.
    #[serde(default, deserialize_with = "duration")]
    pub(crate) at: Duration,
    /// A file instead of `at` and `until`: the process is there while the file is.
    #[serde(default)]
    pub(crate) trigger: Option<PathBuf>,
    /// When it ends; without it, never.
    #[serde(default, deserialize_with = "optional_duration")]
    until: Option<Duration>,
}

impl Process {
    /// The key that is wrong, and what was expected; the scenario has so many GPUs.
    pub(crate) fn check(&self, gpus: u64) -> Result<(), (&'static str, String)> {
        if u64::from(self.gpu) >= gpus {
            let problem = format!("no GPU `{}`: the scenario has {gpus}, counted from 0", self.gpu);
            return Err(("gpu", problem));
        }
        if self.pid == 0 {
            return Err(("pid", "expected the number of a process, from 1".to_owned()));
        }
        if self.trigger.is_some() && (self.until.is_some() || !self.at.is_zero()) {
            return Err(("trigger", "expected instead of `at` and `until`".to_owned()));
        }
        Ok(())
    }

    /// True while it is there; `t` is seconds from the origin.
    pub(crate) fn runs_at(&self, t: f64) -> bool {
        self.at != NEVER
            && t >= self.at.as_secs_f64()
            && self.until.is_none_or(|until| t < until.as_secs_f64())
    }

    /// In bytes.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.memory_mib.map(|mebibytes| mebibytes << 20)
    }

    /// Seconds since it began; `t` is seconds from the origin.
    pub(crate) fn age(&self, t: f64) -> f64 {
        (t - self.at.as_secs_f64()).max(0.0)
    }

    /// The time in which its kernels ran, of so many seconds since it began.
    pub(crate) fn busy_in(&self, seconds: f64) -> f64 {
        let begin = self.at.as_secs_f64();
        self.utilization.integral(begin + seconds, 0.0) - self.utilization.integral(begin, 0.0)
    }

    /// Share of time in which its kernels run.
    pub(crate) fn utilization(&self, t: f64) -> f64 {
        self.utilization.at(t, 0.0)
    }
}

fn idle() -> Curve {
    Curve::Constant(0.0)
}

//! What goes wrong with a GPU, and when.
//!
//! Owns an incident's keys and their checks; README.md is the reference. Leaves out what calls do then: that is [`abi`](crate::abi)'s, and
//! what readings say: that is [`machine`](crate::machine)'s.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::duration::{duration, optional_duration};

/// When an incident begins whose file is not there.
pub(crate) const NEVER: Duration = Duration::MAX;

fn never() -> Duration {
    NEVER
}

/// One thing that goes wrong with one GPU.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Incident {
    /// The GPU's index.
    pub(crate) gpu: u32,
    /// When it begins, from the origin of time.
    #[serde(default = "never", deserialize_with = "duration")]
    pub(crate) at: Duration,
    /// A file instead of `at` and `until`: the incident begins when the file is written and ends when it is removed.
    #[serde(default)]
    pub(crate) trigger: Option<PathBuf>,
    /// When it ends; without it, never.
    #[serde(default, deserialize_with = "optional_duration")]
    pub(crate) until: Option<Duration>,
    /// What happens.
    pub(crate) kind: Kind,
    /// The XID code this incident raises as it begins.
    #[serde(default)]
    pub(crate) xid: Option<u32>,
    /// The other event this incident raises as it begins, by its bit in nvml.h (`nvmlEventType…`).
    #[serde(default)]
    pub(crate) event: Option<u64>,
    /// The NVLink that is concerned, counted from 0: for the kinds about links.
    #[serde(default)]
    pub(crate) link: Option<u32>,
    /// Time each call to this GPU takes: for `kind: slow`.
    #[serde(default, deserialize_with = "optional_duration")]
    pub(crate) latency: Option<Duration>,
    /// The one call that is concerned; without it, all calls to the GPU.
    #[serde(default)]
    pub(crate) call: Option<String>,
    /// What the calls answer: for `kind: error`.
    #[serde(default)]
    pub(crate) code: Option<u32>,
    /// What stands in each place for a number: for `kind: answer`.
    #[serde(default)]
    pub(crate) number: Option<u64>,
    /// The GPU instances there are while it lasts: for `kind: mig_layout`.
    #[serde(default)]
    pub(crate) instances: Vec<String>,
    /// The GPU returns only to programs that initialise after `until`: for `kind: lost`.
    #[serde(default)]
    pub(crate) reinit: bool,
}

/// The kinds of incident.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Every call answers `GPU_IS_LOST` (15), the lookup by index too.
    Lost,
    /// Calls never return.
    Hang,
    /// Calls write to an invalid address (`SIGSEGV`).
    Crash,
    /// Calls end the process (`SIGABRT`).
    Abort,
    /// Calls take `latency` each.
    Slow,
    /// The clocks are held down for heat.
    Thermal,
    /// Nothing but the `xid`.
    Xid,
    /// Nothing but the `event`.
    Event,
    /// Calls answer `code`.
    Error,
    /// Calls answer `number` in each place for a number, cut to its size; also what the card lacks.
    Answer,
    /// The `link` is inactive, and its counters answer `NOT_SUPPORTED`.
    NvlinkDown,
    /// The GPU is divided into `instances`.
    MigLayout,
    /// The `link` recovers once, and then counts ten replays and ten CRC errors a second.
    NvlinkErrors,
}

impl Incident {
    /// The key that is wrong, and what was expected; the scenario has so many GPUs.
    pub(crate) fn check(&self, gpus: u64) -> Result<(), (&'static str, String)> {
        match (&self.trigger, self.at, self.until) {
            (None, at, _) if at == NEVER => {
                return Err(("at", "expected when it begins, such as 30s".to_owned()));
            }
            (Some(_), at, until) if at != NEVER || until.is_some() => {
                return Err(("trigger", "expected instead of `at` and `until`".to_owned()));
            }
            _ => {}
        }
        if u64::from(self.gpu) >= gpus {
            let problem = format!("no GPU `{}`: the scenario has {gpus}, counted from 0", self.gpu);
            return Err(("gpu", problem));
        }
        if self.kind == Kind::Xid && self.xid.is_none() {
            return Err(("xid", "expected the code to raise, such as 79".to_owned()));
        }
        if self.kind == Kind::Event && self.event.is_none() {
            return Err(("event", "expected the bit of the event to raise, such as 0x8000".to_owned()));
        }
        if self.event.is_some_and(|event| !event.is_power_of_two()) {
            return Err(("event", "expected one bit".to_owned()));
        }
        if (self.kind == Kind::Slow) != self.latency.is_some() {
            return Err(("latency", "expected with `kind: slow`, and only there".to_owned()));
        }
        if (self.kind == Kind::Answer) != self.number.is_some() {
            return Err(("number", "expected with `kind: answer`, and only there".to_owned()));
        }
        if (self.kind == Kind::Error) != self.code.is_some() {
            return Err(("code", "expected with `kind: error`, and only there".to_owned()));
        }
        let is_about_link = matches!(self.kind, Kind::NvlinkDown | Kind::NvlinkErrors);
        if is_about_link != self.link.is_some() {
            let problem = "expected with `kind: nvlink_down` and `nvlink_errors`, and only there";
            return Err(("link", problem.to_owned()));
        }
        if self.kind != Kind::MigLayout && !self.instances.is_empty() {
            return Err(("instances", "expected with `kind: mig_layout`, and only there".to_owned()));
        }
        if self.reinit && (self.kind != Kind::Lost || self.until.is_none()) {
            return Err(("reinit", "expected with `kind: lost` and `until`".to_owned()));
        }
        Ok(())
    }

    /// True while it lasts; `t` is seconds from the origin.
    pub(crate) fn lasts_at(&self, t: f64) -> bool {
        t >= self.at.as_secs_f64() && self.until.is_none_or(|until| t < until.as_secs_f64())
    }

    /// True when it happens to this call.
    pub(crate) fn concerns(&self, call: &str) -> bool {
        self.call.as_deref().is_none_or(|only| only == call)
    }
}

//! Scenario files: what a simulated machine has, and what happens to it when.
//!
//! Owns the YAML and its checks; an `incident`'s stand there. README.md is the reference. Leaves out what a moment looks like: that is
//! [`machine`](crate::machine)'s.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::curve::Curve;
use crate::duration::{duration, optional_duration};
use crate::generation::Generation;
use crate::incident::{Incident, NEVER};
use crate::memory_health::MemoryHealth;
use crate::model::Model;
use crate::process::Process;

const DEFAULT: &str = include_str!("../scenarios/h100x8.yaml");

/// A whole machine over time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// One line for people; not used.
    #[serde(rename = "description")]
    _description: String,
    /// The simulated driver.
    #[serde(default)]
    pub(crate) driver: Driver,
    /// Groups of equal cards, indexed through in order.
    pub(crate) gpus: Vec<Group>,
    /// What goes wrong, and when.
    #[serde(default)]
    pub(crate) incidents: Vec<Incident>,
    /// What runs on the GPUs, and when.
    #[serde(default)]
    pub(crate) processes: Vec<Process>,
}

/// The driver as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Driver {
    /// As `nvidia-smi` prints it; ` (simulated)` is appended.
    pub(crate) version: String,
    /// Highest CUDA version, as NVML packs it: 12080 is 12.8.
    pub(crate) cuda: i32,
    /// What `nvmlInit` answers.
    pub(crate) init: Init,
    /// When `init` becomes `ok`; without it, never.
    #[serde(deserialize_with = "optional_duration")]
    pub(crate) init_until: Option<Duration>,
    /// Time every device call takes.
    #[serde(deserialize_with = "duration")]
    pub(crate) latency: Duration,
    /// Device calls that this driver lacks beside those it is too old for; they answer as NVML does for a function it lacks.
    pub(crate) missing: Vec<String>,
}

impl Default for Driver {
    fn default() -> Self {
        Self {
            version: "570.86.15".to_owned(),
            cuda: 12_080,
            init: Init::Ok,
            init_until: None,
            latency: Duration::ZERO,
            missing: Vec::new(),
        }
    }
}

impl Driver {
    /// What this driver knows by its version.
    pub(crate) fn generation(&self) -> Generation {
        Generation::of(&self.version)
    }
}

/// What `nvmlInit` answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Init {
    #[default]
    Ok,
    DriverNotLoaded,
    LibRmVersionMismatch,
    Unknown,
    /// Never returns.
    Hang,
}

/// `count` cards of one kind with one load; waves are shifted by an eighth from card to card.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    #[serde(default = "one")]
    pub(crate) count: u32,
    pub(crate) model: Model,
    /// When these cards are added to the machine; only a program that initialises later sees them.
    #[serde(default, deserialize_with = "duration")]
    pub(crate) added: Duration,
    /// Share of time a kernel runs.
    #[serde(default = "idle")]
    pub(crate) utilization: Curve,
    /// Memory used, as a share of all memory that is not reserved.
    #[serde(default = "idle")]
    pub(crate) memory_used: Curve,
    /// Corrected and uncorrected ECC errors since the driver was loaded.
    #[serde(default)]
    pub(crate) ecc: Ecc,
    /// What became of broken memory.
    #[serde(default)]
    pub(crate) memory_health: MemoryHealth,
    /// Whether the cards are virtual ones, and have their licence.
    #[serde(default)]
    pub(crate) vgpu_licensed: Option<bool>,
    /// Accounting mode: the driver counts what each process uses.
    #[serde(default)]
    pub(crate) accounting: bool,
    /// MIG mode: utilisation is no longer reported.
    #[serde(default)]
    pub(crate) mig: bool,
    /// The GPU instances in MIG mode, by profile such as `3g.40gb`.
    #[serde(default)]
    pub(crate) mig_instances: Vec<String>,
    /// Whether the links of NVLink lead anywhere; they do not on a PCIe card without a bridge.
    #[serde(default = "yes")]
    pub(crate) nvlink: bool,
}

/// Constant error counts; ignored by cards without ECC.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ecc {
    pub(crate) corrected: u64,
    pub(crate) uncorrected: u64,
}

/// Why a scenario can't be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScenarioError {
    #[error("nvml-sim: cannot read scenario `{path}`: {source} (hint: NVML_SIM_SCENARIO names a YAML file)")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("nvml-sim: scenario `{path}`: at `{key}`: {problem}")]
    Parse { path: PathBuf, key: String, problem: String },
}

impl Scenario {
    /// The scenario in the file, or the embedded eight healthy H100.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, ScenarioError> {
        let Some(path) = path else {
            return Self::parse(DEFAULT, Path::new("(embedded) h100x8.yaml"));
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads a scenario's text; `path` is for messages only.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ScenarioError> {
        let fail =
            |key: String, problem: String| ScenarioError::Parse { path: path.to_owned(), key, problem };
        let scenario: Self = serde_path_to_error::deserialize(yaml_serde::Deserializer::from_str(text))
            .map_err(|error| {
                let (key, problem) = (error.path().to_string(), error.inner().to_string());
                // The parser names a part of the path itself; once is enough.
                let problem = match problem.split_once(": ") {
                    Some((part, rest)) if key.starts_with(part) => rest.to_owned(),
                    _ => problem,
                };
                fail(key, problem)
            })?;
        let gpus: u64 = scenario.gpus.iter().map(|group| u64::from(group.count)).sum();
        if gpus > MAX_GPUS {
            return Err(fail("gpus".to_owned(), format!("{gpus} GPUs, expected at most {MAX_GPUS}")));
        }
        for (i, incident) in scenario.incidents.iter().enumerate() {
            incident
                .check(gpus)
                .map_err(|(field, problem)| fail(format!("incidents[{i}].{field}"), problem))?;
        }
        for (i, process) in scenario.processes.iter().enumerate() {
            process
                .check(gpus)
                .map_err(|(field, problem)| fail(format!("processes[{i}].{field}"), problem))?;
        }
        Ok(scenario)
    }

    /// Whether any incident or process waits for a file.
    pub(crate) fn has_triggers(&self) -> bool {
        self.incidents.iter().any(|incident| incident.trigger.is_some())
            || self.processes.iter().any(|process| process.trigger.is_some())
    }

    /// Places the incidents and processes that wait for files in time. `written` says when a file was written, from the origin of time, if it is
    /// there.
    pub(crate) fn pull_triggers(&mut self, written: impl Fn(&Path) -> Option<Duration>) {
        let begin = |trigger: &Path| match written(trigger) {
            None => NEVER,
            // It was there before the scenario began.
            Some(Duration::ZERO) => Duration::ZERO,
            Some(at) => at.saturating_add(TRIGGER_DELAY),
        };
        for incident in &mut self.incidents {
            if let Some(trigger) = &incident.trigger {
                incident.at = begin(trigger);
            }
        }
        for process in &mut self.processes {
            if let Some(trigger) = &process.trigger {
                process.at = begin(trigger);
            }
        }
    }

    /// Leaves what a program sees that initialises the library at `t` seconds: NVML lists the GPUs that are there then,
    /// and one that is lost afterwards stays so.
    pub(crate) fn freeze(&mut self, t: f64) {
        self.gpus.retain(|group| group.added.as_secs_f64() <= t);
        for incident in self.incidents.iter_mut().filter(|incident| incident.reinit) {
            incident.until = incident.until.filter(|until| until.as_secs_f64() <= t);
        }
    }
}

/// A file's time may lie some milliseconds before its appearance. Who has just looked must not have looked past the beginning.
const TRIGGER_DELAY: Duration = Duration::from_millis(50);

/// More would not fit the PCI bus numbers that are handed out.
const MAX_GPUS: u64 = 77;

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn idle() -> Curve {
    Curve::Constant(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_loads() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).expect("the folder ships with the crate") {
            let path = entry.expect("readable").path();
            Scenario::load(Some(&path)).unwrap_or_else(|error| panic!("{error}"));
            seen += 1;
        }
        assert!(seen >= 10, "only {seen} scenarios");
    }

    #[test]
    fn mistakes_name_file_key_and_expectation() {
        let cases = [
            "description: x\ngpus:\n  - { model: h200 }\n",
            "description: x\ngpus:\n  - { model: h100-sxm, memory_used: { constant: 85 } }\n",
            "description: x\ngpus:\n  - { model: h100-sxm, memory_used: { ramp: { from: 0.1, to: 0.9, over: 2 fortnights } } }\n",
            "description: x\ngpus: []\nincident: []\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nincidents: [{ gpu: 1, at: 1s, kind: lost }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nincidents: [{ gpu: 0, at: 1s, kind: xid }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nincidents: [{ gpu: 0, at: 1s, kind: event }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nincidents: [{ gpu: 0, at: 1s, kind: event, event: 3 }]\n",
            "description: x\ngpus: [{ model: rtx4090, count: 4294967295 }, { model: rtx4090 }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nincidents: [{ gpu: 0, at: 1s, kind: error }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nincidents: [{ gpu: 0, at: 1s, kind: answer }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nincidents: [{ gpu: 0, at: 1s, kind: lost, reinit: true }]\n",
            "description: x\ngpus: [{ model: h100-sxm }]\nincidents: [{ gpu: 0, at: 1s, kind: nvlink_down }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nincidents: [{ gpu: 0, trigger: /tmp/x, until: 1s, kind: lost }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nincidents: [{ gpu: 0, kind: lost }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nprocesses: [{ gpu: 1, pid: 7 }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nprocesses: [{ gpu: 0, pid: 0 }]\n",
            "description: x\ngpus: [{ model: rtx4090 }]\nprocesses: [{ gpu: 0, pid: 7, trigger: /tmp/x, at: 1s }]\n",
            "description: x\ngpus: [{ model: rtx4090, utilization: { constant: 1, wave: { low: 0, high: 1, period: 1s } } }]\n",
        ];
        let told: Vec<String> = cases
            .iter()
            .map(|text| Scenario::parse(text, Path::new("demo.yaml")).expect_err(text).to_string())
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn an_incident_with_a_trigger_lasts_while_its_file_is_there() {
        let text = "description: x\ngpus: [{ model: rtx4090 }]\n\
            incidents: [{ gpu: 0, trigger: /tmp/x, kind: hang }, { gpu: 0, at: 5s, kind: hang }]\n";
        let mut scenario = Scenario::parse(text, Path::new("demo.yaml")).expect("a good scenario");
        assert!(scenario.has_triggers());
        for (written, expected) in [(None, [false, true]), (Some(Duration::from_secs(9)), [true, true])] {
            scenario.pull_triggers(|path| written.filter(|_| path == Path::new("/tmp/x")));
            assert_eq!([0, 1].map(|i| scenario.incidents[i].lasts_at(9.5)), expected);
        }
        assert!(!scenario.incidents[0].lasts_at(9.01), "shortly after the file");
        scenario.pull_triggers(|_| Some(Duration::ZERO));
        assert!(scenario.incidents[0].lasts_at(0.0), "a file from before the scenario began");
    }

    #[test]
    fn a_program_sees_the_machine_as_it_was_when_it_began() {
        let text = "description: x\ngpus: [{ model: rtx4090 }, { model: rtx4090, added: 5s }]\n\
            incidents: [{ gpu: 0, at: 10s, until: 20s, kind: lost, reinit: true }]\n";
        let seen_from = |start: f64| {
            let mut scenario = Scenario::parse(text, Path::new("demo.yaml")).expect("a good scenario");
            scenario.freeze(start);
            let lost_at = |t| scenario.incidents[0].lasts_at(t);
            (scenario.gpus.len(), lost_at(15.0), lost_at(25.0))
        };
        assert_eq!(seen_from(1.0), (1, true, true));
        assert_eq!(seen_from(15.0), (2, true, true));
        assert_eq!(seen_from(21.0), (2, true, false));
    }
}

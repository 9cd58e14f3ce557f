//! `--check` for GPUs: what can be read, and what is lost for want of something. Through a probe, like everything.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::expected::{expects_all_pci_gpus_here, is_nothing_expected};
use super::frame::{Frame, Outcome, Sweep};
use super::pci::{self, PciGpu};
use super::probe::ProbeSettings;
use super::settings::GpuSettings;
use super::supervisor::{KERNEL_LOG, Probe, ProbeOutput, THIS_PROGRAM, open_kernel_log};

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Works, or is not there to work.
    Good,
    /// Something is lost, the rest works: no reason to fail the check.
    Lost,
    /// What was asked for does not work.
    Bad,
}

/// Time for the driver to wake all GPUs and answer one sweep.
const LIMIT: Duration = Duration::from_mins(1);

/// Looks at everything the GPU side needs. Takes up to a minute with a driver that hangs.
pub(crate) fn check(settings: &GpuSettings) -> Vec<Finding> {
    let mut findings = match ask(settings) {
        Ok(frames) => driver_and_gpus(settings, frames),
        Err(error) => vec![Finding::new(Verdict::Bad, format!("GPU: cannot start the probe: {error}"))],
    };
    findings.push(match open_kernel_log(Path::new(KERNEL_LOG)) {
        Ok(_) => Finding::new(Verdict::Good, format!("XIDs: from the driver and {KERNEL_LOG}")),
        Err(error) => Finding::new(
            Verdict::Lost,
            format!(
                "XIDs: from the driver only, which leaves out 79, 119 and 120: {KERNEL_LOG}: {error} (hint: give CAP_SYSLOG)"
            ),
        ),
    });
    findings
}

impl Finding {
    fn new(verdict: Verdict, text: String) -> Self {
        Self { verdict, text }
    }
}

/// All frames of a probe that sweeps once.
fn ask(settings: &GpuSettings) -> std::io::Result<Vec<Frame>> {
    let (sender, output) = mpsc::channel();
    let once = ProbeSettings {
        library: settings.library.clone(),
        sample_interval: settings.sample_interval,
        skip: Vec::new(),
        once: true,
    };
    let mut probe = Probe::start(Path::new(THIS_PROGRAM), &once, move |heard| sender.send(heard).is_ok())?;
    let deadline = Instant::now() + LIMIT;
    let mut frames = Vec::new();
    while let Ok(ProbeOutput::Frame(frame)) =
        output.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        frames.push(frame);
    }
    probe.kill();
    probe.wait(Duration::from_secs(1));
    Ok(frames)
}

/// What the frames say. The last one says how far the probe came.
fn driver_and_gpus(settings: &GpuSettings, frames: Vec<Frame>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut touched = None;
    for frame in frames {
        match frame {
            Frame::Driver(driver) => {
                let version = driver.version.as_deref().unwrap_or("of unknown version");
                findings.push(Finding::new(Verdict::Good, format!("GPU: NVIDIA driver {version}")));
            }
            Frame::Failed(failure) => {
                let pci = pci::gpus(&settings.sysfs).unwrap_or_default();
                findings.push(if is_nothing_expected(settings, &failure, &pci) {
                    Finding::new(Verdict::Good, "GPU: no NVIDIA driver and no NVIDIA GPU here".to_owned())
                } else {
                    Finding::new(Verdict::Bad, format!("GPU: {}", failure.message))
                });
                return findings;
            }
            Frame::Touching { gpu } => touched = Some(gpu),
            Frame::Sweep(sweep) => {
                findings.extend(gpus(&sweep));
                if expects_all_pci_gpus_here() {
                    let pci = pci::gpus(&settings.sysfs).unwrap_or_default();
                    findings.extend(missing(&sweep, &pci));
                }
                return findings;
            }
            Frame::Xid(_) => {}
        }
    }
    let text = match touched {
        Some(gpu) => {
            format!("GPU: calls to GPU {gpu} do not return, or crash (hint: see the kernel log for `Xid`)")
        }
        None => "GPU: the driver does not answer (hint: see the kernel log for `NVRM`)".to_owned(),
    };
    findings.push(Finding::new(Verdict::Bad, text));
    findings
}

fn gpus(sweep: &Sweep) -> Vec<Finding> {
    if sweep.gpus.is_empty() {
        let text = "GPU: the driver shows no GPU (hint: in a container, start it with `--gpus all`)";
        return vec![Finding::new(Verdict::Bad, text.to_owned())];
    }
    let mut findings = Vec::new();
    for gpu in &sweep.gpus {
        match &gpu.outcome {
            Outcome::Read(reading) => {
                let name = reading.subjects.identity.name.as_deref().unwrap_or("without a name");
                let text = format!("GPU {}: {name}, {}", gpu.index, reading.uuid);
                findings.push(Finding::new(Verdict::Good, text));
                if !reading.unsupported.is_empty() {
                    let text =
                        format!("GPU {}: does not report {}", gpu.index, reading.unsupported.join(", "));
                    findings.push(Finding::new(Verdict::Lost, text));
                }
                for fault in &reading.faults {
                    let text = format!("GPU {}: {}: {}", gpu.index, fault.reading, fault.reason.text());
                    findings.push(Finding::new(Verdict::Bad, text));
                }
            }
            Outcome::Failed(reason) => {
                findings.push(Finding::new(Verdict::Bad, format!("GPU {}: {}", gpu.index, reason.text())));
            }
            // A check skips none.
            Outcome::Skipped => {}
        }
    }
    findings
}

/// GPUs on the bus beyond those that the driver shows. One that failed has no known address, and has a finding already.
fn missing(sweep: &Sweep, pci: &[PciGpu]) -> Option<Finding> {
    let (mut addresses, mut nameless) = (Vec::new(), 0);
    for gpu in &sweep.gpus {
        match &gpu.outcome {
            Outcome::Read(reading) => addresses.extend(reading.subjects.identity.pci_bus_id.as_deref()),
            Outcome::Failed(_) | Outcome::Skipped => nameless += 1,
        }
    }
    let missing: Vec<_> = pci
        .iter()
        .filter(|gpu| gpu.is_for_nvidia_driver() && !addresses.contains(&gpu.address.as_str()))
        .collect();
    let text = || format!("GPU: {}", pci::not_shown(&missing));
    (missing.len() > nameless).then(|| Finding::new(Verdict::Bad, text()))
}

//! `--check` for GPUs: what can be read, and what is lost for want of something. Through probes, like everything: one that asks for
//! the driver's list, then one for each GPU, all at once. Each finding is told as soon as it is known.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use super::driver::Failure;
use super::expected::{expects_all_pci_gpus_here, is_nothing_expected};
use super::frame::{Frame, Outcome};
use super::holders::{seen, sees_descriptors};
use super::pci::{self, PciGpu};
use super::pods;
use super::probe::ProbeSettings;
use super::reading::Reading;
use super::runtime;
use super::settings::GpuSettings;
use super::supervisor::{
    KERNEL_LOG, Probe, ProbeOutput, THIS_PROGRAM, cannot_open_kernel_log, open_kernel_log, start_timeout,
};

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
    /// Something is not there, the rest works: no reason to fail the check.
    Note,
    /// What was asked for does not work.
    Bad,
}

/// Looks at everything the GPU side needs. With a driver that hangs it takes as long as the probe may be silent at its start, and with a
/// GPU that hangs as long again: it may have to be woken.
pub(crate) fn check(settings: &GpuSettings, mut tell: impl FnMut(Finding)) {
    match list(settings, &mut tell) {
        Ok(Some(count)) => each_gpu(settings, count, &mut tell),
        Ok(None) => {}
        Err(error) => tell(Finding::not_started(&error)),
    }
    tell(match open_kernel_log(Path::new(KERNEL_LOG)) {
        Ok(_) => Finding::good(format!("XIDs: from the driver and {KERNEL_LOG}")),
        Err(error) => Finding::note(format!(
            "XIDs: from the driver only, which leaves out 79, 119 and 120: {}",
            cannot_open_kernel_log(&error)
        )),
    });
    if let Some(socket) = &settings.pods {
        let shown = socket.display();
        tell(match pods::count(socket) {
            Ok(count) => {
                Finding::good(format!("pods: kubelet at {shown} tells of {count} GPUs that were given out"))
            }
            Err(why) => Finding::bad(format!("pods: kubelet at {shown} {why}")),
        });
    }
    if let Some(address) = &settings.runtime {
        tell(match runtime::try_once(address) {
            Ok(()) => {
                Finding::good(format!("containers: the runtime at {address} tells what they are called"))
            }
            Err(why) => Finding::bad(format!(
                "containers: the runtime at {address} {why} (hint: see \"Names of containers\" in deploy/README.md)"
            )),
        });
    }
}

impl Finding {
    fn good(text: String) -> Self {
        Self { verdict: Verdict::Good, text }
    }

    fn note(text: String) -> Self {
        Self { verdict: Verdict::Note, text }
    }

    fn bad(text: String) -> Self {
        Self { verdict: Verdict::Bad, text }
    }

    fn not_started(error: &io::Error) -> Self {
        Self::bad(format!("GPU: cannot start the probe: {error}"))
    }
}

/// What the probes write, each with the GPU that it was started for.
type Outputs = Receiver<(u32, ProbeOutput)>;

/// Probes that sweep once: one for each of these lists of GPUs.
fn start(
    settings: &GpuSettings,
    gpus: impl Iterator<Item = (u32, Vec<u32>)>,
) -> io::Result<(Probes, Outputs)> {
    let (sender, outputs) = mpsc::channel();
    let mut probes = Probes(Vec::new());
    for (number, gpus) in gpus {
        let once = ProbeSettings {
            library: settings.library.clone(),
            sysfs: settings.sysfs.clone(),
            sample_interval: settings.sample_interval,
            profile: settings.profile,
            gpus: Some(gpus),
            once: true,
        };
        let sender = sender.clone();
        let listener = move |heard| sender.send((number, heard)).is_ok();
        probes.0.push(Probe::start(Path::new(THIS_PROGRAM), &once, listener)?);
    }
    Ok((probes, outputs))
}

/// Probes that end with the check.
struct Probes(Vec<Probe>);

impl Drop for Probes {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Probe::kill);
        let deadline = Instant::now() + Duration::from_secs(1);
        for probe in &mut self.0 {
            probe.wait(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

/// What the driver says of itself, and how many GPUs it lists.
fn list(settings: &GpuSettings, tell: &mut impl FnMut(Finding)) -> io::Result<Option<u32>> {
    let (_probe, outputs) = start(settings, [(0, Vec::new())].into_iter())?;
    let waits = start_timeout(settings.probe_timeout);
    let deadline = Instant::now() + waits;
    loop {
        match outputs.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((_, ProbeOutput::Frame(Frame::Driver(driver)))) => {
                let version = driver.version.as_deref().unwrap_or("of unknown version");
                tell(Finding::good(format!("GPU: NVIDIA driver {version}")));
            }
            Ok((_, ProbeOutput::Frame(Frame::Listed { count }))) => return Ok(Some(count)),
            Ok((_, ProbeOutput::Frame(Frame::Failed(failure)))) => {
                tell(no_driver(settings, &failure));
                return Ok(None);
            }
            Ok((_, ProbeOutput::Frame(_))) => {}
            Ok((_, ProbeOutput::Closed { .. })) => {
                tell(Finding::bad(
                    "GPU: the driver's library crashes (hint: does `nvidia-smi` work?)".to_owned(),
                ));
                return Ok(None);
            }
            Err(_) => {
                tell(Finding::bad(format!(
                    "GPU: the driver does not answer within {waits:?} (hint: see the kernel log for `NVRM`; \
                     one that takes long to load gets more time by `--gpu.probe-timeout`)"
                )));
                return Ok(None);
            }
        }
    }
}

fn no_driver(settings: &GpuSettings, failure: &Failure) -> Finding {
    let pci = pci::gpus(&settings.sysfs).unwrap_or_default();
    if is_nothing_expected(settings, failure, &pci) {
        Finding::good("GPU: no NVIDIA driver and no NVIDIA GPU here".to_owned())
    } else {
        Finding::bad(format!("GPU: {}", failure.message))
    }
}

/// What each GPU says, as it says it; one that hangs holds up no other.
fn each_gpu(settings: &GpuSettings, count: u32, tell: &mut impl FnMut(Finding)) {
    if count == 0 {
        let text = "GPU: the driver shows no GPU (hint: in a container, start it with `--gpus all`)";
        tell(Finding::bad(text.to_owned()));
    }
    let (_probes, outputs) = match start(settings, (0..count).map(|gpu| (gpu, vec![gpu]))) {
        Ok(started) => started,
        Err(error) => return tell(Finding::not_started(&error)),
    };
    let waits = start_timeout(settings.probe_timeout);
    let deadline = Instant::now() + waits;
    // What a probe says first is what counts.
    let mut waiting: BTreeSet<u32> = (0..count).collect();
    let (mut addresses, mut processes) = (Vec::new(), BTreeSet::new());
    while !waiting.is_empty() {
        let Ok((gpu, output)) = outputs.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        else {
            break;
        };
        let findings = match output {
            ProbeOutput::Frame(Frame::Gpu(told)) => match told.outcome {
                Outcome::Read(reading) => {
                    addresses.extend(reading.subjects.identity.pci_bus_id.clone());
                    processes.extend(reading.subjects.processes.listed.iter().flatten().map(|(pid, _)| *pid));
                    of_reading(gpu, &reading)
                }
                Outcome::Failed(reason) => vec![Finding::bad(format!("GPU {gpu}: {}", reason.text()))],
            },
            ProbeOutput::Frame(Frame::Failed(failure)) => {
                vec![Finding::bad(format!("GPU {gpu}: {}", failure.message))]
            }
            ProbeOutput::Closed { .. } => {
                vec![Finding::bad(format!(
                    "GPU {gpu}: calls to it crash (hint: see the kernel log for `Xid`)"
                ))]
            }
            ProbeOutput::Frame(_) => continue,
        };
        if waiting.remove(&gpu) {
            findings.into_iter().for_each(&mut *tell);
        }
    }
    for gpu in waiting {
        tell(Finding::bad(format!(
            "GPU {gpu}: calls to it do not return within {waits:?} (hint: see the kernel log for `Xid`; one that has to be woken gets more \
             time by `--gpu.probe-timeout`)"
        )));
    }
    of_processes(&settings.proc, &processes).into_iter().for_each(&mut *tell);
    if expects_all_pci_gpus_here() {
        let pci = pci::gpus(&settings.sysfs).unwrap_or_default();
        let nameless = (count as usize).saturating_sub(addresses.len());
        missing(&addresses, nameless, &pci).into_iter().for_each(tell);
    }
}

fn of_reading(gpu: u32, reading: &Reading) -> Vec<Finding> {
    let name = reading.subjects.identity.name.as_deref().unwrap_or("without a name");
    let mut findings = vec![Finding::good(format!("GPU {gpu}: {name}, {}", reading.uuid))];
    if !reading.unsupported.is_empty() {
        findings
            .push(Finding::note(format!("GPU {gpu}: does not report {}", reading.unsupported.join(", "))));
    }
    findings.extend(reading.faults.iter().map(|fault| {
        let found = fault.found.as_ref().map(|found| format!(": `{found}`")).unwrap_or_default();
        Finding::bad(format!("GPU {gpu}: {}: {}{found}", fault.reading, fault.reason.text()))
    }));
    findings
}

/// Whether it can be told whose the processes on GPUs are, and whether servers listen.
fn of_processes(proc: &Path, processes: &BTreeSet<u32>) -> Vec<Finding> {
    let (all, seen) = (processes.len(), seen(proc, processes));
    let mut findings = vec![if seen < all {
        Finding::note(format!(
            "processes: {} of {all} on GPUs are not to be seen in {}, so their containers are unknown (hint: in a container, share the host's \
             process numbers: `pid: host` in compose, `hostPID: true` in Kubernetes)",
            all - seen,
            proc.display()
        ))
    } else {
        Finding::good(format!("processes: {all} on GPUs now"))
    }];
    if !sees_descriptors(proc) {
        findings.push(Finding::note(
            "engines: the sockets of other users' processes cannot be seen, so one that starts is not told from one that runs \
             (hint: CAP_SYS_PTRACE)"
                .to_owned(),
        ));
    }
    findings
}

/// GPUs on the bus beyond those whose addresses are known. So many that failed have no known address, and have a finding already.
fn missing(addresses: &[String], nameless: usize, pci: &[PciGpu]) -> Option<Finding> {
    let missing: Vec<_> =
        pci.iter().filter(|gpu| gpu.is_for_nvidia_driver() && !addresses.contains(&gpu.address)).collect();
    (missing.len() > nameless).then(|| Finding::bad(format!("GPU: {}", pci::not_shown(&missing))))
}

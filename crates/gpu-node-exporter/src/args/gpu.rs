//! How the GPUs are read: `--gpu.*`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::flags::{Flag, Flags};
use crate::gpu::{GpuSettings, Profile, RuntimeAddress, Severities, Severity};

/// The name in `--collector.NAME`.
pub(super) const COLLECTOR: &str = "gpu";

static LIBRARY: Flag = Flag::value(
    "gpu.library",
    "FILE",
    "",
    "The NVML library to load [default: the system's libnvidia-ml.so.1]",
);
static SAMPLE_INTERVAL: Flag =
    Flag::value("gpu.sample-interval", "DURATION", "1s", "Time from one look at the GPUs to the next");
static PROBE_TIMEOUT: Flag = Flag::value(
    "gpu.probe-timeout",
    "DURATION",
    "5s",
    "How long one GPU may stay silent before it counts as stuck",
);
static XID_SEVERITY: Flag = Flag::values(
    "gpu.xid-severity",
    "CODE=LEVEL",
    "",
    "How bad an XID is, where it differs from NVIDIA's catalog: info, warning or fatal; may be given several times",
);
static PROFILE: Flag = Flag::value(
    "gpu.profile",
    "NAME",
    "default",
    "How much of the GPUs to read and show: minimal (health and what the alert rules need, those of links and clocks apart), default, or full (each process as well)",
);
static PROCESSES: Flag = Flag::switch(
    "gpu.processes",
    false,
    "Show what each process uses of the GPUs: as many series as there are processes",
);
static CONTAINERS: Flag = Flag::switch(
    "gpu.containers",
    true,
    "Show what each container, Slurm job and systemd unit uses of the GPUs",
);

static PODS: Flag = Flag::switch(
    "gpu.pods",
    false,
    "Ask kubelet for the names of the pods and containers that GPUs are given to",
);
static PODS_SOCKET: Flag = Flag::value(
    "gpu.pods.socket",
    "FILE",
    "/var/lib/kubelet/pod-resources/kubelet.sock",
    "Kubelet's pod-resources socket",
);

static CONTAINER_RUNTIME: Flag = Flag::value(
    "gpu.container-runtime",
    "API:FILE",
    "",
    "Ask this socket of a container runtime what the containers that hold GPUs are called: docker:/var/run/docker.sock (Docker, Podman) or cri:/run/containerd/containerd.sock (containerd, CRI-O). Who may talk to it may do what root may",
);

pub(super) static FLAGS: [&Flag; 10] = [
    &LIBRARY,
    &SAMPLE_INTERVAL,
    &PROBE_TIMEOUT,
    &XID_SEVERITY,
    &PROFILE,
    &PROCESSES,
    &CONTAINERS,
    &PODS,
    &PODS_SOCKET,
    &CONTAINER_RUNTIME,
];

/// NVML calls serialise in the driver, so looking very often costs the programs that use the GPU.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const CAREFUL_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_mins(10);

/// As the flags say, `None` with `--no-collector.gpu`; mistakes and warnings are added to `flags`.
pub(super) fn settings(flags: &mut Flags, proc: &Path, sysfs: &Path) -> Option<GpuSettings> {
    let sample_interval = flags.duration(&SAMPLE_INTERVAL);
    let shown = humantime::format_duration(sample_interval);
    if sample_interval < SHORTEST_INTERVAL {
        flags.mistakes.push(format!(
            "`--gpu.sample-interval={shown}` is too short (hint: at least 100ms; the driver keeps finer samples itself)"
        ));
    } else if sample_interval < CAREFUL_INTERVAL {
        flags.warnings.push(format!(
            "--gpu.sample-interval={shown}: looking more often than once a second was measured to slow down inference on some machines"
        ));
    } else if sample_interval > LONGEST_INTERVAL {
        flags.mistakes.push(format!(
            "`--gpu.sample-interval={shown}` is too long (hint: at most 10m; a scrape shows the last sample, however old)"
        ));
    }
    let probe_timeout = flags.duration(&PROBE_TIMEOUT);
    if probe_timeout < SHORTEST_INTERVAL || probe_timeout > LONGEST_INTERVAL {
        let shown = humantime::format_duration(probe_timeout);
        flags.mistakes.push(format!("`--gpu.probe-timeout={shown}`: expected between 100ms and 10m"));
    }
    let severities = severities(flags);
    let chosen = flags.choice(&PROFILE, &Profile::NAMES);
    let processes = flags.is_on(&PROCESSES) || chosen.has(Profile::Full);
    // Each process is all that the last profile adds.
    let profile = if processes && chosen.has(Profile::Default) { Profile::Full } else { chosen };
    let pods = flags.is_on(&PODS);
    if !pods && flags.is_written(&PODS_SOCKET) {
        flags.warnings.push("--gpu.pods.socket has no effect without --gpu.pods".to_owned());
    }
    let runtime = runtime(flags);
    flags.runs(COLLECTOR, true).then(|| GpuSettings {
        library: flags.path_if_any(&LIBRARY),
        sample_interval,
        probe_timeout,
        severities,
        profile,
        processes,
        containers: flags.is_on(&CONTAINERS) && profile.has(Profile::Default),
        pods: pods.then(|| flags.path(&PODS_SOCKET)),
        runtime,
        proc: proc.to_owned(),
        sysfs: sysfs.to_owned(),
    })
}

/// `31=warning`, each time the flag is written.
fn severities(flags: &mut Flags) -> Severities {
    let mut overrides = BTreeMap::new();
    for text in flags.values(&XID_SEVERITY).iter().filter(|text| !text.is_empty()) {
        let parsed = text.split_once('=').and_then(|(code, level)| {
            let code = code.parse::<u32>().ok().filter(|code| *code != 0)?;
            let (_, severity) = Severity::LABELS.iter().find(|(label, _)| *label == level)?;
            Some((code, *severity))
        });
        match parsed {
            Some((code, severity)) => {
                if overrides.insert(code, severity).is_some() {
                    flags.mistakes.push(format!(
                        "`--gpu.xid-severity={text}`: XID {code} is there twice (hint: write it once)"
                    ));
                }
            }
            None => flags.mistakes.push(format!(
                "`--gpu.xid-severity={text}`: expected CODE=info, CODE=warning or CODE=fatal (hint: like 94=fatal)"
            )),
        }
    }
    Severities::with(overrides)
}

/// `docker:/var/run/docker.sock`.
fn runtime(flags: &mut Flags) -> Option<RuntimeAddress> {
    let text = flags.value(&CONTAINER_RUNTIME);
    if text.is_empty() {
        return None;
    }
    let address = RuntimeAddress::parse(&text);
    if address.is_none() {
        flags.mistakes.push(format!(
            "`--gpu.container-runtime={text}`: expected docker:FILE or cri:FILE (hint: like docker:/var/run/docker.sock or cri:/run/containerd/containerd.sock)"
        ));
    }
    address
}

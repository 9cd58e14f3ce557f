//! Who holds the GPUs as metric families: by container, by process where asked for, and engines. Pure but for the count of what was dropped.
//!
//! Each page is made anew, so series end with what they are of. A family has at most [`MOST_SERIES`]; what uses the most memory stays.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::cgroup::Owner;
use super::engines::{SeenEngine, State};
use super::shares::Share;
use super::table::{Holder, Holders};
use super::time_to_full;
use crate::family::{Family, Labels, Number};
use crate::gpu::families::labels;
use crate::gpu::reading::{Figures, ProcessUse};
use crate::gpu::settings::GpuSettings;
use crate::gpu::snapshot::Snapshot;
use crate::gpu::stale::fresh;
use crate::gpu::subject::known_labels;
use crate::units::{Bytes, Ratio};

/// Series of one family on a page.
const MOST_SERIES: usize = 1000;

/// Series that were left out of pages, by family.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dropped(BTreeMap<&'static str, u64>);

/// Engines that are not followed are missing in all families of engines, and counted in this.
const ENGINE_STATE: &str = "gpu_engine_state";

impl Dropped {
    pub(in crate::gpu) fn count(&mut self, family: &'static str, series: u64) {
        *self.0.entry(family).or_default() += series;
    }

    /// A family of these samples, those first that matter most.
    fn fill<V: Into<Number>>(&mut self, named: &Named, samples: impl Iterator<Item = (Labels, V)>) -> Family {
        let (mut family, mut left_out) = ((named.make)(named.name, named.help), 0);
        for (labels, value) in samples {
            if family.samples.len() < MOST_SERIES {
                family.push(labels, value);
            } else {
                left_out += 1;
            }
        }
        self.count(named.name, left_out);
        family
    }

    fn family(&self) -> Family {
        let mut family = Family::counter(
            "gpu_dropped_series_total",
            "Series of processes, containers, pods and engines that were left out of pages, since a family has at most 1000, and one of names 448.",
        );
        for (name, count) in &self.0 {
            family.push(Labels::new([("family", *name)]), *count);
        }
        family
    }
}

/// A gauge or counter of a name that [`Dropped`] counts by.
struct Named {
    name: &'static str,
    make: fn(&'static str, &'static str) -> Family,
    help: &'static str,
}

const fn gauge(name: &'static str, help: &'static str) -> Named {
    Named { name, make: |name, help| Family::gauge(name, help), help }
}

const fn counter(name: &'static str, help: &'static str) -> Named {
    Named { name, make: |name, help| Family::counter(name, help), help }
}

const fn info(name: &'static str, help: &'static str) -> Named {
    Named { name, make: |name, help| Family::info(name, help), help }
}

/// The families of those who hold the GPUs that answer at `now`.
pub(crate) fn families(
    snapshot: &Snapshot,
    holders: &Holders,
    settings: &GpuSettings,
    now: Instant,
    dropped: &mut Dropped,
) -> Vec<Family> {
    let unknown = Owner::unknown();
    let mut processes = processes(snapshot, holders, settings, now);
    processes.sort_by_key(|process| Reverse(process.used.memory));
    let mut families = Vec::new();
    if settings.processes {
        families.extend(by_process(&processes, dropped));
    }
    if settings.containers {
        families.extend(by_container(&containers(&processes, &unknown), dropped));
        families.extend(shares(snapshot, holders, settings, now, dropped));
    }
    families.extend(engines(&holders.engines.seen, dropped));
    dropped.count(ENGINE_STATE, holders.engines.not_followed as u64);
    families.push(dropped.family());
    families.push(time_to_full::family(snapshot, holders, settings, now));
    families
}

/// A process on a GPU.
struct OnGpu<'a> {
    gpu: Labels,
    pid: u32,
    used: &'a ProcessUse,
    /// By the driver's accounting, where that is on.
    figures: Option<&'a Figures>,
    /// `None` for one that cannot be seen.
    holder: Option<&'a Holder>,
}

fn processes<'a>(
    snapshot: &'a Snapshot,
    holders: &'a Holders,
    settings: &GpuSettings,
    now: Instant,
) -> Vec<OnGpu<'a>> {
    let mut processes = Vec::new();
    for gpu in &snapshot.gpus {
        let Some(subjects) = fresh(settings, gpu, now).map(|reading| &reading.subjects) else { continue };
        let Some(listed) = &subjects.processes.listed else { continue };
        let gpu = labels(gpu);
        processes.extend(listed.iter().map(|(pid, used)| OnGpu {
            gpu: gpu.clone(),
            pid: *pid,
            used,
            figures: subjects.accounting.processes.get(pid),
            holder: holders.processes.get(pid),
        }));
    }
    processes
}

fn by_process(processes: &[OnGpu<'_>], dropped: &mut Dropped) -> [Family; 8] {
    const MEMORY: Named = gauge("gpu_process_memory_used_bytes", "Memory of the GPU that the process holds.");
    const SM: Named = gauge(
        "gpu_process_sm_utilization_ratio",
        "Share of the driver's last sample period in which the process' kernels ran; not in MIG mode.",
    );
    const MAX_MEMORY: Named = gauge(
        "gpu_process_memory_used_max_bytes",
        "The most memory of the GPU that the process ever held, by the driver's accounting mode.",
    );
    const BUSY: Named = gauge(
        "gpu_process_lifetime_utilization_ratio",
        "Share of the process' life in which its kernels ran, by the driver's accounting mode.",
    );
    const MEMORY_BUSY: Named = gauge(
        "gpu_process_lifetime_memory_controller_busy_ratio",
        "Share of the process' life in which memory was read or written, by the driver's accounting mode.",
    );
    const STARTED: Named = gauge(
        "gpu_process_start_timestamp_seconds",
        "When the process began, in seconds since 1970, by the driver's accounting mode.",
    );
    const SAMPLES: Named = counter(
        "gpu_process_samples_total",
        "Samples of the process that the driver's accounting mode took, from R610 on.",
    );
    const BUSY_SAMPLES: Named = counter(
        "gpu_process_busy_samples_total",
        "The same, each counted by the share of it in which the process' kernels ran: its rate by theirs is the share of the time.",
    );
    let labels = |process: &OnGpu<'_>| {
        let (pid, instance) =
            (process.pid.to_string(), process.used.gpu_instance.map(|instance| instance.to_string()));
        let more = [
            ("gpu_instance", instance.as_deref()),
            ("pid", Some(pid.as_str())),
            ("process", process.holder.map(|holder| holder.name.as_str())),
            ("container", process.holder.map(|holder| holder.owner.short_id())),
        ];
        known_labels(&process.gpu, more)
    };
    let mut each = |named: &Named, value: fn(&OnGpu<'_>) -> Option<Number>| {
        dropped.fill(named, processes.iter().filter_map(|process| Some((labels(process), value(process)?))))
    };
    [
        each(&MEMORY, |process| process.used.memory.map(Into::into)),
        each(&SM, |process| process.used.sm.map(Into::into)),
        each(&MAX_MEMORY, |process| process.figures?.max_memory.map(Into::into)),
        each(&BUSY, |process| process.figures?.busy.map(Into::into)),
        each(&MEMORY_BUSY, |process| process.figures?.memory_busy.map(Into::into)),
        each(&STARTED, |process| process.figures?.started.map(Into::into)),
        each(&SAMPLES, |process| process.figures?.samples.map(Into::into)),
        each(&BUSY_SAMPLES, |process| process.figures?.busy_samples.map(Into::into)),
    ]
}

/// What the processes of one owner use of one GPU, or of one GPU instance.
struct Container<'a> {
    gpu: Labels,
    gpu_instance: Option<u32>,
    owner: &'a Owner,
    memory: Option<Bytes>,
    sm: Option<Ratio>,
    processes: u64,
}

/// The owners, those first that hold the most memory.
fn containers<'a>(processes: &'a [OnGpu<'a>], unknown: &'a Owner) -> Vec<Container<'a>> {
    let mut containers: BTreeMap<(&str, Option<u32>, &Owner), Container<'_>> = BTreeMap::new();
    for process in processes {
        let owner = process.holder.map_or(unknown, |holder| &holder.owner);
        let gpu_instance = process.used.gpu_instance;
        let container = containers.entry((process.gpu.text(), gpu_instance, owner)).or_insert_with(|| {
            Container { gpu: process.gpu.clone(), gpu_instance, owner, memory: None, sm: None, processes: 0 }
        });
        container.processes += 1;
        if let Some(memory) = process.used.memory {
            let sum = container.memory.map_or(0, |memory| memory.0);
            container.memory = Some(Bytes(sum.saturating_add(memory.0)));
        }
        if let Some(sm) = process.used.sm {
            // The driver rounds each.
            container.sm = Some(Ratio((container.sm.unwrap_or_default().0 + sm.0).min(1.0)));
        }
    }
    let mut containers: Vec<_> = containers.into_values().collect();
    containers.sort_by_key(|container| Reverse(container.memory));
    containers
}

/// A GPU's labels with those of an owner.
fn owned(gpu: &Labels, gpu_instance: Option<u32>, owner: &Owner) -> Labels {
    let instance = gpu_instance.map(|instance| instance.to_string());
    let id = owner.short_id();
    let more = [
        ("gpu_instance", instance.as_deref()),
        ("container", Some(id).filter(|id| !id.is_empty())),
        ("kind", Some(owner.kind.label())),
    ];
    known_labels(gpu, more)
}

fn by_container(containers: &[Container<'_>], dropped: &mut Dropped) -> [Family; 4] {
    const MEMORY: Named = gauge(
        "gpu_container_memory_used_bytes",
        "Memory of the GPU that the processes of a container, Slurm job or systemd unit hold; those of `kind` unknown cannot be seen in /proc.",
    );
    const SM: Named = gauge(
        "gpu_container_sm_utilization_ratio",
        "Share of the driver's last sample period in which kernels of the container ran; not in MIG mode.",
    );
    const PROCESSES: Named = gauge("gpu_container_processes", "Processes of the container on the GPU.");
    const INFO: Named = info(
        "gpu_container_info",
        "What is known of whoever has processes on GPUs: the container's whole id, its pod's uid, the Slurm job, the systemd unit.",
    );
    let labels = |container: &Container<'_>| owned(&container.gpu, container.gpu_instance, container.owner);
    let labels: Vec<_> = containers.iter().map(labels).collect();
    let labelled = || labels.iter().cloned().zip(containers);
    let mut told = BTreeSet::new();
    let owners = containers.iter().map(|container| container.owner);
    let described = owners.filter(|owner| !owner.id.is_empty() && told.insert(*owner)).map(|owner| {
        let more = [
            ("id", Some(owner.id.as_str())),
            ("pod_uid", owner.pod_uid.as_deref()),
            ("slurm_job", owner.slurm_job.as_deref()),
            ("unit", owner.unit.as_deref()),
        ];
        (known_labels(&owned(&Labels::NONE, None, owner), more), 1_u64)
    });
    [
        dropped.fill(&MEMORY, labelled().filter_map(|(labels, container)| Some((labels, container.memory?)))),
        dropped.fill(&SM, labelled().filter_map(|(labels, container)| Some((labels, container.sm?)))),
        dropped.fill(&PROCESSES, labelled().map(|(labels, container)| (labels, container.processes))),
        dropped.fill(&INFO, described),
    ]
}

fn shares(
    snapshot: &Snapshot,
    holders: &Holders,
    settings: &GpuSettings,
    now: Instant,
    dropped: &mut Dropped,
) -> [Family; 3] {
    const SM: Named = counter(
        "gpu_container_sm_seconds_total",
        "Estimate: time in which kernels of the container ran on the GPU, from the driver's shares at each sweep; where they ran beside others, its part.",
    );
    const ENERGY: Named = counter(
        "gpu_container_energy_joules_total",
        "Estimate: energy of the GPU shared out by the time in which kernels of each container ran. The rest is `gpu_idle_energy_joules_total`.",
    );
    const IDLE: Named = counter(
        "gpu_idle_energy_joules_total",
        "Estimate: energy that the GPU used while no kernel ran, since the exporter started; shared out to no container.",
    );
    let shown = || {
        snapshot.gpus.iter().filter(|gpu| fresh(settings, gpu, now).is_some()).filter_map(|gpu| {
            let shares = holders.shares.get(gpu.uuid.as_ref()?)?;
            Some((labels(gpu), shares))
        })
    };
    let mut owners: Vec<(Labels, &Share)> = shown()
        .flat_map(|(gpu, shares)| {
            shares.owners.iter().map(move |(owner, share)| (owned(&gpu, None, owner), share))
        })
        .collect();
    owners.sort_by(|(_, a), (_, b)| b.sm_time.0.total_cmp(&a.sm_time.0));
    [
        dropped.fill(&SM, owners.iter().map(|(labels, share)| (labels.clone(), share.sm_time))),
        dropped
            .fill(&ENERGY, owners.iter().filter_map(|(labels, share)| Some((labels.clone(), share.energy?)))),
        dropped.fill(&IDLE, shown().filter_map(|(gpu, shares)| Some((gpu, shares.idle?)))),
    ]
}

fn engines(seen: &[SeenEngine], dropped: &mut Dropped) -> [Family; 4] {
    const INFO: Named = info(
        "gpu_engine_info",
        "An inference engine with processes on GPUs, by their titles; `pid` is its first process.",
    );
    const STATE: Named = gauge(
        ENGINE_STATE,
        "Whether the engine is starting (takes memory, does not listen yet), running, broken (processes of it have ended) or orphaned (holds memory, its server has ended).",
    );
    const SINCE: Named = gauge(
        "gpu_engine_state_since_timestamp_seconds",
        "When the exporter first saw the engine in its state, in seconds since 1970.",
    );
    const PROCESSES: Named = gauge("gpu_engine_processes", "Processes of the engine, by what they do in it.");
    let labels = |engine: &SeenEngine| {
        let (pid, container) = (engine.pid.to_string(), engine.owner.short_id());
        let labels = Labels::new([("engine", engine.engine.label()), ("pid", &pid)]);
        known_labels(&labels, [("container", Some(container).filter(|container| !container.is_empty()))])
    };
    let states = seen.iter().filter_map(|engine| Some((engine, engine.state?))).flat_map(|(engine, is)| {
        State::ALL.map(|(state, label)| (labels(engine).and([("state", label)]), state == is))
    });
    let roles = seen.iter().flat_map(|engine| {
        engine.counts.iter().map(move |(role, count)| (labels(engine).and([("role", role.label())]), *count))
    });
    [
        dropped.fill(&INFO, seen.iter().map(|engine| (labels(engine), 1_u64))),
        dropped.fill(&STATE, states),
        dropped.fill(
            &SINCE,
            seen.iter().filter_map(|engine| engine.state.map(|_| (labels(engine), engine.since))),
        ),
        dropped.fill(&PROCESSES, roles),
    ]
}
#[cfg(test)]
mod tests;

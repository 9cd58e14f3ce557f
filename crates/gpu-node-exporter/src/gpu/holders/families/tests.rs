//! The page of two GPUs with containers, a process that cannot be seen, and engines; and the budget of a family.

use std::sync::Arc;
use std::time::Duration;

use super::super::cgroup::owner;
use super::super::engines::Processes;
use super::super::process_files::Process;
use super::super::title::title;
use super::*;
use crate::gpu::reading::Reading;
use crate::gpu::xid::Severities;
use crate::units::{Joules, Seconds};

fn settings(processes: bool, containers: bool) -> GpuSettings {
    GpuSettings { processes, containers, ..GpuSettings::default() }
}

fn used(mebibytes: u64, sm: Option<f64>) -> ProcessUse {
    ProcessUse { memory: Some(Bytes(mebibytes << 20)), sm: sm.map(Ratio), gpu_instance: None }
}

fn read(index: u32, energy: f64, processes: &[(u32, ProcessUse)]) -> Reading {
    let mut reading = Reading { uuid: format!("GPU-{index}"), ..Reading::default() };
    reading.subjects.processes.listed = Some(processes.iter().copied().collect());
    reading.subjects.power.energy = Some(Joules(energy));
    // The driver counts on the first GPU.
    if index == 0 {
        let figures = Figures {
            busy: Some(Ratio(0.25)),
            memory_busy: Some(Ratio(0.125)),
            max_memory: Some(Bytes(70_000 << 20)),
            started: Some(Seconds(1_700_000_000.5)),
            samples: Some(8),
            busy_samples: Some(2.5),
        };
        reading.subjects.accounting.processes = [(12, figures), (20, Figures::default())].into();
    }
    reading
}

fn process(parent: u32, cgroup: &str, command_line: &str) -> Process {
    let comm = command_line.split('\0').next().unwrap_or_default().chars().take(15).collect();
    let (owner, title) = (owner(cgroup), title(command_line));
    Process { start: 7, parent, comm, owner, title, children: Vec::new(), ports: Some([8000].into()) }
}

const VLLM: &str = "0::/kubepods.slice/kubepods-pod0f3cbd52_7a1c_4c55_9d2e_1b0a4f6f9e11.slice/\
    cri-containerd-3f4e6a1c0d9b8e7f60514233a4b5c6d7e8f9011223344556677889900aabbcc1.scope\n";

/// What is listed on each GPU.
type Listed = Vec<(u32, Vec<(u32, ProcessUse)>)>;

/// Two readings of the GPUs, a second apart; and the processes that are to be seen.
fn told(settings: &GpuSettings, listed: &Listed, running: &Processes) -> (Vec<Family>, Dropped) {
    let start = Instant::now();
    let mut snapshot = Snapshot::swept_every(settings.sample_interval, Severities::default());
    let mut holders = Holders::default();
    snapshot.listed(u32::try_from(listed.len()).expect("a few"));
    for second in [0_u32, 1] {
        let now = start + Duration::from_secs(second.into());
        for (index, processes) in listed {
            snapshot.read(*index, Arc::new(read(*index, f64::from(second) * 400.0, processes)), now);
        }
        if holders.due(&snapshot, now).is_some() {
            holders.found(&snapshot, running.clone(), now, 1_700_000_000.5);
        }
        holders.share_out(&snapshot, Duration::from_mins(1));
    }
    holders.time_to_full = [("GPU-0".to_owned(), 2400.5)].into();
    let mut dropped = Dropped::default();
    let families = families(&snapshot, &holders, settings, start + Duration::from_secs(2), &mut dropped);
    (families, dropped)
}

/// One line a sample.
fn page(families: Vec<Family>) -> String {
    let mut page = String::new();
    for family in families {
        for sample in family.samples {
            let value = match sample.value {
                Number::Whole(value) => value.to_string(),
                Number::Real(value) => format!("{value:?}"),
            };
            page.extend([&family.name, "{", sample.labels.text(), "} ", &value, "\n"]);
        }
    }
    page
}

fn two_gpus() -> (Listed, Processes) {
    let listed = vec![
        (0, vec![(12, used(60_000, Some(0.5))), (20, used(100, Some(0.25))), (99, used(5, None))]),
        (1, vec![(13, used(61_000, Some(0.75)))]),
    ];
    let running = [
        (10, process(1, VLLM, "python3\0/usr/bin/vllm\0serve\0")),
        (11, process(10, VLLM, "VLLM::EngineCore")),
        (12, process(11, VLLM, "VLLM::Worker_TP0")),
        (13, process(11, VLLM, "VLLM::Worker_TP1")),
        (20, process(1, "0::/system.slice/train.service\n", "python3\0train.py\0")),
    ];
    (listed, running.into())
}

fn of_two_gpus(processes: bool, containers: bool) -> Vec<Family> {
    let (listed, running) = two_gpus();
    told(&settings(processes, containers), &listed, &running).0
}

#[test]
fn everything_has_its_name_and_labels() {
    insta::assert_snapshot!(page(of_two_gpus(true, true)));
}

#[test]
fn processes_and_containers_are_shown_where_they_are_asked_for() {
    for (processes, containers) in [(false, false), (false, true), (true, false)] {
        let page = page(of_two_gpus(processes, containers));
        assert_eq!(page.contains("gpu_process_memory_used_bytes{"), processes, "{page}");
        assert_eq!(page.contains("gpu_container_memory_used_bytes{"), containers, "{page}");
        assert!(page.contains("gpu_engine_state{"), "{page}");
    }
}

#[test]
fn what_goes_beyond_the_budget_is_counted_and_the_largest_stay() {
    let processes: Vec<_> = (1..=1024).map(|pid| (pid, used(u64::from(pid), Some(0.0)))).collect();
    let (families, dropped) = told(&settings(true, true), &vec![(0, processes)], &Processes::new());
    let memory = families.iter().find(|family| family.name == "gpu_process_memory_used_bytes");
    let samples = &memory.expect("shown").samples;
    assert_eq!((samples.len(), samples[0].value), (1000, Number::Whole(1024 << 20)));
    assert_eq!(dropped.0["gpu_process_memory_used_bytes"], 24);
    assert_eq!(dropped.0["gpu_container_memory_used_bytes"], 0, "all are of one owner, who is unknown");
    let page = page(families);
    assert!(page.contains(r#"gpu_container_processes{gpu="0",uuid="GPU-0",kind="unknown"} 1024"#), "{page}");
    assert!(page.contains(r#"gpu_dropped_series_total{family="gpu_process_memory_used_bytes"} 24"#));
}

#[test]
fn no_series_has_more_labels_than_a_store_takes() {
    for family in of_two_gpus(true, true) {
        for sample in family.samples {
            assert!(sample.labels.iter().count() <= 15, "{}", family.name);
        }
    }
}

#[test]
fn an_instance_of_a_gpu_is_told_from_another() {
    let in_instance = |instance| ProcessUse { gpu_instance: Some(instance), ..used(100, None) };
    let listed = vec![(0, vec![(20, in_instance(1)), (21, in_instance(2))])];
    let service = "0::/system.slice/train.service\n";
    let running = [20, 21].map(|pid| (pid, process(1, service, "python3\0train.py\0"))).into();
    let page = page(told(&settings(false, true), &listed, &running).0);
    let memory: Vec<_> =
        page.lines().filter(|line| line.starts_with("gpu_container_memory_used_bytes")).collect();
    let line = |instance: u32| {
        format!(
            r#"gpu_container_memory_used_bytes{{gpu="0",uuid="GPU-0",gpu_instance="{instance}",container="train.service",kind="systemd"}} 104857600"#
        )
    };
    assert_eq!(memory, [line(1), line(2)]);
    assert!(!page.contains("gpu_container_sm_seconds_total{"), "the driver gives no shares there: {page}");
}

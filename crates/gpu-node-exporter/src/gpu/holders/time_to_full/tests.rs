//! GPUs that are read every second for hours: what is shown of one that leaks, and of one that loads a model.

use std::sync::Arc;
use std::time::Duration;

use super::super::cgroup::owner;
use super::super::engines::Processes;
use super::super::process_files;
use super::super::title::title;
use super::*;
use crate::family::Number;
use crate::gpu::xid::Severities;
use crate::units::Bytes;

const GIBIBYTE: u64 = 1 << 30;
const CARD: u64 = 80 * GIBIBYTE;

/// A card of 80 GiB, all of whose memory is the one process's.
fn reading(used: u64, pid: u32) -> Reading {
    let mut reading = Reading { uuid: "GPU-0".to_owned(), ..Reading::default() };
    let bytes = |bytes: u64| Some(Bytes(bytes));
    let memory = &mut reading.subjects.memory;
    (memory.total, memory.used, memory.free) = (bytes(CARD), bytes(used), bytes(CARD - used));
    let holds = ProcessUse { memory: bytes(used), sm: None, gpu_instance: None };
    reading.subjects.processes.listed = Some([(pid, holds)].into());
    reading
}

/// The minutes that are shown to be left, by minute, of a card of which so much is used after each second by the process 10, which
/// listens from a second on.
fn minutes_left(seconds: u64, used: impl Fn(u64) -> u64, listens_from: u64) -> Vec<Option<f64>> {
    let (start, settings) = (Instant::now(), GpuSettings::default());
    let mut snapshot = Snapshot::swept_every(settings.sample_interval, Severities::default());
    let (mut holders, mut forecasts) = (Holders::default(), Forecasts::default());
    snapshot.listed(1);
    let mut shown = Vec::new();
    for second in 0..seconds {
        let now = start + Duration::from_secs(second);
        snapshot.read(0, Arc::new(reading(used(second), 10)), now);
        if holders.due(&snapshot, now).is_some() {
            let process = process_files::Process {
                start: 7,
                parent: 1,
                comm: "vllm".to_owned(),
                owner: owner("0::/system.slice/vllm.service\n"),
                title: title("python3\0/usr/bin/vllm\0serve\0"),
                children: Vec::new(),
                ports: Some([8000].into_iter().filter(|_| second >= listens_from).collect()),
            };
            holders.found(&snapshot, Processes::from([(10, process)]), now, 1_700_000_000.0);
        }
        holders.time_to_full = forecasts.read(&snapshot, &holders, now);
        if second % 60 == 59 {
            let family = family(&snapshot, &holders, &settings, now);
            shown.push(family.samples.first().map(|sample| match sample.value {
                Number::Real(seconds) => seconds / 60.0,
                Number::Whole(_) => panic!("seconds are real"),
            }));
        }
    }
    shown
}

/// 20 GiB for an hour, then one more each minute.
fn leak(second: u64) -> u64 {
    (20 * GIBIBYTE + second.saturating_sub(3600) * GIBIBYTE / 60).min(CARD)
}

#[test]
fn a_leak_is_shown_with_the_time_that_is_left() {
    let shown = minutes_left(3600 + 2400, leak, 0);
    assert!(shown[..60].iter().all(Option::is_none));
    // An hour is left after the first, so by a rise of minutes nothing can be told yet.
    let first = shown.iter().position(Option::is_some).unwrap();
    assert!((60..75).contains(&first), "after {first} min");
    let left = shown[90].unwrap();
    assert!((left - 29.0).abs() < 1.0, "{left} min left after 31 of 60");
}

#[test]
fn a_model_that_loads_is_no_leak() {
    let shown = minutes_left(3600 + 2400, leak, 3600 + 2400);
    assert_eq!(shown.iter().flatten().count(), 0, "it does not listen yet");
}

#[test]
fn a_reading_counts_once_and_nothing_is_shown_of_a_gpu_that_has_stopped() {
    let (start, settings) = (Instant::now(), GpuSettings::default());
    let mut snapshot = Snapshot::swept_every(settings.sample_interval, Severities::default());
    let mut holders = Holders::default();
    snapshot.read(0, Arc::new(reading(20 * GIBIBYTE, 10)), start);
    holders.time_to_full = [("GPU-0".to_owned(), 60.0)].into();
    let shown = |snapshot: &Snapshot, second| {
        family(snapshot, &holders, &settings, start + Duration::from_secs(second)).samples.len()
    };
    assert_eq!((shown(&snapshot, 1), shown(&snapshot, 100)), (1, 0));
    snapshot.stuck(0);
    assert_eq!(shown(&snapshot, 1), 0);
}

use std::path::Path;

use super::*;
use crate::host::testing::{collector, flags, reading};

fn root() -> Root {
    let none = Path::new("/nonexistent");
    Root { proc: none.into(), sys: "/sys".into(), rootfs: none.into(), udev: none.into() }
}

/// The machine's own events, where the test may count them.
#[test]
fn the_kernels_own_events_are_counted_on_each_cpu() {
    let written = [
        "--collector.perf.disable-hardware-profilers",
        "--collector.perf.disable-cache-profilers",
        "--collector.perf.cpus=0",
    ];
    let mut perf = collector(&ENTRY, Path::new("/nonexistent"), Path::new("/sys"), &written);
    let (series, faults) = reading(&mut *perf);
    if let [refused] = &faults[..] {
        assert!(refused.contains("kernel.perf_event_paranoid=0"), "{refused}");
        assert_eq!(series, [] as [&str; 0]);
        return;
    }
    assert_eq!(faults, [] as [&str; 0]);
    let names: Vec<_> = series.iter().map(|line| line.split('{').next().unwrap()).collect();
    let expected: Vec<_> = SOFTWARE.events.iter().map(|(.., family, _)| *family).collect();
    assert_eq!(names, expected);
    assert!(series.iter().all(|line| line.contains(r#"{cpu="0"} "#)), "{series:?}");
}

#[test]
fn what_flags_name_is_counted_and_nothing_else() {
    let names = |written: &[&str]| {
        let perf = PerfCollector::new(&mut flags(written), &root());
        let events = perf.events.iter().map(|event| event.family.to_string());
        (events.collect::<Vec<_>>(), perf.cpus)
    };
    assert_eq!(names(&[]).0.len(), 30);
    let (events, cpus) = names(&[
        "--collector.perf.cpus=1-3:2",
        "--collector.perf.disable-cache-profilers",
        "--collector.perf.hardware-profilers=CpuInstr",
        "--collector.perf.hardware-profilers=CpuInstr",
        "--collector.perf.software-profilers=MajorFault",
        "--collector.perf.software-profilers=PageFault",
        "--collector.perf.tracepoint=kvm:kvm_exit",
    ]);
    assert_eq!(
        events,
        [
            "node_perf_instructions_total",
            "node_perf_major_faults_total",
            "node_perf_page_faults_total",
            "node_perf_kvm_kvm_exit"
        ]
    );
    assert_eq!(cpus, Some(vec![1, 3]));
}

#[test]
fn what_cannot_be_counted_is_told() {
    let mut odd = flags(&["--collector.perf.software-profilers=BusCycles"]);
    PerfCollector::new(&mut odd, &root());
    assert_eq!(
        odd.warnings,
        ["--collector.perf.software-profilers names no event that is counted: BusCycles"]
    );
    let mut wrong = flags(&["--collector.perf.cpus=3-1", "--collector.perf.tracepoint=x"]);
    PerfCollector::new(&mut wrong, &root());
    assert_eq!(
        wrong.mistakes,
        [
            "`--collector.perf.cpus=3-1`: `3-1` names no CPU",
            "`--collector.perf.tracepoint=x`: expected a tracepoint like sched:sched_process_exec"
        ]
    );
}

#[test]
fn an_absent_tracepoint_and_an_absent_cpu_are_told() {
    let fault = tracepoint_number(&["/nonexistent".into()], "sched", "none").unwrap_err();
    assert!(fault.to_string().contains("there is no tracepoint sched:none"), "{fault}");
    let none = Path::new("/nonexistent");
    let (series, faults) = reading(&mut *collector(&ENTRY, none, none, &["--collector.perf.cpus=60000"]));
    assert_eq!(series, [] as [&str; 0]);
    assert!(!faults.is_empty());
}

#[test]
fn cpus_come_and_go() {
    let sys = tempfile::tempdir().unwrap();
    let online = sys.path().join("devices/system/cpu/online");
    std::fs::create_dir_all(online.parent().unwrap()).unwrap();
    let mut perf = PerfCollector::new(
        &mut flags(&["--collector.perf.cpus=0-4:2"]),
        &Root { sys: sys.path().into(), ..root() },
    );
    for (running, counted, off) in
        [("0-3", &[0, 2][..], &[4][..]), ("0-1", &[0], &[2, 4]), ("0-4", &[0, 2, 4], &[])]
    {
        std::fs::write(&online, format!("{running}\n")).unwrap();
        assert_eq!(perf.follow_cpus().unwrap(), off, "{running}");
        assert_eq!(perf.counting.keys().copied().collect::<Vec<_>>(), counted, "{running}");
    }
    std::fs::write(&online, "0\n").unwrap();
    let faults = reading(&mut perf).1;
    assert_eq!(faults[0], "perf: --collector.perf.cpus names 2 CPUs that do not run, 2 first");
}

/// Each thread that begins to run is switched to, here on the one CPU that is counted.
#[test]
fn what_happens_is_counted() {
    let cpu = stay_on_one_cpu();
    let written = [
        "--collector.perf.software-profilers=ContextSwitch",
        "--collector.perf.software-profilers=PageFault",
        "--collector.perf.disable-hardware-profilers",
        "--collector.perf.disable-cache-profilers",
        &format!("--collector.perf.cpus={cpu}"),
    ];
    let mut perf = collector(&ENTRY, Path::new("/nonexistent"), Path::new("/sys"), &written);
    let mut counted = || {
        let (series, faults) = reading(&mut *perf);
        let count_of = |name: &str| {
            let line = series.iter().find(|line| line.starts_with(name))?;
            Some(line.rsplit_once(' ')?.1.parse::<u64>().unwrap())
        };
        let counts = ["node_perf_context_switches_total{", "node_perf_page_faults_total{"].map(count_of);
        (counts, faults)
    };
    let (before, faults) = counted();
    if let [refused] = &faults[..] {
        assert!(refused.contains("kernel.perf_event_paranoid=0"), "{refused}");
        return;
    }
    let threads = 100;
    for _ in 0..threads {
        std::thread::spawn(|| ()).join().unwrap();
    }
    // The C library never keeps as much memory from before, so that it is new to this process. A thread's stack may be an older one's.
    let beyond_kept_memory = 40 << 20;
    std::hint::black_box(vec![1_u8; beyond_kept_memory]);
    let (after, faults) = counted();
    let ([Some(switches), Some(page_faults)], [Some(more_switches), Some(more_page_faults)]) =
        (before, after)
    else {
        panic!("CPU {cpu}: {before:?} {after:?} {faults:?}");
    };
    assert!(more_switches >= switches + threads, "CPU {cpu}: {switches} {more_switches} {faults:?}");
    assert!(more_page_faults > page_faults, "CPU {cpu}: {page_faults} {more_page_faults} {faults:?}");
}

/// Holds this thread, and those it starts, on a CPU on which it may run.
fn stay_on_one_cpu() -> usize {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None).unwrap();
    let cpu = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).unwrap();
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one).unwrap();
    cpu
}

#[test]
fn counters_beyond_the_bound_are_told() {
    let events = [SOFTWARE.event("PageFault").unwrap()];
    let counting = Counting::start(&events, &[], 0, MOST_COUNTERS);
    assert_eq!((counting.counters.len(), counting.left_out), (0, 1));
}

/// As in `node_exporter`: a virtual machine without performance counters is no fault, and one that may not count is.
#[test]
fn cpus_without_counters_are_no_fault() {
    let mut perf = PerfCollector::new(&mut flags(&["--collector.perf.cpus=0"]), &root());
    perf.events.iter_mut().for_each(|event| event.source = Source::Number(1, u64::MAX));
    let (series, faults) = reading(&mut perf);
    assert_eq!(series, [] as [&str; 0]);
    assert!(faults.iter().all(|fault| fault.contains("kernel.perf_event_paranoid=0")), "{faults:?}");
}

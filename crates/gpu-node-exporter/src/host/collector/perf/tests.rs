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
        let events = perf.sets.iter().flat_map(|set| &set.events).map(|event| event.family.to_string());
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
fn counters_beyond_the_bound_are_told() {
    let sets = [Set { name: "software", events: vec![SOFTWARE.event("PageFault").unwrap()] }];
    let counting = Counting::start(&sets, &[], 0, MOST_COUNTERS);
    assert_eq!((counting.counters.len(), counting.left_out), (0, 1));
}

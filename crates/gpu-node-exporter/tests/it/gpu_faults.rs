//! What a GPU or its driver can do wrong, and what of it a scrape may notice.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use crate::exporter::{Exporter, Page, Trigger, no_driver, wait_until_gone};

pub(crate) const FIRST: &[&str] = &[r#"gpu="0""#];
pub(crate) const SECOND: &[&str] = &[r#"gpu="1""#];

pub(crate) fn both_up(page: &Page) -> bool {
    page.says("gpu_up", FIRST, 1.0) && page.says("gpu_up", SECOND, 1.0)
}

pub(crate) fn restarts(page: &Page, reason: &str) -> Option<f64> {
    page.value("gpu_probe_restarts_total", &[&format!(r#"reason="{reason}""#)])
}

pub(crate) fn gpu_success(page: &Page) -> Option<f64> {
    page.value("node_scrape_collector_success", &[r#"collector="gpu""#])
}

/// Two GPUs and what happens to the second when the trigger is pulled: `what` is the rest of the incident.
pub(crate) fn second_gpu_suffers(trigger: &Trigger, what: &str) -> String {
    two_gpus(&format!("{{ gpu: 1, trigger: {}, {what} }}", trigger.path().display()))
}

/// Two GPUs and their incidents.
pub(crate) fn two_gpus(incident: &str) -> String {
    format!(
        "description: test\ngpus: [{{ model: h100-sxm, count: 2, utilization: {{ constant: 0.5 }}, \
         memory_used: {{ constant: 0.5 }} }}]\nincidents: [{incident}]\n"
    )
}

/// Whoever waited for a GPU that hangs would do so until it is given up, which is long after a busy machine has run everybody.
#[test]
fn a_hanging_gpu_costs_itself_and_no_scrape() {
    let less_than_timeout = Duration::from_secs(15);
    let trigger = Trigger::new();
    let scenario = second_gpu_suffers(&trigger, "kind: hang");
    let exporter = Exporter::on_scenario(&scenario, &["--gpu.probe-timeout=20s"]);
    exporter.wait_until("both GPUs are up before the hang", both_up);
    trigger.begin();
    let first_seen = Cell::new(Instant::now());
    let page = exporter.wait_until("the hanging GPU is told", |page| {
        assert!(page.value("node_load1", &[]).is_some(), "host metrics are always there");
        assert!(page.took < less_than_timeout, "no scrape waits for the driver: {:?}", page.took);
        let is_first_up = page.says("gpu_up", FIRST, 1.0);
        if is_first_up {
            first_seen.set(Instant::now());
        }
        let away = first_seen.get().elapsed();
        assert!(away < less_than_timeout, "the other GPU was away for {away:?}: {}", exporter.log());
        is_first_up
            && page.value("gpu_probe_stuck_gpus", &[]) == Some(1.0)
            && restarts(page, "stuck") == Some(1.0)
            && page.says("gpu_up", SECOND, 0.0)
    });
    assert_eq!(gpu_success(&page), Some(0.0));
    assert!(page.value("gpu_memory_used_bytes", FIRST).is_some());
    assert!(page.value("gpu_memory_used_bytes", SECOND).is_none(), "no value of it is made up");
    exporter.wait_for_log("stuck in the driver");
    assert_eq!(exporter.log().matches("stuck in the driver").count(), 1, "{}", exporter.log());
}

#[test]
fn a_driver_that_hangs_at_once_leaves_the_host_metrics() {
    let scenario = "description: test\ndriver: { init: hang }\ngpus: [{ model: h100-sxm }]\n";
    let exporter = Exporter::on_scenario(scenario, &["--gpu.probe-timeout=200ms"]);
    let page = exporter.wait_until("the probe is replaced", |page| restarts(page, "stuck") >= Some(1.0));
    assert_eq!(page.value("gpu_probe_up", &[]), Some(0.0));
    assert!(page.value("gpu_driver_info", &[]).is_none());
    assert!(page.value("node_load1", &[]).is_some());
    exporter.wait_until("it is a fault", |page| gpu_success(page) == Some(0.0));
}

#[test]
fn a_gpu_that_crashes_the_probe_twice_is_left_alone() {
    let trigger = Trigger::new();
    let exporter = Exporter::on_scenario(&second_gpu_suffers(&trigger, "kind: crash"), &[]);
    exporter.wait_until("both GPUs are up before the crash", both_up);
    trigger.begin();
    exporter.wait_until("the crashing GPU is told, and the other is read", |page| {
        page.says("gpu_up", SECOND, 0.0)
            && page.says("gpu_up", FIRST, 1.0)
            && restarts(page, "crash") == Some(2.0)
    });
}

#[test]
fn a_killed_probe_is_replaced_and_nothing_counted_is_lost() {
    let trigger = Trigger::new();
    let exporter = Exporter::on_scenario(&second_gpu_suffers(&trigger, "kind: xid, xid: 48"), &[]);
    exporter.wait_until("both GPUs are up", both_up);
    trigger.begin();
    let counted = |page: &Page| page.says("gpu_xid_errors_total", &[SECOND[0], r#"xid="48""#], 1.0);
    exporter.wait_until("the XID is counted", counted);
    let before =
        exporter.wait_until("time is summed", |page| page.value("gpu_busy_seconds_total", FIRST) > Some(0.0));
    for probe in exporter.probes() {
        kill_process(probe, Signal::KILL).expect("it runs");
        wait_until_gone(probe);
    }
    let after = exporter.wait_until("another probe reads", |page| {
        restarts(page, "killed") >= Some(1.0)
            && both_up(page)
            && page.value("gpu_snapshot_age_seconds", &[]) < Some(0.5)
    });
    assert!(after.value("gpu_busy_seconds_total", FIRST) >= before.value("gpu_busy_seconds_total", FIRST));
    assert!(counted(&after), "the XID is neither lost nor counted twice");
    let cpu = |page: &Page| page.value("gpu_probe_cpu_seconds_total", &[]);
    exporter.wait_until("the new probe's use is told", |page| {
        cpu(page) > cpu(&before)
            && page.value("gpu_probe_processes", &[]) >= Some(1.0)
            && page.value("gpu_probe_resident_memory_bytes", &[]) > Some(1e6)
    });
    assert_eq!(gpu_success(&after), Some(1.0));
}

#[test]
fn a_lost_gpu_keeps_its_name_and_returns() {
    let trigger = Trigger::new();
    let exporter = Exporter::on_scenario(&second_gpu_suffers(&trigger, "kind: lost, xid: 79"), &[]);
    exporter.wait_until("both GPUs are up before the loss", both_up);
    trigger.begin();
    let page = exporter.wait_until("the loss is told, and the other is read", |page| {
        page.says("gpu_up", SECOND, 0.0) && page.says("gpu_up", FIRST, 1.0)
    });
    let named =
        [SECOND[0], r#"uuid="GPU-51b00000-0000-4000-8000-000000000001""#, r#"pci_bus_id="0000:1a:00.0""#];
    assert!(page.says("gpu_up", &named, 0.0), "it is told by name and slot");
    let info = [named[1], r#"serial="1650100000001""#];
    assert!(page.says("gpu_info", &info, 1.0), "its serial number is needed for the return");
    for name in ["gpu_memory_used_bytes", "gpu_utilization_ratio", "gpu_energy_joules_total"] {
        assert!(page.value(name, SECOND).is_none(), "{name} of a lost GPU stops");
        assert!(page.value(name, FIRST).is_some(), "{name} of the other goes on");
    }
    assert_eq!(restarts(&page, "crash"), Some(0.0), "a loss is no crash");
    let counted = |page: &Page| page.says("gpu_xid_errors_total", &[SECOND[0], r#"xid="79""#], 1.0);
    exporter.wait_until("its XID is counted", counted);
    trigger.end();
    let page = exporter.wait_until("it returns", both_up);
    assert!(page.value("gpu_memory_used_bytes", SECOND).is_some());
    assert!(counted(&page), "{}", exporter.log());
    assert!(page.value("gpu_xid_last_timestamp_seconds", &[SECOND[0], r#"xid="79""#]) > Some(1.6e9));
    exporter.wait_for_log("fallen off the bus");
}

/// The first call takes longer than any other may. When it comes so late that it is quick, the test shows nothing.
#[test]
fn a_gpu_that_takes_long_to_wake_is_waited_for() {
    let scenario = two_gpus("{ gpu: 1, at: 0s, until: 10s, kind: slow, latency: 15s }");
    let exporter = Exporter::on_scenario(&scenario, &["--gpu.probe-timeout=12s"]);
    let page = exporter.wait_until("both GPUs are up", both_up);
    assert_eq!(restarts(&page, "stuck"), Some(0.0), "{}", exporter.log());
    assert!(!exporter.log().contains("stuck in the driver"), "{}", exporter.log());
}

#[test]
fn xids_are_heard_after_a_wait_that_failed() {
    for incident in [
        "{ gpu: 1, at: 0s, until: 2s, kind: lost }",
        "{ gpu: 0, at: 0s, until: 2s, kind: error, code: 999, call: nvmlEventSetWait_v2 }",
    ] {
        let trigger = Trigger::new();
        let xid = format!("{{ gpu: 1, trigger: {}, kind: xid, xid: 48 }}", trigger.path().display());
        let exporter = Exporter::on_scenario(&two_gpus(&format!("{incident}, {xid}")), &[]);
        exporter.wait_until("both GPUs are up", both_up);
        let counted =
            |page: &Page| page.value("gpu_xid_errors_total", &[SECOND[0], r#"xid="48""#]) > Some(0.0);
        // The wait for XIDs begins anew some time after the one that failed, and nothing tells when: XIDs are raised until one is
        // heard.
        exporter.wait_until(&format!("an XID is counted after {incident}"), |page| {
            if trigger.age().is_none_or(|age| age > Duration::from_millis(300)) {
                trigger.begin();
            }
            counted(page)
        });
    }
}

#[test]
fn an_old_driver_is_asked_in_its_own_words() {
    let exporter = Exporter::on_scenario(
        "description: test\ndriver: { missing: [nvmlDeviceGetMemoryInfo_v2, nvmlDeviceGetCurrentClocksEventReasons] }\n\
         gpus: [{ model: h100-sxm, memory_used: { constant: 0.5 } }]\n",
        &[],
    );
    let page = exporter.wait_until("the GPU is up", |page| page.says("gpu_up", FIRST, 1.0));
    let memory = |part: &str| page.value(&format!("gpu_memory_{part}_bytes"), FIRST);
    assert_eq!(memory("reserved"), None);
    assert_eq!(memory("used").zip(memory("free")).map(|(used, free)| used + free), memory("total"));
    assert!(page.says("gpu_throttle_active", &[FIRST[0], r#"reason="idle""#], 1.0), "{}", page.0);
    assert_eq!(gpu_success(&page), Some(1.0), "{}", exporter.log());
}

#[test]
fn a_reading_that_fails_for_a_time_is_a_hole() {
    let trigger = Trigger::new();
    trigger.begin();
    let fails = |code: u32, call: &str| {
        let path = trigger.path();
        format!("{{ gpu: 1, trigger: {}, kind: error, code: {code}, call: {call} }}", path.display())
    };
    let incidents = [fails(23, "nvmlDeviceGetMemoryInfo_v2"), fails(999, "nvmlDeviceGetName")].join(", ");
    let exporter = Exporter::on_scenario(&two_gpus(&incidents), &[]);
    let page = exporter.wait_until("both GPUs are up", both_up);
    assert!(page.value("gpu_memory_used_bytes", FIRST).is_some());
    assert_eq!(
        page.value("gpu_memory_used_bytes", SECOND),
        None,
        "the first version of the call means another"
    );
    assert_eq!(page.value("gpu_info", &[SECOND[0], "name="]), None);
    assert_eq!(gpu_success(&page), Some(0.0), "{}", exporter.log());
    trigger.end();
    let page = exporter.wait_until("all is well", |page| both_up(page) && gpu_success(page) == Some(1.0));
    assert_eq!(page.value("gpu_memory_used_bytes", SECOND), page.value("gpu_memory_used_bytes", FIRST));
    assert!(page.value("gpu_memory_reserved_bytes", SECOND).is_some());
    assert!(page.value("gpu_info", &[SECOND[0], r#"name="NVIDIA H100"#]).is_some());
}

/// The calls of `err.yaml` that were given and are refused for a time, begun by a file and not by the clock.
#[test]
fn a_reading_that_is_refused_for_a_time_is_a_fault_and_returns() {
    let trigger = Trigger::new();
    let file = format!("trigger: {}", trigger.path().display());
    let scenario = include_str!("testdata/err.yaml")
        .replace("at: 5s, until: 15s", &file)
        .replace("at: 18s, until: 25s", &file);
    let exporter = Exporter::on_scenario(&scenario, &[]);
    let temperature = |page: &Page| page.value("gpu_temperature_celsius", &[FIRST[0], r#"sensor="gpu""#]);
    let has_both =
        |page: &Page| page.value("gpu_memory_used_bytes", FIRST).is_some() && temperature(page).is_some();
    let is_well = |page: &Page| has_both(page) && gpu_success(page) == Some(1.0);
    let before = exporter.wait_until("both are read", is_well);
    trigger.begin();
    exporter.wait_until("both are refused", |page| {
        page.says("gpu_up", FIRST, 1.0)
            && page.value("gpu_memory_used_bytes", FIRST).is_none()
            && temperature(page).is_none()
            && gpu_success(page) == Some(0.0)
    });
    exporter.wait_for_log("memory: no permission any more");
    exporter.wait_for_log("no longer supported, as the driver says");
    trigger.end();
    let page = exporter.wait_until("both return", is_well);
    assert_eq!(
        page.value("gpu_memory_used_bytes", FIRST),
        before.value("gpu_memory_used_bytes", FIRST),
        "no other call takes its place"
    );
}

/// What changes all the time is as old as the page says.
#[test]
fn pcie_counters_grow_as_the_others_do() {
    let exporter = Exporter::on_scenario(&two_gpus(""), &[]);
    let of = |page: &Page, name: &str| page.value(name, FIRST).expect("it is shown");
    let mut before = exporter
        .wait_until("the GPU is busy", |page| page.value("gpu_busy_seconds_total", FIRST) > Some(0.0));
    // On a busy machine much time may pass between two calls of a sweep, but not in three seconds on end.
    let (begun, mut ratios) = (Instant::now(), Vec::new());
    while !ratios.ends_with(&[true; 3]) {
        let start = of(&before, "gpu_busy_seconds_total");
        let page = exporter.wait_until("it was busy for another second", |page| {
            page.value("gpu_busy_seconds_total", FIRST) > Some(start + 1.0)
        });
        let grown = |name| of(&page, name) - of(&before, name);
        // nvml-sim sends two gigabytes in each busy second.
        let ratio = grown("gpu_pcie_transmit_bytes_total") / grown("gpu_busy_seconds_total") / 2e9;
        ratios.push((0.7..1.3).contains(&ratio));
        assert!(begun.elapsed() < Duration::from_mins(1), "{ratio} is the last, and before {ratios:?}");
        before = page;
    }
}

/// What is asked every few seconds only fails, all the same, in between.
#[test]
fn a_lasting_fault_is_told_once() {
    let exporter = Exporter::on_scenario(
        &two_gpus("{ gpu: 1, at: 0s, kind: error, code: 999, call: nvmlDeviceGetMigMode }"),
        &[],
    );
    exporter.wait_until("it is a fault", |page| gpu_success(page) == Some(0.0));
    // Half busy: two seconds of many sweeps, in which it is not asked for again.
    exporter.wait_until("time passes", |page| {
        assert_eq!(gpu_success(page), Some(0.0), "{}", exporter.log());
        page.value("gpu_busy_seconds_total", FIRST) > Some(1.0)
    });
    exporter.wait_for_log("MIG mode: unknown error");
    assert_eq!(exporter.log().matches("MIG mode: unknown error").count(), 1, "{}", exporter.log());
}

#[test]
fn a_wrong_library_is_told_once_and_in_the_success_flag() {
    let exporter = Exporter::with_flags(&["--gpu.library=/nonexistent/libnvidia-ml.so.1"]);
    exporter.wait_for_log("cannot use `/nonexistent/libnvidia-ml.so.1`");
    let page = exporter.wait_until("it is tried again", |page| restarts(page, "driver") >= Some(2.0));
    assert_eq!(gpu_success(&page), Some(0.0));
    assert!(page.value("gpu_driver_info", &[]).is_none());
    assert!(page.value("node_load1", &[]).is_some());
    let log = exporter.log();
    assert_eq!(log.matches("cannot use `/nonexistent/libnvidia-ml.so.1`").count(), 1, "{log}");
    assert!(log.contains("(hint: "), "{log}");
}

#[test]
fn a_machine_without_gpus_is_well() {
    let empty = tempfile::tempdir().expect("a folder");
    let sysfs = format!("--path.sysfs={}", empty.path().display());
    let libraries = no_driver();
    let exporter = Exporter::with_libraries(libraries.path(), &[&sysfs]);
    let page = exporter.wait_until("the probe has tried", |page| restarts(page, "driver") >= Some(1.0));
    assert_eq!(gpu_success(&page), Some(1.0), "{}", exporter.log());
    assert!(page.value("gpu_up", &[]).is_none());
}

#[test]
fn mig_mode_shows_no_utilisation() {
    let exporter = Exporter::on_scenario(
        "description: test\ngpus: [{ model: h100-sxm, mig: true, utilization: { constant: 0.5 } }]\n",
        &[],
    );
    let page = exporter.wait_until("the GPU is up", |page| page.says("gpu_up", FIRST, 1.0));
    assert!(page.value("gpu_utilization_ratio", FIRST).is_none());
    assert!(page.value("gpu_busy_seconds_total", FIRST).is_none());
    assert!(page.value("gpu_memory_used_bytes", FIRST).is_some());
}

#[test]
fn no_probe_outlives_its_exporter() {
    for signal in [Signal::TERM, Signal::KILL] {
        let trigger = Trigger::new();
        let scenario = second_gpu_suffers(&trigger, "kind: hang");
        let mut exporter = Exporter::on_scenario(&scenario, &["--gpu.probe-timeout=60s"]);
        exporter.wait_until("a probe reads", |page| page.says("gpu_up", FIRST, 1.0));
        trigger.begin();
        exporter.wait_until("it hangs", |page| page.says("gpu_up", SECOND, 0.0));
        exporter.wait_until("one hangs, and one is for the other GPU", |_| exporter.probes().len() == 2);
        let probes = exporter.probes();
        exporter.end_with(signal);
        probes.into_iter().for_each(wait_until_gone);
    }
}

#[test]
fn a_probe_in_the_middle_of_a_slow_sweep_leaves_when_asked() {
    let exporter = Exporter::on_scenario(
        "description: test\ndriver: { latency: 30ms }\ngpus: [{ model: h100-sxm, count: 8 }]\n",
        &["--web.enable-lifecycle"],
    );
    // A sweep takes more than ten seconds.
    exporter.wait_until("it has begun", |page| page.says("gpu_probe_up", &[], 1.0));
    exporter.request("POST", "/-/gpu/release");
    assert_eq!(exporter.probes(), []);
    assert!(!exporter.log().contains("it is killed"), "{}", exporter.log());
}

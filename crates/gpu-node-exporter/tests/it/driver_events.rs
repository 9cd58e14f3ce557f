//! Events beside XIDs: those that the driver knows are counted from zero on, over probes.

use rustix::process::{Signal, kill_process};

use crate::exporter::{Exporter, Page, Trigger};

/// The counts of GPU 0, by kind.
fn counts(page: &Page) -> Vec<(String, f64)> {
    let of_first =
        page.samples().filter(|sample| sample.name == "gpu_events_total" && sample.labels["gpu"] == "0");
    of_first.map(|sample| (sample.labels["event"].clone(), sample.value)).collect()
}

#[test]
fn what_the_driver_reports_beside_xids_is_counted_and_outlives_a_probe() {
    let (action, poison, layout) = (Trigger::new(), Trigger::new(), Trigger::new());
    let exporter = Exporter::on_scenario(
        &format!(
            "description: test\ndriver: {{ version: \"580.82.07\" }}\n\
             gpus: [{{ model: h100-sxm, mig: true, mig_instances: [3g.40gb] }}, {{ model: rtx4090 }}]\n\
             incidents:\n\
             - {{ gpu: 0, trigger: {}, kind: event, event: 0x8000 }}\n\
             - {{ gpu: 0, trigger: {}, kind: xid, xid: 95, event: 0x2000 }}\n\
             - {{ gpu: 0, trigger: {}, kind: mig_layout, instances: [1g.10gb], event: 0x100 }}\n",
            action.path().display(),
            poison.path().display(),
            layout.path().display()
        ),
        &[],
    );
    let kinds = [
        "ecc_double_bit",
        "ecc_single_bit_storm",
        "dram_retirement",
        "dram_retirement_failure",
        "poison_nonfatal",
        "poison_fatal",
        "unavailable",
        "recovery_action",
        "mig_config_change",
    ];
    let with = |counted: &[&str]| -> Vec<(String, f64)> {
        kinds.iter().map(|kind| (kind.to_string(), f64::from(u8::from(counted.contains(kind))))).collect()
    };
    let page = exporter.wait_until("all kinds are there at zero", |page| counts(page) == with(&[]));
    assert_eq!(page.value("gpu_events_total", &[r#"gpu="1""#]), None, "a GeForce reports none of them");

    action.begin();
    exporter.wait_until("one is counted", |page| counts(page) == with(&["recovery_action"]));
    exporter.wait_for_log("event recovery_action on GPU-51b00000");

    for probe in exporter.probes() {
        kill_process(probe, Signal::KILL).expect("it runs");
    }
    exporter.wait_until("another probe has taken its place", |page| {
        page.samples().any(|sample| sample.name == "gpu_probe_restarts_total" && sample.value > 0.0)
            && page.says("gpu_up", &[r#"gpu="0""#], 1.0)
    });
    // It counts on, once it is registered: an event before that is nobody's.
    layout.begin();
    let registered = exporter.wait_until("the layout is another", |page| {
        page.value("gpu_mig_instance_info", &[r#"profile="1g.10gb""#]) == Some(1.0)
    });
    assert!(counts(&registered).contains(&("recovery_action".to_owned(), 1.0)), "{:?}", counts(&registered));
    poison.begin();
    let page = exporter.wait_until("the next is counted with its XID", |page| {
        counts(page).contains(&("poison_fatal".to_owned(), 1.0))
            && page.value("gpu_xid_errors_total", &[r#"gpu="0""#, r#"xid="95""#]) == Some(1.0)
    });
    assert!(counts(&page).contains(&("recovery_action".to_owned(), 1.0)));
    exporter.wait_for_log("event poison_fatal on GPU-51b00000");
}

#[test]
fn what_a_driver_does_not_know_is_absent_and_one_that_refuses_keeps_its_xids() {
    let trigger = Trigger::new();
    // The second GPU's driver promises events that it refuses to register.
    let exporter = Exporter::on_scenario(
        &format!(
            "description: test\ngpus: [{{ model: h100-sxm, count: 2 }}]\n\
             incidents:\n\
             - {{ gpu: 1, at: 0s, kind: answer, call: nvmlDeviceGetSupportedEventTypes, number: 0xffff }}\n\
             - {{ gpu: 1, trigger: {}, kind: xid, xid: 94 }}\n",
            trigger.path().display()
        ),
        &[],
    );
    let page = exporter.wait_until("the first is registered", |page| !counts(page).is_empty());
    let kinds: Vec<_> = counts(&page).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["ecc_double_bit", "mig_config_change"], "R570 has no more");
    assert_eq!(page.value("gpu_events_total", &[r#"gpu="1""#]), None);
    trigger.begin();
    exporter.wait_until("the XID of the second is counted", |page| {
        page.value("gpu_xid_errors_total", &[r#"gpu="1""#, r#"xid="94""#]) == Some(1.0)
    });
}

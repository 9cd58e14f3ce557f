//! NVLink: each link by its number, and none where a card has none.

use rustix::process::{Signal, kill_process};

use crate::exporter::{Exporter, Trigger};

/// Two links of the first GPU are in trouble, one of them while the trigger is pulled; the second GPU has no bridge; the third is a card
/// without NVLink.
fn scenario(trigger: &Trigger) -> String {
    format!(
        "description: test\n\
         gpus: [{{ model: h100-sxm, utilization: {{ constant: 0.5 }} }}, {{ model: h100-sxm, nvlink: false }}, {{ model: rtx4090 }}]\n\
         incidents: [{{ gpu: 0, trigger: {}, kind: nvlink_down, link: 3 }}, {{ gpu: 0, at: 0s, kind: nvlink_errors, link: 5 }}]\n",
        trigger.path().display()
    )
}

#[test]
fn a_link_that_is_down_is_shown_and_returns_with_its_counters() {
    let trigger = Trigger::new();
    trigger.begin();
    let exporter = Exporter::on_scenario(&scenario(&trigger), &[]);
    let link = |number: &str| [r#"gpu="0""#.to_owned(), format!(r#"link="{number}""#)];
    let page = exporter.wait_until("link 3 is down", |page| {
        let labels = link("3");
        let are_all_read =
            ["0", "1", "2"].iter().all(|gpu| page.says("gpu_up", &[&format!("gpu=\"{gpu}\"")], 1.0));
        are_all_read && page.says("gpu_nvlink_up", &[&labels[0], &labels[1]], 0.0)
    });
    let value = |name: &str, number: &str, kind: &str| {
        let labels = link(number);
        page.value(name, &[&labels[0], &labels[1], kind])
    };
    let shown: Vec<_> = page.samples().filter(|sample| sample.name == "gpu_nvlink_up").collect();
    assert_eq!(shown.len(), 18, "{shown:?}");
    assert_eq!(value("gpu_nvlink_up", "4", ""), Some(1.0));
    assert!(value("gpu_nvlink_transmit_bytes_total", "4", "").is_some());
    assert!(value("gpu_nvlink_receive_bytes_total", "17", "").is_some());
    assert_eq!(value("gpu_nvlink_transmit_bytes_total", "3", ""), None, "it counts nothing now");
    assert_eq!(value("gpu_nvlink_errors_total", "3", r#"kind="crc""#), None);
    assert_eq!(value("gpu_nvlink_errors_total", "4", r#"kind="crc""#), Some(0.0));
    assert_eq!(value("gpu_nvlink_errors_total", "5", r#"kind="recovery""#), Some(1.0));
    assert!(value("gpu_nvlink_errors_total", "5", r#"kind="replay""#).is_some());
    for other in [r#"gpu="1""#, r#"gpu="2""#] {
        assert_eq!(page.value("gpu_up", &[other]), Some(1.0));
        assert_eq!(page.value("gpu_nvlink_up", &[other]), None, "{other} has no link that leads anywhere");
    }
    assert_eq!(page.value("node_scrape_collector_success", &[r#"collector="gpu""#]), Some(1.0));

    trigger.end();
    exporter.wait_until("link 3 is up and counts", |page| {
        let labels = link("3");
        let labels = [labels[0].as_str(), labels[1].as_str()];
        page.says("gpu_nvlink_up", &labels, 1.0)
            && page.value("gpu_nvlink_transmit_bytes_total", &labels).is_some()
            && page.value("gpu_nvlink_errors_total", &[labels[0], labels[1], r#"kind="crc""#]).is_some()
    });
}

/// The driver may not know any more what was at the other end of a link that is down.
#[test]
fn a_link_that_is_down_is_so_for_another_probe_too() {
    let trigger = Trigger::new();
    let path = trigger.path();
    let exporter = Exporter::on_scenario(
        &format!(
            "description: test\ngpus: [{{ model: h100-sxm }}, {{ model: h100-sxm, nvlink: false }}]\n\
             incidents:\n\
             - {{ gpu: 0, trigger: {path}, kind: nvlink_down, link: 3 }}\n\
             - {{ gpu: 0, trigger: {path}, kind: error, code: 3, call: nvmlDeviceGetNvLinkRemotePciInfo_v2 }}\n",
            path = path.display()
        ),
        &[],
    );
    let link = [r#"gpu="0""#, r#"link="3""#];
    exporter.wait_until("it is up", |page| page.says("gpu_nvlink_up", &link, 1.0));
    trigger.begin();
    exporter.wait_until("it is down", |page| page.says("gpu_nvlink_up", &link, 0.0));
    let killed = exporter.probes();
    for probe in &killed {
        kill_process(*probe, Signal::KILL).expect("it runs");
    }
    let energy = |page: &crate::exporter::Page| page.value("gpu_energy_joules_total", &link[..1]);
    let before = energy(&exporter.scrape());
    let page = exporter.wait_until("another probe has read all", |page| {
        exporter.probes().iter().any(|probe| !killed.contains(probe)) && energy(page) > before
    });
    assert_eq!(page.value("gpu_nvlink_up", &link), Some(0.0), "it is not absent");
    assert_eq!(page.value("gpu_nvlink_up", &[r#"gpu="1""#]), None, "these lead nowhere");
}

//! The flight recorder: what a GPU said in the minutes before something happened.

use serde_json::Value;
use test_peers::client;

use crate::exporter::{Exporter, Trigger};

const SECOND: &str = r#"gpu="1""#;

/// Two GPUs, of which the second has a fatal XID when the trigger is pulled.
fn scenario(trigger: &Trigger) -> String {
    format!(
        "description: test\ngpus: [{{ model: h100-sxm, count: 2, utilization: {{ constant: 0.5 }}, memory_used: {{ constant: 0.5 }} }}]\n\
         incidents: [{{ gpu: 1, trigger: {}, kind: xid, xid: 48 }}]\n",
        trigger.path().display()
    )
}

/// The values of the one series of this name.
fn values<'a>(recording: &'a Value, name: &str) -> Vec<&'a Value> {
    let series = recording["data"]["result"].as_array().expect("a matrix").iter();
    let found: Vec<_> = series.filter(|series| series["metric"]["__name__"] == name).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0]["values"].as_array().expect("values").iter().collect()
}

#[test]
fn the_seconds_before_a_fatal_xid_are_given_out() {
    let trigger = Trigger::new();
    let exporter = Exporter::on_scenario(&scenario(&trigger), &["--gpu.sample-interval=100ms"]);
    let recorded = || -> Value {
        serde_json::from_str(&exporter.request("GET", "/api/v1/recorder?gpu=1")).expect("JSON")
    };
    exporter.wait_until("ten sweeps were recorded", |page| {
        page.says("gpu_up", &[SECOND], 1.0) && values(&recorded(), "gpu_memory_used_bytes").len() >= 10
    });
    trigger.begin();
    let page = exporter.wait_until("the XID is counted", |page| {
        page.says("gpu_xid_errors_total", &[SECOND, r#"xid="48""#, r#"severity="fatal""#], 1.0)
    });
    assert!(page.value("gpu_recorder_bytes", &[]) > Some(100.0));
    assert!(page.says("gpu_xid_incidents_total", &[SECOND, r#"severity="fatal""#], 1.0));

    let recording = recorded();
    let warning = recording["warnings"][0].as_str().expect("why it was kept");
    assert!(warning.contains("XID 48 on GPU-"), "{warning}");
    assert_eq!(recording["kept"]["what"], "XID 48");
    assert_eq!(recording["kept"]["xid"], 48);
    assert_eq!(recording["kept"]["pid"], Value::Null, "NVML tells the code alone");
    let used = values(&recording, "gpu_memory_used_bytes");
    assert!(used.len() >= 10, "{} of ten sweeps", used.len());
    let times: Vec<_> = used.iter().map(|pair| pair[0].as_f64().expect("a time")).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    // What is summed up begins with the recording.
    assert_eq!(
        values(&recording, "gpu_busy_seconds_total").first().map(|pair| &pair[1]),
        Some(&Value::from("0.0"))
    );

    let last = times.last().expect("some");
    let one: Value = serde_json::from_str(
        &exporter.request("GET", &format!("/api/v1/recorder?gpu=1&since={last}&until={last}")),
    )
    .expect("JSON");
    assert_eq!(values(&one, "gpu_memory_used_bytes").len(), 1);
    let text = exporter.request("GET", "/api/v1/recorder?gpu=0&format=openmetrics");
    assert!(text.contains("# TYPE gpu_memory_used_bytes gauge\n") && text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn what_cannot_be_given_is_told() {
    let exporter = Exporter::on_scenario(&scenario(&Trigger::new()), &[]);
    exporter.wait_until("both GPUs are recorded", |page| page.says("gpu_up", &[SECOND], 1.0));
    for (method, path, status, reason) in [
        ("GET", "/api/v1/recorder", 400, "gpu=INDEX or gpu=UUID is missing (hint: recorded are 0 (GPU-"),
        ("GET", "/api/v1/recorder?gpu=7", 404, "no recording of GPU \"7\""),
        ("GET", "/api/v1/recorder?gpu=0&since=soon", 400, "since=\"soon\": expected"),
        ("GET", "/api/v1/recorder?gpu=0&sinc=5m", 400, "\"sinc\" is unknown"),
        ("POST", "/api/v1/recorder?gpu=0", 405, "takes GET, HEAD only"),
    ] {
        let answer = client::request(exporter.address(), method, path, &[], b"");
        assert!(answer.status == status && answer.body.contains(reason), "{path}: {answer:?}");
    }
}

#[test]
fn without_gpus_there_is_nothing_to_give() {
    let exporter = Exporter::with_flags(&["--no-collector.gpu"]);
    let answer = client::request(exporter.address(), "GET", "/api/v1/recorder", &[], b"");
    assert!(answer.status == 404 && answer.body.contains("GPUs are not read here"), "{answer:?}");
}

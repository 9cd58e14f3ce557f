//! Messages that did not happen: what templates are tried on at load, and what `render` shows without a payload.
//!
//! The times are fixed, so that the same settings print the same text.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::message::{Changes, Links, Message};
use crate::notification::{Alert, Fingerprint, GroupKey, LabelSet, Status};

/// Every sample with its name: what a template must stand.
pub(crate) fn all() -> Vec<(&'static str, Message)> {
    NAMES.into_iter().filter_map(|name| Some((name, named(name)?))).collect()
}

/// The names `render` accepts.
pub(crate) const NAMES: [&str; 8] =
    ["firing", "resolved", "mixed", "repeat", "vanished", "empty-labels", "storm", "hostile"];

/// One sample by its name.
pub(crate) fn named(name: &str) -> Option<Message> {
    let changes = match name {
        "firing" => Changes { new: vec![memory_full("node-1:9100", 3, 5)], ..Changes::default() },
        "resolved" => {
            Changes { resolved: vec![ended(memory_full("node-1:9100", 3, 17), 2)], ..Changes::default() }
        }
        "mixed" => Changes {
            new: vec![memory_full("node-1:9100", 3, 5), too_hot("node-2:9100", 0, 2)],
            still: vec![memory_full("node-1:9100", 1, 192)],
            resolved: vec![ended(memory_full("node-2:9100", 7, 40), 1)],
            ..Changes::default()
        },
        "repeat" => Changes {
            still: vec![memory_full("node-1:9100", 3, 180), memory_full("node-1:9100", 5, 180)],
            ..Changes::default()
        },
        "vanished" => Changes { vanished: vec![memory_full("node-1:9100", 3, 90)], ..Changes::default() },
        "empty-labels" => Changes {
            new: vec![alert(LabelSet::new(), LabelSet::new(), 1)],
            resolved: vec![ended(alert(LabelSet::new(), LabelSet::new(), 1), 1)],
            ..Changes::default()
        },
        "storm" => Changes {
            new: (0..200).map(|gpu| memory_full(&format!("node-{}:9100", gpu / 8), gpu % 8, 5)).collect(),
            ..Changes::default()
        },
        "hostile" => Changes {
            new: vec![hostile(Status::Firing)],
            still: vec![hostile(Status::Firing)],
            resolved: vec![ended(hostile(Status::Resolved), 1)],
            vanished: vec![hostile(Status::Firing)],
            ..Changes::default()
        },
        _ => return None,
    };
    Some(message(changes))
}

/// A message with these changes, from a chain that is set up in full.
pub(crate) fn message(changes: Changes) -> Message {
    let lists = [&changes.new, &changes.still, &changes.resolved, &changes.vanished];
    let alerts: Vec<&Alert> = lists.into_iter().flatten().collect();
    let common_labels = common(&alerts, |alert| &alert.labels);
    Message {
        delivery: "sample-1".to_owned(),
        time_zone: TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC),
        now: now(),
        receiver: "ops".to_owned(),
        group_key: GroupKey("{}:{alertname=\"GpuMemoryHigh\"}".to_owned()),
        group_labels: common_labels.iter().filter(|(name, _)| *name == "alertname").collect(),
        common_annotations: common(&alerts, |alert| &alert.annotations),
        common_labels,
        changes,
        truncated_alerts: 0,
        snapshots: 1,
        mentions: Vec::new(),
        links: Links {
            alertmanager: "http://alertmanager.example:9093".to_owned(),
            prometheus: "http://prometheus.example:9090".to_owned(),
            relay: "http://relay.example:8060".to_owned(),
        },
        banner: None,
        digest: None,
    }
}

/// 14:08:22 in Shanghai.
fn now() -> Timestamp {
    Timestamp::constant(1_795_414_102, 0)
}

fn memory_full(instance: &str, gpu: u32, minutes: i64) -> Alert {
    let labels = set(&[
        ("alertname", "GpuMemoryHigh"),
        ("severity", "critical"),
        ("job", "gpu-node"),
        ("cluster", "infer-sh"),
        ("instance", instance),
        ("gpu", &gpu.to_string()),
        ("model", "Qwen3-VL-32B"),
    ]);
    let annotations = set(&[
        ("summary", &format!("GPU {gpu} memory 97% used")),
        (
            "description",
            "Less than 3% of the GPU's memory is left: the next long request may fail with CUDA out of memory.",
        ),
        ("value", "97.2%"),
        ("runbook_url", "https://wiki.example/runbooks/gpu-memory"),
    ]);
    alert(labels, annotations, minutes)
}

fn too_hot(instance: &str, gpu: u32, minutes: i64) -> Alert {
    let labels = set(&[
        ("alertname", "GpuTooHot"),
        ("severity", "warning"),
        ("job", "gpu-node"),
        ("cluster", "infer-sh"),
        ("instance", instance),
        ("gpu", &gpu.to_string()),
    ]);
    alert(labels, set(&[("summary", &format!("GPU {gpu} is at 88 °C")), ("value", "88")]), minutes)
}

/// Everything that would be markup somewhere, and everything that is hard to cut.
fn hostile(status: Status) -> Alert {
    let nasty = "</font><@all> [x](javascript:alert(1)) **b** `c` _i_ # h\n> q \"'&<script>alert(1)</script> 显存🔥\u{202e}\u{1e}{{ 1 }}";
    let labels = set(&[
        ("alertname", nasty),
        ("severity", nasty),
        ("instance", nasty),
        ("a_b", &"长".repeat(3_000)),
        ("路径", r"C:\tmp\x"),
    ]);
    let annotations = set(&[
        ("summary", &nasty.repeat(40)),
        ("description", &"🔥_*`[](<>\\\n".repeat(2_000)),
        ("runbook_url", "javascript:alert(1)"),
        ("dashboard_url", &format!("https://x/{}", "y".repeat(20_000))),
    ]);
    Alert { status, ..alert(labels, annotations, 1) }
}

fn alert(labels: LabelSet, annotations: LabelSet, minutes: i64) -> Alert {
    Alert {
        status: Status::Firing,
        labels,
        annotations,
        starts_at: now() - SignedDuration::from_mins(minutes),
        ends_at: None,
        generator_url: "http://9f1c2b:9090/graph?g0.expr=gpu_memory_used_bytes+%2F+gpu_memory_total_bytes+%3E+0.95&g0.tab=1".to_owned(),
        fingerprint: Fingerprint("1a2b3c4d5e6f7a8b".to_owned()),
    }
}

fn ended(alert: Alert, minutes: i64) -> Alert {
    Alert { status: Status::Resolved, ends_at: Some(now() - SignedDuration::from_mins(minutes)), ..alert }
}

fn set(pairs: &[(&str, &str)]) -> LabelSet {
    pairs.iter().copied().collect()
}

fn common(alerts: &[&Alert], of: impl Fn(&Alert) -> &LabelSet) -> LabelSet {
    let Some((first, rest)) = alerts.split_first() else { return LabelSet::new() };
    let is_common =
        |(name, value): &(&str, &str)| rest.iter().all(|alert| of(alert).get(name) == Some(*value));
    of(first).iter().filter(is_common).collect()
}

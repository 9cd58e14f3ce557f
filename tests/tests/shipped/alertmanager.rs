//! Alertmanager's settings: valid, routed as meant, and posting to where the relay listens.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::chain::addresses::Addresses;
use e2e::chain::parts;
use e2e::http;
use e2e::wait::until;
use serde_json::{Value, json};

use crate::files::{list, path, run, yaml};

const FILE: &str = "deploy/alertmanager/alertmanager.yml";

#[test]
fn amtool_accepts_the_settings() {
    run("amtool", &["check-config", FILE]);
}

#[test]
fn alerts_go_where_they_are_meant_to() {
    let check = |labels: &[&str], receiver: &str| {
        let verify = format!("--verify.receivers={receiver}");
        let config = format!("--config.file={FILE}");
        run("amtool", &[&["config", "routes", "test", &config, &verify], labels].concat());
    };
    check(&["alertname=Watchdog", "severity=none"], "relay-heartbeat");
    check(&["alertname=GpuLost", "severity=critical", "node=a", "gpu=0"], "relay");
    check(&["alertname=HostCpuHigh", "severity=info", "node=a"], "relay");
    check(&["alertname=HostRebooted", "severity=info", "node=a"], "relay");
    check(&["alertname=RelayDeadLetters", "severity=critical"], "relay-trouble");
    for both in ["AlertmanagerNotificationsFailing", "RelayDown", "RelayStoreFailing"] {
        check(&[&format!("alertname={both}"), "severity=critical"], "relay-standby,relay-trouble");
    }
    check(&["alertname=RelayQueueStranded", "severity=critical", "target=ops"], "relay-trouble");
    check(&["alertname=RelayReloadRefused", "severity=warning"], "relay-trouble");
    check(&["alertname=CalendarUnusable", "severity=warning"], "relay");
    check(&["alertname=CalendarEnding", "severity=warning", "node=a"], "relay");
    check(&["alertname=NodeTextfileUnreadable", "severity=warning", "node=a"], "relay");
    check(&["alertname=GpuDriverReleased", "severity=warning", "node=a"], "relay");
    check(&["alertname=TargetDown", "severity=warning", "job=prometheus"], "relay");
    check(&["alertname=Anything", "severity=none"], "nobody");
    check(&["alertname=SomebodyElses"], "relay");
}

#[test]
fn every_webhook_has_its_counterpart_in_the_relay() {
    let relay = yaml("deploy/alert-relay/relay.yml");
    let settings = yaml(FILE);
    let urls = list(&settings, "receivers")
        .iter()
        .flat_map(|receiver| list(receiver, "webhook_configs"))
        .map(|webhook| webhook["url"].as_str().unwrap());
    let mut seen = 0;
    for url in urls {
        let relays = ["http://alert-relay:8060/api/v1/", "http://alert-relay-standby:8060/api/v1/"];
        let path = relays.iter().find_map(|relay| url.strip_prefix(relay));
        let path = path.unwrap_or_else(|| panic!("{url}"));
        let (kind, name) = path.split_once('/').unwrap();
        let section = if kind == "alerts" { "receivers" } else { "heartbeats" };
        assert!(relay[section].get(name).is_some(), "{url}: relay.yml has no `{section}.{name}`");
        seen += 1;
    }
    assert!(seen >= 4);
}

/// An `equal` label that is missing on both sides counts as equal: without this guard, one alert without `node` mutes all others
/// without it. What is not of a machine is of a target of the relay.
#[test]
fn inhibition_demands_its_label_on_both_sides() {
    let settings = yaml(FILE);
    for rule in list(&settings, "inhibit_rules") {
        let is_demanded = |label: &str| {
            let guard = format!("{label}=~\".+\"");
            let has = |side: &str| list(rule, side).iter().any(|matcher| *matcher == guard);
            list(rule, "equal").iter().any(|equal| equal == label)
                && has("source_matchers")
                && has("target_matchers")
        };
        assert!(is_demanded("node") || is_demanded("target"), "{rule}");
    }
}

/// What is worse, what follows from it and is held back, and what looks alike and is not.
const EXPLAINED: [[&str; 3]; 30] = [
    [
        "alertname=NodeDown node=a severity=critical scope=monitoring",
        "alertname=InferenceDown node=a severity=critical scope=inference",
        "alertname=InferenceDown node=b severity=critical scope=inference",
    ],
    [
        "alertname=NodeDown node=ah severity=critical scope=monitoring",
        "alertname=HostMemoryHigh node=ah severity=warning scope=host",
        "alertname=InferenceErrorBudgetBurn node=ah job=inference instance=ah:8000 severity=critical scope=inference",
    ],
    [
        "alertname=HostOomKill node=ai severity=critical scope=host",
        "alertname=HostMemoryHigh node=ai severity=warning scope=host",
        "alertname=InferenceBroken node=ai engine=vllm pid=1 severity=critical scope=inference",
    ],
    [
        "alertname=GpuLost node=c gpu=0 severity=critical scope=gpu",
        "alertname=GpuMemoryHigh node=c gpu=0 severity=warning scope=gpu",
        "alertname=GpuMemoryHigh node=c gpu=1 severity=warning scope=gpu",
    ],
    [
        "alertname=GpuLost node=d gpu=0 severity=critical scope=gpu",
        "alertname=NodeCollectorFailing node=d collector=gpu severity=warning scope=monitoring",
        "alertname=NodeCollectorFailing node=d collector=filesystem severity=warning scope=monitoring",
    ],
    [
        "alertname=GpuReadingsAbsent node=e severity=critical scope=gpu",
        "alertname=GpuMissing node=e severity=critical scope=gpu",
        "alertname=GpuMissing node=f severity=critical scope=gpu",
    ],
    [
        "alertname=GpuReadingsAbsent node=g severity=critical scope=gpu",
        "alertname=NodeCollectorFailing node=g collector=gpu severity=warning scope=monitoring",
        "alertname=NodeCollectorFailing node=h collector=gpu severity=warning scope=monitoring",
    ],
    [
        "alertname=HostDiskAlmostFull node=i mountpoint=/full severity=critical scope=host",
        "alertname=HostDiskAlmostFull node=i mountpoint=/full severity=warning scope=host",
        "alertname=HostDiskAlmostFull node=i mountpoint=/low severity=warning scope=host",
    ],
    [
        "alertname=HostDiskFillingFast node=j mountpoint=/full severity=critical scope=host",
        "alertname=HostDiskAlmostFull node=j mountpoint=/full severity=critical scope=host",
        "alertname=HostDiskFillingUp node=j mountpoint=/low severity=warning scope=host",
    ],
    [
        "alertname=GpuMemoryHeadroomLow node=k gpu=0 severity=critical scope=gpu",
        "alertname=GpuMemoryCreep node=k gpu=0 severity=warning scope=gpu",
        "alertname=GpuMemoryCreep node=k gpu=1 severity=warning scope=gpu",
    ],
    [
        "alertname=RelayTargetDown instance=u target=ops severity=critical scope=monitoring",
        "alertname=RelayQueueOld instance=u target=ops severity=warning scope=monitoring",
        "alertname=RelayQueueOld instance=u target=other severity=warning scope=monitoring",
    ],
    [
        "alertname=GpuReadingsAbsent node=v severity=critical scope=gpu",
        "alertname=GpuMissing node=v severity=critical scope=gpu",
        "alertname=InferenceStartingLong node=v engine=vllm severity=critical scope=inference",
    ],
    [
        "alertname=GpuXidFatal node=l gpu=0 severity=critical scope=gpu",
        "alertname=GpuClocksLow node=l gpu=0 severity=warning scope=gpu",
        "alertname=InferenceMemoryOrphaned node=l pid=1 severity=critical scope=inference",
    ],
    [
        "alertname=InferenceMemoryOrphaned node=n engine=vllm pid=1 severity=critical scope=inference",
        "alertname=InferenceStartingLong node=n engine=vllm severity=critical scope=inference",
        "alertname=InferenceDown node=n job=inference instance=n:8001 severity=critical scope=inference",
    ],
    [
        "alertname=InferenceDown node=o job=inference instance=o:8000 severity=critical scope=inference",
        "alertname=InferenceFailureRateHigh node=o job=inference instance=o:8000 severity=warning scope=inference",
        "alertname=InferenceFailureRateHigh node=o job=inference instance=o:8001 severity=warning scope=inference",
    ],
    [
        "alertname=InferenceHung node=p job=inference model_name=m severity=critical scope=inference",
        "alertname=InferenceDown node=p job=inference severity=critical scope=inference",
        "alertname=InferenceChoking node=q job=inference model_name=m severity=warning scope=inference",
    ],
    [
        "alertname=InferenceChoking node=r job=inference model_name=m severity=warning scope=inference",
        "alertname=InferenceTtftHigh node=r job=inference model_name=m severity=warning scope=inference",
        "alertname=InferenceTtftHigh node=r job=inference model_name=n severity=warning scope=inference",
    ],
    [
        "alertname=InferenceChoking node=aj job=inference instance=aj:8000 model_name=m severity=warning scope=inference",
        "alertname=InferenceFrontendSlow node=aj job=inference instance=aj:8000 model_name=m severity=warning scope=inference",
        "alertname=InferenceFrontendSlow node=aj job=inference instance=aj:8001 model_name=m severity=warning scope=inference",
    ],
    [
        "alertname=InferenceChoking node=ak job=inference instance=ak:8000 model_name=m severity=warning scope=inference",
        "alertname=InferenceHiddenQueue node=ak job=inference instance=ak:8000 severity=warning scope=inference",
        "alertname=InferenceHiddenQueue node=ak job=inference instance=ak:8001 severity=warning scope=inference",
    ],
    [
        "alertname=InferenceSlow node=s job=inference model_name=m severity=warning scope=inference",
        "alertname=InferenceItlHigh node=s job=inference model_name=m severity=warning scope=inference",
        "alertname=InferenceFailureRateHigh node=s job=inference severity=warning scope=inference",
    ],
    [
        "alertname=InferenceErrorBudgetBurn node=x job=inference instance=x:8000 severity=critical scope=inference",
        "alertname=InferenceFailureRateHigh node=x job=inference instance=x:8000 severity=warning scope=inference",
        "alertname=InferenceFailureRateHigh node=x job=inference instance=x:8001 severity=warning scope=inference",
    ],
    [
        "alertname=InferenceFailureRateHigh node=y job=inference instance=y:8000 severity=warning scope=inference",
        "alertname=InferenceErrorBudgetBurn node=y job=inference instance=y:8000 severity=warning scope=inference",
        "alertname=InferenceErrorBudgetBurn node=y job=inference instance=y:8001 severity=warning scope=inference",
    ],
    [
        "alertname=InferenceErrorBudgetBurn node=w job=inference instance=w:8000 severity=critical scope=inference",
        "alertname=InferenceErrorBudgetBurn node=w job=inference instance=w:8000 severity=warning scope=inference",
        "alertname=InferenceErrorBudgetBurn node=w job=inference instance=w:8001 severity=warning scope=inference",
    ],
    [
        "alertname=InferenceHung node=z job=inference instance=z:8000 model_name=m severity=critical scope=inference",
        "alertname=GpuUtilizationHigh node=z gpu=0 severity=info scope=gpu",
        "alertname=GpuClocksLow node=z gpu=0 severity=warning scope=gpu",
    ],
    [
        "alertname=GpuNvlinkDown node=aa gpu=0 severity=critical scope=gpu",
        "alertname=InferenceSlow node=aa job=inference model_name=m severity=warning scope=inference",
        "alertname=InferenceTtftHigh node=aa job=inference model_name=m severity=warning scope=inference",
    ],
    [
        "alertname=HostMemoryForecast node=ab severity=critical scope=host",
        "alertname=HostMemoryHigh node=ab severity=warning scope=host",
        "alertname=HostMemoryHigh node=ac severity=warning scope=host",
    ],
    [
        "alertname=HostOomKill node=ad severity=critical scope=host",
        "alertname=HostMemoryStalled node=ad severity=warning scope=host",
        "alertname=HostLoadHigh node=ad severity=warning scope=host",
    ],
    [
        "alertname=HostCpuPressure node=ae severity=warning scope=host",
        "alertname=HostCpuHigh node=ae severity=info scope=host",
        "alertname=HostMemoryHigh node=ae severity=warning scope=host",
    ],
    [
        "alertname=HostIoPressure node=af severity=warning scope=host",
        "alertname=HostLoadHigh node=af severity=warning scope=host",
        "alertname=HostCpuHigh node=af severity=info scope=host",
    ],
    [
        "alertname=HostClockNotSynchronised node=ag severity=warning scope=host",
        "alertname=HostClockOff node=ag severity=warning scope=host",
        "alertname=HostRebooted node=ag severity=info scope=host",
    ],
];

/// What goes wrong on a machine, and what is told beside it.
const BESIDE: [[&str; 2]; 5] = [
    [
        "alertname=InferenceMemoryOrphaned node=ba engine=vllm pid=1 container=a severity=critical scope=inference",
        "alertname=InferenceStartingLong node=ba engine=sglang severity=critical scope=inference",
    ],
    [
        "alertname=HostInfinibandSlow node=bb device=mlx5_0 port=1 severity=warning scope=host",
        "alertname=InferenceSlow node=bb job=inference instance=bb:8000 model_name=m severity=warning scope=inference",
    ],
    [
        "alertname=HostInfinibandSlow node=bc device=mlx5_0 port=1 severity=warning scope=host",
        "alertname=InferenceItlHigh node=bc job=inference instance=bc:8000 model_name=m severity=warning scope=inference",
    ],
    [
        "alertname=GpuXidFatal node=bd gpu=0 xid=64 severity=critical scope=gpu",
        "alertname=GpuRowRemapFailed node=bd gpu=0 severity=critical scope=gpu",
    ],
    [
        "alertname=GpuXidFatal node=be gpu=0 xid=48 severity=critical scope=gpu",
        "alertname=GpuMemoryUnrepairable node=be gpu=0 severity=critical scope=gpu",
    ],
];

#[tokio::test]
async fn what_follows_from_something_worse_is_held_back() {
    let data = tempfile::tempdir().unwrap();
    let (addresses, client) = (Addresses::free().unwrap(), http::client().unwrap());
    let launch = parts::alertmanager(&path(FILE), data.path(), &addresses).unwrap();
    let mut alertmanager = launch.start(data.path()).unwrap();
    let limit = Duration::from_secs(30);
    alertmanager.ready(&client, &addresses.alertmanager_url("/-/ready"), limit).await.unwrap();

    let all = EXPLAINED.iter().flatten().chain(BESIDE.iter().flatten());
    let alerts: Vec<_> = all.map(|text| json!({ "labels": labels(text) })).collect();
    let url = addresses.alertmanager_url("/api/v2/alerts");
    let post = client.post(&url).header("Content-Type", "application/json").body(json!(alerts).to_string());
    post.send().await.unwrap().error_for_status().unwrap();

    let expected: BTreeSet<_> = EXPLAINED.iter().map(|[_, follows, _]| labels(follows).to_string()).collect();
    let mut held = BTreeSet::new();
    let outcome = until("the right alerts to be held back", limit, async || {
        let known: Value = serde_json::from_str(&http::page(&client, &url).await.ok()?).ok()?;
        let known = known.as_array()?;
        let is_held = |alert: &&Value| !list(&alert["status"], "inhibitedBy").is_empty();
        held = known.iter().filter(is_held).map(|alert| alert["labels"].to_string()).collect();
        (known.len() == alerts.len() && held == expected).then_some(())
    })
    .await;
    assert!(outcome.is_ok(), "held back: {held:#?}\nexpected: {expected:#?}");
    alertmanager.stop(limit).await.unwrap();
}

/// The labels in `name=value name=value`.
fn labels(text: &str) -> Value {
    let pairs = text.split(' ').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

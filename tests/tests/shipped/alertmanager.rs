//! Alertmanager's settings: valid, routed as meant, and posting to where the relay listens.

use crate::files::{list, run, yaml};

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
    check(&["alertname=HostCpuHigh", "severity=warning", "node=a"], "relay");
    check(&["alertname=HostRebooted", "severity=info", "node=a"], "relay");
    check(&["alertname=RelayDeadLetters", "severity=critical"], "relay-trouble");
    check(&["alertname=AlertmanagerNotificationsFailing", "severity=critical"], "relay-trouble");
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
        let path = url.strip_prefix("http://alert-relay:8060/api/v1/").unwrap_or_else(|| panic!("{url}"));
        let (kind, name) = path.split_once('/').unwrap();
        let section = if kind == "alerts" { "receivers" } else { "heartbeats" };
        assert!(relay[section].get(name).is_some(), "{url}: relay.yml has no `{section}.{name}`");
        seen += 1;
    }
    assert!(seen >= 3);
}

/// An `equal` label that is missing on both sides counts as equal: without this guard, one alert without `node` mutes all others
/// without it.
#[test]
fn inhibition_demands_the_node_on_both_sides() {
    let settings = yaml(FILE);
    for rule in list(&settings, "inhibit_rules") {
        for side in ["source_matchers", "target_matchers"] {
            assert!(list(rule, side).iter().any(|matcher| matcher == "node=~\".+\""), "{rule}");
        }
        assert!(list(rule, "equal").iter().any(|label| label == "node"), "{rule}");
    }
}

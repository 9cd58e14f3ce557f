//! Which labels people see: the one that says where an alert is, and the ones worth a line on a phone (pure).

use std::collections::{BTreeMap, BTreeSet};

use crate::notification::{Alert, LabelSet};

/// Labels that stand elsewhere in the text.
const SAID_ELSEWHERE: [&str; 3] = ["alertname", "severity", "alertgroup"];

/// Labels that say who measured: nothing to the person who is woken, as long as they are the same everywhere and something else says
/// where each alert is.
const MEASURED_BY: [&str; 5] = ["job", "prometheus", "prometheus_replica", "replica", "monitor"];

/// Where an alert is, by the first of these labels it has.
const PLACE_LABELS: [&str; 9] =
    ["node", "nodename", "hostname", "host", "instance", "pod", "service", "namespace", "heartbeat"];

/// Ports of exporters that measure their whole host: `node-1:9100` is `node-1`. Any other port is a service of its own.
const HOST_PORTS: [&str; 2] = ["9100", "9400"];

/// How the alerts of one message are told apart: what is hidden of one must not be all that makes it another.
#[derive(Debug, Default)]
pub(super) struct Distinction {
    /// Labels of [`MEASURED_BY`] that are not the same in all alerts.
    differing: BTreeSet<&'static str>,
    /// Hosts that several ports are on.
    shared_hosts: BTreeSet<String>,
    /// Some alert has no label that says where it is.
    is_anywhere: bool,
}

impl Distinction {
    /// Of the alerts of one message.
    pub(super) fn among<'a>(alerts: impl Iterator<Item = &'a Alert> + Clone) -> Self {
        let mut values = BTreeMap::new();
        let mut ports: BTreeMap<&str, &str> = BTreeMap::new();
        let mut of = Self::default();
        for alert in alerts {
            for name in MEASURED_BY {
                let value = alert.label(name);
                if *values.entry(name).or_insert(value) != value {
                    of.differing.insert(name);
                }
            }
            let Some(place) = place_label(alert) else {
                of.is_anywhere = true;
                continue;
            };
            let Some((host, port)) = host_and_port(alert.label(place)) else { continue };
            if *ports.entry(host).or_insert(port) != port {
                of.shared_hosts.insert(host.to_owned());
            }
        }
        of
    }

    /// Where the alert is; without the port of an `instance` where the host alone says it.
    pub(super) fn place<'a>(&self, alert: &'a Alert) -> &'a str {
        let Some(name) = place_label(alert) else { return "" };
        let value = alert.label(name);
        match host_and_port(value) {
            Some((host, port)) if HOST_PORTS.contains(&port) && !self.shared_hosts.contains(host) => host,
            _ => value,
        }
    }

    /// The labels worth a line on a phone, hosts and GPUs first. `place` is the label that the text says already.
    pub(super) fn shown<'a>(&self, labels: &'a LabelSet, place: Option<&str>) -> Vec<(&'a str, &'a str)> {
        let mut shown: Vec<(&str, &str)> = labels
            .iter()
            .filter(|(name, value)| {
                let says_nothing =
                    !self.is_anywhere && MEASURED_BY.contains(name) && !self.differing.contains(name);
                !value.is_empty()
                    && !name.starts_with("__")
                    && !SAID_ELSEWHERE.contains(name)
                    && !says_nothing
                    && Some(*name) != place
            })
            .collect();
        let importance = ["cluster", "instance", "node", "gpu", "namespace", "pod", "container", "job"];
        shown.sort_by_key(|(name, _)| {
            importance.iter().position(|known| known == name).unwrap_or(importance.len())
        });
        shown
    }
}

/// The label that says where the alert is.
pub(super) fn place_label(alert: &Alert) -> Option<&'static str> {
    PLACE_LABELS.into_iter().find(|name| !alert.label(name).is_empty())
}

/// `None` for what is no host with a port: a bare IPv6 address, a name.
fn host_and_port(value: &str) -> Option<(&str, &str)> {
    let (host, port) = value.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
    (is_port && is_host).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::sample;

    fn alerts(all: &[&[(&str, &str)]]) -> Vec<Alert> {
        let alert = sample::named("firing").expect("a sample").changes.new.remove(0);
        let of = |labels: &&[(&str, &str)]| {
            let labels =
                labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Alert { labels, ..alert.clone() }
        };
        all.iter().map(of).collect()
    }

    #[test]
    fn a_place_has_its_port_unless_the_host_says_it() {
        let check = |instances: &[&str], expected: &[&str]| {
            let labels: Vec<_> = instances.iter().map(|instance| [("instance", *instance)]).collect();
            let alerts = alerts(&labels.iter().map(|labels| &labels[..]).collect::<Vec<_>>());
            let among = Distinction::among(alerts.iter());
            let places: Vec<_> = alerts.iter().map(|alert| among.place(alert)).collect();
            assert_eq!(places, expected);
        };
        check(&["node-1:9100"], &["node-1"]);
        check(&["node-1:9100", "node-2:9100"], &["node-1", "node-2"]);
        // A service is its port; two exporters of one host are two.
        check(&["10.0.0.1:8001"], &["10.0.0.1:8001"]);
        check(&["10.0.0.1:8000", "10.0.0.1:8001"], &["10.0.0.1:8000", "10.0.0.1:8001"]);
        check(&["node-1:9100", "node-1:9400"], &["node-1:9100", "node-1:9400"]);
        check(&["node-1", "[::1]:9100", "::1", "a:b"], &["node-1", "[::1]", "::1", "a:b"]);
    }

    #[test]
    fn what_tells_alerts_apart_is_shown() {
        let check = |all: &[&[(&str, &str)]], expected: &[&str]| {
            let alerts = alerts(all);
            let among = Distinction::among(alerts.iter());
            let shown: Vec<String> = alerts
                .iter()
                .map(|alert| {
                    let pairs = among.shown(&alert.labels, place_label(alert));
                    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
                })
                .collect();
            assert_eq!(shown, expected);
        };
        check(&[&[("instance", "a:9100"), ("job", "node")]], &[""]);
        check(
            &[&[("instance", "a:9100"), ("job", "node")], &[("instance", "b:9100"), ("job", "node")]],
            &["", ""],
        );
        check(
            &[&[("instance", "a:80"), ("job", "x")], &[("instance", "a:80"), ("job", "y")]],
            &["job=x", "job=y"],
        );
        check(&[&[("job", "vllm")], &[("job", "mysql")]], &["job=vllm", "job=mysql"]);
        // Nothing else says where it is.
        check(&[&[("job", "vllm"), ("severity", "critical")]], &["job=vllm"]);
        check(
            &[
                &[("host", "h"), ("prometheus_replica", "a-0")],
                &[("host", "h"), ("prometheus_replica", "b-0")],
            ],
            &["prometheus_replica=a-0", "prometheus_replica=b-0"],
        );
        check(&[&[("host", "h"), ("replica", "0")], &[("host", "h")]], &["replica=0", ""]);
    }
}

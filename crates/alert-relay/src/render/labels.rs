//! Which labels people see: the one that says where an alert is, and the ones worth a line on a phone (pure).

use crate::notification::{Alert, LabelSet};

/// Labels that say nothing to the person who is woken, or that stand elsewhere in the text.
const HIDDEN_LABELS: [&str; 8] =
    ["alertname", "severity", "job", "prometheus", "prometheus_replica", "replica", "monitor", "alertgroup"];

/// Where an alert is, by the first of these labels it has.
const PLACE_LABELS: [&str; 8] =
    ["node", "nodename", "hostname", "host", "instance", "pod", "service", "namespace"];

/// Where the alert is; without the port of an `instance`, which people do not read.
pub(super) fn place(alert: &Alert) -> &str {
    let Some(name) = place_label(alert) else { return "" };
    without_port(alert.label(name))
}

/// The label that says where the alert is.
pub(super) fn place_label(alert: &Alert) -> Option<&'static str> {
    PLACE_LABELS.into_iter().find(|name| !alert.label(name).is_empty())
}

fn without_port(value: &str) -> &str {
    match value.rsplit_once(':') {
        Some((host, port))
            if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !host.contains(':') =>
        {
            host
        }
        _ => value,
    }
}

/// The labels worth a line on a phone, hosts and GPUs first.
pub(super) fn shown_labels<'a>(labels: &'a LabelSet, place: Option<&str>) -> Vec<(&'a str, &'a str)> {
    let mut shown: Vec<(&str, &str)> = labels
        .iter()
        .filter(|(name, value)| {
            !value.is_empty()
                && !name.starts_with("__")
                && !HIDDEN_LABELS.contains(name)
                && Some(*name) != place
        })
        .collect();
    let importance = ["cluster", "instance", "node", "gpu", "namespace", "pod", "container"];
    shown.sort_by_key(|(name, _)| {
        importance.iter().position(|known| known == name).unwrap_or(importance.len())
    });
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_port() {
        let check = |value, expected| assert_eq!(without_port(value), expected);
        check("node-1:9100", "node-1");
        check("node-1", "node-1");
        check("[::1]:9100", "[::1]:9100");
        check("a:b", "a:b");
    }
}

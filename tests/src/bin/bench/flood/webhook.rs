//! The webhook of a flood: made once, and given new numbers for each post, so that the flood costs little beside what it measures.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// Alerts in each webhook, and groups that they belong to: a bad night in a cluster.
const ALERTS: u64 = 10;
const GROUPS: u64 = 500;

/// What stands in the text where the number of a webhook or of its group is written; as many digits.
const NUMBER: &str = "#########";
const GROUP: &str = "@@@";

/// A request with Alertmanager's webhook, version 4, about 7 KB. Each is a new state of one of the groups: its alerts have never been
/// seen before.
pub(super) struct Webhook {
    request: Vec<u8>,
    /// Where the numbers stand.
    numbers: Vec<usize>,
    /// Where those of the group stand.
    groups: Vec<usize>,
}

impl Webhook {
    pub(super) fn new(address: SocketAddr, path: &str) -> Self {
        let body = body();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let request = head + &body;
        let places = |what: &str| request.match_indices(what).map(|(at, _)| at).collect();
        Self { numbers: places(NUMBER), groups: places(GROUP), request: request.into_bytes() }
    }

    /// The whole request of the webhook with this number.
    pub(super) fn numbered(&mut self, number: u64) -> &[u8] {
        for at in &self.numbers {
            write_digits(&mut self.request[*at..*at + NUMBER.len()], number);
        }
        for at in &self.groups {
            write_digits(&mut self.request[*at..*at + GROUP.len()], number % GROUPS);
        }
        &self.request
    }
}

/// As many digits as there is room for, the last ones.
fn write_digits(room: &mut [u8], mut number: u64) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

fn body() -> String {
    let mut alerts = String::new();
    for index in 0..ALERTS {
        let comma = if index == 0 { "" } else { "," };
        // A String takes all that is written to it.
        let _ = write!(
            alerts,
            r#"{comma}{{"status":"firing","labels":{{"alertname":"GpuMemoryAlmostFull","cluster":"inference-{GROUP}","gpu":"{index}","instance":"node-{NUMBER}.example:9100","job":"gpu-node","severity":"warning","uuid":"GPU-00000000-0000-0000-0000-00{NUMBER}{index}"}},"annotations":{{"summary":"GPU {index} on node-{NUMBER} is almost out of memory","description":"显存使用率持续 5 分钟高于当前时段的阈值。先看是哪个进程占用、是否还在上涨。","value":"97.5%","runbook_url":"https://runbooks.example/gpu-memory"}},"startsAt":"2026-11-23T01:02:03.456Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.example:9090/graph?g0.expr=gpu_memory_used_bytes+%2F+gpu_memory_total_bytes+%3E+0.95&g0.tab=1","fingerprint":"000000{NUMBER}{index}"}}"#
        );
    }
    format!(
        r#"{{"receiver":"relay","status":"firing","alerts":[{alerts}],"groupLabels":{{"alertname":"GpuMemoryAlmostFull","cluster":"inference-{GROUP}"}},"commonLabels":{{"alertname":"GpuMemoryAlmostFull","cluster":"inference-{GROUP}","job":"gpu-node","severity":"warning"}},"commonAnnotations":{{"value":"97.5%"}},"externalURL":"http://alertmanager.example:9093","version":"4","groupKey":"{{}}:{{alertname=\"GpuMemoryAlmostFull\",cluster=\"inference-{GROUP}\"}}","truncatedAlerts":0}}"#
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// What the relay is posted.
    fn posted(webhook: &mut Webhook, number: u64) -> Value {
        let request = String::from_utf8(webhook.numbered(number).to_vec()).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
        serde_json::from_str(body).unwrap()
    }

    #[test]
    fn no_two_webhooks_have_an_alert_in_common_and_every_five_hundredth_is_of_one_group() {
        let mut webhook = Webhook::new("127.0.0.1:9".parse().unwrap(), "/");
        let mut fingerprints = BTreeSet::new();
        for number in [0, 1, 500, 123_456_789] {
            let body = posted(&mut webhook, number);
            let alerts = body["alerts"].as_array().unwrap();
            assert_eq!(alerts.len() as u64, ALERTS);
            for alert in alerts {
                assert_eq!(alert["labels"]["instance"], format!("node-{number:09}.example:9100"));
                assert!(fingerprints.insert(alert["fingerprint"].to_string()), "{alert}");
            }
        }
        let [first, other, same] = [0, 1, 500].map(|number| posted(&mut webhook, number)["groupKey"].clone());
        assert!(first == same && first != other, "{first} {other}");
    }
}

//! Where the links of a message lead: the graph, a pre-filled silence, the group in Alertmanager (pure).

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::notification::{Alert, LabelSet};

/// Everything but RFC 3986's unreserved characters.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `generatorURL` under the address people can reach. Only Prometheus' own `/graph` pages move; an address of another
/// program (Grafana, vmalert) is not under `prometheus.url` and stays as it is.
pub(crate) fn graph(generator_url: &str, prometheus: &str) -> String {
    let page = generator_url.find("/graph?").filter(|_| !prometheus.is_empty());
    match page {
        Some(at) => format!("{prometheus}{}", &generator_url[at..]),
        None => generator_url.to_owned(),
    }
}

/// Alertmanager's form for a new silence, filled with all labels of the alert; empty without an Alertmanager, and for an
/// alert without labels, whose silence would be one for everything.
pub(crate) fn silence(alert: &Alert, alertmanager: &str) -> String {
    if alertmanager.is_empty() || alert.labels.is_empty() {
        return String::new();
    }
    format!("{alertmanager}/#/silences/new?filter={}", filter(&alert.labels))
}

/// Alertmanager's list of the group's alerts; empty without an Alertmanager.
pub(crate) fn group(group_labels: &LabelSet, receiver: &str, alertmanager: &str) -> String {
    if alertmanager.is_empty() {
        return String::new();
    }
    let receiver = utf8_percent_encode(receiver, QUERY_VALUE);
    format!("{alertmanager}/#/alerts?filter={}&receiver={receiver}", filter(group_labels))
}

/// `{a="b",c="d"}` as Alertmanager's page parses it, percent-encoded. Values are quoted as in a matcher.
fn filter(labels: &LabelSet) -> String {
    let mut matchers = String::from("{");
    for (name, value) in labels {
        if matchers.len() > 1 {
            matchers.push(',');
        }
        let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        // Writing to a String can't fail.
        let _ = write!(matchers, "{name}=\"{value}\"");
    }
    matchers.push('}');
    utf8_percent_encode(&matchers, QUERY_VALUE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_graph_pages_move_to_the_public_address() {
        let check = |from, base, expected| assert_eq!(graph(from, base), expected);
        check(
            "http://9f1c:9090/graph?g0.expr=up&g0.tab=1",
            "https://p.example",
            "https://p.example/graph?g0.expr=up&g0.tab=1",
        );
        check(
            "http://9f1c:9090/prom/graph?g0.expr=up",
            "https://p.example/prom",
            "https://p.example/prom/graph?g0.expr=up",
        );
        check("http://9f1c:9090/graph?g0.expr=up", "", "http://9f1c:9090/graph?g0.expr=up");
        check(
            "https://grafana/alerting/grafana/x/view",
            "https://p.example",
            "https://grafana/alerting/grafana/x/view",
        );
        check("", "https://p.example", "");
    }

    #[test]
    fn a_filter_is_quoted_and_encoded_once() {
        let labels = LabelSet::from([("a".into(), "1 \"2\" \\ &".into()), ("节点".into(), "n+1".into())]);
        assert_eq!(
            filter(&labels),
            "%7Ba%3D%221%20%5C%222%5C%22%20%5C%5C%20%26%22%2C%E8%8A%82%E7%82%B9%3D%22n%2B1%22%7D"
        );
        assert_eq!(group(&labels, "ops team", ""), "");
        assert!(group(&labels, "ops team", "http://am").ends_with("&receiver=ops%20team"));
    }
}

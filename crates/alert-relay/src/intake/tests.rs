use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const FIRING: &str = include_str!("testdata/firing.json");
const ONE_RESOLVED: &str = include_str!("testdata/one_resolved.json");
const ALL_RESOLVED: &str = include_str!("testdata/all_resolved.json");
const LATER_FIELDS: &str = include_str!("testdata/later_fields.json");

fn read(body: &str) -> Notification {
    parse(body.as_bytes()).unwrap()
}

/// `body` as JSON after `change`.
fn changed(body: &str, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut json = serde_json::from_str(body).unwrap();
    change(&mut json);
    json.to_string()
}

#[test]
fn a_firing_group() {
    let notification = read(FIRING);
    assert_eq!(notification.receiver, "ops.team (gpu)");
    assert_eq!(notification.group_key.0, r#"{}:{alertname="GpuMemoryAlmostFull", cluster="北京-1"}"#);
    assert_eq!(&notification.group_labels["cluster"], "北京-1");
    assert_eq!(notification.common_labels.len(), 3);
    assert_eq!(notification.external_url, "http://alertmanager.example:9093");
    assert!(!notification.is_declared_repeat);
    let [first, second] = notification.alerts.as_slice() else { panic!("two alerts") };
    assert_eq!(first.status, Status::Firing);
    assert_eq!(first.starts_at, "2026-11-23T10:18:04.664542101Z".parse().unwrap());
    assert_eq!(first.ends_at, None);
    assert_eq!(first.label("gpu"), "3");
    assert_eq!(&first.annotations["description"], "已持续 5 分钟 \"95%\" 以上。\n模型: Qwen3-VL <8B>");
    assert_eq!(second.fingerprint.0, "282ccdc00a8c2295");
}

#[test]
fn each_alert_has_its_own_status() {
    let notification = read(ONE_RESOLVED);
    let statuses: Vec<_> = notification.alerts.iter().map(|alert| alert.status).collect();
    assert_eq!(statuses, [Status::Resolved, Status::Firing]);
    assert_eq!(notification.alerts[0].ends_at, Some("2026-11-23T10:18:08.985699Z".parse().unwrap()));
    assert_eq!(notification.alerts[1].ends_at, None);
    assert_eq!(read(ALL_RESOLVED).alerts[0].status, Status::Resolved);
}

#[test]
fn fields_of_later_versions_are_let_through() {
    let notification = read(LATER_FIELDS);
    assert!(notification.is_declared_repeat);
    assert_eq!(Notification { is_declared_repeat: false, ..notification }, read(FIRING));
}

#[test]
fn our_fingerprint_is_alertmanagers() {
    for alert in read(FIRING).alerts {
        assert_eq!(fingerprint(&alert.labels), alert.fingerprint);
    }
    let without = changed(FIRING, |json| {
        json["alerts"][0].as_object_mut().unwrap().remove("fingerprint");
    });
    assert_eq!(read(&without), read(FIRING));
}

#[test]
fn what_can_be_missing_or_null() {
    let bare = r#"{"alerts":[{"status":"resolved","labels":{"alertname":"A"},"startsAt":"2026-08-22T01:02:03+08:00",
        "annotations":null,"endsAt":null}],"groupLabels":null,"commonLabels":null}"#;
    let notification = read(bare);
    assert_eq!(notification.receiver, "");
    assert_eq!(notification.alerts[0].ends_at, None);
    assert_eq!(notification.alerts[0].starts_at, "2026-08-21T17:02:03Z".parse().unwrap());
    assert_eq!(notification.group_key.0, "{}:{}");
}

#[test]
fn one_alert_told_twice_counts_once() {
    let twice = changed(FIRING, |json| {
        let first = json["alerts"][0].clone();
        json["alerts"].as_array_mut().unwrap().push(first);
    });
    assert_eq!(read(&twice), read(FIRING));
}

#[test]
fn two_alerts_with_one_fingerprint_are_two() {
    let notification = read(include_str!("testdata/equal_fingerprints.json"));
    let [first, second] = notification.alerts.as_slice() else { panic!("{:?}", notification.alerts) };
    assert_eq!((first.label("instance"), second.label("instance")), ("a", "b"));
    assert_eq!(first.fingerprint.0, "1");
    assert_eq!(second.fingerprint, fingerprint(&second.labels));
}

#[test]
fn of_one_alert_told_as_firing_and_as_resolved_the_firing_counts() {
    let both = changed(FIRING, |json| {
        let mut over = json["alerts"][0].clone();
        over["status"] = "resolved".into();
        json["alerts"].as_array_mut().unwrap().insert(0, over);
    });
    assert_eq!(read(&both), read(FIRING));
}

#[test]
fn a_fingerprint_that_is_none_is_replaced() {
    let long = changed(FIRING, |json| json["alerts"][0]["fingerprint"] = "f".repeat(65).into());
    assert_eq!(read(&long), read(FIRING));
}

#[test]
fn a_huge_group_key_is_taken_as_it_is() {
    let key = "x".repeat(1 << 20);
    let body = changed(FIRING, |json| json["groupKey"] = key.clone().into());
    assert_eq!(read(&body).group_key.0, key);
}

#[test]
fn what_is_written_reads_back() {
    for body in [FIRING, ONE_RESOLVED, ALL_RESOLVED] {
        let notification = read(body);
        assert_eq!(parse(&write(&notification)).unwrap(), notification);
    }
}

#[test]
fn a_refusal_says_what_and_where() {
    let shape = |path: &str, change: fn(&mut serde_json::Value)| (path.to_owned(), changed(FIRING, change));
    let refused = |body: &str| parse(body.as_bytes()).unwrap_err().to_string();
    let mut answers = String::new();
    for body in [
        "",
        " \n",
        "<html>",
        "{\"alerts\":[",
        "[]",
        "[{\"labels\":{}}]",
        "[1,",
        "\"text\"",
        "null",
        "{}",
        "{\"alerts\":[]}",
        "{\"msgtype\":\"markdown\",\"markdown\":{\"title\":\"t\",\"text\":\"x\"}}",
    ] {
        writeln!(answers, "{body:?}\n  {}", refused(body)).unwrap();
    }
    for (name, body) in [
        shape("alerts", |json| json["alerts"] = "none".into()),
        shape("status", |json| json["alerts"][1]["status"] = "pending".into()),
        shape("no labels", |json| {
            json["alerts"][0].as_object_mut().unwrap().remove("labels");
        }),
        shape("label value", |json| json["alerts"][0]["labels"]["gpu"] = 3.into()),
        shape("time", |json| json["alerts"][0]["startsAt"] = "yesterday".into()),
        shape("count", |json| json["truncatedAlerts"] = (-1).into()),
        shape("long", |json| json["alerts"] = "看".repeat(10_000).into()),
    ] {
        writeln!(answers, "{name}\n  {}", refused(&body)).unwrap();
    }
    insta::assert_snapshot!(answers);
    assert!(matches!(parse(b"{\"alerts\":[],\"receiver\":\"\xff\"}"), Err(IntakeError::NotJson(_))));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
        let _ = parse(&bytes);
    }

    /// A real body with some bytes exchanged: mostly still JSON, often of the wrong shape.
    #[test]
    fn a_garbled_body_is_read_or_refused(
        garbage in proptest::collection::vec((0..FIRING.len(), any::<u8>()), 1..8),
    ) {
        let mut bytes = FIRING.as_bytes().to_vec();
        for (at, byte) in garbage {
            bytes[at] = byte;
        }
        let _ = parse(&bytes);
    }

    #[test]
    fn a_receiver_comes_back_from_its_regular_expression(name in any::<String>()) {
        prop_assert_eq!(unescape(&escape(&name)), name);
    }
}

#[test]
fn of_a_webhook_without_end_what_fires_is_read_and_the_rest_is_counted() {
    let alert = |name: &str, status: &str| {
        format!(
            r#"{{"status":"{status}","labels":{{"alertname":"{name}"}},"startsAt":"2026-08-22T01:02:03Z"}}"#
        )
    };
    let mut alerts: Vec<String> =
        (0..MOST_ALERTS - 1).map(|number| alert(&number.to_string(), "resolved")).collect();
    alerts.push(alert("x", "firing"));
    alerts.extend(["y", "z"].map(|name| alert(name, "firing")));
    alerts.push(alert("over", "resolved"));
    let body = format!(r#"{{"truncatedAlerts":5,"alerts":[{}]}}"#, alerts.join(","));
    let notification = read(&body);
    assert_eq!(notification.alerts.len(), MOST_ALERTS);
    assert_eq!(notification.truncated_alerts, 5 + 3);
    let fires = notification.alerts.iter().filter(|alert| alert.status == Status::Firing);
    let mut firing: Vec<&str> = fires.map(|alert| alert.label("alertname")).collect();
    firing.sort_unstable();
    assert_eq!(firing, ["x", "y", "z"]);
}

#[test]
fn an_alert_with_labels_without_end_is_refused_with_its_place() {
    let labels: Vec<String> = (0..=LabelSet::MOST).map(|number| format!(r#""l{number}":"""#)).collect();
    let body = changed(FIRING, |json| {
        json["alerts"][1]["labels"] = serde_json::from_str(&format!("{{{}}}", labels.join(","))).unwrap();
    });
    let error = parse(body.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("alerts[1].labels") && error.contains("more than 1024 labels"), "{error}");
}

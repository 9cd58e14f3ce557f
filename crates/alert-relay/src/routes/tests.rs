use super::*;
use crate::calendar::Calendar;
use crate::notification::{GroupKey, LabelSet, Status};

/// 2026-08-21, a Friday, at three in the morning UTC.
const NIGHT: &str = "2026-08-21T03:00:00Z";
const DAY: &str = "2026-08-21T12:00:00Z";

fn alert(fingerprint: &str, status: Status, severity: &str) -> Alert {
    Alert {
        status,
        labels: [("severity".to_owned(), severity.to_owned())].into(),
        annotations: LabelSet::new(),
        starts_at: "2026-08-21T01:00:00Z".parse().unwrap(),
        ends_at: None,
        generator_url: String::new(),
        fingerprint: Fingerprint(fingerprint.to_owned()),
    }
}

fn notification(alerts: Vec<Alert>) -> Notification {
    Notification {
        receiver: "ops".to_owned(),
        group_key: GroupKey("{}:{}".to_owned()),
        group_labels: LabelSet::new(),
        common_labels: LabelSet::new(),
        common_annotations: LabelSet::new(),
        external_url: String::new(),
        truncated_alerts: 0,
        is_declared_repeat: false,
        alerts,
    }
}

fn route(matcher: &str, targets: &[&str], mentions: &[&str]) -> RouteSettings {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    RouteSettings {
        matchers: Matcher::parse_list(matcher).unwrap(),
        active: None,
        targets: names(targets),
        mentions: names(mentions),
    }
}

fn by_day(route: RouteSettings) -> RouteSettings {
    RouteSettings {
        active: Some(Calendar { times: vec!["09:00-21:00".parse().unwrap()], weekdays: Vec::new() }),
        ..route
    }
}

/// Each delivery as `target: alerts / alerts outside hours @person for alerts`.
fn planned(routes: Vec<RouteSettings>, alerts: Vec<Alert>, now: &str) -> (Vec<String>, usize) {
    let plan =
        plan(&ReceiverSettings { routes }, &notification(alerts), now.parse().unwrap(), &TimeZone::UTC);
    let join = |list: &[Fingerprint]| list.iter().map(|f| f.0.as_str()).collect::<Vec<_>>().join(" ");
    let mentions = |mentions: &Mentions| -> String {
        let told = mentions.iter().map(|(person, alerts)| format!(" @{person} for {}", join(alerts)));
        told.collect::<Vec<_>>().concat()
    };
    let line = |d: &Planned| {
        format!("{}: {} / {}{}", d.target, join(&d.alerts), join(&d.outside_hours), mentions(&d.mentions))
    };
    let lines = plan.deliveries.iter().map(line).collect();
    (lines, plan.unrouted.len())
}

#[test]
fn an_alert_goes_to_every_route_that_matches() {
    let routes = vec![
        route("severity=critical", &["chat", "mail"], &["boss"]),
        route("severity=~\"critical|warning\"", &["log"], &[]),
    ];
    let alerts = vec![
        alert("a", Status::Firing, "critical"),
        alert("b", Status::Firing, "warning"),
        alert("c", Status::Firing, "info"),
    ];
    let (lines, unrouted) = planned(routes, alerts, DAY);
    assert_eq!(lines, ["chat: a /  @boss for a", "log: a b / ", "mail: a /  @boss for a"]);
    assert_eq!(unrouted, 1);
}

#[test]
fn routes_to_one_target_merge_their_alerts_and_mentions() {
    let routes = vec![
        route("severity=critical", &["chat"], &["boss", "oncall"]),
        route("severity!=\"\"", &["chat"], &["oncall", "team"]),
    ];
    let alerts = vec![alert("a", Status::Firing, "warning"), alert("b", Status::Firing, "critical")];
    let (lines, _) = planned(routes, alerts, DAY);
    assert_eq!(lines, ["chat: a b /  @boss for b @oncall for a b @team for a b"]);
}

#[test]
fn outside_of_the_window_nothing_new_is_told() {
    let routes = vec![by_day(route("severity=warning", &["chat"], &["oncall"]))];
    let (lines, unrouted) = planned(routes.clone(), vec![alert("a", Status::Firing, "warning")], NIGHT);
    assert_eq!((lines, unrouted), (vec!["chat:  / a".to_owned()], 0));
    let (lines, _) = planned(routes, vec![alert("a", Status::Firing, "warning")], DAY);
    assert_eq!(lines, ["chat: a /  @oncall for a"]);
}

#[test]
fn outside_of_the_window_a_resolved_alert_still_reaches_the_ledger() {
    let routes = vec![by_day(route("severity=warning", &["chat"], &["oncall"]))];
    let alerts = vec![alert("a", Status::Firing, "warning"), alert("b", Status::Resolved, "warning")];
    let (lines, _) = planned(routes, alerts, NIGHT);
    assert_eq!(lines, ["chat:  / a b"]);
}

#[test]
fn a_route_that_is_open_wins_over_one_that_is_closed() {
    let routes = vec![
        by_day(route("severity=warning", &["chat"], &["day"])),
        route("severity=~\"warning|critical\"", &["chat"], &["night"]),
    ];
    let (lines, _) = planned(routes, vec![alert("a", Status::Firing, "warning")], NIGHT);
    assert_eq!(lines, ["chat: a /  @night for a"]);
}

#[test]
fn the_routes_that_wanted_a_delivery_are_named() {
    let routes = vec![
        route("severity=critical", &["mail"], &[]),
        route("team=~\"gpu|net\",node!=\"\"", &["chat"], &[]),
        by_day(route("severity!~\"info|\"", &["chat"], &[])),
        RouteSettings { matchers: Vec::new(), ..route("a=b", &["log"], &[]) },
    ];
    let mut alerts = vec![alert("a", Status::Firing, "warning"), alert("b", Status::Firing, "warning")];
    alerts[1].labels.extend([("team".to_owned(), "gpu".to_owned()), ("node".to_owned(), "n1".to_owned())]);
    let plan =
        plan(&ReceiverSettings { routes }, &notification(alerts), NIGHT.parse().unwrap(), &TimeZone::UTC);
    let named: Vec<_> = plan.deliveries.iter().map(|planned| planned.routes.join(" ")).collect();
    assert_eq!(
        named,
        [r#"routes[1] {team=~"gpu|net",node!=""} routes[2] {severity!~"info|"} 09:00-21:00"#, "routes[3] {}"]
    );
}

//! What the relay answers, and that it stores all or nothing.

use sqlx::{Connection, Executor};

use crate::client::{Answer, get, post_json, request};
use crate::program::{Home, Serving, metric, to_robot, webhook};
use crate::robot::Robot;

const PATH: &str = "/api/v1/alerts/ops";

fn stored(serving: &Serving) -> i64 {
    metric(serving, "alert_relay_notifications_total{receiver=\"ops\",result=\"stored\"}")
}

#[track_caller]
fn expect(answer: &Answer, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.body.contains(reason), "{reason:?} is not in {answer:?}");
}

#[test]
fn bad_input_gets_the_right_status_with_a_reason_and_nothing_is_stored() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    let address = serving.address;
    let json = "Content-Type: application/json";

    let post = |body: &[u8]| post_json(address, PATH, body);
    expect(&post(b""), 400, "the body is empty");
    expect(&post(b"<html>"), 400, "is not JSON");
    expect(&post(b"{\"alerts\":[{\"status\":\"fir"), 400, "is not JSON");
    expect(&post(br#"[{"labels":{"alertname":"A"}}]"#), 400, "Prometheus pointed straight at the relay");
    expect(&post(b"{}"), 400, "missing field `alerts`");
    expect(&post(br#"{"alerts":[{"status":"firing","labels":{"a":1}}]}"#), 400, "alerts[0].labels.a");
    expect(&post(br#"{"alerts":[]}"#), 400, "nothing to tell");
    expect(&post(b"\xff\xfe\x00{}"), 400, "is not JSON");
    expect(&post(&vec![b' '; 20_000_000]), 413, "at most 8388608");
    expect(&post_json(address, "/api/v1/alerts/opps", &webhook("A")), 404, "did you mean `ops`?");
    expect(&post_json(address, "/api/v1/alerts/other", &webhook("A")), 404, "known are `ops`");
    expect(&post_json(address, "/api/v2/alerts", &webhook("A")), 404, "/api/v1/alerts/RECEIVER");
    expect(&get(address, PATH), 405, "does not take GET");
    expect(
        &request(address, "POST", PATH, &["Content-Type: text/plain"], &webhook("A")),
        415,
        "application/json",
    );
    expect(&request(address, "POST", PATH, &[], &webhook("A")), 415, "application/json");
    expect(
        &request(address, "POST", PATH, &[json, "Content-Encoding: gzip"], &webhook("A")),
        415,
        "compressed",
    );

    assert_eq!(stored(&serving), 0);
    assert_eq!(metric(&serving, "alert_relay_deliveries_accepted_total{target=\"chat\"}"), 0);

    // The first message that goes out is the first that was accepted.
    expect(&post(&webhook("Accepted")), 200, "stored for 1 target");
    let first = robot.next();
    assert!(first.body.contains("Accepted"), "{}", first.body);
}

#[test]
fn a_webhook_is_accepted_on_both_paths_and_a_copy_is_recognised() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    expect(&post_json(serving.address, PATH, &webhook("First")), 200, "\"status\":\"accepted\"");
    expect(&post_json(serving.address, PATH, &webhook("First")), 200, "\"status\":\"suppressed\"");
    let first = robot.next();
    assert!(first.body.contains("First"), "{}", first.body);
    first.accept();
    // Groups pass each other: two at a time could arrive in either order.
    expect(&post_json(serving.address, "/dingtalk/ops/send", &webhook("Second")), 200, "\"deliveries\":1");
    let second = robot.next();
    assert!(second.body.contains("Second"), "{}", second.body);
    second.accept();
    assert_eq!(stored(&serving), 2);
}

#[test]
fn alerts_that_no_route_wants_are_stored_and_counted() {
    let home = Home::new("receivers: { ops: { routes: [] } }\n");
    let serving = home.serve();
    expect(&post_json(serving.address, PATH, &webhook("A")), 200, "\"unrouted_alerts\":1");
    assert_eq!(metric(&serving, "alert_relay_unrouted_alerts_total{receiver=\"ops\"}"), 1);
}

#[test]
fn what_cannot_be_stored_is_to_be_tried_again() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("sqlite://{}", home.path().join("relay.db").display());
    let mut other = runtime.block_on(sqlx::SqliteConnection::connect(&url)).unwrap();
    runtime.block_on(other.execute("BEGIN IMMEDIATE")).unwrap();

    let answer = post_json(serving.address, PATH, &webhook("A"));
    expect(&answer, 503, "locked by another program");
    assert!(answer.head.contains("retry-after: "), "{answer:?}");
    expect(&get(serving.address, "/-/ready"), 503, "locked by another program");
    expect(&get(serving.address, "/-/healthy"), 200, "the relay runs");

    runtime.block_on(other.execute("ROLLBACK")).unwrap();
    expect(&post_json(serving.address, PATH, &webhook("A")), 200, "stored for 1 target");
    expect(&get(serving.address, "/-/ready"), 200, "the store takes notifications");
    assert_eq!(stored(&serving), 1);
}

#[test]
fn a_heartbeat_that_stays_away_is_told_and_so_is_its_return() {
    let robot = Robot::start();
    let heartbeats = "heartbeats: { watchdog: { expect_every: 1s, targets: [chat] } }\n";
    let home = Home::new(&(to_robot(&robot.url()) + heartbeats));
    let serving = home.serve();
    let path = "/api/v1/heartbeats/watchdog";
    expect(&post_json(serving.address, "/api/v1/heartbeats/wachdog", b""), 404, "did you mean `watchdog`?");

    let missing = robot.next();
    assert!(missing.body.contains("Heartbeat watchdog is missing"), "{}", missing.body);
    missing.accept();
    let resolved = String::from_utf8(webhook("Watchdog")).unwrap().replace("\"firing\"", "\"resolved\"");
    expect(&post_json(serving.address, path, resolved.as_bytes()), 200, "no sign of life");
    expect(&post_json(serving.address, path, &webhook("Watchdog")), 200, "is heard");
    serving.wait_for("heartbeat `watchdog` is heard");
    let back = robot.next();
    assert!(back.body.contains("HeartbeatMissing"), "{}", back.body);
    back.accept();
}

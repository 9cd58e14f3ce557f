//! From the webhook to the robot, by the real program: what a crash, a refusal and a restart do to it.

use crate::client::post_json;
use crate::program::{Home, Serving, metric, to_robot, webhook};
use crate::robot::Robot;

const PATH: &str = "/api/v1/alerts/ops";

fn post(serving: &Serving, body: &[u8]) {
    let response = post_json(serving.address, PATH, body);
    assert_eq!(response.status, 200, "{}", response.body);
}

fn resolved(alert: &str) -> Vec<u8> {
    String::from_utf8(webhook(alert))
        .unwrap()
        .replace(r#""firing""#, r#""resolved""#)
        .replace("0001-01-01T00:00:00Z", "2026-08-22T02:02:03.456Z")
        .into_bytes()
}

#[test]
fn an_alert_is_told_and_its_end_too_and_the_books_balance() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    post(&serving, &webhook("DiskFull"));
    let fired = robot.next();
    assert!(fired.body.contains("DiskFull"), "{}", fired.body);
    fired.accept();
    serving.wait_for("ended: delivered");
    post(&serving, &resolved("DiskFull"));
    let ended = robot.next();
    assert!(ended.body.contains("DiskFull") && ended.body.contains("esolved"), "{}", ended.body);
    ended.accept();
    serving.wait_for("ended: delivered");
    assert_eq!(metric(&serving, "alert_relay_deliveries_ended_total{target=\"chat\",end=\"delivered\"}"), 2);
    assert_eq!(metric(&serving, "alert_relay_deliveries_pending{target=\"chat\"}"), 0);
    assert_eq!(metric(&serving, "alert_relay_audit_imbalance"), 0);
}

#[test]
fn a_kill_with_a_send_under_way_loses_nothing() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    post(&serving, &webhook("Killed"));
    let _never_answered = robot.next();
    // In the same group, so that it waits behind the first.
    let group = |alert: &str| format!(r#"{{}}:{{alertname=\"{alert}\"}}"#);
    let behind = String::from_utf8(webhook("Behind")).unwrap().replace(&group("Behind"), &group("Killed"));
    post(&serving, behind.as_bytes());
    serving.signal("KILL");
    drop(serving);

    let serving = home.serve();
    let mut told = String::new();
    while !(told.contains("Killed") && told.contains("Behind")) {
        let request = robot.next();
        told.push_str(&request.body);
        request.accept();
        serving.wait_for("ended: delivered");
    }
    assert_eq!(metric(&serving, "alert_relay_deliveries_pending{target=\"chat\"}"), 0);
    assert_eq!(metric(&serving, "alert_relay_audit_imbalance"), 0);
}

#[test]
fn a_refusal_in_a_200_is_no_delivery() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    post(&serving, &webhook("Busy"));
    robot.next().answer(r#"{"errcode":-1,"errmsg":"system busy"}"#);
    serving.wait_for("an attempt failed");
    assert_eq!(metric(&serving, "alert_relay_deliveries_pending{target=\"chat\"}"), 1);
    robot.next().accept();
    serving.wait_for("ended: delivered");
    assert_eq!(
        metric(&serving, "alert_relay_attempts_total{target=\"chat\",outcome=\"retry\",reason=\"busy\"}"),
        1
    );
}

#[test]
fn a_revoked_robot_is_said_and_its_queue_kept() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    post(&serving, &webhook("Revoked"));
    robot.next().answer(r#"{"errcode":300005,"errmsg":"token is not exist"}"#);
    let line = serving.wait_for("chat refuses everything");
    assert!(line.contains("chat") && !line.contains("t0ken"), "{line}");
    assert_eq!(metric(&serving, "alert_relay_target_up{target=\"chat\"}"), 0);
    assert_eq!(metric(&serving, "alert_relay_deliveries_pending{target=\"chat\"}"), 1);
}

#[test]
fn a_second_relay_on_the_same_store_is_refused() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let _serving = home.serve();
    let second = home.run("serve");
    let said = String::from_utf8([second.stdout, second.stderr].concat()).unwrap();
    assert!(!second.status.success());
    assert!(said.contains("in use by another alert-relay"), "{said}");
}

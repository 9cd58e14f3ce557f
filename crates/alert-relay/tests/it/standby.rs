//! A second relay on the same settings file, which tells of the death of the first.

use crate::client::{get, post_json, request};
use crate::program::{Home, metric, to_robot, webhook};
use crate::robot::Robot;

const HEARTBEAT: &str = "heartbeats: { watchdog: { expect_every: 1s, targets: [] } }\n";

/// Who puts a robot into the settings reloads the relay that they know of. The other one has to tell that robot all the same.
#[test]
fn it_tells_whom_the_settings_name_when_something_comes() {
    let robot = Robot::start();
    let home = Home::new(&format!("receivers: {{ ops: {{ routes: [] }} }}\n{HEARTBEAT}"));
    let serving = home.serve_as(&["--standby"]);
    home.write(&(to_robot(&robot.url()) + HEARTBEAT));
    let send = |alert: &str| post_json(serving.address, "/api/v1/alerts/ops", &webhook(alert)).status;
    assert_eq!(send("RelayDown"), 200);
    let told = robot.next();
    assert!(told.body.contains("RelayDown"), "{}", told.body);
    told.accept();
}

#[test]
fn with_a_mistake_in_the_file_the_settings_in_force_tell() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve_as(&["--standby"]);
    home.write("tiemzone: UTC\n");
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("RelayDown")).status, 200);
    robot.next().accept();
    serving.wait_for("reload refused");
    assert_eq!(metric(&serving, "alert_relay_config_last_reload_successful"), 0);
}

#[test]
fn it_misses_no_heartbeats() {
    let robot = Robot::start();
    let home = Home::new(&(to_robot(&robot.url()) + &HEARTBEAT.replace("[]", "[chat]")));
    let serving = home.serve_as(&["--standby"]);
    let beat = request(serving.address, "POST", "/api/v1/heartbeats/watchdog", &[], b"");
    assert_eq!(beat.status, 404, "{beat:?}");
    let page = get(serving.address, "/metrics").body;
    assert!(!page.contains("watchdog"), "{page}");
}

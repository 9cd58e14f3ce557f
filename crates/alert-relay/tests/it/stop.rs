//! The end: what is under way is finished, what waits is kept.

use crate::client::post_json;
use crate::program::{Home, to_robot, webhook};
use crate::robot::Robot;

const PATH: &str = "/api/v1/alerts/ops";

#[test]
fn a_send_under_way_is_finished_and_not_repeated() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    assert_eq!(post_json(serving.address, PATH, &webhook("UnderWay")).status, 200);
    let under_way = robot.next();
    serving.signal("TERM");
    serving.wait_for("stopping");
    under_way.accept();
    assert!(serving.ended().success());

    let serving = home.serve();
    assert_eq!(post_json(serving.address, PATH, &webhook("Next")).status, 200);
    let next = robot.next();
    assert!(next.body.contains("Next"), "sent twice: {}", next.body);
    next.accept();
}

#[test]
fn a_second_signal_leaves_at_once_and_loses_nothing() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    assert_eq!(post_json(serving.address, PATH, &webhook("Cut")).status, 200);
    let _never_answered = robot.next();
    serving.signal("TERM");
    serving.wait_for("stopping");
    serving.signal("TERM");
    assert!(serving.ended().success());

    let _serving = home.serve();
    let again = robot.next();
    assert!(again.body.contains("Cut"), "{}", again.body);
    again.accept();
}

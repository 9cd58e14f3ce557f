//! A system that starts no further thread for the relay: `pids` of a container, `TasksMax` of a unit.

use crate::client::post_json;
use crate::program::{Home, metric, to_robot, webhook};
use crate::robot::Robot;

/// Larger than what is read on the spot.
const LARGE: usize = 1024 * 1024;

#[test]
fn without_a_further_thread_a_large_webhook_is_to_come_again_and_the_rest_goes_on() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve_unprivileged();
    let post = |body: &[u8]| post_json(serving.address, "/api/v1/alerts/ops", body);
    let mut large = webhook("Large");
    large.resize(large.len() + LARGE, b' ');

    serving.limit_threads("1");
    let refused = post(&large);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("the system starts no further thread"), "{refused:?}");
    assert!(refused.head.to_lowercase().contains("retry-after: "), "{refused:?}");
    serving.wait_for("refused a webhook for \"ops\" with 503: a large webhook cannot be read now");
    // Nothing of it is stored; what is small is read on the spot, and told.
    assert_eq!(post(&webhook("Small")).status, 200);
    robot.next().accept();
    serving.wait_for("ended: delivered");
    assert_eq!(metric(&serving, "alert_relay_deliveries_ended_total{target=\"chat\",end=\"delivered\"}"), 1);
    // A reload, too, is read by a thread; one is kept for such.
    serving.signal("HUP");
    serving.wait_for("reloaded");

    serving.limit_threads("4096");
    assert_eq!(post(&large).status, 200);
    robot.next().accept();
    serving.wait_for("ended: delivered");
}

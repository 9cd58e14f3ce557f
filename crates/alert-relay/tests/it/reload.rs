//! New settings without a restart, and bad ones without harm.

use crate::client::{post_json, request};
use crate::program::{Home, to_robot, webhook};
use crate::robot::Robot;

#[test]
fn a_good_file_is_taken_over_and_a_bad_one_changes_nothing() {
    let (old, new) = (Robot::start(), Robot::start());
    let home = Home::new(&to_robot(&old.url()));
    let serving = home.serve();
    let send = |alert: &str| post_json(serving.address, "/api/v1/alerts/ops", &webhook(alert)).status;
    let reload = || request(serving.address, "POST", "/-/reload", &[], b"");
    assert_eq!(send("Before"), 200);
    old.next().accept();

    home.write(&(to_robot(&new.url()) + "tiemzone: UTC\ntimezone: Mars\n"));
    let answer = reload();
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("tiemzone") && answer.body.contains("Mars"), "{answer:?}");
    serving.signal("HUP");
    serving.wait_for("tiemzone");
    assert_eq!(send("Kept"), 200);
    old.next().accept();

    home.write(&to_robot(&new.url()));
    serving.signal("HUP");
    serving.wait_for("settings reloaded");
    assert_eq!(send("After"), 200);
    let after = new.next();
    assert!(after.body.contains("After"), "{}", after.body);
    after.accept();
    assert!(old.is_idle());
    assert_eq!(reload().status, 200);
}

#[test]
fn what_needs_a_restart_is_said() {
    let home = Home::new("receivers: { ops: { routes: [] } }\n");
    let serving = home.serve();
    let text = std::fs::read_to_string(home.settings()).unwrap();
    std::fs::write(home.settings(), text.replace("127.0.0.1:0", "127.0.0.2:0")).unwrap();
    assert_eq!(request(serving.address, "POST", "/-/reload", &[], b"").status, 200);
    serving.wait_for("`server.listen` has changed and needs a restart");
}

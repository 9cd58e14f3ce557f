//! The files beside the store: whose they are, and what happens when they go.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::client::{get, post_json};
use crate::program::{Home, metric, to_robot, webhook};
use crate::robot::Robot;

#[test]
fn every_file_is_the_relays_users_alone_and_a_lock_follows_no_link() {
    let home = Home::new("receivers: { ops: { routes: [] } }\n");
    let precious = home.path().join("precious");
    std::fs::write(&precious, "not empty").unwrap();
    let lock = home.path().join("relay.db.lock");
    symlink(&precious, &lock).unwrap();
    let refused = home.run("serve");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "not empty");

    std::fs::remove_file(&lock).unwrap();
    let serving = home.serve();
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("Alert")).status, 200);
    let mut files = 0;
    for file in std::fs::read_dir(home.path()).unwrap().map(Result::unwrap) {
        if file.file_name().to_string_lossy().starts_with("relay.db") {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode & 0o177, 0, "{:?} is {mode:o}", file.file_name());
            files += 1;
        }
    }
    assert!(files >= 4, "the store, its log, its lock, its socket: {files}");
}

/// What is written to a deleted file is gone with the process, so nothing more is promised. What was, is delivered.
#[test]
fn a_store_that_was_deleted_takes_nothing_more_and_delivers_what_it_holds() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    let post = |alert: &str| post_json(serving.address, "/api/v1/alerts/ops", &webhook(alert));
    assert_eq!((get(serving.address, "/-/ready").status, post("Before").status), (200, 200));
    let before = robot.next();
    std::fs::remove_file(home.path().join("relay.db")).unwrap();
    let refused = post("After");
    assert_eq!((get(serving.address, "/-/ready").status, refused.status), (503, 503));
    assert!(refused.body.contains("deleted or replaced"), "{refused:?}");
    assert_eq!(metric(&serving, "alert_relay_store_errors_total{kind=\"gone\"}"), 1);
    before.accept();
    serving.wait_for("ended: delivered");
}

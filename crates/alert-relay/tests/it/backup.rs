//! `backup` beside a running relay, and a start from what it made; `completion`.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

use crate::client::post_json;
use crate::program::{Home, relay, to_robot, webhook};
use crate::robot::Robot;

fn backup(home: &Home, name: &str) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = relay()
        .arg("backup")
        .arg(home.path().join(name))
        .arg("--config")
        .arg(home.settings())
        .output()
        .unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn a_running_relays_store_is_copied_and_what_waited_in_the_copy_is_delivered() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let (code, said) = backup(&home, "early.db");
    assert!(code == Some(1) && said.contains("there is no store at"), "{said}");

    let serving = home.serve();
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("DiskFull")).status, 200);
    // It is on its way while the copy is made.
    let on_its_way = robot.next();
    let (code, said) = backup(&home, "copy.db");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("whole: 1 webhooks, 1 deliveries, 1 of them pending"), "{said}");
    let mode = std::fs::metadata(home.path().join("copy.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    on_its_way.accept();
    serving.wait_for("delivered");

    // Nothing is replaced, and nothing is left behind.
    let before = std::fs::read(home.path().join("copy.db")).unwrap();
    let (code, said) = backup(&home, "copy.db");
    assert!(code == Some(1) && said.contains("a file that is there already is not replaced"), "{said}");
    assert_eq!(std::fs::read(home.path().join("copy.db")).unwrap(), before);
    let (code, said) = backup(&home, "no-such-directory/copy.db");
    assert!(code == Some(1) && said.contains("no-such-directory/copy.db"), "{said}");
    assert!(!said.contains("store.url"), "it is not the store that cannot be opened: {said}");
    let names = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains("unfinished")));

    let restored = Home::new(&to_robot(&robot.url()));
    std::fs::copy(home.path().join("copy.db"), restored.path().join("relay.db")).unwrap();
    let serving = restored.serve();
    robot.next().accept();
    serving.wait_for("delivered");
}

/// `alert-relay … | head -1`
#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output =
        relay().args(["check", "--print-default"]).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let Output { status, stderr, .. } = output.wait_with_output().unwrap();
    assert_eq!((status.code(), String::from_utf8(stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn every_shell_gets_its_completion() {
    for (shell, expected) in [
        ("bash", "complete -F _alert__relay"),
        ("zsh", "#compdef alert-relay"),
        ("fish", "complete -c alert-relay"),
    ] {
        let output = relay().args(["completion", shell]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && said.contains(expected) && said.contains("send-test"),
            "{shell}: {said}"
        );
    }
}

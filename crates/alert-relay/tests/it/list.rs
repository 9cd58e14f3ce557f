//! `list` and `resend` as an operator runs them: what was given up is found, and sent again by the running relay.

use std::process::Output;

use crate::client::post_json;
use crate::program::{Home, relay, to_robot, webhook};
use crate::robot::Robot;

fn run(home: &Home, words: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        relay().args(words).arg("--config").arg(home.settings()).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn a_dead_letter_is_listed_and_sent_again_by_the_running_relay() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    let post = |alert: &str| {
        assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook(alert)).status, 200);
    };
    post("GpuHot");
    // Refused as it is, as plain text, and as one bare line.
    for _ in 0..3 {
        robot.next().answer(r#"{"errcode":430101,"errmsg":"content refused"}"#);
    }
    serving.wait_for("to chat ended: dead");
    post("DiskFull");
    robot.next().accept();
    serving.wait_for("to chat ended: delivered");

    let (code, said) = run(&home, &["list", "--since", "1h", "--target", "chat"]);
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("delivered to chat: DiskFull, critical"), "{said}");
    assert!(lines[1].contains("dead to chat: GpuHot, critical"), "{said}");
    let (_, said) = run(&home, &["list", "--text", "diskfull", "--state", "delivered", "--format", "json"]);
    let page: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((page["deliveries"].as_array().unwrap().len(), &page["next"]), (1, &serde_json::Value::Null));
    let (code, said) = run(&home, &["list", "--state", "lost"]);
    assert!(code == Some(2) && said.contains("`--state`: expected one of"), "{said}");
    for command in [&["list", "--since", "yesterday"][..], &["resend", "--since", "yesterday"]] {
        let (code, said) = run(&home, command);
        assert!(code == Some(2) && said.contains("`--since`: expected a time"), "{command:?}: {said}");
    }
    let (_, said) = run(&home, &["list", "--limit", "1"]);
    assert!(said.contains("there are older ones (hint: --after "), "{said}");

    let (_, said) = run(&home, &["list", "--dead-letters"]);
    let id = said.split_whitespace().nth(3).unwrap().to_owned();
    let (code, said) = run(&home, &["resend", &id]);
    assert!(code == Some(0) && said.contains(&format!("{id}: 1 sent again")), "{said}");
    robot.next().accept();
    serving.wait_for("to chat ended: delivered");
    let (_, said) = run(&home, &["list"]);
    assert!(said.contains("sent again by hand"), "{said}");

    let (code, said) = run(&home, &["resend", &id]);
    assert!(code == Some(1) && said.contains("no dead letter"), "{said}");
    let (code, said) = run(&home, &["resend", "--all", "--give-up"]);
    assert!(code == Some(0) && said.contains("all: no dead letter"), "{said}");
    let (code, said) = run(&home, &["resend"]);
    assert!(code == Some(2) && said.contains("which?"), "{said}");
    drop(serving);
    let (code, said) = run(&home, &["resend", "--target", "chat"]);
    assert!(code == Some(1) && said.contains("no relay runs with"), "{said}");
    let (code, said) = run(&home, &["list", "--dead-letters"]);
    assert!(code == Some(0) && said.contains("no such delivery"), "{said}");
}

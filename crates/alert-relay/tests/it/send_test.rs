//! `render` and `send-test` as an operator runs them.

use std::net::SocketAddr;
use std::process::Output;
use std::thread;

use crate::client::{Answer, post_json};
use crate::gate::ALICE;
use crate::program::{Home, relay, to_robot, webhook};
use crate::robot::Robot;

const TOKEN: &str = "robot-token-1";

/// A home whose target `chat` is this robot.
fn home(robot: &Robot) -> Home {
    Home::new(&to_robot(&robot.url().replace("t0ken", TOKEN)))
}

fn run(home: &Home, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = relay()
        .args(arguments)
        .arg("--config")
        .arg(home.settings())
        .args(["--log.level", "trace"])
        .output()
        .unwrap();
    let said = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    assert!(!said.contains(TOKEN), "{arguments:?} shows the token:\n{said}");
    (status.code(), said)
}

/// What `send-test` says when the robot gives this answer.
fn send_test(answer: &str) -> (Option<i32>, String) {
    let robot = Robot::start();
    let home = home(&robot);
    thread::scope(|scope| {
        let said = scope.spawn(|| run(&home, &["send-test", "chat"]));
        let request = robot.next();
        assert!(request.body.contains("Test message, nothing to do"), "{}", request.body);
        request.answer(answer);
        said.join().unwrap()
    })
}

#[test]
fn a_proven_test_message_is_success() {
    let (code, said) = send_test(r#"{"errcode":0,"errmsg":"ok"}"#);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("chat: delivered (errcode 0: ok)\nsent by this command itself: no relay runs with "),
        "{said}"
    );
}

#[test]
fn a_refused_test_message_says_why_and_what_to_do() {
    let (code, said) = send_test(r#"{"errcode":310000,"errmsg":"sign not match"}"#);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("errcode 310000: sign not match (hint: check `secret`"), "{said}");
}

#[test]
fn an_answer_that_repeats_the_address_is_blacked_out() {
    let (code, said) = send_test(&format!("<html>blocked: /robot/send?access_token={TOKEN}</html>"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not delivered for now, unproven_reply") && said.contains("<redacted>"), "{said}");
}

#[test]
fn an_unknown_target_is_said() {
    let home = home(&Robot::start());
    for command in [&["send-test", "chatt"][..], &["render", "--target", "chatt"]] {
        let (code, said) = run(&home, command);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("there is no target `chatt` (hint: did you mean `chat`?)"), "{said}");
    }
}

#[test]
fn rendering_sends_nothing() {
    let robot = Robot::start();
    let home = home(&robot);
    let (code, said) =
        run(&home, &["render", "--target", "chat", "--sample", "resolved", "--language", "zh-CN"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("part 1 of 1") && said.contains("【恢复 1】GpuMemoryHigh @ node-1"), "{said}");
    assert!(robot.is_idle());
}

/// A home whose target `chat` may be sent two messages a minute.
fn home_with_budget(robot: &Robot) -> Home {
    let url = robot.url().replace("t0ken", TOKEN);
    Home::new(&to_robot(&url).replace("} } }\n", "}, budget: 2/1m } }\n"))
}

/// `send-test` beside a relay that runs; a message that goes out is accepted.
fn send_test_beside(home: &Home, robot: &Robot, is_sent: bool) -> (Option<i32>, String) {
    thread::scope(|scope| {
        let said = scope.spawn(|| run(home, &["send-test", "chat"]));
        if is_sent {
            let request = robot.next();
            assert!(request.body.contains("Test message, nothing to do"), "{}", request.body);
            request.accept();
        }
        said.join().unwrap()
    })
}

#[test]
fn tests_through_a_running_relay_spend_its_budget_whatever_its_listener_asks_for() {
    let robot = Robot::start();
    let home = home_with_budget(&robot);
    let serving = home.serve_behind(ALICE);
    for _ in 0..2 {
        let (code, said) = send_test_beside(&home, &robot, true);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.starts_with("chat: delivered (errcode 0: ok)\nasked the relay that runs with "),
            "{said}"
        );
    }
    let (code, said) = send_test_beside(&home, &robot, false);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("chat: not sent: the robot's budget is used up") && said.contains("for another "),
        "{said}"
    );
    serving.wait_for("a test message to chat was sent: delivered");
    assert!(robot.is_idle());
}

fn post_test(address: SocketAddr, target: &str) -> Answer {
    post_json(address, &format!("/api/v1/targets/{target}/test"), b"")
}

#[test]
fn an_alert_waits_for_the_budget_that_tests_have_spent() {
    let robot = Robot::start();
    let home = home_with_budget(&robot);
    let serving = home.serve();
    let address = serving.address;
    for _ in 0..2 {
        let answer = thread::scope(|scope| {
            let answer = scope.spawn(|| post_test(address, "chat"));
            robot.next().accept();
            answer.join().unwrap()
        });
        assert_eq!(answer.status, 200, "{answer:?}");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&body["status"], &body["target"]), (&"delivered".into(), &"chat".into()));
        assert_eq!(body["parts"][0]["detail"], "errcode 0: ok");
    }
    let spent = post_test(address, "chat");
    assert_eq!(spent.status, 503, "{spent:?}");
    let seconds = spent.head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    assert!((6..=61).contains(&seconds.parse::<u32>().unwrap()), "{spent:?}");

    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("DiskFull")).status, 200);
    serving.wait_for("chat: the robot's budget is used up");
    assert!(robot.is_idle());
}

#[test]
fn a_test_that_the_channel_refuses_is_a_bad_gateway_and_an_unknown_target_is_named() {
    let robot = Robot::start();
    let home = home(&robot);
    let serving = home.serve();
    let address = serving.address;
    let answer = thread::scope(|scope| {
        let answer = scope.spawn(|| post_test(address, "chat"));
        robot.next().answer(r#"{"errcode":300005,"errmsg":"token is not exist"}"#);
        answer.join().unwrap()
    });
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.body.contains("token is not exist") && !answer.body.contains(TOKEN), "{answer:?}");
    serving.wait_for("chat refuses everything");
    let unknown = post_test(address, "chatt");
    assert_eq!(unknown.status, 404, "{unknown:?}");
    assert!(unknown.body.contains("did you mean `chat`?"), "{unknown:?}");
}

#[test]
fn a_relay_that_cannot_be_asked_is_not_passed_by() {
    let robot = Robot::start();
    let home = home(&robot);
    let _serving = home.serve();
    std::fs::remove_file(home.path().join("relay.db.sock")).unwrap();
    let (code, said) = send_test_beside(&home, &robot, false);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("does not listen for commands, so nothing was sent"), "{said}");
    assert!(robot.is_idle());
}

#[test]
fn a_stop_takes_the_socket_with_it() {
    let robot = Robot::start();
    let home = home(&robot);
    let serving = home.serve();
    let socket = home.path().join("relay.db.sock");
    assert!(socket.exists());
    serving.signal("TERM");
    assert!(serving.ended().success());
    assert!(!socket.exists());
}

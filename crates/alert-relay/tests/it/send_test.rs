//! `render` and `send-test` as an operator runs them.

use std::process::Output;
use std::thread;

use crate::program::{Home, relay, to_robot};
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
    assert_eq!((code, said.as_str()), (Some(0), "chat: delivered (errcode 0: ok)\n"));
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

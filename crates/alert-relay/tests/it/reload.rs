//! New settings without a restart, and bad ones without harm.

use std::io::Write;
use std::process::Output;

use crate::client::{get, post_json, request};
use crate::gate::ALICE;
use crate::program::{Home, metric, to_robot, webhook};
use crate::robot::Robot;

#[test]
fn a_good_file_is_taken_over_and_a_bad_one_changes_nothing() {
    let (old, new) = (Robot::start(), Robot::start());
    let home = Home::new(&to_robot(&old.url()));
    let serving = home.serve();
    let send = |alert: &str| post_json(serving.address, "/api/v1/alerts/ops", &webhook(alert)).status;
    let reload = || request(serving.address, "POST", "/-/reload", &[], b"");
    let in_force = || metric(&serving, "alert_relay_config_last_reload_successful");
    assert_eq!(send("Before"), 200);
    old.next().accept();
    assert_eq!(in_force(), 1);

    home.write(&(to_robot(&new.url()) + "tiemzone: UTC\ntimezone: Mars\n"));
    let answer = reload();
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.contains("tiemzone") && answer.body.contains(": timezone"), "{answer:?}");
    assert!(
        !answer.body.contains("Mars"),
        "what stands there is for those who may read the settings: {answer:?}"
    );
    serving.wait_for("Mars");
    assert_eq!(in_force(), 0, "a refused reload is told");
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
    assert_eq!(in_force(), 1);
}

/// A heartbeat that is missing all along, and a reload after another.
#[test]
fn an_alarm_follows_its_heartbeats_targets_and_ends_with_it() {
    let (chat, also) = (Robot::start(), Robot::start());
    let settings = |heartbeats: &str| {
        format!(
            "targets: {{ chat: {{ dingtalk: {{ webhook_url: '{}' }} }}, also: {{ dingtalk: {{ webhook_url: '{}' }} }} }}\n\
             heartbeats: {{ {heartbeats}other: {{ expect_every: 1h, targets: [] }} }}\n",
            chat.url(),
            also.url()
        )
    };
    let watchdog =
        |targets: &str| settings(&format!("watchdog: {{ expect_every: 1s, targets: {targets} }}, "));
    let home = Home::new(&watchdog("[]"));
    let serving = home.serve();
    serving.wait_for("heartbeat `watchdog` is missing");
    let reload = |settings: &str| {
        home.write(settings);
        let answer = request(serving.address, "POST", "/-/reload", &[], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let hears = |robot: &Robot, expected: &str| {
        let message = robot.next();
        assert!(message.body.contains(expected), "{}", message.body);
        message.accept();
    };
    let missing = "Heartbeat watchdog is missing";
    reload(&watchdog("[chat]"));
    hears(&chat, missing);
    serving.wait_for("to chat ended: delivered");
    reload(&watchdog("[chat, also]"));
    hears(&also, missing);
    serving.wait_for("to also ended: delivered");
    assert!(chat.is_idle(), "it is told again");
    let open = || {
        let overview = get(serving.address, "/api/v1/overview").body;
        let overview: serde_json::Value = serde_json::from_str(&overview).unwrap();
        let targets = overview["targets"].as_array().unwrap().iter();
        targets.map(|target| target["open"]["count"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(open(), 2);
    reload(&settings(""));
    hears(&chat, "HeartbeatMissing");
    hears(&also, "HeartbeatMissing");
    // In either order.
    serving.wait_for("ended: delivered");
    serving.wait_for("ended: delivered");
    assert_eq!(open(), 0);
}

/// The same by a restart with another file.
#[test]
fn an_alarm_ends_with_its_heartbeat_at_a_start_too() {
    let robot = Robot::start();
    let heartbeat = "heartbeats: { watchdog: { expect_every: 1s, targets: [chat] } }\n";
    let home = Home::new(&(to_robot(&robot.url()) + heartbeat));
    {
        let serving = home.serve();
        robot.next().accept();
        serving.wait_for("to chat ended: delivered");
        serving.signal("TERM");
        assert!(serving.ended().success());
    }
    home.write(&to_robot(&robot.url()));
    for is_first in [true, false] {
        let serving = home.serve();
        if is_first {
            let over = robot.next();
            assert!(over.body.contains("HeartbeatMissing"), "{}", over.body);
            over.accept();
            serving.wait_for("to chat ended: delivered");
        }
        let overview: serde_json::Value =
            serde_json::from_str(&get(serving.address, "/api/v1/overview").body).unwrap();
        assert_eq!(overview["targets"][0]["open"]["count"], 0, "{overview}");
        serving.signal("TERM");
        assert!(serving.ended().success());
    }
    assert!(robot.is_idle());
}

/// `reload` as an operator runs it: its exit code, and what it says.
fn command(home: &Home) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = home.run("reload");
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn the_command_says_what_came_of_it_whatever_the_listener_asks_for() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let (code, said) = command(&home);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no relay runs with") && said.contains("relay.db"), "{said}");

    let serving = home.serve_behind(ALICE);
    let (code, said) = command(&home);
    assert_eq!((code, said.as_str()), (Some(0), "the new settings are in force\n"));
    serving.wait_for("settings reloaded");

    home.write(&(to_robot(&robot.url()) + "tiemzone: UTC\ntimezone: Mars\n"));
    let (code, said) = command(&home);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("tiemzone") && said.contains("Mars"), "{said}");
    assert!(said.ends_with("the old ones stay in force\n"), "{said}");
    serving.wait_for("reload refused");
}

#[test]
fn a_reload_once_begun_goes_on_and_holds_up_no_stop() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let text = std::fs::read_to_string(home.settings()).unwrap();
    let text = text.replace("listen: '127.0.0.1:0'", "listen: '127.0.0.1:0', drain_timeout: 1s");
    std::fs::write(home.settings(), &text).unwrap();
    let serving = home.serve();

    // A file that is only read to its end when the test says so.
    std::fs::remove_file(home.settings()).unwrap();
    let made = std::process::Command::new("mkfifo").arg(home.settings()).status().unwrap();
    assert!(made.success());
    let ask = || {
        let mut client = std::net::TcpStream::connect(serving.address).unwrap();
        client.write_all(b"POST /-/reload HTTP/1.1\r\nHost: relay\r\n\r\n").unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(home.settings()).unwrap();
        (client, file)
    };
    let (client, mut file) = ask();
    drop(client);
    assert_eq!(get(serving.address, "/-/healthy").status, 200, "who asked has gone, and that was noticed");
    file.write_all(text.as_bytes()).unwrap();
    drop(file);
    serving.wait_for("settings reloaded");

    let (_client, _never_written) = ask();
    serving.signal("TERM");
    assert!(serving.ended().success());
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

/// An empty file is a good file, and so is one that was cut off between two sections.
#[test]
fn a_file_that_takes_everything_away_is_refused_unless_forced_and_then_senders_try_again() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let whole = std::fs::read_to_string(home.settings()).unwrap();
    let serving = home.serve();
    let send = |receiver: &str| {
        let path = format!("/api/v1/alerts/{receiver}");
        post_json(serving.address, &path, &webhook("Alert")).status
    };
    let reload = |path: &str| request(serving.address, "POST", path, &[], b"");
    let head = &whole[..whole.find("targets:").unwrap()];
    for cut in [head, &whole[..whole.find("receivers:").unwrap()]] {
        std::fs::write(home.settings(), cut).unwrap();
        let answer = reload("/-/reload");
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(
            answer.body.contains("`receivers` has become empty") && answer.body.contains("--force"),
            "{answer:?}"
        );
        serving.signal("HUP");
        serving.wait_for("`receivers` has become empty");
    }
    assert_eq!(send("ops"), 200);
    robot.next().accept();
    assert_eq!(send("never"), 404);

    assert_eq!(reload("/-/reload?force=true").status, 200);
    serving.wait_for("the receiver `ops` is gone");
    assert_eq!((send("ops"), send("never")), (503, 503));
    std::fs::write(home.settings(), whole.replace("ops:", "renamed:")).unwrap();
    assert_eq!(reload("/-/reload").status, 200);
    assert_eq!((send("ops"), send("never")), (503, 404));
    std::fs::write(home.settings(), &whole).unwrap();
    assert_eq!(reload("/-/reload").status, 200);
    assert_eq!(send("ops"), 200);
}

#[test]
fn a_reload_strands_no_delivery_unless_it_says_where_they_go() {
    let robot = Robot::start();
    let home = Home::new(&to_robot(&robot.url()));
    let serving = home.serve();
    assert_eq!(post_json(serving.address, "/api/v1/alerts/ops", &webhook("Waiting")).status, 200);
    robot.next().answer(r#"{"errcode":-1,"errmsg":"system busy"}"#);
    serving.wait_for("an attempt failed");
    let renamed = to_robot(&robot.url()).replace("chat", "room");
    home.write(&renamed);
    let reload = || request(serving.address, "POST", "/-/reload", &[], b"");
    let answer = reload();
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(
        answer.body.contains("wait for the target `chat`") && answer.body.contains("`was: chat`"),
        "{answer:?}"
    );
    let check = home.run("check");
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(check.status.success(), "{said}");
    assert!(said.contains("warning: 1 waiting for `chat`") && said.contains("`was: chat`"), "{said}");

    home.write(&renamed.replace("room: {", "room: { was: chat,"));
    assert_eq!(reload().status, 200);
    let moved = robot.next();
    assert!(moved.body.contains("Waiting"), "{}", moved.body);
    moved.accept();
}

//! `check --online` against robots that answer and those that do not; what Alertmanager's file needs.

use std::process::Output;

use test_peers::client::get;
use test_peers::endpoint::{Call, Endpoint, Reply};

use crate::program::{Home, relay};

fn check(home: &Home, option: &str) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        relay().args(["check", option, "--config"]).arg(home.settings()).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn each_target_is_looked_at_without_a_message() {
    let (calls, heard) = std::sync::mpsc::channel();
    let robot = Endpoint::start(move |call: Call| {
        calls.send(format!("{} {} {:?}", call.method, call.path, call.query)).unwrap();
        async { Reply::json("{}") }
    })
    .unwrap();
    let chat = |name: &str| {
        let address = robot.address();
        format!(
            "  {name}: {{ dingtalk: {{ webhook_url: 'http://{address}/robot/send?access_token=token-of-{name}' }} }}\n"
        )
    };
    let targets = format!("targets:\n{}{}", chat("chat"), chat("other"));
    let rest = "receivers: { ops: { routes: [ { targets: [chat] } ] } }\n";
    let home = Home::new(&format!("{targets}{rest}"));
    let (code, said) = check(&home, "--online");
    assert_eq!(code, Some(0), "{said}");
    for name in ["chat", "other"] {
        assert!(said.contains(&format!("{name}: reached http://{} in ", robot.address())), "{said}");
    }
    assert!(said.contains("(HTTP 200); the clocks agree to the second"), "{said}");
    // Both have the same host: it is asked once, and not for their addresses.
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["HEAD / {}"]);

    let mail = "  mail: { email: { smarthost: '127.0.0.1:1', from: a@example.org, to: b@example.org, tls: none } }\n";
    home.write(&format!("{targets}{mail}{rest}"));
    let (code, said) = check(&home, "--online");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("mail: cannot reach smtp://127.0.0.1:1: ") && said.contains("chat: reached"),
        "{said}"
    );
    assert!(!said.contains("token-of"), "{said}");
}

#[test]
fn what_alertmanager_needs_is_printed_and_said_at_the_start() {
    let home = Home::new(
        "receivers: { ops: { routes: [] } }\nheartbeats: { watchdog: { expect_every: 2m, targets: [] } }\n",
    );
    let (code, said) = check(&home, "--print-alertmanager");
    assert_eq!(code, Some(0), "{said}");
    for expected in [
        "receivers:\n  - name: \"ops\"\n    webhook_configs:\n      - url: \"http://127.0.0.1:0/api/v1/alerts/ops\"\n        send_resolved: true\n",
        "  - name: \"heartbeat-watchdog\"\n",
        "/api/v1/heartbeats/watchdog\"\n        send_resolved: false\n",
    ] {
        assert!(said.contains(expected), "no {expected:?} in\n{said}");
    }
    let serving = home.serve();
    let url = format!("http://{}/api/v1/alerts/ops", serving.address);
    serving.wait_for(&format!("- {{ name: \"ops\", webhook_configs: [{{ url: \"{url}\" }}] }}"));
    assert_eq!(get(serving.address, "/-/ready").status, 200);
}

#[test]
fn the_doctor_finds_what_is_wrong_and_says_what_to_do() {
    let peer = Endpoint::start(|call: Call| async move {
        assert_eq!(call.path, "/-/ready");
        Reply::json("{}")
    })
    .unwrap();
    let robot = Endpoint::start(|_: Call| async { Reply::json("{}") }).unwrap();
    let chat = format!(
        "targets: {{ chat: {{ dingtalk: {{ webhook_url: 'http://{}/robot/send?access_token=token-1' }} }} }}\n",
        robot.address()
    );
    let home = Home::new(&format!("{chat}receivers: {{ ops: {{ routes: [ {{ targets: [chat] }} ] }} }}\n"));
    let doctor = |peers: &[&str]| {
        let Output { status, stdout, stderr } =
            relay().args(["doctor", "--config"]).arg(home.settings()).args(peers).output().unwrap();
        (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
    };
    let (code, said) = doctor(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAULT  store: there is no store at"), "{said}");
    let serving = home.serve();
    assert_eq!(get(serving.address, "/-/ready").status, 200);
    let url = format!("http://{}", peer.address());
    let (code, said) = doctor(&["--alertmanager", &url, "--prometheus", &url]);
    for expected in [
        format!("good   Alertmanager: {} is ready", peer.address()),
        format!("good   Prometheus: {} is ready", peer.address()),
        format!("good   target chat: reached http://{}", robot.address()),
        "good   clock: beside 127.0.0.1: the clocks agree to the second".to_owned(),
        "good   way to 127.0.0.1: packets leave from 127.0.0.1".to_owned(),
        "hint   receiver ops: nobody has posted to it within 30days".to_owned(),
    ] {
        assert!(said.contains(&expected), "no {expected:?} in\n{said}");
    }
    // The disk of this machine is its own affair.
    assert!(code == Some(0) || said.contains("FAULT  disk"), "{said}");
    assert!(!said.contains("token-1"), "{said}");
}

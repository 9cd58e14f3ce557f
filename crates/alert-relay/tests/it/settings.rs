//! Bad settings are named all at once, and nothing starts.

use std::net::TcpListener;

use crate::program::{Home, relay, to_robot};

const GOOD: &str = "receivers: { ops: { routes: [] } }\n";

#[test]
fn every_mistake_is_named_at_once_and_the_exit_code_is_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let home = Home::new("");
    let text = format!(
        "server: {{ listen: '127.0.0.1:{port}', lisen: x }}\n\
         store: {{ url: 'sqlite://no-such-directory/relay.db', retention: 30 }}\n\
         targets:\n  chat:\n    dingtalk: {{ webhook_url_file: no-such-file, secret: SEC-do-not-show }}\n    budget: lots\n"
    );
    std::fs::write(home.settings(), text).unwrap();
    for command in ["check", "serve"] {
        let output = home.run(command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        for part in [
            "relay.yml:1: server.lisen: unknown key",
            "relay.yml:2: store.retention: expected a duration",
            "relay.yml:5: targets.chat.dingtalk.webhook_url_file: cannot read",
            "relay.yml:6: targets.chat.budget: expected sends in a window",
            "relay.yml: store.url: cannot write",
            &format!("relay.yml: server.listen: cannot listen on `127.0.0.1:{port}`"),
            "6 problems in the settings",
        ] {
            assert!(said.contains(part), "{command} does not say {part:?}:\n{said}");
        }
        assert!(!said.contains("do-not-show"), "{command} shows a secret:\n{said}");
    }
}

#[test]
fn a_missing_file_is_said_and_the_exit_code_is_2() {
    let output = relay().args(["serve", "--config", "/no/such/relay.yml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("/no/such/relay.yml: cannot read the settings")
    );
}

#[test]
fn check_says_good_and_leaves_nothing_behind() {
    let home = Home::new(GOOD);
    let output = home.run("check");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("good: 1 receiver, 0 targets, 0 heartbeats\n"), "{said}");
    assert!(said.contains("warning: receivers: no route names a target"), "{said}");
    let left: Vec<_> =
        std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["relay.yml"]);
}

#[test]
fn check_is_good_while_the_relay_itself_holds_port_and_store() {
    let home = Home::new(GOOD);
    let serving = home.serve();
    let text = std::fs::read_to_string(home.settings()).unwrap();
    std::fs::write(home.settings(), text.replace("127.0.0.1:0", &serving.address.to_string())).unwrap();
    assert!(home.run("check").status.success());
}

#[test]
fn the_default_is_printed_as_it_is() {
    let output = relay().args(["check", "--print-default"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), include_str!("../../src/settings/default.yml"));
    let version = relay().arg("--version").output().unwrap();
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        concat!("alert-relay ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn a_robots_address_is_in_no_output() {
    let home = Home::new(&to_robot("http://127.0.0.1:9/robot/send?access_token=do-not-show"));
    let serving = home.serve();
    for path in ["/", "/metrics"] {
        assert!(!crate::client::get(serving.address, path).body.contains("do-not-show"), "{path}");
    }
    crate::client::post_json(serving.address, "/api/v1/alerts/ops", &crate::program::webhook("A"));
    let failed = serving.wait_for("an attempt failed");
    assert!(!failed.contains("do-not-show"), "{failed}");
}

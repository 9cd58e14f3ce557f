//! What the shipped files show as comments is right once the comment sign is taken off.

use std::fs;
use std::path::Path;
use std::time::Duration;

use e2e::chain::{examples, parts};
use e2e::ports::Port;
use e2e::{http, programs};

use crate::files::{path, run, text};

/// The file with its examples as settings.
fn with_examples(file: &str) -> String {
    examples::with_examples(&text(file))
}

fn save(folder: &Path, file: &str, content: &str) -> String {
    let to = folder.join(file);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::write(&to, content).unwrap();
    to.to_str().unwrap().to_owned()
}

/// What `alert-relay check` says of a file.
fn check(file: &str) -> String {
    let relay = programs::ours("alert-relay").unwrap();
    let output = std::process::Command::new(relay).args(["check", "--config", file]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn the_relays_targets_routes_and_people() {
    let data = tempfile::tempdir().unwrap();
    let port = Port::free().unwrap();
    let settings = with_examples("deploy/alert-relay/relay.yml")
        .replace("127.0.0.1:8060", &port.address().to_string())
        .replace("sqlite:///var/lib/alert-relay", &format!("sqlite://{}", data.path().display()));
    let file = save(data.path(), "relay.yml", &settings);
    for (secret, content) in [
        ("dingtalk_url", "https://oapi.dingtalk.com/robot/send?access_token=x"),
        ("dingtalk_secret", "SECx"),
        ("wecom_url", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x"),
        ("smtp_password", "x"),
    ] {
        save(data.path(), &format!("secrets/{secret}"), content);
    }
    let said = check(&file);
    assert!(said.contains("good: 1 receiver, 3 targets, 1 heartbeat"), "{said}\n{settings}");
    assert!(!said.contains("warning:"), "{said}\n{settings}");
}

/// The shipped file with the lines of one target alone as settings: its block, and what names it and nothing else.
fn with_one_target(target: &str) -> String {
    const TARGETS: [&str; 3] = ["ops-dingtalk", "ops-wecom", "ops-mail"];
    let mut block = "";
    let shipped = text("deploy/alert-relay/relay.yml");
    let lines = shipped.lines().map(|line| {
        let indent = &line[..line.len() - line.trim_start().len()];
        let Some(words) = line.trim_start().strip_prefix("# ").filter(|_| !indent.is_empty()) else {
            return line.to_owned();
        };
        if let Some(name) = TARGETS.iter().find(|name| words.contains(*name)) {
            block = name;
        }
        if block == target { format!("{indent}{words}") } else { line.to_owned() }
    });
    lines.take_while(|line| line != "people:").collect::<Vec<_>>().join("\n") + "\n"
}

/// Whoever has one robot takes the comment off its lines and is done: no example leans on another.
#[tokio::test]
async fn each_target_alone() {
    for (target, secrets) in [
        ("ops-dingtalk", &["dingtalk_url", "dingtalk_secret"][..]),
        ("ops-wecom", &["wecom_url"]),
        ("ops-mail", &["smtp_password"]),
    ] {
        let data = tempfile::tempdir().unwrap();
        let port = Port::free().unwrap();
        let settings = with_one_target(target)
            .replace("127.0.0.1:8060", &port.address().to_string())
            .replace("sqlite:///var/lib/alert-relay", &format!("sqlite://{}", data.path().display()));
        let file = save(data.path(), "relay.yml", &settings);
        for secret in secrets {
            let content = match *secret {
                "dingtalk_url" => "https://oapi.dingtalk.com/robot/send?access_token=x",
                "wecom_url" => "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x",
                _ => "SECx",
            };
            save(data.path(), &format!("secrets/{secret}"), content);
        }
        let said = check(&file);
        assert!(said.contains("good: 1 receiver, 1 target, 1 heartbeat"), "{target}: {said}\n{settings}");
        assert!(!said.contains("warning:"), "{said}\n{settings}");
        let names = |line: &&str| line.contains(target) && !line.trim_start().starts_with('#');
        assert_eq!(settings.lines().filter(names).count(), 3, "a block and two lines:\n{settings}");
    }
}

/// The way to messages that reached nobody, as the page describes it, on a store as the relay makes it.
#[tokio::test]
async fn the_query_for_what_was_given_up() {
    let data = tempfile::tempdir().unwrap();
    let port = Port::free().unwrap();
    let settings = text("deploy/alert-relay/relay.yml")
        .replace("127.0.0.1:8060", &port.address().to_string())
        .replace("sqlite:///var/lib/alert-relay", &format!("sqlite://{}", data.path().display()));
    let file = save(data.path(), "relay.yml", &settings);
    let mut relay = parts::relay(Path::new(&file)).unwrap().start(data.path()).unwrap();
    let limit = Duration::from_secs(30);
    let ready = format!("http://{}/-/ready", port.address());
    relay.ready(&http::client().unwrap(), &ready, limit).await.unwrap();
    let readme = text("deploy/alert-relay/README.md");
    let (_, query) = readme.split_once("```sql\n").unwrap();
    let (query, _) = query.split_once("```").unwrap();
    run("sqlite3", &[data.path().join("relay.db").to_str().unwrap(), query]);
    relay.stop(limit).await.unwrap();
}

#[test]
fn prometheus_targets() {
    let data = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(path("rules"), data.path().join("rules")).unwrap();
    let folder = "deploy/prometheus";
    let config =
        save(data.path(), &format!("{folder}/prometheus.yml"), &text(&format!("{folder}/prometheus.yml")));
    for name in ["nodes", "inference"] {
        let file = format!("{folder}/targets/{name}.yml");
        let content = with_examples(&file);
        assert!(content.contains("\n- targets: [\"10.0.0.12:"), "{content}");
        save(data.path(), &file, &content);
    }
    run("promtool", &["check", "config", "--lint=all", "--lint-fatal", &config]);
}

#[test]
fn a_mailbox_of_alertmanagers_own() {
    let data = tempfile::tempdir().unwrap();
    let settings = with_examples("deploy/alertmanager/alertmanager.yml");
    assert!(settings.contains("\n    email_configs:\n      - to: "), "{settings}");
    run("amtool", &["check-config", &save(data.path(), "alertmanager.yml", &settings)]);
}

//! `make up` as its user has it: files are edited while it runs, a program dies, a second one is started.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use e2e::process::{Launch, Process};
use e2e::wait::until;
use e2e::{http, programs};
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_mins(2);

fn start(data: &Path, files: &Path, name: &str) -> Process {
    let launch = Launch::new(name, &programs::ours("up").unwrap());
    let launch = launch.arg("--data").arg(data).arg("--files").arg(files);
    launch.start(&data.join("said")).unwrap()
}

/// Waits until it has said this.
async fn says(up: &Process, words: &str) {
    until(words, LIMIT, async || up.output().contains(words).then_some(()))
        .await
        .unwrap_or_else(|error| panic!("{error:#}:\n{}", up.output()));
}

/// What `data/relay` says to these words, and its exit code.
fn relay(data: &Path, words: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = Command::new(data.join("relay")).args(words).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// The process with these words in its command line.
fn pid(words: &str) -> String {
    let found = Command::new("pgrep").args(["-f", "--", words]).output().unwrap();
    let pids = String::from_utf8(found.stdout).unwrap();
    assert_eq!(pids.lines().count(), 1, "{words}: {pids}");
    pids.trim().to_owned()
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{} has no `{from}`", file.display());
    // At once: half a file would be a mistake.
    let new = file.with_extension("new");
    fs::write(&new, text.replace(from, to)).unwrap();
    fs::rename(new, file).unwrap();
}

/// The address in the line of this program, from what `up` has listed.
fn address(up: &Process, program: &str) -> String {
    let output = up.output();
    let line = output.lines().find(|line| line.trim_start().starts_with(program)).unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    url.trim_end_matches("/alerts").trim_end_matches('/').to_owned()
}

#[tokio::test]
async fn it_runs_on_the_files_that_are_edited_and_brings_back_what_dies() {
    let home = tempfile::tempdir().unwrap();
    let (files, data) = (home.path().join("files"), home.path().join("data"));
    fs::create_dir_all(&files).unwrap();
    let mut copy = Command::new("cp");
    copy.args(["-r", "deploy", "rules"]).arg(&files).current_dir(programs::checkout());
    assert!(copy.status().unwrap().success());
    fs::create_dir_all(&data).unwrap();
    let up = start(&data, &files, "first");
    says(&up, "Prometheus has scraped this machine").await;
    let client = http::client().unwrap();

    // A second one with the same data says so and leaves the first alone.
    let mut second = start(&data, &files, "second");
    assert!(!second.exit(LIMIT).await.unwrap().success());
    let said = second.output();
    assert!(said.contains("`make up` runs already with the data in") && said.contains("/alerts"), "{said}");

    // The relay's own file: taken up or refused as it is saved, and by hand.
    let settings = files.join("deploy/alert-relay/relay.yml");
    edit(&settings, "timezone: Asia/Shanghai", "timezone: Mars/Olympus");
    let (code, said) = relay(&data, &["check"]);
    assert!(code == Some(2) && said.contains("Mars/Olympus"), "{said}");
    says(&up, "alert-relay goes on with its old files").await;
    let (code, said) = relay(&data, &["reload"]);
    assert!(code == Some(2) && said.contains("Mars/Olympus"), "{said}");
    edit(&settings, "timezone: Mars/Olympus", "timezone: Europe/Berlin");
    let (code, said) = relay(&data, &["check"]);
    assert!(code == Some(0) && said.contains("good: "), "{said}");
    let (code, said) = relay(&data, &["reload"]);
    assert!(code == Some(0) && said.contains("in force"), "{said}");
    says(&up, "alert-relay has taken up its changed files").await;

    // Alertmanager's and Prometheus' files are taken up as they are saved; one with a mistake is not.
    edit(&files.join("deploy/alertmanager/alertmanager.yml"), "name: nobody", "name: no-person");
    says(&up, "Alertmanager goes on with its old files").await;
    edit(&files.join("deploy/alertmanager/alertmanager.yml"), "receiver: nobody", "receiver: no-person");
    says(&up, "Alertmanager has taken up its changed files").await;
    let page = http::page(&client, &format!("{}/api/v2/status", address(&up, "Alertmanager"))).await.unwrap();
    assert!(page.contains("no-person"), "{page}");
    let rules = files.join("rules/host.rules.yml");
    edit(&rules, "alert: HostRebooted", "alert: HostCameBack");
    says(&up, "Prometheus has taken up its changed files").await;
    let prometheus = address(&up, "Prometheus");
    let page = http::page(&client, &format!("{prometheus}/api/v1/rules")).await.unwrap();
    assert!(page.contains("HostCameBack") && !page.contains("HostRebooted"), "{page}");
    edit(&rules, "groups:", "groupings:");
    says(&up, "Prometheus goes on with its old files").await;
    let said = up.output();
    assert!(said.contains("rules/host.rules.yml") && !said.contains("cannot look"), "{said}");

    // One program dies: it alone comes back.
    let alertmanager = format!("--storage.path={}", data.join("alertmanager").display());
    let others = [
        format!("--storage.tsdb.path={}", data.join("prometheus").display()),
        format!("serve --config {}", settings.display()),
    ];
    let before = others.each_ref().map(|words| pid(words));
    assert!(Command::new("kill").args(["-9", &pid(&alertmanager)]).status().unwrap().success());
    says(&up, "Alertmanager is started again in 1s").await;
    says(&up, "Alertmanager runs again").await;
    assert_eq!(others.each_ref().map(|words| pid(words)), before);

    up.signal(Signal::TERM).unwrap();
    says(&up, "everything it started has stopped").await;
}

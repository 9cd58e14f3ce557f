//! The chain cannot be silenced in silence: whatever of it breaks, somebody is told.
//!
//! Each test breaks a chain of real programs and waits for the message that tells. Who is told past the relay is
//! `relay-trouble@example.com`, the mailbox that deploy/alertmanager shows.
//!
//! | broken | told by | test |
//! | --- | --- | --- |
//! | the relay is dead | the standby relay, by robot and mail; Alertmanager's own mail | `a_dead_relay` |
//! | Prometheus is dead: no heartbeat, no alert | the relay, when no sign of life comes | `a_stopped_heartbeat` |
//! | the relay cannot store (full disk) | the same | `a_relay_that_cannot_store` |
//! | the GPU driver is released and not taken again | the relay: `GpuDriverReleased` | `what_somebody_did_and_forgot` |
//! | the calendar is not written any more | the relay: `CalendarUnusable` | `what_somebody_did_and_forgot` |
//! | a target has a new name while messages wait for the old one | the command that reloads; if forced, `RelayQueueStranded` by both | `what_somebody_did_and_forgot` |
//! | the settings file has lost its receivers | the command that reloads; if left so, `RelayReloadRefused` by both | `what_somebody_did_and_forgot` |

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use e2e::chain::addresses::Addresses;
use e2e::chain::channels::{Channels, TROUBLE_MAILBOX};
use e2e::chain::parts::Gpus;
use e2e::chain::{Chain, Part, Plan};
use e2e::incident::Recipients;
use e2e::programs;
use e2e::vendor::robot::Fault;
use e2e::wait::until;
use serde_json::json;
use test_peers::page::Page;
use yaml_serde::Value;

/// The shipped waiting times divided by this: two minutes for `RelayDown` become four seconds.
const PACE: u32 = 30;
/// The same for what is told after an hour, which becomes five seconds.
const PACE_OF_HOURS: u32 = 720;
/// From the break to the message. Times of rules and groups are some ten seconds; the rest is a busy machine.
const LIMIT: Duration = Duration::from_mins(2);
/// Longer than a busy machine's worst gap between two signs of life, which come every two seconds here.
const EXPECT_EVERY: &str = "20s";

/// A chain on healthy GPUs, whose every recipient is a stand-in.
async fn chain(recipients: &Recipients, data: &Path, pace: u32) -> Chain {
    let channels = Channels::to_all(&recipients.dingtalk, &recipients.wecom, &recipients.mail, data).unwrap();
    let channels = channels.with_heartbeat(EXPECT_EVERY).with_matchers(&["scope=~\"gpu|monitoring\""]);
    let channels = channels.with_mailbox_for_trouble(&recipients.mail, data).unwrap();
    let scenario = programs::checkout().join("crates/nvml-sim/scenarios/h100x8.yaml");
    let plan = Plan {
        data: data.to_path_buf(),
        files: programs::checkout().to_path_buf(),
        addresses: Addresses::free().unwrap(),
        gpus: Gpus::Simulated { scenario, age: Duration::ZERO },
        pace,
        node: None,
        neighbour: None,
        channels: Some(channels),
    };
    let chain = Chain::start(plan).await.unwrap();
    chain.scraped(LIMIT).await.unwrap();
    chain
}

/// Waits for a mail to this mailbox whose subject or text has these words.
async fn mailed(chain: &Chain, recipients: &Recipients, to: &str, words: &str) {
    until(&format!("a mail to {to} with {words}"), LIMIT, async || {
        let mails = recipients.mail.mails().ok()?;
        let told = |mail: &e2e::vendor::mail::Mail| {
            mail.to == to
                && [Some(&mail.subject), Some(&mail.text), mail.html.as_ref()]
                    .into_iter()
                    .flatten()
                    .any(|text| text.contains(words))
        };
        mails.iter().any(told).then_some(())
    })
    .await
    .unwrap_or_else(|error| {
        let log = std::fs::read_to_string(chain.data().join("logs/alertmanager.log")).unwrap_or_default();
        let last = log.lines().rev().find(|line| line.contains("integration=email")).unwrap_or_default();
        panic!("{error:#}: {:?}\nAlertmanager: {last}", recipients.mail.mails())
    });
}

/// Waits until the robot was posted these words.
async fn by_robot(recipients: &Recipients, words: &str) {
    until(&format!("the robot to be told of {words}"), LIMIT, async || {
        recipients.dingtalk.robot.posts().iter().any(|post| post.text.contains(words)).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_dead_relay() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let mut chain = chain(&recipients, data.path(), PACE).await;
    chain.kill(Part::Relay);
    mailed(&chain, &recipients, TROUBLE_MAILBOX, "RelayDown").await;
    mailed(&chain, &recipients, "ops@example.com", "RelayDown").await;
    by_robot(&recipients, "RelayDown").await;
}

#[tokio::test]
async fn a_stopped_heartbeat() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let mut chain = chain(&recipients, data.path(), PACE).await;
    // It was heard: what is told below is a heartbeat that stopped, not one that never began.
    let client = e2e::http::client().unwrap();
    let metrics = chain.addresses.relay_url("/metrics");
    until("the heartbeat to be heard", LIMIT, async || {
        let page = e2e::http::page(&client, &metrics).await.ok()?;
        let heard =
            page.lines().find(|line| line.starts_with("alert_relay_heartbeat_last_"))?.rsplit_once(' ')?;
        (heard.1.parse::<f64>().ok()? > 0.0).then_some(())
    })
    .await
    .unwrap();
    chain.kill(Part::Prometheus);
    mailed(&chain, &recipients, "ops@example.com", "watchdog").await;
    by_robot(&recipients, "watchdog").await;
}

#[tokio::test]
async fn a_relay_that_cannot_store() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let mut chain = chain(&recipients, data.path(), PACE).await;
    chain.kill(Part::Relay);
    let disk = data.path().join("alert-relay");
    chain.begin_with(Part::Relay, |launch| launch.with_small_disk(&disk, "4m")).await.unwrap();
    let relay = chain.process(Part::Relay).unwrap().pid();
    fill(Path::new(&format!("/proc/{relay}/root{}", disk.display())));
    // Something to tell, which the relay then cannot store. What Alertmanager says of it is held back by the cause.
    chain.kill(Part::Exporter);
    mailed(&chain, &recipients, TROUBLE_MAILBOX, "RelayStoreFailing").await;
    by_robot(&recipients, "RelayStoreFailing").await;
    let said = chain.process(Part::Relay).unwrap().output();
    assert!(said.contains("database or disk is full"), "{said}");
}

/// Writes until the file system takes no more.
fn fill(folder: &Path) {
    let mut file = std::fs::File::create(folder.join("somebody-elses")).unwrap();
    let full = std::iter::repeat_with(|| file.write_all(&[0; 4096])).find_map(Result::err).unwrap();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull, "{full}");
}

/// Four breaks in one chain, each by somebody's hand, none of which stops a program.
///
/// Prometheus is away meanwhile and begins anew: it knows of no reload that was taken, so the five minutes over which
/// `RelayReloadRefused` looks back hold the refused one alone.
#[tokio::test]
async fn what_somebody_did_and_forgot() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let mut chain = chain(&recipients, data.path(), PACE_OF_HOURS).await;
    chain.kill(Part::Prometheus);
    std::fs::remove_dir_all(data.path().join("prometheus")).unwrap();

    let calendar = chain.textfiles().join("calendar.prom");
    std::fs::write(&calendar, "gpumon_calendar_workday 1\n").unwrap();
    let yesterday = SystemTime::now() - Duration::from_hours(27);
    std::fs::File::options().write(true).open(&calendar).unwrap().set_modified(yesterday).unwrap();

    chain.kill(Part::Exporter);
    chain.begin_with(Part::Exporter, |launch| launch.arg("--web.enable-lifecycle")).await.unwrap();
    post(&chain.addresses.exporter_url("/-/gpu/release"), &json!(null)).await;

    rename_a_target_with_a_queue(&chain, &recipients).await;
    remove_the_receivers(&chain);

    chain.begin(Part::Prometheus).await.unwrap();
    mailed(&chain, &recipients, "ops@example.com", "GpuDriverReleased").await;
    mailed(&chain, &recipients, "ops@example.com", "CalendarUnusable").await;
    for alert in ["RelayQueueStranded", "RelayReloadRefused"] {
        mailed(&chain, &recipients, "ops@example.com", alert).await;
        mailed(&chain, &recipients, TROUBLE_MAILBOX, alert).await;
    }
}

/// An alert waits for WeCom, whose gateway wants silence for a while; then that target gets another name.
async fn rename_a_target_with_a_queue(chain: &Chain, recipients: &Recipients) {
    recipients.wecom.robot.order(Fault::Html);
    let alert =
        json!([{ "labels": { "alertname": "Any", "scope": "gpu" }, "annotations": { "summary": "any" } }]);
    post(&chain.addresses.alertmanager_url("/api/v2/alerts"), &alert).await;
    let client = e2e::http::client().unwrap();
    let metrics = chain.addresses.relay_url("/metrics");
    until("a message to wait for WeCom", LIMIT, async || {
        let page = Page(e2e::http::page(&client, &metrics).await.ok()?);
        let failed = page.value(
            "alert_relay_attempts_total",
            &["target=\"ops-wecom\"", "outcome=\"retry\"", "reason=\"unproven_reply\""],
        )?;
        (failed > 0.0).then_some(())
    })
    .await
    .unwrap();
    let settings = std::fs::read_to_string(chain.relay_settings()).unwrap();
    std::fs::write(chain.relay_settings(), settings.replace("ops-wecom", "ops-chat")).unwrap();
    let (code, said) = relay(chain, &["reload"]);
    assert!(code == Some(2) && said.contains("wait for the target `ops-wecom`, which is gone"), "{said}");
    let (code, said) = relay(chain, &["reload", "--force"]);
    assert_eq!(code, Some(0), "{said}");
}

fn remove_the_receivers(chain: &Chain) {
    let settings = std::fs::read_to_string(chain.relay_settings()).unwrap();
    let mut settings: Value = yaml_serde::from_str(&settings).unwrap();
    settings["receivers"] = Value::Mapping(yaml_serde::Mapping::new());
    std::fs::write(chain.relay_settings(), yaml_serde::to_string(&settings).unwrap()).unwrap();
    let (code, said) = relay(chain, &["reload"]);
    assert!(code == Some(2) && said.contains("`receivers` has become empty"), "{said}");
}

/// What a command of the relay says, and its exit code.
fn relay(chain: &Chain, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(chain.write_relay_command().unwrap()).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Posts JSON, which must be taken.
async fn post(url: &str, body: &serde_json::Value) {
    let client = e2e::http::client().unwrap();
    let call = client.post(url).header("Content-Type", "application/json").body(body.to_string());
    let reply = call.send().await.unwrap();
    assert!(reply.status().is_success(), "{url}: {}", reply.text().await.unwrap());
}

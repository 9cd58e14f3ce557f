//! The chain cannot be silenced in silence: whatever of it breaks, somebody is told.
//!
//! Each test breaks one thing in a chain of real programs, by hand of nobody in it, and waits for the message that tells. Who is told
//! past the relay is `relay-trouble@example.com`, the mailbox that deploy/alertmanager shows.
//!
//! | broken | told by | test |
//! | --- | --- | --- |
//! | the relay is dead | Alertmanager's own mail | `a_dead_relay` |
//! | Prometheus is dead: no heartbeat, no alert | the relay, when no sign of life comes | `a_stopped_heartbeat` |
//! | the relay cannot store (full disk) | Alertmanager's own mail | `a_relay_that_cannot_store` |

use std::path::Path;
use std::time::Duration;

use e2e::chain::addresses::Addresses;
use e2e::chain::channels::{Channels, TROUBLE_MAILBOX};
use e2e::chain::parts::Gpus;
use e2e::chain::{Chain, Part, Plan};
use e2e::incident::Recipients;
use e2e::programs;
use e2e::wait::until;

/// The shipped waiting times divided by this: two minutes for `RelayDown` become four seconds.
const PACE: u32 = 30;
/// From the break to the message. Times of rules and groups are some ten seconds; the rest is a busy machine.
const LIMIT: Duration = Duration::from_mins(2);
/// Longer than a busy machine's worst gap between two signs of life, which come every two seconds here.
const EXPECT_EVERY: &str = "20s";

/// A chain on healthy GPUs, whose every recipient is a stand-in.
async fn chain(recipients: &Recipients, data: &Path) -> Chain {
    let channels = Channels::to_all(&recipients.dingtalk, &recipients.wecom, &recipients.mail, data).unwrap();
    let channels = channels.with_heartbeat(EXPECT_EVERY);
    let channels = channels.with_mailbox_for_trouble(&recipients.mail, data).unwrap();
    let scenario = programs::checkout().join("crates/nvml-sim/scenarios/h100x8.yaml");
    let plan = Plan {
        data: data.to_path_buf(),
        files: programs::checkout().to_path_buf(),
        addresses: Addresses::free().unwrap(),
        gpus: Gpus::Simulated { scenario, age: Duration::ZERO },
        pace: PACE,
        node: None,
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

#[tokio::test]
async fn a_dead_relay() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let mut chain = chain(&recipients, data.path()).await;
    chain.kill(Part::Relay);
    mailed(&chain, &recipients, TROUBLE_MAILBOX, "RelayDown").await;
}

#[tokio::test]
async fn a_stopped_heartbeat() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let mut chain = chain(&recipients, data.path()).await;
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
    until("the robot to be told too", LIMIT, async || {
        recipients.dingtalk.robot.posts().iter().any(|post| post.text.contains("watchdog")).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_relay_that_cannot_store() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let mut chain = chain(&recipients, data.path()).await;
    let relay = chain.process(Part::Relay).unwrap().pid();
    // As on a full disk: no file grows any more.
    let limited = std::process::Command::new("prlimit")
        .args([&format!("--pid={relay}"), "--fsize=4096"])
        .status()
        .unwrap();
    assert!(limited.success(), "prlimit is of the package util-linux");
    // Something to tell, which the relay then cannot store.
    chain.kill(Part::Exporter);
    mailed(&chain, &recipients, TROUBLE_MAILBOX, "AlertmanagerNotificationsFailing").await;
}

//! A relay's memory is bounded, whatever comes and however much waits.
//!
//! Measured on the real program, from the kernel's own account (`/proc/PID/status`), in the two phases that matter: while large webhooks
//! come, and at the next start, which finds all of them waiting, or all that they have left in a group's ledger.

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::vendor::traffic::Limit;
use e2e::vendor::wecom::{self, Wecom};
use e2e::wait::until;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::relay_fixture::{RelayFixture, firing};

/// Resident at most while webhooks of megabytes come, in MiB. A debug build is some ten larger than a release build.
const WHILE_ACCEPTING: u64 = 150;

/// Resident at most at a start that finds them; a release build stays below 100.
const AT_A_START: u64 = 110;

/// Large webhooks that wait at the start. How many makes no difference, which is what is shown.
const STORMS: usize = 12;

/// How long parsing and storing gigabytes may take in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// What a process has had resident at most, in MiB.
fn peak(fixture: &mut RelayFixture) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", fixture.process().pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("a VmHWM line")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes / 1024)
}

/// An ordinary group of 10,000 alerts: 6.7 MB.
fn storm(group: &str) -> Vec<u8> {
    let mut webhook = firing(group, 10_000);
    for alert in webhook["alerts"].as_array_mut().unwrap() {
        let labels = alert["labels"].as_object_mut().unwrap();
        for (name, value) in [
            ("cluster", "training-east-1"),
            ("job", "gpu-node-exporter"),
            ("prometheus", "monitoring/main"),
            ("namespace", "training"),
            ("device", "nvidia0"),
        ] {
            labels.insert(name.to_owned(), json!(value));
        }
    }
    webhook.to_string().into_bytes()
}

/// Webhooks of one group, and alerts of each: 30 MB of posts, of which the ledger keeps all label sets.
const GENERATIONS: usize = 5;
const LABEL_SETS: usize = 2_600;

/// A group all of whose alerts differ from those of the generations before, as those of jobs with a number in their labels do: 6 MB.
fn generation(number: usize) -> Vec<u8> {
    let mut webhook = firing("jobs", LABEL_SETS);
    for (place, alert) in webhook["alerts"].as_array_mut().unwrap().iter_mut().enumerate() {
        alert["labels"]["node"] = json!(format!("job-{number}-{place}"));
        alert["labels"]["command"] = json!("python -m train --config=".repeat(70));
        alert["annotations"]["summary"] = json!(format!("job-{number}-{place} is not well"));
        // Of the relay's own making, from the labels.
        alert["fingerprint"] = json!("");
    }
    webhook.to_string().into_bytes()
}

/// How many deliveries have ended as delivered.
async fn delivered(fixture: &RelayFixture) -> Option<f64> {
    let page = fixture.metrics().await.ok()?;
    page.value("alert_relay_deliveries_ended_total", &["target=\"chat-0\"", "end=\"delivered\""])
}

#[tokio::test]
async fn a_group_with_ever_new_label_sets_is_told_on_in_bounded_memory_also_after_a_start() {
    let limit = Limit { calls: 1_000_000, ..wecom::LIMIT };
    let robots = [Wecom::start(wecom::Setup { limit, ..wecom::Setup::default() }).unwrap()];
    let mut fixture = RelayFixture::new(&targets(&robots)).unwrap();
    fixture.start().await.unwrap();
    for number in 0..GENERATIONS {
        let (status, answer) = fixture.post_bytes("ops", generation(number)).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        // Told, so that the ledger has it.
        until("a generation to be told", PATIENCE, async || {
            (delivered(&fixture).await? > number as f64).then_some(())
        })
        .await
        .unwrap();
    }
    let growing = peak(&mut fixture).unwrap();
    fixture.process().kill();
    fixture.start().await.unwrap();
    // One small webhook of the group, which the ledger is read for.
    let mut small = firing("jobs", 1);
    small["alerts"][0]["annotations"]["summary"] = json!("one more job is not well");
    assert_eq!(fixture.post(&small).await.unwrap().0, StatusCode::OK);
    robots[0].robot.post_with(&["one more job is not well"], PATIENCE).await.unwrap();
    let restart = peak(&mut fixture).unwrap();
    println!("MiB resident at most: {growing} while the group grows, {restart} after a start");
    assert!(growing < WHILE_ACCEPTING, "{growing} MiB while the group grows");
    assert!(restart < AT_A_START, "{restart} MiB after a start");
}

/// Robots of some targets, which answer as late as the test says.
fn targets(robots: &[Wecom]) -> Value {
    let target = |(number, wecom): (usize, &Wecom)| {
        (
            format!("chat-{number}"),
            json!({ "wecom": { "webhook_url": wecom.webhook_url() }, "budget": "1000000/1m" }),
        )
    };
    robots.iter().enumerate().map(target).collect::<serde_json::Map<String, Value>>().into()
}

#[tokio::test]
async fn a_storm_of_large_webhooks_is_taken_and_told_in_bounded_memory_also_after_a_start() {
    // A robot that may be called as often as there is something to say: its budget is not what is looked at here.
    let limit = Limit { calls: 1_000_000, ..wecom::LIMIT };
    let setup = || wecom::Setup { limit, ..wecom::Setup::default() };
    let robots: Vec<Wecom> = (0..3).map(|_| Wecom::start(setup()).unwrap()).collect();
    let mut fixture = RelayFixture::new(&targets(&robots)).unwrap();
    fixture.start().await.unwrap();
    let before = peak(&mut fixture).unwrap();
    for wecom in &robots {
        wecom.robot.hold_calls();
    }
    for number in 0..STORMS {
        let body = storm(&format!("storm-{number}"));
        until("a storm to be stored", PATIENCE, async || {
            let (status, _) = fixture.post_bytes("ops", body.clone()).await.ok()?;
            // Told to come again, as Alertmanager does.
            assert!(status == StatusCode::OK || status == StatusCode::SERVICE_UNAVAILABLE, "{status}");
            (status == StatusCode::OK).then_some(())
        })
        .await
        .unwrap();
    }
    let accepting = peak(&mut fixture).unwrap();

    // All at once: what finds no room is told to come again, and nothing else happens to it.
    let body = storm("crowd");
    let posts: Vec<_> = (0..30)
        .map(|_| {
            let (client, url) = (fixture.client.clone(), fixture.url("/api/v1/alerts/ops"));
            let body = body.clone();
            tokio::spawn(async move {
                let post = client.post(url).header("Content-Type", "application/json").body(body);
                post.send().await.map(|reply| reply.status())
            })
        })
        .collect();
    for post in posts {
        // A body that is refused before its end may cut the connection.
        if let Ok(status) = post.await.unwrap() {
            assert!(status == StatusCode::OK || status == StatusCode::SERVICE_UNAVAILABLE, "{status}");
        }
    }
    let crowd = peak(&mut fixture).unwrap();

    // A small one is not held up by any of it.
    let mut small = firing("small", 1);
    small["alerts"][0]["labels"]["severity"] = json!("critical");
    assert_eq!(fixture.post(&small).await.unwrap().0, StatusCode::OK);

    fixture.process().kill();
    for wecom in &robots {
        wecom.robot.release_calls();
    }
    fixture.start().await.unwrap();
    for wecom in &robots {
        wecom.robot.post_with(&["small-0"], PATIENCE).await.unwrap();
    }
    // Enough of them for as many as ever are under way at a time.
    until("large messages to be delivered", PATIENCE, async || {
        let page = fixture.metrics().await.ok()?;
        let delivered = |target: usize| {
            let labels = [format!("target=\"chat-{target}\""), "end=\"delivered\"".to_owned()];
            page.value("alert_relay_deliveries_ended_total", &labels.each_ref().map(String::as_str))
        };
        let total: f64 = (0..robots.len()).filter_map(delivered).sum();
        (total >= 9.0).then_some(())
    })
    .await
    .unwrap();
    let restart = peak(&mut fixture).unwrap();
    println!(
        "MiB resident at most: {before} idle, {accepting} one by one, {crowd} at once, {restart} after a start"
    );
    assert!(accepting.max(crowd) < WHILE_ACCEPTING, "{accepting} and {crowd} MiB while accepting");
    assert!(restart < AT_A_START, "{restart} MiB after a start");
}

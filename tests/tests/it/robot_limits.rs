//! A burst of alerts against a robot that is silenced by one call too many.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use e2e::vendor::dingtalk::{self, DingTalk};
use e2e::vendor::robot::{Attempt, Robot, Verdict};
use e2e::vendor::traffic::Limit;
use e2e::wait::until;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::relay_fixture::{RelayFixture, TIMEOUT, firing};

const GROUPS: usize = 60;

/// The vendor's minute, played in five seconds: what counts is that both sides mean the same window.
#[tokio::test]
async fn sixty_groups_at_once_never_exceed_twenty_in_the_window() {
    let window = Duration::from_secs(5);
    let setup = dingtalk::Setup {
        limit: Limit { calls: 20, window, mute: Duration::from_mins(10) },
        ..dingtalk::Setup::signed()
    };
    let dingtalk = DingTalk::start(setup).unwrap();
    let mut fixture = RelayFixture::new(&json!({ "chat": {
        "dingtalk": { "webhook_url": dingtalk.webhook_url(), "secret": dingtalk.secret() },
        // The default against 20 a minute is 18 a minute.
        "budget": "18/5s",
    } }))
    .unwrap();
    fixture.start().await.unwrap();
    let groups: Vec<String> = (0..GROUPS).map(|number| format!("group{number:02}")).collect();
    for group in &groups {
        assert_eq!(fixture.post(&firing(group, 1)).await.unwrap().0, StatusCode::OK);
    }

    until("all groups to be posted", TIMEOUT, async || {
        let posts = dingtalk.robot.posts();
        let posted: BTreeSet<&String> =
            groups.iter().filter(|group| posts.iter().any(|post| post.text.contains(*group))).collect();
        (posted.len() == GROUPS).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(dingtalk.robot.refusals(), []);
    let times: Vec<_> = dingtalk.robot.attempts().iter().map(|attempt| attempt.judged).collect();
    let busiest = times
        .iter()
        .map(|start| times.iter().filter(|at| **at >= *start && at.duration_since(*start) < window).count())
        .max();
    assert!(busiest <= Some(20), "{busiest:?} calls in one window");
}

const RACKS: usize = 500;
const NODES: usize = 20;

/// A rack's nodes, one group. `status` is `firing` or `resolved`.
fn rack(name: &str, severity: &str, status: &str) -> Value {
    let mut webhook = firing(name, NODES);
    webhook["status"] = json!(status);
    webhook["groupLabels"] = json!({ "rack": name });
    for alert in webhook["alerts"].as_array_mut().unwrap() {
        alert["labels"]["alertname"] = json!("NodeLost");
        alert["labels"]["severity"] = json!(severity);
        alert["status"] = json!(status);
        if status == "resolved" {
            alert["endsAt"] = json!("2026-11-23T02:02:03.456Z");
        }
    }
    webhook
}

/// How many alerts the titles of all posts say to be so, `10 firing` and the like.
fn told(robot: &Robot, word: &str) -> usize {
    let count = |title: &str| {
        let words: Vec<&str> = title.split(' ').collect();
        let found = words.windows(2).find(|pair| pair[1].trim_end_matches(':') == word);
        found.map_or(0, |pair| pair[0].parse().unwrap_or(0))
    };
    robot.posts().iter().filter_map(|post| post.title.as_deref().map(count)).sum()
}

/// The vendor's real limit: 20 in any minute, and ten minutes of silence for the 21st.
#[tokio::test]
async fn ten_thousand_alerts_are_told_within_the_limit_and_critical_ones_at_once() {
    let limit = Limit { calls: 20, window: Duration::from_mins(1), mute: Duration::from_mins(10) };
    let dingtalk = DingTalk::start(dingtalk::Setup { limit, ..dingtalk::Setup::signed() }).unwrap();
    let mut fixture = RelayFixture::new(&json!({ "chat": {
        "dingtalk": { "webhook_url": dingtalk.webhook_url(), "secret": dingtalk.secret() },
    } }))
    .unwrap();
    fixture.start().await.unwrap();
    let robot = &dingtalk.robot;
    let mut critical: Vec<(String, Instant)> = Vec::new();
    for number in 0..RACKS {
        if number % 100 == 50 {
            let name = format!("core{number}");
            assert_eq!(fixture.post(&rack(&name, "critical", "firing")).await.unwrap().0, StatusCode::OK);
            critical.push((name, Instant::now()));
        }
        let name = format!("rack{number:04}");
        assert_eq!(fixture.post(&rack(&name, "warning", "firing")).await.unwrap().0, StatusCode::OK);
    }
    let alerts = (RACKS + critical.len()) * NODES;
    let all_told = async |word: &str| {
        // The last of them, up to what the budget tells in two minutes, go out one by one.
        until(&format!("{alerts} alerts {word}"), 5 * TIMEOUT, async || {
            (told(robot, word) >= alerts).then_some(())
        })
        .await
        .unwrap();
    };
    all_told("firing").await;
    for (name, posted) in &critical {
        let tells = |post: &Attempt| matches!(&post.verdict, Some(Verdict::Posted(post)) if post.text.contains(name.as_str()));
        let attempts = robot.attempts();
        let told = attempts.iter().find(|attempt| tells(attempt)).expect("a message that names it");
        let waited = told.judged.duration_since(*posted);
        println!("{name} was told after {waited:?}");
        // Ten seconds, and what a busy machine takes to post a thousand webhooks.
        assert!(waited < Duration::from_secs(30), "{name} was told after {waited:?}");
    }
    for number in 0..RACKS {
        let name = format!("rack{number:04}");
        assert_eq!(fixture.post(&rack(&name, "warning", "resolved")).await.unwrap().0, StatusCode::OK);
    }
    for (name, _) in &critical {
        assert_eq!(fixture.post(&rack(name, "critical", "resolved")).await.unwrap().0, StatusCode::OK);
    }
    all_told("resolved").await;
    fixture.nothing_pending().await.unwrap();
    // Each once.
    assert_eq!((told(robot, "firing"), told(robot, "resolved")), (alerts, alerts));
    assert_eq!(robot.refusals(), []);
    let digests = robot.posts().into_iter().filter(|post| post.text.contains("digest of")).count();
    println!("{} messages, {digests} of them digests", robot.posts().len());
    assert!(digests > 0);
    for post in robot.posts().iter().filter(|post| post.text.contains("digest of")).take(2) {
        println!("{}", post.text);
    }
}

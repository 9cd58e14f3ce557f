//! A burst of alerts against a robot that is silenced by one call too many.

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::vendor::dingtalk::{self, DingTalk};
use e2e::vendor::traffic::Limit;
use e2e::wait::until;
use reqwest::StatusCode;
use serde_json::json;

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

//! The main job, end to end: a GPU's memory runs full, and three recipients get a message, and another one when it is over.

use std::time::Duration;

use e2e::chain::Chain;
use e2e::chain::addresses::Addresses;
use e2e::incident::{ALERT, NODE, Received, Recipients};
use e2e::wait::until;

/// From the start of the chain to the last message; measured 61 seconds.
const INCIDENT_LIMIT: Duration = Duration::from_mins(3);

#[tokio::test]
async fn an_incident_reaches_all_three_channels() {
    let data = tempfile::tempdir().unwrap();
    let recipients = Recipients::start(data.path()).await.unwrap();
    let plan = recipients.plan(data.path(), Addresses::free().unwrap()).unwrap();
    let chain = Chain::start(plan).await.unwrap();
    until("all three to have both messages", INCIDENT_LIMIT, async || {
        recipients.received().ok().filter(|received| *received == [Received::ALL; 3]).map(|_| ())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}: {:?}", recipients.received()));

    // The vendors' stand-ins refuse a wrong signature, an oversized body and a call too many: there was none.
    assert_eq!(recipients.dingtalk.robot.refusals(), []);
    assert_eq!(recipients.wecom.robot.refusals(), []);
    let limits = [(&recipients.dingtalk.robot, 20_000), (&recipients.wecom.robot, 20_000)];
    for (robot, most) in limits {
        assert!(robot.attempts().iter().all(|attempt| attempt.call.body.len() <= most));
        assert_eq!(robot.attempts().len(), robot.posts().len());
    }

    // Each text names the GPU, the machine, the value and since when.
    let mails = recipients.mail.mails().unwrap();
    let texts = [
        recipients.dingtalk.robot.posts().into_iter().map(|post| post.text).collect::<Vec<_>>(),
        recipients.wecom.robot.posts().into_iter().map(|post| post.text).collect(),
        mails.iter().map(|mail| mail.text.clone()).collect(),
    ];
    for texts in texts {
        let firing = texts.iter().find(|text| text.contains(ALERT) && text.contains("新告警")).unwrap();
        for word in [NODE, "GPU 0", "%", "起，已"] {
            assert!(firing.contains(word), "`{word}` is missing:\n{firing}");
        }
    }

    // The person on call is mentioned for what newly fires, and not for what is over.
    let posts = recipients.dingtalk.robot.posts();
    let mentions_somebody = |word: &str| {
        posts
            .iter()
            .filter(|post| post.text.contains(ALERT) && post.text.contains(word))
            .map(|post| !post.mentions.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(mentions_somebody("新告警").first(), Some(&true));
    assert!(!mentions_somebody("已恢复").contains(&true));

    // A mail has both parts, and every mail its own identity.
    let mut identities: Vec<_> = mails.iter().map(|mail| &mail.message_id).collect();
    identities.sort();
    identities.dedup();
    assert_eq!(identities.len(), mails.len());
    assert!(mails.iter().all(|mail| mail.html.as_ref().is_some_and(|html| html.contains("GPU 0"))));
    assert!(mails.iter().all(|mail| mail.to == "ops@example.com" && mail.subject.contains(ALERT)));
    chain.stop().await.unwrap();
}

//! The main job, end to end: a GPU's memory runs full, and three chats are told, and told again when it is over.

use std::time::Duration;

use e2e::chain::Chain;
use e2e::chain::addresses::Addresses;
use e2e::incident::{ALERT, Audience, NODE, Told};
use e2e::wait::until;

/// From the start of the chain to the last message; measured 61 seconds.
const INCIDENT_LIMIT: Duration = Duration::from_mins(3);

#[tokio::test]
async fn an_incident_is_told_on_all_three_channels() {
    let data = tempfile::tempdir().unwrap();
    let audience = Audience::start(data.path()).await.unwrap();
    let plan = audience.plan(data.path(), Addresses::free().unwrap()).unwrap();
    let chain = Chain::start(plan).await.unwrap();
    until("all three to be told", INCIDENT_LIMIT, async || {
        audience.told().ok().filter(|told| *told == [Told::ALL; 3]).map(|_| ())
    })
    .await
    .unwrap_or_else(|error| panic!("{error:#}: {:?}", audience.told()));

    // The vendors' stand-ins refuse a wrong signature, an oversized body and a call too many: there was none.
    assert_eq!(audience.dingtalk.robot.refusals(), []);
    assert_eq!(audience.wecom.robot.refusals(), []);
    let limits = [(&audience.dingtalk.robot, 20_000), (&audience.wecom.robot, 20_000)];
    for (robot, most) in limits {
        assert!(robot.attempts().iter().all(|attempt| attempt.call.body.len() <= most));
        assert_eq!(robot.attempts().len(), robot.posts().len());
    }

    // Each text names the GPU, the machine, the value and since when.
    let mails = audience.mail.mails().unwrap();
    let texts = [
        audience.dingtalk.robot.posts().into_iter().map(|post| post.text).collect::<Vec<_>>(),
        audience.wecom.robot.posts().into_iter().map(|post| post.text).collect(),
        mails.iter().map(|mail| mail.text.clone()).collect(),
    ];
    for texts in texts {
        let firing = texts.iter().find(|text| text.contains(ALERT) && text.contains("新告警")).unwrap();
        for word in [NODE, "GPU 0", "%", "起，已"] {
            assert!(firing.contains(word), "`{word}` is missing:\n{firing}");
        }
    }

    // The oncall person's phone rings for what newly fires, and not for what is over.
    let posts = audience.dingtalk.robot.posts();
    let rings = |word: &str| {
        posts
            .iter()
            .filter(|post| post.text.contains(ALERT) && post.text.contains(word))
            .map(|post| !post.mentions.is_empty())
            .collect::<Vec<_>>()
    };
    assert_eq!(rings("新告警").first(), Some(&true));
    assert!(!rings("已恢复").contains(&true));

    // A mail has both parts, and every mail its own identity.
    let mut identities: Vec<_> = mails.iter().map(|mail| &mail.message_id).collect();
    identities.sort();
    identities.dedup();
    assert_eq!(identities.len(), mails.len());
    assert!(mails.iter().all(|mail| mail.html.as_ref().is_some_and(|html| html.contains("GPU 0"))));
    assert!(mails.iter().all(|mail| mail.to == "ops@example.com" && mail.subject.contains(ALERT)));
    chain.stop().await.unwrap();
}

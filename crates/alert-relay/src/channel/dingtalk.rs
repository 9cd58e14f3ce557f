//! `DingTalk` custom group robot (自定义机器人): signed markdown messages.
//!
//! Limits, codes and the signature are those of the page "custom robots send group messages" of `DingTalk`'s open platform.
//! More than 20 messages a minute mute the robot for 10 minutes; the budget that prevents it is not this file's.

use std::sync::Arc;
use std::time::Duration;

use settings_document::{Secret, Section};

use crate::budget::Budget;
use crate::channel::dingtalk::sign::{Signature, sign};
use crate::channel::json_body::JsonBody;
use crate::channel::kind::{Channel, Kind, SendFuture, Setup};
use crate::channel::part::{Part, Stamp};
use crate::channel::reach::{OtherEnd, ReachFuture};
use crate::channel::robot::Robot;
use crate::channel::robot_id::RobotId;
use crate::channel::texts::Texts;
use crate::message::{Message, Wording};
use crate::render::markup::Markup;

mod body;
pub(super) mod codes;
mod sign;

/// `dingtalk:`
pub(super) const KIND: Kind = Kind {
    key: "dingtalk",
    label: "DingTalk",
    budget: Budget::ROBOT,
    vendors_limit: Some(Budget::ROBOTS_LIMIT),
    timeout: Duration::from_secs(10),
    takes_proxy: true,
    takes_digests: true,
    user_id: Some(body::user_id),
    open,
};

/// One robot.
#[derive(Debug)]
struct DingTalk {
    robot: Robot,
    /// Signs each request (加签); `None` when the robot uses keywords or an address list.
    secret: Option<Secret>,
    texts: Texts,
}

fn open(mut section: Section<'_>, setup: &Setup<'_>) -> Option<Arc<dyn Channel>> {
    let secret = section.secret("secret", "secret_file");
    let robot = Robot::open(&mut section, secret.as_ref(), setup);
    let texts = Texts::open(Markup::DingTalk, setup);
    section.finish();
    Some(Arc::new(DingTalk { robot: robot?, secret, texts: texts? }))
}

impl Channel for DingTalk {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn robot(&self) -> &RobotId {
        self.robot.id()
    }

    fn render(&self, message: &Message, wording: Wording) -> Vec<Part> {
        body::render(&self.texts, message, wording)
    }

    fn other_end(&self) -> OtherEnd {
        self.robot.other_end()
    }

    /// The robot's host, without its address.
    fn reach(&self) -> ReachFuture<'_> {
        Box::pin(self.robot.reach())
    }

    /// Signed for this attempt.
    fn send<'a>(&'a self, part: &'a Part, stamp: &'a Stamp<'_>) -> SendFuture<'a> {
        Box::pin(async move {
            let JsonBody(body) = match part.content() {
                Ok(body) => body,
                Err(outcome) => return outcome,
            };
            let signature = self.secret.as_ref().map(|secret| sign(secret, stamp.at));
            let query = match &signature {
                Some(Signature { timestamp, sign }) => {
                    vec![("timestamp", timestamp.as_str()), ("sign", sign.as_str())]
                }
                None => Vec::new(),
            };
            match self.robot.post(&query, body).await {
                Ok(reply) => codes::classify(&reply),
                Err(outcome) => outcome,
            }
        })
    }
}

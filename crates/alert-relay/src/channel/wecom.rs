//! `WeCom` group robot (群机器人, now 消息推送): markdown messages.
//!
//! Limits and codes are those of `WeCom`'s developer pages 91770 and 90455.

use std::sync::Arc;
use std::time::Duration;

use settings_document::Section;

use crate::budget::Budget;
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

/// `wecom:`
pub(super) const KIND: Kind = Kind {
    key: "wecom",
    label: "WeCom",
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
struct Wecom {
    robot: Robot,
    texts: Texts,
}

fn open(mut section: Section<'_>, setup: &Setup<'_>) -> Option<Arc<dyn Channel>> {
    let robot = Robot::open(&mut section, None, setup);
    let texts = Texts::open(Markup::Wecom, setup);
    section.finish();
    Some(Arc::new(Wecom { robot: robot?, texts: texts? }))
}

impl Channel for Wecom {
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

    fn send<'a>(&'a self, part: &'a Part, _stamp: &'a Stamp<'_>) -> SendFuture<'a> {
        Box::pin(async move {
            let JsonBody(body) = match part.content() {
                Ok(body) => body,
                Err(outcome) => return outcome,
            };
            match self.robot.post(&[], body).await {
                Ok(reply) => codes::classify(&reply),
                Err(outcome) => outcome,
            }
        })
    }
}

//! `WeCom` group robot (群机器人, now 消息推送): markdown messages.

use crate::channel::{ChannelError, Fit, Part, Payload, RobotId, Stamp};
use crate::message::Message;
use crate::outcome::{Outcome, Reason};
use crate::secret::Secret;
use crate::settings::TargetSettings;

/// The keys under `wecom:`.
#[derive(Clone, Debug)]
pub(crate) struct WecomSettings {
    /// `webhook_url` or `webhook_url_file`: the robot's address with its `key`.
    pub(crate) webhook_url: Secret,
}

/// The channel.
#[derive(Debug)]
pub(crate) struct Wecom {
    robot: RobotId,
}

impl Wecom {
    pub(crate) fn new(_settings: &WecomSettings, target: &TargetSettings) -> Result<Self, ChannelError> {
        Ok(Self { robot: RobotId(target.name.clone()) })
    }

    pub(crate) fn robot(&self) -> &RobotId {
        &self.robot
    }

    pub(crate) fn render(&self, message: &Message, _fit: Fit) -> Vec<Part> {
        vec![Part { payload: Payload::Json(message.delivery.clone()) }]
    }

    pub(crate) async fn send(&self, _part: &Part, _stamp: &Stamp<'_>) -> Outcome {
        Outcome::Retry { reason: Reason::Connect, after: None, detail: String::new() }
    }
}

//! `DingTalk` custom group robot (自定义机器人): signed markdown messages.

use crate::channel::{ChannelError, Fit, Part, Payload, RobotId, Stamp};
use crate::message::Message;
use crate::outcome::{Outcome, Reason};
use crate::secret::Secret;
use crate::settings::TargetSettings;

/// The keys under `dingtalk:`.
#[derive(Clone, Debug)]
pub(crate) struct DingTalkSettings {
    /// `webhook_url` or `webhook_url_file`: the robot's address with its `access_token`.
    pub(crate) webhook_url: Secret,
    /// `secret` or `secret_file`: signs each request (加签); `None` when the robot uses keywords or an address list.
    pub(crate) secret: Option<Secret>,
}

/// The channel.
#[derive(Debug)]
pub(crate) struct DingTalk {
    robot: RobotId,
}

impl DingTalk {
    pub(crate) fn new(_settings: &DingTalkSettings, target: &TargetSettings) -> Result<Self, ChannelError> {
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

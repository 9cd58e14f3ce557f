//! `DingTalk` custom group robot (自定义机器人): signed markdown messages.

use crate::secret::Secret;

/// The keys under `dingtalk:`.
#[derive(Clone, Debug)]
pub(crate) struct DingTalkSettings {
    /// `webhook_url` or `webhook_url_file`: the robot's address with its `access_token`.
    pub(crate) webhook_url: Secret,
    /// `secret` or `secret_file`: signs each request (加签); `None` when the robot uses keywords or an address list.
    pub(crate) secret: Option<Secret>,
}

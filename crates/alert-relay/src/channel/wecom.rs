//! `WeCom` group robot (群机器人, now 消息推送): markdown messages.

use crate::secret::Secret;

/// The keys under `wecom:`.
#[derive(Clone, Debug)]
pub(crate) struct WecomSettings {
    /// `webhook_url` or `webhook_url_file`: the robot's address with its `key`.
    pub(crate) webhook_url: Secret,
}

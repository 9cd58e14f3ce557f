//! Who can be mentioned, and under which name each channel knows them.

/// One entry of `people:` in the settings. A channel mentions by the first identity it can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// The key under `people:`.
    pub(crate) name: String,
    /// Phone number, as `DingTalk` and `WeCom` know it.
    pub(crate) mobile: Option<String>,
    /// `DingTalk` user id.
    pub(crate) dingtalk: Option<String>,
    /// `WeCom` user id.
    pub(crate) wecom: Option<String>,
    /// Feishu `open_id` or `user_id`.
    pub(crate) feishu: Option<String>,
    /// Mail address.
    pub(crate) email: Option<String>,
}

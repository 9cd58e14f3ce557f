//! What tests of channels share: sections as people write them, and channels opened from them.

use std::path::Path;
use std::sync::Arc;

use crate::channel::Channel;
use crate::outcome::Outcome;
use crate::settings::{Settings, TargetSettings};

/// Addresses with the tokens that no text may show.
pub(crate) const DINGTALK_URL: &str = "https://oapi.dingtalk.com/robot/send?access_token=dingtalk-token-1";
pub(crate) const WECOM_URL: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=wecom-key-1";
pub(crate) const WEBHOOK_URL: &str = "https://hooks.example.com/alerts/webhook-token-1";

/// What no text may show.
pub(crate) const SECRETS: [&str; 7] = [
    "dingtalk-token-1",
    "SECtestsecret",
    "wecom-key-1",
    "mail-password-1",
    "webhook-token-1",
    "webhook-secret-1",
    "bearer-1",
];

pub(crate) fn dingtalk(url: &str) -> String {
    format!("dingtalk: {{ webhook_url: '{url}', secret: SECtestsecret }}")
}

pub(crate) fn wecom(url: &str) -> String {
    format!("wecom: {{ webhook_url: '{url}' }}")
}

/// `keys` come after the usual ones: `, tls: none`.
pub(crate) fn email(port: u16, keys: &str) -> String {
    email_to(port, "['Ops <ops@example.com>']", keys)
}

pub(crate) fn email_to(port: u16, to: &str, keys: &str) -> String {
    format!(
        "email: {{ smarthost: '127.0.0.1:{port}', hello: relay.example, from: '告警 <alerts@example.com>', to: {to}, \
         auth_username: alerts@example.com, auth_password: mail-password-1{keys} }}"
    )
}

pub(crate) fn webhook(url: &str) -> String {
    format!(
        "webhook: {{ url: '{url}', secret: webhook-secret-1, authorization: bearer-1, headers: {{ X-Team: gpu }} }}"
    )
}

/// The section of every kind of channel.
pub(crate) fn all() -> Vec<(&'static str, String)> {
    vec![
        ("dingtalk", dingtalk(DINGTALK_URL)),
        ("wecom", wecom(WECOM_URL)),
        ("email", email(587, "")),
        ("webhook", webhook(WEBHOOK_URL)),
    ]
}

/// The target with these keys, or what is wrong with them.
pub(crate) fn target(keys: &str) -> Result<TargetSettings, String> {
    let text = format!("targets: {{ ops: {{ {keys} }} }}");
    let mut settings = Settings::from_text(Path::new("relay.yml"), &text, []).map_err(|rejected| {
        rejected.problems.iter().fold(String::new(), |said, problem| said + &format!("{problem}\n"))
    })?;
    Ok(settings.targets.remove("ops").expect("the target was read"))
}

/// The channel of a target with these keys.
pub(crate) fn open(keys: &str) -> Arc<dyn Channel> {
    target(keys).expect("the settings are good").channel
}

/// What an outcome says, without its words.
pub(crate) fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { .. } => "delivered".to_owned(),
        Outcome::Retry { reason, after, .. } => {
            let after = after.map_or(String::new(), |after| format!(" after {}s", after.as_secs()));
            format!("retry {}{after}", reason.as_str())
        }
        Outcome::TooLarge { .. } => "too large".to_owned(),
        Outcome::Misconfigured { reason, .. } => format!("misconfigured {}", reason.as_str()),
        Outcome::Rejected { reason, .. } => format!("rejected {}", reason.as_str()),
    }
}

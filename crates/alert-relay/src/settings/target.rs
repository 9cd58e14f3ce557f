//! `targets:`, the chats and mailboxes that can be told.

use std::path::PathBuf;
use std::time::Duration;

use super::fallback::Fallbacks;
use super::{Names, channel};
use crate::address;
use crate::budget::Budget;
use crate::channel::{Channel, ChannelSettings};
use crate::message::Language;
use settings_document::Secret;
use settings_document::{Section, no_such};

/// How long one attempt may take unless the target says otherwise: a robot answers in a second or not at all, while a mail server
/// may look at the greeting, the recipient and the mail for minutes each (RFC 5321, 4.5.3.2).
const ROBOT_TIMEOUT: Duration = Duration::from_secs(10);
const MAIL_TIMEOUT: Duration = Duration::from_mins(1);

/// One entry of `targets:`.
#[derive(Clone, Debug)]
pub(crate) struct TargetSettings {
    /// The key under `targets:`; a metric label.
    pub(crate) name: String,
    /// The one channel section.
    pub(crate) channel: ChannelSettings,
    /// `budget`: at most this many sends in any window of this length; shared by targets with the same robot.
    pub(crate) budget: Budget,
    /// `fallback`: another target that is told when this one is dead.
    pub(crate) fallback: Option<String>,
    /// `language`
    pub(crate) language: Language,
    /// `template`: a file that replaces the built-in text.
    pub(crate) template: Option<PathBuf>,
    /// `send_resolved`
    pub(crate) send_resolved: bool,
    /// `proxy`: an HTTP proxy for this target; may hold credentials.
    pub(crate) proxy: Option<Secret>,
    /// `timeout`: of one attempt, from connecting to the last byte of the reply.
    pub(crate) timeout: Duration,
}

pub(super) fn read(
    (name, mut section): (&str, Section<'_>),
    language: Language,
    names: &Names<'_>,
    fallbacks: &mut Fallbacks,
) -> Option<TargetSettings> {
    let channel = channel::read(&mut section);
    let budget = section.parsed("budget", "sends in a window such as `20/1m`", str::parse);
    let fallback = section.text("fallback");
    if let Some(fallback) = fallback {
        if !names.targets.contains(fallback) {
            section.problem("fallback", no_such("target", fallback, &names.targets));
        }
        fallbacks.insert(name.to_owned(), fallback.to_owned());
    }
    let own_language = section.parsed("language", LANGUAGES, parse_language);
    let template = section.readable_file("template");
    let send_resolved = section.flag("send_resolved");
    let proxy = address::secret_url(&mut section, "proxy", "proxy_file");
    if proxy.is_some() && matches!(channel, Some(ChannelSettings::Email(_))) {
        section.problem("proxy", "mail cannot be sent through an HTTP proxy");
    }
    let timeout = section.duration("timeout");

    let target = channel.map(|channel| {
        let (default_budget, default_timeout) = defaults(&channel);
        TargetSettings {
            name: name.to_owned(),
            budget: budget.unwrap_or(default_budget),
            channel,
            fallback: fallback.map(str::to_owned),
            language: own_language.unwrap_or(language),
            template,
            send_resolved: send_resolved.unwrap_or(true),
            proxy,
            timeout: timeout.unwrap_or(default_timeout),
        }
    });
    // Builds the client and tries the template on examples, without touching the network.
    if let Some(Err(error)) = target.as_ref().map(Channel::new) {
        section.own_problem(error.to_string());
    }
    section.finish();
    target
}

/// `budget` and `timeout` where the target says nothing.
fn defaults(channel: &ChannelSettings) -> (Budget, Duration) {
    match channel {
        ChannelSettings::DingTalk(_) | ChannelSettings::Wecom(_) => (Budget::ROBOT, ROBOT_TIMEOUT),
        ChannelSettings::Email(_) => (Budget::MAIL, MAIL_TIMEOUT),
        #[cfg(test)]
        ChannelSettings::Scripted(_) => (Budget::ROBOT, ROBOT_TIMEOUT),
    }
}

/// What `language` takes.
pub(super) const LANGUAGES: &str = "`zh-CN` or `en`";

pub(super) fn parse_language(text: &str) -> Result<Language, &'static str> {
    match text {
        "zh-CN" => Ok(Language::ZhCn),
        "en" => Ok(Language::En),
        _ => Err(""),
    }
}

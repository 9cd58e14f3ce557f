//! `targets:`, the chats, mailboxes and webhooks that messages are sent to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use settings_document::{Section, no_such};

use crate::address;
use crate::budget::Budget;
use crate::channel::{Channel, KINDS, Kind, Roots, Setup};
use crate::message::Language;
use crate::render::BuiltIn;
use crate::settings::fallback::Fallbacks;
use crate::settings::names::Names;

/// One entry of `targets:`.
#[derive(Clone, Debug)]
pub(crate) struct TargetSettings {
    /// The key under `targets:`; a metric label.
    pub(crate) name: String,
    /// The one channel section, ready to use: built here and nowhere else.
    pub(crate) channel: Arc<dyn Channel>,
    /// `budget`: at most this many sends in any window of this length; shared by targets with the same robot.
    pub(crate) budget: Budget,
    /// `fallback`: another target that gets the messages while this one is dead.
    pub(crate) fallback: Option<String>,
    /// `was`: the name of a target that is gone; what waits for it, and what it was told, becomes this one's.
    pub(crate) was: Option<String>,
    /// `language`
    pub(crate) language: Language,
    /// `send_resolved`
    pub(crate) send_resolved: bool,
    /// `timeout`: of one attempt, from connecting to the last byte of the reply.
    pub(crate) timeout: Duration,
}

/// What all targets share.
pub(super) struct Context<'a> {
    /// `language` of a target that says nothing.
    pub(super) language: Language,
    /// The language of every target, whatever it says.
    pub(super) forced_language: Option<Language>,
    pub(super) names: &'a Names<'a>,
    /// Read once, whatever the number of targets.
    pub(super) roots: Roots,
    /// Compiled once.
    pub(super) built_in: BuiltIn,
}

pub(super) fn read(
    (name, mut section): (&str, Section<'_>),
    context: &Context<'_>,
    fallbacks: &mut Fallbacks,
    former: &mut BTreeMap<String, String>,
) -> Option<TargetSettings> {
    let kinds = given_kinds(&mut section);
    let budget = section.parsed("budget", "sends in a window such as `20/1m`", str::parse);
    let fallback = section.text("fallback");
    if let Some(fallback) = fallback {
        if !context.names.targets.contains(fallback) {
            section.problem("fallback", no_such("target", fallback, &context.names.targets));
        }
        fallbacks.insert(name.to_owned(), fallback.to_owned());
    }
    let was = section.text("was");
    if let Some(was) = was {
        if context.names.targets.contains(was) {
            section.problem("was", format!("`{was}` is a target: expected the name of one that is gone"));
        }
        if let Some(other) = former.insert(was.to_owned(), name.to_owned()) {
            section.problem(
                "was",
                format!("`{was}` has become `{other}` already: its messages can move to one target"),
            );
        }
    }
    let own_language = section.parsed("language", LANGUAGES, parse_language);
    let language = context.forced_language.or(own_language).unwrap_or(context.language);
    let template = section.readable_file("template");
    let send_resolved = section.flag("send_resolved");
    let proxy = address::secret_url(&mut section, "proxy", "proxy_file");
    let proxy_said_by = if section.has("proxy") { "proxy" } else { "proxy_file" };
    if proxy.is_some()
        && let Some(kind) = kinds.iter().find(|kind| !kind.takes_proxy)
    {
        section.problem(proxy_said_by, format!("{} cannot be sent through an HTTP proxy", kind.label));
    }
    let timeout = section.duration("timeout");

    let mut channels = Vec::new();
    for kind in &kinds {
        let Some(own) = section.section(kind.key) else { continue };
        let setup = Setup {
            target: &section,
            language,
            template: template.as_deref(),
            proxy: proxy.as_ref(),
            proxy_said_by,
            timeout: timeout.unwrap_or(kind.timeout),
            roots: &context.roots,
            built_in: &context.built_in,
        };
        channels.extend((kind.open)(own, &setup));
    }
    section.finish();
    let ([kind], Some(channel)) = (kinds.as_slice(), channels.pop()) else { return None };
    Some(TargetSettings {
        name: name.to_owned(),
        channel,
        budget: budget.unwrap_or(kind.budget),
        fallback: fallback.map(str::to_owned),
        was: was.map(str::to_owned),
        language,
        send_resolved: send_resolved.unwrap_or(true),
        timeout: timeout.unwrap_or(kind.timeout),
    })
}

/// Channels that have a name in the settings and no code in this version.
const LATER: [&str; 2] = ["feishu", "wecom_app"];

/// The kinds whose sections are there; none and several are a mistake.
fn given_kinds(section: &mut Section<'_>) -> Vec<&'static Kind> {
    let known: Vec<String> = KINDS.iter().map(|kind| format!("`{}`", kind.key)).collect();
    let expected = format!("one of {}", known.join(", "));
    let mut given = Vec::new();
    for key in LATER {
        if section.has(key) {
            section.problem(key, format!("this channel is not in this version: expected {expected}"));
            given.push(key);
        }
    }
    let kinds: Vec<&Kind> = KINDS.iter().copied().filter(|kind| section.has(kind.key)).collect();
    given.extend(kinds.iter().map(|kind| kind.key));
    match given.as_slice() {
        [_] => {}
        [] => section.own_problem(format!("no channel: expected {expected}")),
        several => section.own_problem(format!(
            "expected one channel, found `{}` (hint: make them two targets)",
            several.join("` and `")
        )),
    }
    kinds
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

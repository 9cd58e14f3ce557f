//! `alert-relay render`: what a target would be sent, without sending it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::channel::Part;
use crate::commands::settings_file::SettingsFile;
use crate::commands::target;
use crate::ledger::{Snapshot, fold};
use crate::message::Wording;
use crate::message::{Changes, Language, Links, Message, sample};
use crate::notification::Notification;
use crate::people::Person;
use crate::settings::{Settings, TargetSettings};

/// `render`
#[derive(Debug, clap::Args)]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsFile,

    /// The target's name in the settings
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: String,

    /// A webhook's body as Alertmanager posts it, told as if the target had heard of nothing before
    #[arg(long, value_name = "FILE", conflicts_with = "sample")]
    pub(crate) file: Option<PathBuf>,

    /// A built-in message to render instead of a file
    #[arg(long, value_name = "NAME", default_value = "mixed", value_parser = sample::NAMES)]
    pub(crate) sample: String,

    /// The language of the built-in texts, instead of the target's
    #[arg(long, value_parser = ["zh-CN", "en"])]
    pub(crate) language: Option<String>,
}

/// Exit code 0 when rendered, 1 when the file is no webhook, 2 on bad settings or an unknown target.
#[expect(clippy::print_stdout, reason = "what the command was asked to print")]
pub(crate) fn run(args: &RenderArgs) -> anyhow::Result<ExitCode> {
    let settings = match args.settings.load_in(language(args.language.as_deref())) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let target = match target::open(&settings, &args.target) {
        Ok(target) => target,
        Err(code) => return Ok(code),
    };
    let message = match &args.file {
        Some(file) => told(&read(file)?, &settings, target),
        None => sample::named(&args.sample).context("a sample of this name is not known")?,
    };
    let message = in_setting(message, &settings, target);
    print!("{}", shown(&target.channel.render(&message, Wording::Normal)));
    Ok(ExitCode::SUCCESS)
}

fn language(name: Option<&str>) -> Option<Language> {
    match name? {
        "en" => Some(Language::En),
        _ => Some(Language::ZhCn),
    }
}

fn read(file: &Path) -> anyhow::Result<Notification> {
    let body =
        std::fs::read(file).with_context(|| format!("cannot read the webhook `{}`", file.display()))?;
    crate::intake::parse(&body)
        .with_context(|| format!("`{}` is not a webhook of Alertmanager", file.display()))
}

/// The notification to a target that was told nothing yet.
fn told(notification: &Notification, settings: &Settings, target: &TargetSettings) -> Message {
    let snapshot = Snapshot {
        alerts: notification.alerts.clone(),
        quiet: Vec::new(),
        is_truncated: notification.truncated_alerts > 0,
    };
    let changes = fold(&[], &[snapshot], target.send_resolved).changes;
    Message {
        delivery: "preview".to_owned(),
        time_zone: settings.time_zone.clone(),
        now: Timestamp::now(),
        receiver: notification.receiver.clone(),
        group_key: notification.group_key.clone(),
        group_labels: notification.group_labels.clone(),
        common_labels: notification.common_labels.clone(),
        common_annotations: notification.common_annotations.clone(),
        // A target that does not want to hear of the end of alerts is still shown how it would look.
        changes: changes
            .unwrap_or_else(|| Changes { resolved: notification.alerts.clone(), ..Changes::default() }),
        truncated_alerts: notification.truncated_alerts,
        snapshots: 1,
        mentions: Vec::new(),
        links: Links { alertmanager: notification.external_url.clone(), ..Links::default() },
        banner: None,
    }
}

/// The message with the zone, the links and the people of the settings, where they say any.
fn in_setting(message: Message, settings: &Settings, target: &TargetSettings) -> Message {
    let or = |set: &str, otherwise: String| if set.is_empty() { otherwise } else { set.to_owned() };
    let links = Links {
        alertmanager: or(&settings.alertmanager_url, message.links.alertmanager),
        prometheus: or(&settings.prometheus_url, message.links.prometheus),
        relay: or(&settings.server.external_url, message.links.relay),
    };
    let mentions = mentioned(settings, target);
    Message { time_zone: settings.time_zone.clone(), links, mentions, ..message }
}

/// Everyone whom some route mentions to the target.
fn mentioned(settings: &Settings, target: &TargetSettings) -> Vec<Person> {
    let routes = settings.receivers.values().flat_map(|receiver| &receiver.routes);
    let mut names: Vec<&String> = routes
        .filter(|route| route.targets.contains(&target.name))
        .flat_map(|route| &route.mentions)
        .collect();
    names.sort();
    names.dedup();
    names.into_iter().filter_map(|name| settings.people.get(name)).cloned().collect()
}

fn shown(parts: &[Part]) -> String {
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        // Writing to a String can't fail.
        let _ = writeln!(
            out,
            "===== part {} of {}, {} bytes\n{}\n",
            index + 1,
            parts.len(),
            part.bytes(),
            part.preview()
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &str = r#"
timezone: Asia/Shanghai
alertmanager: { url: "https://am.example" }
targets:
  chat: { wecom: { webhook_url: "https://qyapi.example/cgi-bin/webhook/send?key=wecom-key-1" } }
receivers:
  ops: { routes: [ { targets: [chat], mentions: [oncall] } ] }
people:
  oncall: { wecom: zhangsan }
"#;

    const WEBHOOK: &str = r#"{"receiver":"ops","status":"firing","version":"4","groupKey":"{}","truncatedAlerts":0,
        "groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://9f1c:9093","alerts":[
        {"status":"firing","labels":{"alertname":"DiskFull"},"annotations":{"summary":"/ is full"},
         "startsAt":"2026-11-23T01:02:03Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"1"},
        {"status":"resolved","labels":{"alertname":"DiskSlow"},"annotations":{},
         "startsAt":"2026-11-23T01:02:03Z","endsAt":"2026-11-23T01:04:03Z","generatorURL":"","fingerprint":"2"}]}"#;

    #[test]
    fn a_webhook_is_told_as_the_target_would_be() {
        let settings = Settings::from_text(Path::new("relay.yml"), SETTINGS, []).expect("good settings");
        let target = settings.targets["chat"].clone();
        let notification = crate::intake::parse(WEBHOOK.as_bytes()).expect("a webhook");
        let message = in_setting(told(&notification, &settings, &target), &settings, &target);
        let shown = shown(&target.channel.render(&message, Wording::Normal));
        for expected in [
            "part 1 of 1",
            "【告警 1 · 恢复 1】DiskFull, DiskSlow",
            "/ is full",
            "https://am.example/#/",
            "<@zhangsan>",
        ] {
            assert!(shown.contains(expected), "{expected} in {shown}");
        }
        assert!(!shown.contains("9f1c") && !shown.contains("wecom-key-1"), "{shown}");
    }
}

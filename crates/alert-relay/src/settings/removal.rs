//! What new settings take away from those in force, where nobody is likely to mean it (pure).
//!
//! A file that is empty, or cut off while it is copied, is a good file: it names no receiver. A reload would take it, Alertmanager would be
//! answered 404 and give up, and nobody would be told.

use std::collections::BTreeMap;

use crate::settings::Settings;

/// What would be lost, a sentence each. `waiting` is how many deliveries wait for each target.
pub(crate) fn losses(before: &Settings, after: &Settings, waiting: &BTreeMap<String, u64>) -> Vec<String> {
    let sections = [
        ("receivers", before.receivers.len(), after.receivers.len(), "every webhook would be refused"),
        ("targets", before.targets.len(), after.targets.len(), "nobody would be told anything"),
        ("heartbeats", before.heartbeats.len(), after.heartbeats.len(), "nobody would notice that they stop"),
    ];
    let emptied = sections.into_iter().filter(|(_, before, after, _)| *before > 0 && *after == 0);
    let mut losses: Vec<String> = emptied
        .map(|(section, before, _, what)| {
            format!("`{section}` has become empty, it had {before}: {what} (hint: is the file whole?)")
        })
        .collect();
    losses.extend(stranded(after, waiting).map(|(target, waiting)| {
        format!(
            "{waiting} {} wait for the target `{target}`, which is gone, and would be told to nobody (hint: {})",
            if waiting == 1 { "delivery" } else { "deliveries" },
            how_to_move(target)
        )
    }));
    losses
}

/// Targets for which deliveries wait although these settings neither have them nor say what they are called now.
pub(crate) fn stranded<'a>(
    settings: &'a Settings,
    waiting: &'a BTreeMap<String, u64>,
) -> impl Iterator<Item = (&'a str, u64)> {
    let is_known = |name: &str| {
        settings.targets.contains_key(name)
            || settings.targets.values().any(|target| target.was.as_deref() == Some(name))
    };
    waiting
        .iter()
        .filter(move |(name, waiting)| **waiting > 0 && !is_known(name))
        .map(|(name, waiting)| (name.as_str(), *waiting))
}

/// What to do about a target that has another name now.
pub(crate) fn how_to_move(target: &str) -> String {
    format!("`was: {target}` in the settings of the target that takes its place moves them there")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CHAT: &str = "{ wecom: { webhook_url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7aaa-4bc4-97a0-0ec2sifa5aaa' }";

    fn settings(text: &str) -> Settings {
        let text = format!("store: {{ url: 'sqlite:///x/relay.db' }}\n{}", text.replace("CHAT", CHAT));
        Settings::from_text(Path::new("relay.yml"), &text, []).unwrap()
    }

    #[test]
    fn what_empties_a_section_or_strands_a_queue_is_a_loss() {
        let whole = settings(
            "targets: { chat: CHAT } }\nreceivers: { ops: { routes: [{ targets: [chat] }] } }\n\
             heartbeats: { watchdog: { expect_every: 2m, targets: [chat] } }",
        );
        let check = |after: &str, waiting: &[(&str, u64)], expected: &[&str]| {
            let waiting = waiting.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
            let losses = losses(&whole, &settings(after), &waiting);
            assert_eq!(losses.len(), expected.len(), "{losses:#?}");
            for (loss, expected) in losses.iter().zip(expected) {
                assert!(loss.starts_with(expected), "{loss}");
            }
        };
        let all = ["`receivers` has", "`targets` has", "`heartbeats` has"];
        check("", &[("chat", 0)], &all);
        check("targets: { chat: CHAT } }", &[("chat", 3)], &["`receivers` has", "`heartbeats` has"]);
        let rest = "receivers: { ops: { routes: [] } }\nheartbeats: { watchdog: { expect_every: 2m, targets: [] } }\n";
        let renamed = format!("{rest}targets: {{ new: CHAT }} }}");
        check(&renamed, &[("chat", 0)], &[]);
        check(&renamed, &[("chat", 1)], &["1 delivery wait for the target `chat`"]);
        check(
            &renamed,
            &[("chat", 2), ("older", 3)],
            &["2 deliveries wait for the target `chat`", "3 deliveries"],
        );
        check(&format!("{rest}targets: {{ new: CHAT, was: chat }} }}"), &[("chat", 2)], &[]);
    }
}

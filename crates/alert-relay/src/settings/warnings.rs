//! What is valid in the settings and usually a mistake (pure).
//!
//! Nothing is refused for it: a robot may have another limit, and who is reached over which name is the network's matter.

use std::collections::BTreeSet;

use reqwest::Url;

use crate::people::Person;
use crate::settings::{Settings, TargetSettings};

impl Settings {
    /// A sentence for each, beginning with the key it is about.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        warnings.extend(self.nobody_is_told());
        warnings.extend(self.foreign_external_url());
        for target in self.targets.values() {
            warnings.extend(self.beyond_the_vendor(target));
            warnings.extend(self.fallback_to_itself(target));
        }
        self.mentions_of_nobody(&mut warnings);
        warnings
    }

    fn nobody_is_told(&self) -> Option<String> {
        let mut routes = self.receivers.values().flat_map(|receiver| &receiver.routes);
        routes.all(|route| route.targets.is_empty()).then(|| {
            "receivers: no route names a target: alerts are accepted and kept, and sent to nobody".to_owned()
        })
    }

    /// Links in messages lead there.
    fn foreign_external_url(&self) -> Option<String> {
        let url = Url::parse(&self.server.external_url).ok()?;
        let host = url.host_str()?;
        (!self.server.allowed_hosts.include(host)).then(|| {
            format!(
                "server.external_url: `{host}` is not in server.allowed_hosts: who follows a link to this relay is answered 403"
            )
        })
    }

    fn fallback_to_itself(&self, target: &TargetSettings) -> Option<String> {
        let fallback = target.fallback.as_ref()?;
        let other = self.targets.get(fallback)?;
        (other.channel.robot() == target.channel.robot()).then(|| {
            format!(
                "targets.{}.fallback: `{fallback}` goes over the same robot, account or address ({}): where one cannot be reached, neither can the \
                 other",
                target.name,
                target.channel.kind().label
            )
        })
    }

    /// Targets of one robot share it, and it keeps the budget of each.
    fn beyond_the_vendor(&self, target: &TargetSettings) -> Option<String> {
        let kind = target.channel.kind();
        let limit = kind.vendors_limit.filter(|limit| target.budget.exceeds(*limit))?;
        let of_robot = self.targets.values().filter(|other| other.channel.robot() == target.channel.robot());
        of_robot.map(|other| other.budget).all(|budget| budget.exceeds(limit)).then(|| {
            format!(
                "targets.{}.budget: it lets more out than {} takes of a robot, {limit}: what is beyond is refused, and the robot may be muted \
                 for minutes (hint: leave it out for {})",
                target.name, kind.label, kind.budget
            )
        })
    }

    /// Each person for whom a robot is to ring and no robot of the route can.
    fn mentions_of_nobody(&self, warnings: &mut Vec<String>) {
        for (name, receiver) in &self.receivers {
            for (place, route) in receiver.routes.iter().enumerate() {
                let robots: Vec<_> = self
                    .with_fallbacks(&route.targets)
                    .into_iter()
                    .map(|target| target.channel.kind())
                    .filter(|kind| kind.user_id.is_some())
                    .collect();
                let is_known = |person: &Person| robots.iter().any(|kind| kind.can_mention(person));
                for person in route.mentions.iter().filter_map(|name| self.people.named(name)) {
                    if !robots.is_empty() && !is_known(person) {
                        let keys: BTreeSet<&str> = robots.iter().map(|kind| kind.key).collect();
                        let keys: Vec<&str> = keys.into_iter().collect();
                        warnings.push(format!(
                            "receivers.{name}.routes[{place}].mentions: no robot of this route knows `{}`, so nobody's phone rings \
                             (hint: people.{}: `mobile` or `{}`)",
                            person.name,
                            person.name,
                            keys.join("` or `")
                        ));
                    }
                }
            }
        }
    }

    /// These targets, and those that stand in for them.
    fn with_fallbacks(&self, names: &[String]) -> Vec<&TargetSettings> {
        let mut found: Vec<&TargetSettings> = Vec::new();
        for name in names {
            let mut next = self.targets.get(name);
            // Fallbacks never go in a circle.
            while let Some(target) = next {
                found.push(target);
                next = target.fallback.as_ref().and_then(|fallback| self.targets.get(fallback));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[track_caller]
    fn check(more: &str, expected: &[&str]) {
        let text = format!("store: {{ url: 'sqlite:///x/relay.db' }}\n{more}");
        let settings = Settings::from_text(Path::new("relay.yml"), &text, []).expect("good settings");
        let warnings = settings.warnings();
        assert_eq!(warnings.len(), expected.len(), "{warnings:#?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.contains(expected), "{warning}");
        }
    }

    const ROUTED: &str = "receivers: { ops: { routes: [{ targets: [chat] }] } }\n";

    fn chat(more: &str) -> String {
        format!(
            "targets: {{ chat: {{ wecom: {{ webhook_url: 'https://robot.example/send?key=k' }}{more} }} }}\n{ROUTED}"
        )
    }

    #[test]
    fn settings_without_a_route_tell_nobody() {
        check("receivers: { ops: { routes: [] } }\n", &["receivers: no route names a target"]);
        check(&chat(""), &[]);
    }

    #[test]
    fn a_budget_is_held_against_what_the_vendor_takes_in_any_minute() {
        let beyond = "targets.chat.budget: it lets more out than WeCom takes of a robot, 20/1m";
        for (budget, is_beyond) in [
            ("18/1m", false),
            ("20/1m", false),
            ("21/1m", true),
            ("10/30s", false),
            ("11/30s", true),
            ("1/3s", false),
            ("1/2s", true),
            ("20/1h", false),
            ("1000/1h", true),
        ] {
            let expected: &[&str] = if is_beyond { &[beyond] } else { &[] };
            check(&chat(&format!(", budget: {budget}")), expected);
        }
        check(
            &format!(
                "targets: {{ chat: {{ webhook: {{ url: 'https://own.example/' }}, budget: 1000/1s }} }}\n{ROUTED}"
            ),
            &[],
        );
    }

    #[test]
    fn a_robot_keeps_the_budgets_of_all_its_targets() {
        let targets = |other: &str| {
            format!(
                "targets:\n  chat: {{ wecom: {{ webhook_url: 'https://robot.example/send?key=k' }}, budget: 100/1m }}\n  \
                 other: {{ wecom: {{ webhook_url: 'https://robot.example/send?key=k' }}, budget: {other} }}\n{ROUTED}"
            )
        };
        check(&targets("18/1m"), &[]);
        check(&targets("21/1m"), &["targets.chat.budget: it lets", "targets.other.budget: it lets"]);
    }

    #[test]
    fn a_fallback_to_the_same_robot_is_none() {
        let targets = |key: &str| {
            format!(
                "targets:\n  chat: {{ wecom: {{ webhook_url: 'https://robot.example/send?key=k' }}, fallback: other }}\n  \
                 other: {{ wecom: {{ webhook_url: 'https://robot.example/send?key={key}' }} }}\n{ROUTED}"
            )
        };
        check(
            &targets("k"),
            &["targets.chat.fallback: `other` goes over the same robot, account or address (WeCom)"],
        );
        check(&targets("l"), &[]);
    }

    #[test]
    fn a_person_whom_no_robot_of_the_route_knows_is_named() {
        let settings = |person: &str, fallback: &str| {
            format!(
                "people: {{ boss: {{ {person} }} }}\n\
                 targets:\n  chat: {{ dingtalk: {{ webhook_url: 'https://robot.example/send?access_token=t' }}{fallback} }}\n  \
                 other: {{ wecom: {{ webhook_url: 'https://robot.example/send?key=k' }} }}\n  \
                 mails: {{ webhook: {{ url: 'https://own.example/' }} }}\n\
                 receivers: {{ ops: {{ routes: [{{ targets: [mails], mentions: [boss] }}, {{ targets: [chat, mails], mentions: [boss] }}] }} }}\n"
            )
        };
        let nobody = "receivers.ops.routes[1].mentions: no robot of this route knows `boss`, so nobody's phone rings \
                      (hint: people.boss: `mobile` or `dingtalk`)";
        check(&settings("wecom: boss", ""), &[nobody]);
        check(&settings("wecom: boss", ", fallback: other"), &[]);
        check(&settings("dingtalk: boss", ""), &[]);
        check(&settings("mobile: '13800000000'", ""), &[]);
    }

    #[test]
    fn an_external_address_that_is_refused_is_named() {
        let server = |hosts: &str| {
            format!(
                "server: {{ external_url: 'https://relay.example.com/', allowed_hosts: {hosts} }}\n{}",
                chat("")
            )
        };
        check(
            &server("[alert-relay]"),
            &["server.external_url: `relay.example.com` is not in server.allowed_hosts"],
        );
        check(&server("[alert-relay, relay.example.com]"), &[]);
        check(&server("[]"), &[]);
    }
}

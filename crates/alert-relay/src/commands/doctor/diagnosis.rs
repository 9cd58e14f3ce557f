//! From what was seen to what is wrong and what to do (pure).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::SignedDuration;
use rustix::process::geteuid;

use crate::clock::Millis;
use crate::commands::doctor::facts::Facts;
use crate::commands::reachability::{self, MOST_SKEW};
use crate::outbox::HEARTBEATS;
use crate::render::clean;
use crate::settings::{Settings, removal};
use crate::story::Standing;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// It is as it should be.
    Good,
    /// It may be meant.
    Hint,
    /// Somebody is not told, or will not be.
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What was looked at.
    thing: String,
    /// What is the matter with it.
    says: String,
    /// What to do; empty for what is good.
    to_do: String,
}

/// Free space below this is a fault: the store keeps 16 MiB in reserve, and needs some more to go on.
const LEAST_FREE: u64 = 256 * 1024 * 1024;

/// A store larger than this takes long to copy and to look through.
const LARGE_STORE: u64 = 4 * 1024 * 1024 * 1024;

/// Each webhook waits for one sync of the disk.
const SLOW_SYNC: Duration = Duration::from_millis(100);

/// A name that takes longer than this costs every new connection as much.
const SLOW_NAME: Duration = Duration::from_secs(1);

/// What has waited for longer than this waits for more than a budget.
const LONG_WAIT: Duration = Duration::from_mins(10);

/// A wall clock that goes on by this much more or less than the time that passes was set.
const MOST_STEP: SignedDuration = SignedDuration::from_secs(2);

/// Characters of a text from outside that are shown.
const SHOWN: usize = 400;

/// Everything that was looked at, in the order of the way of an alert: machine, store, Alertmanager, receivers, targets.
pub(super) fn of(facts: &Facts, settings: &Settings) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    findings.clock(facts);
    findings.names(facts);
    findings.proxies(facts);
    findings.disk(facts, settings);
    findings.store(facts, settings);
    findings.peers(facts);
    if let Ok(standing) = &facts.store {
        findings.receivers(standing, settings);
    }
    findings.targets(facts, settings);
    findings.settings(settings);
    findings.0
}

/// A line for each, and one for what to do; then how many.
pub(super) fn page(findings: &[Finding]) -> String {
    let mut page = String::new();
    for Finding { level, thing, says, to_do } in findings {
        let word = match level {
            Level::Good => "good",
            Level::Hint => "hint",
            Level::Fault => "FAULT",
        };
        writeln!(page, "{word:<5}  {thing}: {says}").expect("a String takes every write");
        if !to_do.is_empty() {
            writeln!(page, "       to do: {to_do}").expect("a String takes every write");
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    writeln!(page, "{} faults, {} hints", count(Level::Fault), count(Level::Hint))
        .expect("a String takes every write");
    page
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(
        &mut self,
        level: Level,
        thing: impl Into<String>,
        says: impl AsRef<str>,
        to_do: impl Into<String>,
    ) {
        let says = clean::line(says.as_ref(), SHOWN);
        self.0.push(Finding { level, thing: thing.into(), says, to_do: to_do.into() });
    }

    fn settings(&mut self, settings: &Settings) {
        for warning in settings.warnings() {
            self.add(Level::Hint, "settings", warning, "change it, if it is not meant so");
        }
    }

    fn good(&mut self, thing: impl Into<String>, says: impl AsRef<str>) {
        self.add(Level::Good, thing, says, "");
    }

    fn clock(&mut self, facts: &Facts) {
        const NTP: &str = "keep it by NTP (`timedatectl`, `chronyc tracking`)";
        if facts.step.abs() > MOST_STEP {
            let says = format!("it was set by {:.1} s while this looked", facts.step.as_secs_f64());
            self.add(Level::Fault, "clock", says, NTP);
        }
        match &facts.kernel_clock {
            Err(why) => self.add(
                Level::Hint,
                "clock",
                format!("the kernel does not say whether it is kept: {why}"),
                "look on the machine itself (`timedatectl`)",
            ),
            Ok(kernel) if !kernel.is_kept => {
                self.add(Level::Hint, "clock", "no program keeps it, or none has for hours", NTP);
            }
            Ok(kernel) => {
                let off = kernel.may_be_off.as_millis();
                self.good("clock", format!("a program keeps it, to {off}ms at worst"));
            }
        }
        let newest = facts.store.as_ref().ok().and_then(|standing| standing.newest);
        let ahead = newest.map_or(Duration::ZERO, |newest| newest.since(facts.now));
        if ahead > MOST_SKEW.unsigned_abs() {
            let says = format!(
                "the newest webhook in the store was accepted {} from now: it was set back",
                span(ahead)
            );
            self.add(Level::Fault, "clock", says, NTP);
        }
        let told = facts.targets.iter().filter_map(|target| {
            let ahead = target.outcome.as_ref().ok()?.ahead?;
            Some((ahead, &target.end.host))
        });
        match told.max_by_key(|(ahead, _)| ahead.abs()) {
            None => self.add(
                Level::Hint,
                "clock",
                "no target has said what time it is",
                "compare it by hand (`timedatectl`)",
            ),
            Some((ahead, host)) => {
                let is_good = ahead.abs() <= MOST_SKEW;
                let level = if is_good { Level::Good } else { Level::Fault };
                let says = format!("beside {host}: {}", reachability::clock(ahead));
                self.add(level, "clock", says, if is_good { "" } else { NTP });
            }
        }
    }

    fn names(&mut self, facts: &Facts) {
        const RESOLVER: &str = "see /etc/resolv.conf and whether its servers answer (`getent hosts NAME`)";
        for (name, found) in &facts.names {
            let thing = format!("DNS {name}");
            match found {
                Err(why) => self.add(Level::Fault, thing, format!("it has no address: {why}"), RESOLVER),
                Ok((0, _)) => self.add(Level::Fault, thing, "it has no address", RESOLVER),
                Ok((_, took)) if *took > SLOW_NAME => {
                    self.add(Level::Hint, thing, format!("the resolver took {}", span(*took)), RESOLVER);
                }
                Ok((addresses, took)) => {
                    self.good(thing, format!("{addresses} addresses in {}ms", took.as_millis()));
                }
            }
        }
        for (host, local) in &facts.egress {
            self.good(format!("way to {host}"), format!("packets leave from {local}"));
        }
    }

    fn proxies(&mut self, facts: &Facts) {
        let own: BTreeSet<&String> =
            facts.targets.iter().filter_map(|target| target.end.proxy.as_ref()).collect();
        for (variable, value) in &facts.proxies {
            self.good("proxy", format!("{variable} is {value}, for targets without a proxy of their own"));
        }
        for proxy in &own {
            self.good("proxy", format!("{proxy}, as the settings of a target say"));
        }
        if facts.proxies.is_empty() && own.is_empty() {
            self.good("proxy", "none is in force");
        }
    }

    fn disk(&mut self, facts: &Facts, settings: &Settings) {
        let path = settings.store.path.display();
        match facts.disk {
            Err(ref why) => {
                self.add(
                    Level::Fault,
                    "disk",
                    why,
                    format!("make the directory of `{path}`, or mend `store.url`"),
                );
            }
            Ok(disk) => {
                let says = format!("{} MiB free of {} MiB", mebibytes(disk.free), mebibytes(disk.total));
                if disk.free < LEAST_FREE {
                    let to_do = "free space: without it webhooks are answered 503";
                    self.add(Level::Fault, "disk", says, to_do);
                } else if disk.free < disk.total / 20 {
                    self.add(Level::Hint, "disk", says, "free space before it is full");
                } else {
                    self.good("disk", says);
                }
            }
        }
        match &facts.sync {
            Err(why) => {
                let says = format!("user {} cannot write beside the store: {why}", geteuid());
                self.add(Level::Fault, "disk", says, "run this as the relay's user; give it the directory");
            }
            Ok(took) if *took > SLOW_SYNC => {
                let says = format!("one sync took {}ms, for which every webhook waits", took.as_millis());
                self.add(
                    Level::Hint,
                    "disk",
                    says,
                    "put the store on a local disk, and see what else writes to it",
                );
            }
            Ok(took) => self.good("disk", format!("one sync took {}ms", took.as_millis())),
        }
    }

    fn store(&mut self, facts: &Facts, settings: &Settings) {
        let standing = match &facts.store {
            Ok(standing) => standing,
            Err(why) => {
                let to_do = "start the relay once, as its user; then run this as the same user";
                return self.add(Level::Fault, "store", why, to_do);
            }
        };
        if !facts.is_running {
            self.add(Level::Hint, "store", "no relay runs with it", "start one: `alert-relay serve`");
        }
        let says = format!("{} MiB with its log", mebibytes(facts.store_bytes));
        if settings.store.postgres.is_some() {
            self.good("store", "the database can be read");
        } else if facts.store_bytes > LARGE_STORE {
            self.add(Level::Hint, "store", says, "a shorter `store.retention` keeps less");
        } else {
            self.good("store", says);
        }
        let stranded: BTreeSet<&str> = {
            let waiting =
                standing.waiting.iter().map(|(name, waiting)| (name.clone(), waiting.count)).collect();
            let names = removal::stranded(settings, &waiting).map(|(name, _)| name.to_owned());
            let names: BTreeSet<String> = names.collect();
            standing.waiting.keys().map(String::as_str).filter(|name| names.contains(*name)).collect()
        };
        for (target, waiting) in &standing.waiting {
            let (count, waited) = (waiting.count, facts.now.since(waiting.oldest));
            let says = format!("{count} wait for `{target}`, the oldest for {}", span(waited));
            if stranded.contains(target.as_str()) {
                let says = format!("{says}; the settings have no such target");
                self.add(Level::Fault, "store", says, removal::how_to_move(target));
            } else if waited > LONG_WAIT {
                let to_do =
                    "see below whether it can be reached; `alert-relay explain ID` says what one waits for";
                self.add(Level::Fault, "store", says, to_do);
            } else {
                self.good("store", says);
            }
        }
        if standing.waiting.is_empty() {
            self.good("store", "nothing waits");
        }
        if standing.dead_letters > 0 {
            let says =
                format!("{} dead letters, about which nobody has done anything", standing.dead_letters);
            let to_do =
                "`alert-relay list --dead-letters` shows them, `resend` sends them again or gives them up";
            self.add(Level::Hint, "store", says, to_do);
        }
    }

    fn peers(&mut self, facts: &Facts) {
        for peer in &facts.peers {
            let (name, key) = (peer.name, peer.key);
            if peer.host.is_empty() {
                let to_do = format!("`--{key} URL`, or `{key}.url` in the settings");
                self.add(Level::Hint, name, "not looked at: nobody said where it is", to_do);
                continue;
            }
            let to_do = format!(
                "see whether it runs, and whether this machine may reach it (`--{key} URL` names another way)"
            );
            match &peer.outcome {
                Err(why) => self.add(Level::Fault, name, format!("cannot reach {}: {why}", peer.host), to_do),
                Ok(reached) if reached.answer == "HTTP 200" => {
                    self.good(name, format!("{} is ready ({}ms)", peer.host, reached.took.as_millis()));
                }
                Ok(reached) => {
                    self.add(
                        Level::Fault,
                        name,
                        format!("{} is not ready: {}", peer.host, reached.answer),
                        to_do,
                    );
                }
            }
        }
    }

    fn receivers(&mut self, standing: &Standing, settings: &Settings) {
        let kept = span(settings.store.retention);
        for name in settings.receivers.keys() {
            let thing = format!("receiver {name}");
            if let Some(at) = standing.posted.get(name) {
                self.good(thing, format!("last posted to at {}", shown(*at, settings)));
            } else {
                let to_do = "`alert-relay check --print-alertmanager` prints what Alertmanager's file needs";
                self.add(Level::Hint, thing, format!("nobody has posted to it within {kept}"), to_do);
            }
        }
        for (name, at) in &standing.posted {
            if !settings.receivers.contains_key(name) && !name.starts_with(HEARTBEATS) {
                let says =
                    format!("it was posted to at {}, and is not in the settings", shown(*at, settings));
                let to_do = "its webhooks are refused: add it, or take it out of Alertmanager's file";
                self.add(Level::Hint, format!("receiver {}", clean::line(name, SHOWN)), says, to_do);
            }
        }
    }

    fn targets(&mut self, facts: &Facts, settings: &Settings) {
        let routes = settings.receivers.values().flat_map(|receiver| &receiver.routes);
        let heartbeats = settings.heartbeats.values().flat_map(|heartbeat| &heartbeat.targets);
        let fallbacks = settings.targets.values().filter_map(|target| target.fallback.as_ref());
        let used: BTreeSet<&String> =
            routes.flat_map(|route| &route.targets).chain(heartbeats).chain(fallbacks).collect();
        for target in &facts.targets {
            let thing = format!("target {}", target.target);
            let line = target.line();
            let says = line.strip_prefix(&format!("{}: ", target.target)).unwrap_or(&line);
            if target.outcome.is_ok() {
                self.good(&thing, says);
            } else {
                let to_do = "see DNS and proxy above and the firewall; of a mail server, `tls` and the login";
                self.add(Level::Fault, &thing, says, to_do);
            }
            if !used.contains(&target.target) {
                let to_do = "name it in a route, a heartbeat or as a fallback, or take it out";
                self.add(Level::Hint, thing, "nobody routes to it", to_do);
            }
        }
        if facts.targets.is_empty() {
            let to_do = "name the chats under `targets` and the routes to them";
            self.add(Level::Fault, "targets", "there are none: nobody is told anything", to_do);
        }
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes / (1024 * 1024)
}

/// To the second.
fn span(span: Duration) -> String {
    humantime::format_duration(Duration::from_secs(span.as_secs())).to_string()
}

fn shown(at: Millis, settings: &Settings) -> String {
    at.timestamp().to_zoned(settings.time_zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

#[cfg(test)]
mod tests;

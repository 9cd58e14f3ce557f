//! The command line: what was written, and what it means.
//!
//! Owns reading the flags and resolving them into [`Settings`], with every mistake told at once. Resolving looks at no
//! file and no port, so that a command line can be judged anywhere. Leaves out acting on any of it.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use http_serve::ListenAddress;
use regex::Regex;

use crate::gpu::GpuSettings;
use crate::host::cpu::CpuSettings;
use crate::host::filesystem::FilesystemSettings;
use crate::host::filter::Filter;
use crate::host::netclass::NetclassSettings;
use crate::host::netdev::NetdevSettings;
use crate::host::root::Root;
use crate::host::{self, HostSettings};
use crate::logging::{LogFormat, LogSettings};

mod flag;
mod nearest;

use flag::{Flag, Takes};

/// What the program is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve metrics until told to stop.
    Serve(Settings),
    /// Print what can be read, and leave.
    Check(Settings),
    /// Print this text, and leave.
    Print(String),
}

/// The resolved command line: past this point no value can be wrong.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Addresses, paths and limits of the server.
    pub(crate) web: WebSettings,
    /// Which host collectors run, and how.
    pub(crate) host: HostSettings,
    /// `None` with `--no-collector.gpu`.
    pub(crate) gpu: Option<GpuSettings>,
    /// How to log.
    pub(crate) log: LogSettings,
    /// What is accepted but should be known, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// `--web.*`
#[derive(Debug)]
pub(crate) struct WebSettings {
    /// At least one address.
    pub(crate) listen: Vec<ListenAddress>,
    /// Begins with `/`.
    pub(crate) telemetry_path: String,
    /// Prometheus' web configuration.
    pub(crate) config_file: Option<PathBuf>,
    /// Most scrapes at the same time; `None` is no limit.
    pub(crate) max_requests: Option<usize>,
    /// Whether the page tells about this process itself.
    pub(crate) exporter_metrics: bool,
}

/// Reads the arguments, without the program's own name. The error holds every mistake, one text each.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Vec<String>> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut mistakes = Vec::new();
    let known = known_arguments(arguments, &mut mistakes);
    let matches = match command_line().try_get_matches_from(known) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            // clap stops at its first mistake; its first line says what, the rest is usage.
            let text = error.to_string();
            let first = text.lines().next().unwrap_or(&text);
            mistakes.push(first.trim_start_matches("error: ").to_owned());
            return Err(mistakes);
        }
        Err(text) => return Ok(Command::Print(text.to_string())),
    };
    let mut raw = Raw { matches, mistakes };
    let settings = settings(&mut raw);
    match (raw.mistakes.is_empty(), raw.on("check")) {
        (false, _) => Err(raw.mistakes),
        (true, true) => Ok(Command::Check(settings)),
        (true, false) => Ok(Command::Serve(settings)),
    }
}

/// Every flag there is, with its name: ours, the collectors' and those of `node_exporter` that we accept.
fn all_flags() -> Vec<Flag> {
    use flag::{ABSENT_COLLECTORS, ABSENT_SWITCHES, ABSENT_VALUES, COLLECTORS, FLAGS, GPU, RENAMED};
    let collector = |name: &str, on, help: &str, heading| Flag {
        name: Cow::Owned(format!("collector.{name}")),
        takes: Takes::Switch { on },
        help: Cow::Owned(format!("Leave out {help}")),
        heading,
    };
    let hidden = |name: &'static str, takes| Flag {
        name: Cow::Borrowed(name),
        takes,
        help: Cow::Borrowed(""),
        heading: "",
    };
    let any_values = Takes::Values { placeholder: "", default: "" };
    let mut flags = FLAGS.to_vec();
    flags.extend(host::COLLECTORS.iter().map(|entry| collector(entry.name, true, entry.help, COLLECTORS)));
    flags.push(collector("gpu", true, "NVIDIA GPUs", GPU));
    flags.extend(RENAMED.iter().map(|(old, _)| hidden(old, any_values)));
    flags.extend(ABSENT_COLLECTORS.iter().map(|name| collector(name, false, "", "")));
    flags.extend(ABSENT_SWITCHES.iter().map(|name| hidden(name, Takes::Switch { on: false })));
    flags.extend(ABSENT_VALUES.iter().map(|name| hidden(name, any_values)));
    flags
}

fn command_line() -> clap::Command {
    let mut command = clap::Command::new("gpu-node-exporter")
        .no_binary_name(true)
        .version(env!("CARGO_PKG_VERSION"))
        .about("NVIDIA GPU and host metrics for Prometheus.")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .next_line_help(true)
        .arg(Arg::new("help").long("help").short('h').action(ArgAction::Help).help("Print this help"))
        .arg(Arg::new("version").long("version").action(ArgAction::Version).help("Print the version"));
    for flag in all_flags() {
        command = add(command, &flag);
    }
    command
}

/// A switch is two arguments; the help shows the one that changes something.
fn add(command: clap::Command, flag: &Flag) -> clap::Command {
    let hidden = flag.heading.is_empty();
    let arg = |name: String| Arg::new(name.clone()).long(name).help_heading(flag.heading).hide(hidden);
    match flag.takes {
        Takes::Switch { on } => {
            let (yes, no) = (flag.name.to_string(), format!("no-{}", flag.name));
            let switch = |name: &str, other: &str, shown: bool| {
                arg(name.to_owned())
                    .action(ArgAction::SetTrue)
                    .overrides_with(other.to_owned())
                    .help(flag.help.to_string())
                    .hide(hidden || !shown)
            };
            command.arg(switch(&yes, &no, !on)).arg(switch(&no, &yes, on))
        }
        Takes::Value { placeholder, default } | Takes::Values { placeholder, default } => {
            let repeated = matches!(flag.takes, Takes::Values { .. });
            let mut argument = arg(flag.name.to_string())
                .action(if repeated { ArgAction::Append } else { ArgAction::Set })
                .value_name(placeholder)
                .allow_hyphen_values(true)
                .help(flag.help.to_string());
            if !default.is_empty() {
                argument = argument.default_value(default);
            }
            command.arg(argument)
        }
    }
}

/// Takes out every flag nobody knows, so that all of them are told and not only the first.
fn known_arguments(arguments: Vec<OsString>, mistakes: &mut Vec<String>) -> Vec<OsString> {
    let flags = all_flags();
    let mut known = Vec::with_capacity(arguments.len());
    let mut is_value = false;
    for argument in arguments {
        let text = argument.to_string_lossy().into_owned();
        if std::mem::take(&mut is_value) || matches!(text.as_str(), "--help" | "-h" | "--version") {
            known.push(argument);
            continue;
        }
        let Some(rest) = text.strip_prefix("--").filter(|rest| !rest.is_empty()) else {
            mistakes.push(format!("unexpected argument `{text}` (hint: flags begin with two dashes)"));
            continue;
        };
        let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
        let positive = name.strip_prefix("no-");
        let found = flags.iter().find(|flag| match flag.takes {
            Takes::Switch { .. } => flag.name == name || positive == Some(&flag.name),
            Takes::Value { .. } | Takes::Values { .. } => flag.name == name,
        });
        match (found.map(|flag| flag.takes), value) {
            (None, _) if name == "web.systemd-socket" => mistakes.push(
                "`--web.systemd-socket`: socket activation is not in this version \
                 (hint: name the address with --web.listen-address)"
                    .to_owned(),
            ),
            (None, _) => mistakes.push(unknown(name, positive.is_some(), &flags)),
            (Some(Takes::Switch { .. }), Some(_)) => mistakes.push(format!(
                "`--{name}` takes no value (hint: write --{0} or --no-{0})",
                positive.unwrap_or(name)
            )),
            (Some(Takes::Switch { .. }), None) => known.push(argument),
            (Some(_), value) => {
                is_value = value.is_none();
                known.push(argument);
            }
        }
    }
    known
}

fn unknown(name: &str, negated: bool, flags: &[Flag]) -> String {
    let prefix = if negated { "no-" } else { "" };
    let bare = if negated { name.trim_start_matches("no-") } else { name };
    let hint = match nearest::nearest(bare, flags.iter().map(|flag| &*flag.name)) {
        Some(near) => format!("did you mean --{prefix}{near}?"),
        None => "--help lists all flags".to_owned(),
    };
    format!("unknown flag `--{name}` (hint: {hint})")
}

/// What was written, and the mistakes found in it so far.
struct Raw {
    matches: ArgMatches,
    mistakes: Vec<String>,
}

impl Raw {
    /// Whether the switch itself was written, and neither its opposite nor nothing.
    fn on(&self, name: &str) -> bool {
        self.matches.get_flag(name)
    }

    fn off(&self, name: &str) -> bool {
        self.matches.get_flag(&format!("no-{name}"))
    }

    fn value(&self, name: &str) -> String {
        let written = self.old_name(name).unwrap_or(name);
        self.matches.get_many::<String>(written).and_then(Iterator::last).cloned().unwrap_or_default()
    }

    /// The older name of the flag, when that is what was written.
    fn old_name(&self, name: &str) -> Option<&'static str> {
        let (old, _) = flag::RENAMED.iter().find(|(_, new)| *new == name)?;
        self.written(old).then_some(*old)
    }

    fn values(&self, name: &str) -> Vec<String> {
        self.matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
    }

    /// Whether the flag was written rather than left to its default.
    fn written(&self, name: &str) -> bool {
        self.matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine)
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(self.value(name))
    }

    fn path_if_any(&self, name: &str) -> Option<PathBuf> {
        Some(self.path(name)).filter(|path| !path.as_os_str().is_empty())
    }

    fn regex(&mut self, name: &str) -> Option<Regex> {
        let text = self.value(name);
        if text.is_empty() {
            return None;
        }
        match Regex::new(&text) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                self.mistakes.push(format!("`--{name}={text}` is not a regular expression: {reason}"));
                None
            }
        }
    }

    /// A pair of flags of which only one may be written; an include expression replaces the default exclude one.
    fn filter(&mut self, exclude: &str, include: &str) -> Filter {
        let is_chosen = |name| self.written(name) || self.old_name(name).is_some();
        if is_chosen(exclude) && is_chosen(include) {
            self.mistakes.push(format!(
                "`--{exclude}` and `--{include}` exclude each other (hint: write one of them)"
            ));
        }
        let include = self.regex(include);
        let exclude = if include.is_some() { None } else { self.regex(exclude) };
        Filter { exclude, include }
    }

    fn duration(&mut self, name: &str) -> Duration {
        let text = self.value(name);
        match humantime::parse_duration(&text) {
            Ok(duration) => return duration,
            Err(_) if text.parse::<f64>().is_ok() => {
                self.mistakes
                    .push(format!("`--{name}={text}` has no unit (hint: write {text}s or {text}ms)"));
            }
            Err(_) => self
                .mistakes
                .push(format!("`--{name}={text}` is not a duration (hint: like 500ms, 1s or 2m)")),
        }
        Duration::from_secs(1)
    }

    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let text = self.value(name);
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == text.to_ascii_lowercase()) {
            return *choice;
        }
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        self.mistakes.push(format!("`--{name}={text}`: expected one of {}", words.join(", ")));
        choices[0].1
    }
}

fn settings(raw: &mut Raw) -> Settings {
    let mut warnings = Vec::new();
    let web = web(raw);
    for (old, new) in flag::RENAMED.iter().filter(|(old, _)| raw.written(old)) {
        warnings.push(format!("--{old} is called --{new} now"));
    }
    let host = host(raw);
    let gpu = gpu(raw, &mut warnings);
    let log = LogSettings {
        level: raw.choice(
            "log.level",
            &[
                ("error", tracing::Level::ERROR),
                ("warn", tracing::Level::WARN),
                ("info", tracing::Level::INFO),
                ("debug", tracing::Level::DEBUG),
            ],
        ),
        format: raw.choice(
            "log.format",
            &[
                ("text", LogFormat::Text),
                // node_exporter's own word for text.
                ("logfmt", LogFormat::Text),
                ("json", LogFormat::Json),
            ],
        ),
    };
    warnings.extend(absent(raw));
    Settings { web, host, gpu, log, warnings }
}

fn web(raw: &mut Raw) -> WebSettings {
    let mut listen = Vec::new();
    for text in raw.values("web.listen-address") {
        match text.parse() {
            Ok(address) => listen.push(address),
            Err(error) => raw.mistakes.push(format!("--web.listen-address: {error}")),
        }
    }
    let telemetry_path = raw.value("web.telemetry-path");
    if !telemetry_path.starts_with('/') {
        let hint = format!("(hint: write /{telemetry_path})");
        raw.mistakes.push(format!("`--web.telemetry-path={telemetry_path}` must begin with a slash {hint}"));
    }
    let max_requests = raw.value("web.max-requests").parse::<usize>().unwrap_or_else(|_| {
        let text = raw.value("web.max-requests");
        raw.mistakes.push(format!("`--web.max-requests={text}`: expected a whole number, 0 for no limit"));
        0
    });
    WebSettings {
        listen,
        telemetry_path,
        config_file: raw.path_if_any("web.config.file"),
        max_requests: (max_requests > 0).then_some(max_requests),
        exporter_metrics: !raw.on("web.disable-exporter-metrics"),
    }
}

fn host(raw: &mut Raw) -> HostSettings {
    let only_named = raw.on("collector.disable-defaults");
    let enabled = host::COLLECTORS
        .iter()
        .map(|entry| entry.name)
        .filter(|name| is_enabled(raw, &format!("collector.{name}"), only_named))
        .collect();
    HostSettings {
        root: Root {
            proc: raw.path("path.procfs"),
            sys: raw.path("path.sysfs"),
            rootfs: raw.path("path.rootfs"),
            udev: raw.path("path.udev.data"),
        },
        enabled,
        cpu: cpu(raw),
        disks: raw.filter("collector.diskstats.device-exclude", "collector.diskstats.device-include"),
        filesystem: FilesystemSettings {
            mount_points: raw.filter(
                "collector.filesystem.mount-points-exclude",
                "collector.filesystem.mount-points-include",
            ),
            fs_types: raw
                .filter("collector.filesystem.fs-types-exclude", "collector.filesystem.fs-types-include"),
            mount_timeout: raw.duration("collector.filesystem.mount-timeout"),
        },
        netclass: NetclassSettings {
            ignored: raw.regex("collector.netclass.ignored-devices"),
            ignore_invalid_speed: raw.on("collector.netclass.ignore-invalid-speed"),
        },
        netdev: NetdevSettings {
            filter: raw.filter("collector.netdev.device-exclude", "collector.netdev.device-include"),
            netlink: !raw.off("collector.netdev.netlink"),
            detailed: raw.on("collector.netdev.enable-detailed-metrics"),
            label_ifalias: raw.on("collector.netdev.label-ifalias"),
        },
        softirq: raw.on("collector.stat.softirq"),
        textfile_directories: raw.values("collector.textfile.directory"),
        vmstat_fields: raw.regex("collector.vmstat.fields"),
    }
}

fn cpu(raw: &mut Raw) -> CpuSettings {
    let flags = raw.regex("collector.cpu.info.flags-include");
    let bugs = raw.regex("collector.cpu.info.bugs-include");
    CpuSettings {
        guest: !raw.off("collector.cpu.guest"),
        info: raw.on("collector.cpu.info") || flags.is_some() || bugs.is_some(),
        flags,
        bugs,
        frequency: is_enabled(raw, "collector.cpufreq", raw.on("collector.disable-defaults")),
    }
}

fn is_enabled(raw: &Raw, name: &str, only_named: bool) -> bool {
    raw.on(name) || (!raw.off(name) && !only_named)
}

/// NVML calls serialise in the driver, so looking very often costs the programs that use the GPU.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
const CAREFUL_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_mins(10);

fn gpu(raw: &mut Raw, warnings: &mut Vec<String>) -> Option<GpuSettings> {
    let sample_interval = raw.duration("gpu.sample-interval");
    let shown = humantime::format_duration(sample_interval);
    if sample_interval < SHORTEST_INTERVAL {
        raw.mistakes.push(format!(
            "`--gpu.sample-interval={shown}` is too short (hint: at least 100ms; the driver keeps finer samples itself)"
        ));
    } else if sample_interval < CAREFUL_INTERVAL {
        warnings.push(format!(
            "--gpu.sample-interval={shown}: looking more often than once a second was measured to slow down inference on some machines"
        ));
    } else if sample_interval > LONGEST_INTERVAL {
        raw.mistakes.push(format!(
            "`--gpu.sample-interval={shown}` is too long (hint: at most 10m; a scrape shows the last sample, however old)"
        ));
    }
    let probe_timeout = raw.duration("gpu.probe-timeout");
    if probe_timeout < SHORTEST_INTERVAL || probe_timeout > LONGEST_INTERVAL {
        let shown = humantime::format_duration(probe_timeout);
        raw.mistakes.push(format!("`--gpu.probe-timeout={shown}`: expected between 100ms and 10m"));
    }
    let enabled = is_enabled(raw, "collector.gpu", raw.on("collector.disable-defaults"));
    enabled.then(|| GpuSettings {
        library: raw.path_if_any("gpu.library"),
        sample_interval,
        probe_timeout,
        sysfs: raw.path("path.sysfs"),
        processes: raw.on("gpu.processes"),
        containers: raw.on("gpu.containers"),
    })
}

/// One sentence with all flags of `node_exporter` that are accepted and do nothing here. Turning off what is not there
/// needs no word.
fn absent(raw: &Raw) -> Option<String> {
    use flag::{ABSENT_COLLECTORS, ABSENT_SWITCHES, ABSENT_VALUES};
    let collectors =
        ABSENT_COLLECTORS.iter().map(|name| format!("collector.{name}")).filter(|name| raw.on(name));
    let switches =
        ABSENT_SWITCHES.iter().filter(|name| raw.on(name) || raw.off(name)).map(ToString::to_string);
    let values = ABSENT_VALUES.iter().filter(|name| raw.written(name)).map(ToString::to_string);
    let names: Vec<_> = collectors.chain(switches).chain(values).map(|name| format!("--{name}")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "flags of node_exporter for collectors that are not in this version have no effect: {}",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests;

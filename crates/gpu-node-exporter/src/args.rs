//! The command line: what it means.
//!
//! Owns resolving the flags into [`Settings`], with every mistake told at once. Resolving looks at no file and no port,
//! so that a command line can be judged anywhere. What was written is `args/raw.rs`'s, the table of flags
//! `args/flag.rs`'s. Leaves out acting on any of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use http_serve::ListenAddress;

use crate::gpu::GpuSettings;
use crate::host::cpu::CpuSettings;
use crate::host::filesystem::FilesystemSettings;
use crate::host::netclass::NetclassSettings;
use crate::host::netdev::{NetdevSettings, Source};
use crate::host::root::Root;
use crate::host::{self, HostSettings};
use crate::logging::{LogFormat, LogSettings};

mod flag;
mod nearest;
mod raw;

use raw::{Raw, Unreadable};

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

/// A command line that cannot be used.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Every mistake, one text each.
    pub(crate) mistakes: Vec<String>,
    /// What was to be served, as far as it could be read, so that its file and ports can be looked at too: nobody wants
    /// to hear of them at the second try. The list of addresses may be empty.
    pub(crate) web: Option<WebSettings>,
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

/// Reads the arguments, without the program's own name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Refused> {
    let mut raw = match Raw::read(arguments.into_iter().collect()) {
        Ok(raw) => raw,
        Err(Unreadable::Mistakes(mistakes)) => return Err(Refused { mistakes, web: None }),
        Err(Unreadable::Asked(text)) => return Ok(Command::Print(text)),
    };
    let settings = settings(&mut raw);
    let checks = raw.on("check");
    match (raw.mistakes.is_empty(), checks) {
        // A check opens no ports; the exporter that runs here has them.
        (false, _) => Err(Refused { mistakes: raw.mistakes, web: (!checks).then_some(settings.web) }),
        (true, true) => Ok(Command::Check(settings)),
        (true, false) => Ok(Command::Serve(settings)),
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
    warnings.extend(needless(raw));
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
            source: if raw.off("collector.netdev.netlink") { Source::Proc } else { Source::Netlink },
            detailed: raw.on("collector.netdev.enable-detailed-metrics"),
            label_ifalias: raw.on("collector.netdev.label-ifalias"),
            address_info: raw.on("collector.netdev.address-info"),
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
    for name in ["gpu.processes", "gpu.containers"].into_iter().filter(|name| raw.on(name)) {
        warnings.push(format!("--{name} has no effect in this version"));
    }
    let enabled = is_enabled(raw, "collector.gpu", raw.on("collector.disable-defaults"));
    enabled.then(|| GpuSettings {
        library: raw.path_if_any("gpu.library"),
        sample_interval,
        probe_timeout,
        sysfs: raw.path("path.sysfs"),
    })
}

/// One sentence with all flags of `node_exporter` that belong to what this version does not have. Turning off what is
/// not there needs no word.
fn absent(raw: &Raw) -> Option<String> {
    use flag::{ABSENT_COLLECTORS, ABSENT_SWITCHES, ABSENT_VALUES};
    let collectors =
        ABSENT_COLLECTORS.iter().map(|name| format!("collector.{name}")).filter(|name| raw.on(name));
    let flags = written_of(raw, ABSENT_SWITCHES, ABSENT_VALUES).map(str::to_owned);
    let names = listed(collectors.chain(flags))?;
    Some(format!(
        "flags of node_exporter for collectors that are not in this version have no effect: {names}"
    ))
}

/// One sentence with all flags of `node_exporter` about its own ways of reading.
fn needless(raw: &Raw) -> Option<String> {
    let names = listed(written_of(raw, flag::NEEDLESS_SWITCHES, flag::NEEDLESS_VALUES).map(str::to_owned))?;
    Some(format!(
        "flags about how node_exporter reads have no effect, since this program reads in its own way: {names}"
    ))
}

fn written_of<'a>(
    raw: &'a Raw,
    switches: &'a [&'static str],
    values: &'a [&'static str],
) -> impl Iterator<Item = &'static str> + 'a {
    let switches = switches.iter().filter(move |name| raw.on(name) || raw.off(name));
    switches.chain(values.iter().filter(move |name| raw.written(name))).copied()
}

fn listed(names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<_> = names.map(|name| format!("--{name}")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests;

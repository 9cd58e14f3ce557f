//! What there is to know of Debian's `node_exporter`, for what compares with it.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::programs;

/// Its collectors that are not measured beside ours: they ask a server or hardware that is not on every machine, or we do not have them.
pub const NOT_COMPARED: [&str; 8] =
    ["logind", "ntp", "perf", "runit", "supervisord", "systemd", "textfile", "wifi"];

/// The names of the others, from its `--help`.
pub fn collectors() -> Result<Vec<String>> {
    let program = programs::debian("prometheus-node-exporter")?;
    let output =
        Command::new(program).arg("--help").output().context("failed to ask node_exporter for its flags")?;
    let help = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let flags = help.lines().filter_map(|line| line.trim_start().strip_prefix("--collector."));
    let names = flags.filter_map(|flag| flag.split_whitespace().next());
    let is_collector = |name: &&str| !name.contains(['.', '=', '-']) && !NOT_COMPARED.contains(name);
    Ok(names.filter(is_collector).map(str::to_owned).collect())
}

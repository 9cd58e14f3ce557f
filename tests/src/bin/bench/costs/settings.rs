//! A settings file of many targets and routes, and what `alert-relay check` costs with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use e2e::programs;
use serde_json::{Map, Value, json};

use crate::usage;

/// A file to check.
pub(super) struct Checked {
    file: PathBuf,
}

impl Checked {
    pub(super) fn new(size: usize, folder: &Path) -> Result<Self> {
        let name = |index: usize| format!("chat-{index}");
        let target = |index: usize| {
            let url = format!("http://127.0.0.1:9/{index}");
            (name(index), json!({ "webhook": { "url": url } }))
        };
        let route =
            |index: usize| json!({ "matchers": [format!("team=\"{index}\"")], "targets": [name(index)] });
        let settings = json!({
            "server": { "listen": "127.0.0.1:0" },
            "store": { "url": format!("sqlite://{}", folder.join("relay.db").display()) },
            "targets": (0..size).map(target).collect::<Map<String, Value>>(),
            "receivers": { "ops": { "routes": (0..size).map(route).collect::<Vec<_>>() } },
        });
        let file = folder.join("relay.yml");
        std::fs::write(&file, settings.to_string())
            .with_context(|| format!("failed to write {}", file.display()))?;
        Ok(Self { file })
    }

    pub(super) fn work(&self) -> Result<()> {
        let mut command = Command::new(programs::ours("alert-relay")?);
        command.arg("check").arg("--config").arg(&self.file).stdin(Stdio::null());
        let output = command.output().context("failed to start alert-relay check")?;
        ensure!(
            output.status.success(),
            "check refused the settings:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// CPU time of all that has ended so far: nothing else ends meanwhile.
    pub(super) fn spent_ms() -> Result<f64> {
        usage::cpu_of_ended_children_ms()
    }
}

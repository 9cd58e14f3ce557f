//! `<data>/relay`: alert-relay's commands for the relay of `make up`, with its settings file, address and store.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::chain::Chain;
use crate::chain::derived::RelaySettings;
use crate::programs;

impl Chain {
    /// Writes it, and says where it is.
    pub fn write_relay_command(&self) -> Result<PathBuf> {
        let path = self.data().join("relay");
        let text = script(&programs::ours("alert-relay")?, &self.derived.relay);
        let write = || -> std::io::Result<()> {
            std::fs::write(&path, text)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
        };
        write().with_context(|| format!("failed to write {}", path.display()))?;
        Ok(path)
    }
}

fn script(program: &Path, relay: &RelaySettings) -> String {
    let exports = |(name, value): &(&str, String)| format!("export {name}={}\n", quoted(value));
    let variables = relay.environment.iter().map(exports).collect::<Vec<_>>().concat();
    format!(
        "#!/bin/sh\n# usage: relay check|reload|send-test TARGET|explain ID|... — alert-relay with the settings that `make up` runs with, which\n\
         # wrote this file.\n{variables}exec {} \"$@\" --config {}\n",
        quoted(&program.display().to_string()),
        quoted(&relay.file.display().to_string())
    )
}

/// One word for the shell, whatever stands in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reaches_the_program_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("it's here $HOME `x`.yml");
        let environment = vec![("ALERT_RELAY__STORE__URL", "sqlite://a b'c\"".to_owned())];
        let relay = RelaySettings::edited(file.clone(), environment);
        let path = folder.path().join("relay");
        std::fs::write(&path, script(Path::new("/usr/bin/env"), &relay)).unwrap();
        let output = std::process::Command::new("sh")
            .arg(&path)
            .args(["sh", "-c", r#"printf '%s|' "$ALERT_RELAY__STORE__URL" "$@""#, "x", "a b"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, format!("sqlite://a b'c\"|a b|--config|{}|", file.display()));
    }
}

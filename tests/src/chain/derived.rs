//! The files the chain runs with: those in `deploy/` and `rules/`, with the addresses of this chain in place of the
//! shipped ones.
//!
//! There is no second copy of any setting: what people edit is what is derived from. A word that they have replaced by their own
//! stays theirs; that the shipped files have each word is a test's to hold.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use yaml_serde::Value;

use crate::chain::Neighbour;
use crate::chain::addresses::Addresses;
use crate::chain::channels::Channels;
use crate::process::Launch;
use crate::time_lapse;

/// What the files are derived from, besides the addresses.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) data: PathBuf,
    pub(crate) files: PathBuf,
    pub(crate) pace: u32,
    pub(crate) node: Option<String>,
    pub(crate) neighbour: Option<Neighbour>,
    pub(crate) channels: Option<Channels>,
}

/// Files by their paths in the checkout, with what stands in them.
pub(crate) type Texts = Vec<(String, String)>;

/// The settings of all parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Derived {
    /// Prometheus' own file first, then its targets and rules.
    pub(crate) prometheus: Texts,
    /// Alertmanager's one file.
    pub(crate) alertmanager: Texts,
    /// How the relay is started.
    pub(crate) relay: RelaySettings,
}

/// The relay's file, and what the environment lays over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelaySettings {
    pub(crate) file: PathBuf,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// What is to be written to `file`; `None` when it is the one that people edit.
    text: Option<String>,
}

/// Where the written files are.
pub(crate) struct Files {
    pub(crate) prometheus: PathBuf,
    pub(crate) alertmanager: PathBuf,
}

const PROMETHEUS: &str = "deploy/prometheus/prometheus.yml";
const NODES: &str = "deploy/prometheus/targets/nodes.yml";
const INFERENCE: &str = "deploy/prometheus/targets/inference.yml";
const ALERTMANAGER: &str = "deploy/alertmanager/alertmanager.yml";
const RELAY: &str = "deploy/alert-relay/relay.yml";

impl Derived {
    /// What the files under `deploy/` and `rules/` come to now.
    pub(crate) fn of(source: &Source, addresses: &Addresses) -> Result<Self> {
        Ok(Self {
            prometheus: prometheus(source, addresses)?,
            alertmanager: vec![(ALERTMANAGER.to_owned(), alertmanager(source, addresses)?)],
            relay: relay(source, addresses)?,
        })
    }

    /// Writes everything under `<data>/config`, laid out as in the checkout, so that relative paths hold.
    pub(crate) fn write(&self, source: &Source) -> Result<()> {
        let folder = config(source);
        replace(&folder, &[self.prometheus.as_slice(), self.alertmanager.as_slice()].concat())?;
        let store = source.data.join("alert-relay");
        std::fs::create_dir_all(&store).with_context(|| format!("failed to make {}", store.display()))?;
        let Some(text) = &self.relay.text else { return Ok(()) };
        save(&self.relay.file, text)
    }
}

impl RelaySettings {
    /// A file that people edit, under this environment.
    pub(crate) fn edited(file: PathBuf, environment: Vec<(&'static str, String)>) -> Self {
        Self { file, environment, text: None }
    }

    /// Whether it is the one that people edit.
    pub(crate) fn is_edited(&self) -> bool {
        self.text.is_none()
    }

    /// A start of a relay under the environment.
    pub(crate) fn put_on(&self, launch: Launch) -> Launch {
        self.environment.iter().fold(launch, |launch, (name, value)| launch.env(name, value))
    }
}

/// Where the chain's files are written.
pub(crate) fn config(source: &Source) -> PathBuf {
    source.data.join("config")
}

/// Where Prometheus and Alertmanager find theirs.
pub(crate) fn files(source: &Source) -> Files {
    let folder = config(source);
    Files { prometheus: folder.join(PROMETHEUS), alertmanager: folder.join(ALERTMANAGER) }
}

/// Makes these the only files of a folder: rules are found by a pattern, and what an earlier run left behind would be read too.
pub(crate) fn replace(folder: &Path, texts: &[(String, String)]) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("failed to empty {}", folder.display()));
        }
        _ => {}
    }
    texts.iter().try_for_each(|(file, text)| save(&folder.join(file), text))
}

/// Writes these over those that are there, and removes rules that are gone.
pub(crate) fn update(folder: &Path, texts: &[(String, String)]) -> Result<()> {
    texts.iter().try_for_each(|(file, text)| save(&folder.join(file), text))?;
    let rules = folder.join("rules");
    let listed = std::fs::read_dir(&rules).with_context(|| format!("failed to list {}", rules.display()))?;
    for entry in listed {
        let name = format!("rules/{}", entry?.file_name().to_string_lossy());
        if !texts.iter().any(|(file, _)| *file == name) {
            let gone = folder.join(name);
            std::fs::remove_file(&gone).with_context(|| format!("failed to remove {}", gone.display()))?;
        }
    }
    Ok(())
}

fn prometheus(source: &Source, addresses: &Addresses) -> Result<Texts> {
    let prometheus = shipped(source, PROMETHEUS)?
        .with("alertmanager:9093", &addresses.alertmanager.address().to_string())
        .with("alert-relay:8060", &addresses.relay.address().to_string())
        .with("alert-relay-standby:8060", &addresses.standby.address().to_string())
        .with("localhost:9090", &addresses.prometheus.address().to_string())
        // There is no Grafana here: messages then have no link to it.
        .with("grafana: http://localhost:3000", "grafana: \"\"");
    let mut nodes =
        shipped(source, NODES)?.with("this-machine:9100", &addresses.exporter.address().to_string());
    if let Some(node) = &source.node {
        nodes = nodes.with("node: this-machine", &format!("node: {node}"));
    }
    let mut inference = shipped(source, INFERENCE)?;
    if let Some(Neighbour { node, exporter, engine }) = &source.neighbour {
        for (file, target) in [(&mut nodes, exporter), (&mut inference, engine)] {
            // Writing to a string cannot fail.
            let _ = write!(file.text, "\n- targets: [\"{target}\"]\n  labels: {{ node: {node} }}\n");
        }
    }
    let mut texts = vec![
        (PROMETHEUS.to_owned(), prometheus.faster(source.pace)?),
        (NODES.to_owned(), nodes.text),
        (INFERENCE.to_owned(), inference.text),
    ];
    for file in rule_files(source)? {
        let rules = shipped(source, &file)?.faster(source.pace)?;
        texts.push((file, rules));
    }
    Ok(texts)
}

/// `rules/*.rules.yml`, by their paths in the checkout.
fn rule_files(source: &Source) -> Result<Vec<String>> {
    let folder = source.files.join("rules");
    let names = || -> std::io::Result<Vec<String>> {
        std::fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    let mut names = names().with_context(|| format!("failed to list {}", folder.display()))?;
    names.retain(|name| name.ends_with(".rules.yml"));
    ensure!(!names.is_empty(), "{} has no *.rules.yml", folder.display());
    names.sort();
    Ok(names.iter().map(|name| format!("rules/{name}")).collect())
}

fn alertmanager(source: &Source, addresses: &Addresses) -> Result<String> {
    let relay = addresses.relay.address().to_string();
    let standby = addresses.standby.address().to_string();
    let mut shipped = shipped(source, ALERTMANAGER)?
        .with("alert-relay:8060", &relay)
        .with("alert-relay-standby:8060", &standby);
    if let Some(channels) = &source.channels {
        shipped.text = channels.put_mailbox_into(&shipped.text)?;
    }
    shipped.faster(source.pace)
}

fn relay(source: &Source, addresses: &Addresses) -> Result<RelaySettings> {
    let edited = source.files.join(RELAY);
    let mut environment = vec![
        ("ALERT_RELAY__SERVER__LISTEN", addresses.relay.address().to_string()),
        (
            "ALERT_RELAY__STORE__URL",
            format!("sqlite://{}/relay.db", source.data.join("alert-relay").display()),
        ),
    ];
    // Who has set it knows better, as long as the port is the usual one.
    if addresses.relay.address().port() != 8060 {
        environment.push(("ALERT_RELAY__SERVER__EXTERNAL_URL", addresses.relay_url("")));
    }
    let Some(channels) = &source.channels else {
        return Ok(RelaySettings::edited(edited, environment));
    };
    let mut tree: Value = yaml_serde::from_str(&shipped(source, RELAY)?.text)?;
    channels.put_into(&mut tree).with_context(|| format!("failed to put other targets into {RELAY}"))?;
    let file = config(source).join(RELAY);
    Ok(RelaySettings { file, environment, text: Some(yaml_serde::to_string(&tree)?) })
}

/// A file of the checkout on its way to this chain.
struct Shipped {
    file: String,
    text: String,
}

fn shipped(source: &Source, file: &str) -> Result<Shipped> {
    let path = source.files.join(file);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(Shipped { file: file.to_owned(), text })
}

impl Shipped {
    /// With every `from` replaced.
    fn with(self, from: &str, to: &str) -> Self {
        Self { text: self.text.replace(from, to), ..self }
    }

    /// With every waiting time divided; untouched, comments included, at the shipped pace.
    fn faster(&self, pace: u32) -> Result<String> {
        if pace == 1 {
            return Ok(self.text.clone());
        }
        time_lapse::faster(&self.text, pace).with_context(|| format!("failed to speed up {}", self.file))
    }
}

fn save(path: &Path, text: &str) -> Result<()> {
    let written = || -> std::io::Result<()> {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        std::fs::write(path, text)
    };
    written().with_context(|| format!("failed to write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs;

    /// Every word that is replaced, and the shipped file that has it.
    const REPLACED: [(&str, &str); 9] = [
        (PROMETHEUS, "alertmanager:9093"),
        (PROMETHEUS, "alert-relay:8060"),
        (PROMETHEUS, "alert-relay-standby:8060"),
        (PROMETHEUS, "localhost:9090"),
        (PROMETHEUS, "grafana: http://localhost:3000"),
        (NODES, "this-machine:9100"),
        (NODES, "node: this-machine"),
        (ALERTMANAGER, "alert-relay:8060"),
        (ALERTMANAGER, "alert-relay-standby:8060"),
    ];

    /// A word that has gone would leave the chain with the shipped address, where nobody listens.
    #[test]
    fn the_shipped_files_have_every_word_that_is_replaced() {
        for (file, word) in REPLACED {
            let text = std::fs::read_to_string(programs::checkout().join(file)).unwrap();
            assert!(text.contains(word), "{file} no longer contains `{word}`: derived.rs must follow it");
        }
    }
}

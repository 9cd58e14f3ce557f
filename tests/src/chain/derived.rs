//! The files the chain runs with: those in `deploy/` and `rules/`, with the addresses of this chain in place of the
//! shipped ones.
//!
//! There is no second copy of any setting. A replacement that no longer finds its place is an error: the shipped file
//! has changed and this one must follow.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use yaml_serde::Value;

use crate::chain::Plan;
use crate::programs;
use crate::time_lapse;

/// Where the written files are.
pub(crate) struct Files {
    pub(crate) prometheus: PathBuf,
    pub(crate) alertmanager: PathBuf,
    pub(crate) relay: PathBuf,
}

/// Writes the settings of all parts under `<data>/config`, laid out as in the checkout, so that relative paths hold.
pub(crate) fn write(plan: &Plan) -> Result<Files> {
    let folder = plan.data.join("config");
    let files = Files {
        prometheus: folder.join("deploy/prometheus/prometheus.yml"),
        alertmanager: folder.join("deploy/alertmanager/alertmanager.yml"),
        relay: folder.join("deploy/alert-relay/relay.yml"),
    };
    // Left-overs of an earlier run would be read too: rules are found by a pattern.
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("failed to empty {}", folder.display()));
        }
        _ => {}
    }
    write_prometheus(plan, &folder)?;
    let alertmanager = shipped("deploy/alertmanager/alertmanager.yml")?
        .with("alert-relay:8060", &plan.addresses.relay.address().to_string())?;
    save(&files.alertmanager, &alertmanager.faster(plan.pace)?)?;
    save(&files.relay, &relay(plan)?)?;
    // Paths in relay.yml start at the file: its secrets stay where they are.
    let secrets = programs::checkout().join("deploy/alert-relay/secrets");
    std::os::unix::fs::symlink(&secrets, folder.join("deploy/alert-relay/secrets"))
        .with_context(|| format!("failed to link {}", secrets.display()))?;
    Ok(files)
}

fn write_prometheus(plan: &Plan, folder: &Path) -> Result<()> {
    let addresses = &plan.addresses;
    let prometheus = shipped("deploy/prometheus/prometheus.yml")?
        .with("alertmanager:9093", &addresses.alertmanager.address().to_string())?
        .with("alert-relay:8060", &addresses.relay.address().to_string())?
        .with("localhost:9090", &addresses.prometheus.address().to_string())?
        // There is no Grafana here: messages then have no link to it.
        .with("grafana: http://localhost:3000", "grafana: \"\"")?;
    save(&folder.join(&prometheus.file), &prometheus.faster(plan.pace)?)?;

    let mut nodes = shipped("deploy/prometheus/targets/nodes.yml")?
        .with("this-machine:9100", &addresses.exporter.address().to_string())?;
    if let Some(node) = &plan.node {
        nodes = nodes.with("node: this-machine", &format!("node: {node}"))?;
    }
    save(&folder.join(&nodes.file), &nodes.text)?;
    let inference = shipped("deploy/prometheus/targets/inference.yml")?;
    save(&folder.join(&inference.file), &inference.text)?;

    for file in rule_files()? {
        let rules = shipped(&file)?;
        save(&folder.join(&file), &rules.faster(plan.pace)?)?;
    }
    Ok(())
}

/// `rules/*.rules.yml`, by their paths in the checkout.
fn rule_files() -> Result<Vec<String>> {
    let folder = programs::checkout().join("rules");
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

fn relay(plan: &Plan) -> Result<String> {
    let addresses = &plan.addresses;
    let store = plan.data.join("alert-relay");
    std::fs::create_dir_all(&store).with_context(|| format!("failed to make {}", store.display()))?;
    let settings = shipped("deploy/alert-relay/relay.yml")?
        .with("\":8060\"", &format!("\"{}\"", addresses.relay.address()))?
        .with("localhost:8060", &addresses.relay.address().to_string())?
        .with("sqlite:///var/lib/alert-relay/", &format!("sqlite://{}/", store.display()))?;
    let Some(channels) = &plan.channels else { return Ok(settings.text) };
    let mut tree: Value = yaml_serde::from_str(&settings.text)?;
    channels.put_into(&mut tree).context("failed to put other targets into deploy/alert-relay/relay.yml")?;
    Ok(yaml_serde::to_string(&tree)?)
}

/// A file of the checkout on its way to this chain.
struct Shipped {
    /// Its path in the checkout.
    file: String,
    text: String,
}

fn shipped(file: &str) -> Result<Shipped> {
    let path = programs::checkout().join(file);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(Shipped { file: file.to_owned(), text })
}

impl Shipped {
    /// With every `from` replaced.
    fn with(self, from: &str, to: &str) -> Result<Self> {
        ensure!(
            self.text.contains(from),
            "{} no longer contains `{from}`\n(hint: tests/src/chain/derived.rs must follow it)",
            self.file
        );
        Ok(Self { text: self.text.replace(from, to), ..self })
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

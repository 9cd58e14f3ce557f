//! How each program is started: the flags that `docker-compose.yml` and the systemd units give it, for loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::chain::addresses::Addresses;
use crate::process::Launch;
use crate::programs;

/// What the exporter reads GPUs from.
#[derive(Clone, Debug)]
pub enum Gpus {
    /// The machine's driver, if it has one.
    Real,
    /// The simulated driver library.
    Simulated {
        /// A scenario file, as in `crates/nvml-sim/scenarios`.
        scenario: PathBuf,
        /// How long ago the scenario began when the exporter starts.
        age: Duration,
    },
}

/// Mount points that every shipped start leaves out: `node_exporter`'s default without `dev`. Engines with several workers die
/// when `/dev/shm` is full, so there is an alert about it; what else lies in `/dev` is left out by its type.
pub const MOUNT_POINTS_EXCLUDE: &str =
    "^/(proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)";

/// What every shipped start adds to the exporter's defaults; `textfiles` is where the calendar and thresholds of single GPUs go.
pub(crate) fn shipped_flags(textfiles: &Path) -> [String; 2] {
    [
        format!("--collector.filesystem.mount-points-exclude={MOUNT_POINTS_EXCLUDE}"),
        format!("--collector.textfile.directory={}", textfiles.display()),
    ]
}

/// gpu-node-exporter.
pub fn exporter(listen: SocketAddr, gpus: &Gpus) -> Result<Launch> {
    let launch = Launch::new("gpu-node-exporter", &programs::ours("gpu-node-exporter")?)
        .arg(format!("--web.listen-address={listen}"));
    Ok(match gpus {
        Gpus::Real => launch,
        Gpus::Simulated { scenario, age } => {
            let library = programs::ours("libnvml_sim.so")?;
            let origin = (SystemTime::now() - *age).duration_since(UNIX_EPOCH);
            let origin = origin.context("a scenario cannot begin before 1970")?;
            launch
                .arg(format!("--gpu.library={}", library.display()))
                .env("NVML_SIM_SCENARIO", scenario)
                .env("NVML_SIM_START", origin.as_millis().to_string())
        }
    })
}

/// alert-relay with a settings file.
pub fn relay(settings: &Path) -> Result<Launch> {
    Ok(Launch::new("alert-relay", &programs::ours("alert-relay")?).arg("serve").arg("--config").arg(settings))
}

/// The relay beside it, on the same file.
pub(crate) fn standby(settings: &Path) -> Result<Launch> {
    let launch = Launch::new("alert-relay-standby", &programs::ours("alert-relay")?);
    Ok(launch.arg("serve").arg("--standby").arg("--config").arg(settings))
}

/// Alertmanager, alone: without the gossip that a single one has no use for.
pub fn alertmanager(config: &Path, data: &Path, addresses: &Addresses) -> Result<Launch> {
    Ok(Launch::new("alertmanager", &programs::debian("prometheus-alertmanager")?)
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", data.join("alertmanager").display()))
        .arg(format!("--web.listen-address={}", addresses.alertmanager.address()))
        .arg(format!("--web.external-url={}", addresses.alertmanager_url("")))
        .arg("--cluster.listen-address="))
}

/// Prometheus; its `/user/runbooks.html` is the page that the rules' runbook links open.
pub fn prometheus(config: &Path, data: &Path, addresses: &Addresses) -> Result<Launch> {
    Ok(Launch::new("prometheus", &programs::debian("prometheus")?)
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", data.join("prometheus").display()))
        .arg("--storage.tsdb.retention.time=35d")
        .arg("--storage.tsdb.retention.size=20GB")
        .arg(format!("--web.listen-address={}", addresses.prometheus.address()))
        .arg(format!("--web.external-url={}", addresses.prometheus_url("")))
        .arg(format!("--web.user-assets={}", programs::checkout().join("rules").display())))
}

//! What can be seen from this machine: the only I/O of `doctor`, each step with a limit of time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use reqwest::Url;

use crate::channel::{self, reach::Reached};
use crate::clock::{Clock, Millis};
use crate::commands::doctor::kernel_clock::{self, KernelClock};
use crate::commands::reachability::{self, Tried};
use crate::outbox::{Outbox, ReadOnlyOutbox};
use crate::settings::Settings;
use crate::story::Standing;

/// Longest wait for a name.
const NAME_LIMIT: Duration = Duration::from_secs(5);

/// Longest wait for Alertmanager or Prometheus.
const PEER_LIMIT: Duration = Duration::from_secs(10);

/// Bytes that are written to see whether the disk takes them.
const WRITTEN: usize = 4 * 1024;

/// Everything that was seen.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// By the wall clock.
    pub(super) now: Millis,
    /// By how much the wall clock was set on while this looked (negative: back).
    pub(super) step: SignedDuration,
    /// What the kernel says of its clock.
    pub(super) kernel_clock: Result<KernelClock, String>,
    /// Each target.
    pub(super) targets: Vec<Tried>,
    /// Each name of a target's host: how many addresses it has, and how long the resolver took; or why it has none.
    pub(super) names: BTreeMap<String, Result<(usize, Duration), String>>,
    /// From which address of this machine packets to each host would leave.
    pub(super) egress: BTreeMap<String, IpAddr>,
    /// Variables of the environment that name a proxy, with its host and port.
    pub(super) proxies: BTreeMap<&'static str, String>,
    /// The disk of the store.
    pub(super) disk: Result<Disk, String>,
    /// How long it took to write and sync a small file beside the store; or why it cannot be done.
    pub(super) sync: Result<Duration, String>,
    /// Bytes of the store's file with its log.
    pub(super) store_bytes: u64,
    /// What is in the store; `Err`: it cannot be read.
    pub(super) store: Result<Standing, String>,
    /// A relay runs with it.
    pub(super) is_running: bool,
    /// Alertmanager and Prometheus.
    pub(super) peers: Vec<Peer>,
}

/// Space on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// Bytes that a user may still write.
    pub(super) free: u64,
    /// Bytes in all.
    pub(super) total: u64,
}

/// A program of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// As people call it.
    pub(super) name: &'static str,
    /// Its section of the settings, and its option here.
    pub(super) key: &'static str,
    /// Host and port; empty: nobody said where it is.
    pub(super) host: String,
    /// What it said of its readiness.
    pub(super) outcome: Result<Reached, String>,
}

/// Looks at everything.
pub(super) async fn gather(settings: &Settings, peers: [(&'static str, &'static str, &String); 2]) -> Facts {
    let clock = Clock::system();
    let (wall, elapsed) = (clock.now(), Instant::now());
    let path = &settings.store.path;
    let targets = reachability::of(settings).await;
    let (names, egress) = names(&targets).await;
    let mut looked = Vec::new();
    for (name, key, url) in peers {
        looked.push(peer(name, key, url).await);
    }
    let store = match ReadOnlyOutbox::open(&settings.store).await {
        Ok(mut reading) => reading.standing().await,
        Err(error) => Err(error),
    };
    let now = clock.now();
    let passed = SignedDuration::try_from(elapsed.elapsed()).unwrap_or_default();
    Facts {
        now,
        step: SignedDuration::from_millis(now.0.saturating_sub(wall.0)).saturating_sub(passed),
        kernel_clock: kernel_clock::read().map_err(|error| error.to_string()),
        targets,
        names,
        egress,
        proxies: proxies(|name| std::env::var(name).ok()),
        disk: disk(path),
        sync: write_beside(path).map_err(|error| error.to_string()),
        store_bytes: bytes(path),
        store: store.map_err(|error| error.to_string()),
        is_running: Outbox::is_in_use(path),
        peers: looked,
    }
}

/// What the resolver says of each host, and from where it is reached.
async fn names(
    targets: &[Tried],
) -> (BTreeMap<String, Result<(usize, Duration), String>>, BTreeMap<String, IpAddr>) {
    let hosts: BTreeSet<(&str, u16)> =
        targets.iter().map(|target| (target.end.host.as_str(), target.end.port)).collect();
    let (mut names, mut egress) = (BTreeMap::new(), BTreeMap::new());
    for (host, port) in hosts {
        let began = Instant::now();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::time::timeout(NAME_LIMIT, tokio::net::lookup_host((bare, port))).await;
        let addresses: Result<Vec<SocketAddr>, String> = match found {
            Ok(Ok(addresses)) => Ok(addresses.collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err(format!("no answer within {}", humantime::format_duration(NAME_LIMIT))),
        };
        if let Some(local) = addresses.iter().flatten().find_map(local_address) {
            egress.insert(host.to_owned(), local);
        }
        if bare.parse::<IpAddr>().is_err() {
            names.insert(host.to_owned(), addresses.map(|addresses| (addresses.len(), began.elapsed())));
        }
    }
    (names, egress)
}

/// The address of this machine from which packets to a peer leave, by the kernel's routes: nothing is sent.
fn local_address(peer: &SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if peer.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// Whether Alertmanager or Prometheus says that it is ready.
async fn peer(name: &'static str, key: &'static str, url: &str) -> Peer {
    if url.is_empty() {
        return Peer { name, key, host: String::new(), outcome: Err(String::new()) };
    }
    let ready = format!("{}/-/ready", url.trim_end_matches('/'));
    let (host, outcome) = match Url::parse(&ready) {
        Ok(url) => (host_and_port(&url), channel::look(&url, PEER_LIMIT).await),
        Err(error) => ("the given address".to_owned(), Err(error.to_string())),
    };
    Peer { name, key, host, outcome }
}

/// The variables that reqwest obeys, with what may be shown of them: an address may hold a password.
fn proxies(variable: impl Fn(&'static str) -> Option<String>) -> BTreeMap<&'static str, String> {
    const NAMES: [&str; 8] = [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ];
    let shown = |name: &'static str| {
        let value = variable(name).filter(|value| !value.is_empty())?;
        let shown = match Url::parse(&value) {
            _ if name.eq_ignore_ascii_case("no_proxy") => value,
            Ok(url) if url.host_str().is_some() => host_and_port(&url),
            _ => "no address of a proxy".to_owned(),
        };
        Some((name, shown))
    };
    NAMES.into_iter().filter_map(shown).collect()
}

fn host_and_port(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

fn disk(store: &Path) -> Result<Disk, String> {
    let stat = rustix::fs::statvfs(directory(store)).map_err(|error| error.to_string())?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Disk { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks) })
}

fn directory(store: &Path) -> &Path {
    store.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a small file beside the store, syncs it, and removes it.
fn write_beside(store: &Path) -> std::io::Result<Duration> {
    let mut name = store.as_os_str().to_owned();
    name.push(format!(".doctor-{}", std::process::id()));
    let path = PathBuf::from(name);
    let began = Instant::now();
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let written = file.write_all(&[0; WRITTEN]).and_then(|()| file.sync_all());
    let took = began.elapsed();
    std::fs::remove_file(&path)?;
    written.map(|()| took)
}

fn bytes(store: &Path) -> u64 {
    let beside = |suffix: &str| {
        let mut name = store.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(name).map_or(0, |file| file.len())
    };
    beside("") + beside("-wal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_login() {
        let variables = BTreeMap::from([
            ("HTTPS_PROXY", "http://user:secret@proxy.example:3128"),
            ("http_proxy", "secret"),
            ("NO_PROXY", "localhost,10.0.0.0/8"),
            ("ALL_PROXY", ""),
        ]);
        let proxies = proxies(|name| variables.get(name).map(|value| (*value).to_owned()));
        assert_eq!(
            proxies,
            BTreeMap::from([
                ("HTTPS_PROXY", "proxy.example:3128".to_owned()),
                ("NO_PROXY", "localhost,10.0.0.0/8".to_owned()),
                ("http_proxy", "no address of a proxy".to_owned()),
            ])
        );
    }

    #[test]
    fn the_disk_is_tried_and_nothing_stays() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("relay.db");
        assert!(write_beside(&store).is_ok() && disk(&store).is_ok_and(|disk| disk.free <= disk.total));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        std::fs::write(&store, [0; 100]).unwrap();
        assert_eq!(bytes(&store), 100);
        let missing = directory.path().join("none/relay.db");
        assert!(write_beside(&missing).is_err() && disk(&missing).is_err());
    }

    #[test]
    fn packets_to_this_machine_leave_from_it() {
        assert_eq!(local_address(&([127, 0, 0, 1], 9).into()), Some([127, 0, 0, 1].into()));
    }
}

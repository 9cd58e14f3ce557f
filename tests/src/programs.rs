//! Where the real programs are. A missing one is an error that says how to get it, never a skipped test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// Programs of Debian's packages: what they are called, and the package that has them.
const DEBIAN: [(&str, &str); 9] = [
    ("chromedriver", "chromium-driver"),
    ("chromium", "chromium"),
    ("prometheus", "prometheus"),
    ("dbus-daemon", "dbus"),
    ("promtool", "prometheus"),
    ("prometheus-alertmanager", "prometheus-alertmanager"),
    ("amtool", "prometheus-alertmanager"),
    ("prometheus-node-exporter", "prometheus-node-exporter"),
    ("sqlite3", "sqlite3"),
];

/// Debian's own Python: the interpreter its `python3-*` packages belong to, whatever else is first in `PATH`.
const PYTHON: &str = "/usr/bin/python3";

/// A program of one of Debian's packages, from `PATH` or `/usr/bin`.
pub fn debian(program: &str) -> Result<PathBuf> {
    let (_, package) = DEBIAN
        .iter()
        .find(|(name, _)| *name == program)
        .with_context(|| format!("`{program}` is not in the table of programs in programs.rs"))?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/bin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .with_context(|| {
            format!("`{program}` is not installed\n(hint: make install-deps, or apt-get install {package})")
        })
}

/// Debian's Python, having made sure that it can import `module`.
pub fn python(module: &str) -> Result<PathBuf> {
    let package = match module {
        "aiosmtpd" => "python3-aiosmtpd",
        "prometheus_client" => "python3-prometheus-client",
        other => bail!("the package of Python's `{other}` is not known to programs.rs"),
    };
    let imported = Command::new(PYTHON).args(["-c", &format!("import {module}")]).output();
    ensure!(
        imported.is_ok_and(|output| output.status.success()),
        "{PYTHON} cannot import `{module}`\n(hint: make install-deps, or apt-get install {package})"
    );
    Ok(PathBuf::from(PYTHON))
}

/// One of this workspace's own programs, or the simulated driver library, as last built in this program's profile.
///
/// Errors when it is missing or older than its sources: a test against yesterday's program proves nothing.
pub fn ours(name: &str) -> Result<PathBuf> {
    let folder = build_folder()?;
    let file = folder.join(name);
    let hint = if folder.ends_with("release") {
        "cargo build --workspace --release"
    } else {
        "cargo build --workspace"
    };
    ensure!(file.is_file(), "{} has not been built\n(hint: {hint})", file.display());
    if let Some(newer) = newer_source(&file)? {
        bail!("{} is older than {}\n(hint: {hint})", file.display(), newer.display());
    }
    Ok(file)
}

/// `target/<profile>`: where cargo put the program that asks.
fn build_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("failed to find this program's own file")?;
    let folder = own.parent().context("this program's file has no folder")?;
    // Test binaries lie one level deeper than programs.
    Ok(if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder }.to_path_buf())
}

/// A source changed after `file` was built, by the list of sources that cargo keeps beside it.
fn newer_source(file: &Path) -> Result<Option<PathBuf>> {
    let built = modified(file)?;
    let list = file.with_extension("d");
    let rule = std::fs::read_to_string(&list)
        .with_context(|| format!("failed to read {}\n(hint: cargo build --workspace)", list.display()))?;
    let sources = rule.split_once(": ").map_or("", |(_, sources)| sources);
    for source in sources.split_whitespace().map(Path::new) {
        // A source that is gone was renamed since: as stale as one that changed.
        if modified(source).map_or(true, |at| at > built) {
            return Ok(Some(source.to_path_buf()));
        }
    }
    Ok(None)
}

fn modified(file: &Path) -> Result<std::time::SystemTime> {
    let of = || file.metadata()?.modified();
    of().with_context(|| format!("failed to look at {}", file.display()))
}

/// The folder of this checkout: `deploy/`, `rules/` and the scenarios lie under it.
pub fn checkout() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

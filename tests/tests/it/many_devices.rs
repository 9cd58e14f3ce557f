//! A machine with far more devices than any has: the page still comes, and nothing is held that grows without bound.

use std::fs;
use std::time::Duration;

use e2e::chain::parts::Gpus;
use e2e::host_tree::{HostTree, Size};
use e2e::wait::until;

use crate::exporter_fixture::ExporterFixture;

const NONE: Size = Size { cpus: 2, network_devices: 1, disks: 1, infiniband_ports: 0, nvme_drives: 0 };

/// How long a debug build may take to read all of them first, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// A first page may be late; the next are not, by the client's own limit.
async fn page_shows_all(size: Size, metric: &str, expected: usize) {
    let machine = HostTree::write(size).unwrap();
    let [proc, sys, in_files] = machine.flags();
    let flags = [&*proc, &*sys, &*in_files, "--no-collector.gpu"];
    let exporter = ExporterFixture::start(&Gpus::Real, &flags).await.unwrap();
    let start = format!("\n{metric}{{");
    let shows_all = async || {
        let page = exporter.scrape().await.ok()?;
        (page.0.matches(&start).count() == expected).then_some(page)
    };
    let page = until("all devices", PATIENCE, shows_all).await.unwrap();
    assert!(page.value("node_load1", &[]).is_some());

    let pid = exporter.process.pid();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    assert!(descriptors < 5_000, "{descriptors} descriptors");
    for _ in 0..4 {
        exporter.scrape().await.unwrap();
    }
    // What is kept of each device: its labels, its names, its last page in two formats.
    let (private, most) = (private_kibibytes(pid), 40 * (1024 + expected as u64));
    assert!(private < most, "{private} KiB for {expected} devices, of {most}");
}

fn private_kibibytes(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let lines = rollup
        .lines()
        .filter_map(|line| line.strip_prefix("Private_")?.split_whitespace().nth(1)?.parse::<u64>().ok());
    lines.sum()
}

#[tokio::test]
async fn ten_thousand_network_devices() {
    let size = Size { network_devices: 10_000, ..NONE };
    page_shows_all(size, "node_network_mtu_bytes", 10_000).await;
}

#[tokio::test]
async fn five_thousand_disks() {
    let size = Size { disks: 5_000, ..NONE };
    page_shows_all(size, "node_disk_io_now", 5_000).await;
}

//! More files to read than the process may have open.

use std::fs;

use crate::exporter::{Exporter, Page};

const DEVICES: usize = 60;

/// A sysfs with more files of network devices than fit into 1024 descriptors.
fn many_devices() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a temporary directory");
    for number in 0..DEVICES {
        let device = root.path().join(format!("class/net/eth{number}"));
        fs::create_dir_all(&device).expect("writable");
        for file in ["operstate", "address", "broadcast", "duplex", "ifalias"] {
            fs::write(device.join(file), "up\n").expect("writable");
        }
        let numbers = "addr_assign_type carrier carrier_changes carrier_up_count carrier_down_count dev_id dormant \
                       flags ifindex iflink link_mode mtu name_assign_type netdev_group tx_queue_len type speed";
        for file in numbers.split(' ') {
            fs::write(device.join(file), "1\n").expect("writable");
        }
    }
    root
}

/// Starts under a limit (arguments of `ulimit`), scrapes twice, and returns the second page.
fn page_under(limit: &str) -> Page {
    let root = many_devices();
    let sysfs = format!("--path.sysfs={}", root.path().display());
    let exporter = Exporter::under_limit(limit, &[sysfs.as_str(), "--no-collector.gpu"]);
    exporter.scrape();
    let page = exporter.scrape();
    for name in ["node_network_up", "node_network_mtu_bytes", "node_network_speed_bytes", "node_network_info"]
    {
        let series = page.0.lines().filter(|line| line.starts_with(&format!("{name}{{"))).count();
        assert_eq!(series, DEVICES, "{name} under `ulimit {limit}`\n{}", exporter.log());
    }
    assert!(page.says("node_scrape_collector_success", &[r#"collector="netclass""#], 1.0));
    page
}

#[test]
fn the_usual_limit_is_raised_to_what_is_allowed() {
    let page = page_under("-Sn 256");
    let most = page.value("process_max_fds", &[]).expect("there is a limit");
    assert!(most > 256.0, "{most}");
}

#[test]
fn a_limit_that_cannot_be_raised_leaves_room_for_other_files() {
    let page = page_under("-n 64");
    assert!(page.says("process_max_fds", &[], 64.0));
    let open = page.value("process_open_fds", &[]).expect("it is Linux");
    assert!(open < 64.0, "{open}");
}

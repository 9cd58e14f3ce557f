//! Our host collectors on `node_exporter`'s own captures must show what it shows there.
//!
//! The whole path runs: flags, workers, families, page. `testdata/node_exporter/README.md` says where the captures are
//! from.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::testing::{flags, testdata};
use super::{COLLECTORS, Host};
use crate::exposition::{Format, Page};
use crate::scrape::Scraper;

/// Collectors that ask the machine, whatever the roots are, and `oom_kills`, whose files `node_exporter` does not read.
const ASK_THE_MACHINE: [&str; 13] = [
    "ethtool",
    "filesystem",
    "logind",
    "network_route",
    "oom_kills",
    "perf",
    "qdisc",
    "selinux",
    "systemd",
    "tcpstat",
    "timex",
    "uname",
    "wifi",
];

/// Collectors of what the captured machines did not have.
const NOT_CAPTURED: [&str; 1] = ["drm"];

/// The flags of `node_exporter`'s `end-to-end-test.sh` for these collectors; it also turns on those that do not run by
/// default.
const FLAGS: &[&str] = &[
    "--collector.arp.device-exclude=nope",
    "--no-collector.arp.netlink",
    "--collector.bcache.priorityStats",
    "--collector.cpu.info",
    "--collector.cpu.info.bugs-include=^(cpu_meltdown|spectre_.*|mds)$",
    "--collector.cpu.info.flags-include=^(aes|avx.?|constant_tsc)$",
    "--collector.hwmon.chip-include=(applesmc|asus_nb_wmi|coretemp|hwmon4|ieee80211|nct6779)",
    "--collector.netclass.ignore-invalid-speed",
    "--collector.netclass.ignored-devices=(dmz|int)",
    "--collector.netdev.device-include=lo",
    "--collector.stat.softirq",
    "--collector.sysctl.include-info=kernel.seccomp.actions_avail",
    "--collector.sysctl.include=fs.file-nr",
    "--collector.sysctl.include=fs.file-nr:total,current,max",
    "--collector.sysctl.include=kernel.threads-max",
];

/// What it shows of files in its tests for which the machine is asked here.
const ASKS_HERE: [&str; 2] = ["node_qdisc_", "node_wifi_"];

/// What its page says of itself.
const ITS_OWN: [&str; 5] = ["go_", "node_exporter_", "node_scrape_", "process_", "promhttp_"];

/// Families that only we have, or of collectors that `end-to-end-test.sh` leaves off.
const OURS: &[&str] = &["node_nvmesubsystem_", "node_pci_", "node_swap_", "node_uninterruptible_"];

/// What follows from the machine that runs the test.
const LIVE: [&str; 3] = ["node_time_seconds", "node_time_zone_offset_seconds", "node_textfile_mtime_seconds"];

#[tokio::test]
async fn shows_every_series_of_node_exporters_own_page() {
    let root = testdata();
    let root = root.display();
    let paths = [
        format!("--path.procfs={root}/proc"),
        format!("--path.sysfs={root}/sys"),
        format!("--path.rootfs={root}"),
        format!("--path.udev.data={root}/udev/data"),
        format!("--collector.textfile.directory={root}/textfile/two_metric_files"),
    ];
    let shown = COLLECTORS.iter().map(|entry| entry.name).filter(|name| !ASK_THE_MACHINE.contains(name));
    let on = shown.clone().map(|name| format!("--collector.{name}"));
    let off = ASK_THE_MACHINE.map(|name| format!("--no-collector.{name}"));
    let written: Vec<String> =
        on.chain(off).chain(paths).chain(FLAGS.iter().map(|flag| (*flag).to_owned())).collect();
    let written: Vec<&str> = written.iter().map(String::as_str).collect();
    let host = Host::new(&mut flags(&written));

    let scraper = Scraper::start(host.collectors).unwrap();
    let readings = scraper.read(|_| true, Instant::now() + Duration::from_secs(30)).await;
    for reading in &readings {
        assert!(reading.success(), "{}: {:?}", reading.collector, reading.faults);
        let has_samples = Page::size_of(&reading.families) > 0;
        assert!(
            has_samples != NOT_CAPTURED.contains(&reading.collector),
            "{} has no capture in testdata",
            reading.collector
        );
    }
    assert_eq!(readings.len(), shown.clone().count());
    let page = Page::new(readings.iter().flat_map(|reading| reading.families.clone()).collect(), None);
    assert_eq!(page.refused().told, [] as [&str; 0]);

    let mut ours = lines(&page.write(Format::Classic, None, String::new()).text());
    ours.retain(|line, _| !begins(line, OURS.iter().copied()));
    // Some labels are paths, and its tests read from another directory.
    let expected = std::fs::read_to_string(format!("{root}/e2e-output.txt")).unwrap();
    let mut expected = lines(&expected.replace("collector/fixtures/", &format!("{root}/")));
    expected.retain(|line, _| !begins(line, ASKS_HERE.into_iter().chain(ITS_OWN)));
    let missing: Vec<_> = expected.iter().filter(|(line, value)| ours.get(*line) != Some(value)).collect();
    let extra: Vec<_> = ours.iter().filter(|(line, _)| !expected.contains_key(*line)).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing or different: {missing:#?}\nonly ours: {extra:#?}"
    );
    assert!(expected.len() > 500, "only {} lines are compared", expected.len());
}

/// Series, HELP and TYPE lines with their values; labels in the order of their names.
fn lines(page: &str) -> BTreeMap<String, String> {
    let is_traffic = |line: &str| {
        ["receive", "transmit"].iter().any(|way| {
            ["bytes", "packets"]
                .iter()
                .any(|what| begins(line, [&*format!("node_network_{way}_{what}_total")]))
        })
    };
    // The help of a text file's family names the file's path.
    let is_path = |line: &str| line.starts_with("# HELP testmetric");
    let compared = |line: &&str| !is_traffic(line) && !is_path(line) && !begins(line, LIVE);
    page.lines().filter(compared).map(entry).collect()
}

/// Whether a line is of a family whose name begins so.
fn begins<'a>(line: &str, names: impl IntoIterator<Item = &'a str>) -> bool {
    let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
    names.into_iter().any(|start| name.starts_with(start))
}

fn entry(line: &str) -> (String, String) {
    if let Some((head, help)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
        return (format!("# HELP {head}"), help.to_owned());
    }
    let (series, value) = line.rsplit_once(' ').unwrap();
    let value = value.parse::<f64>().map_or(value.to_owned(), |number| {
        // Go multiplied by 1/1000 where this divides, and the other way round: the last digit may differ.
        format!("{number:.9e}")
    });
    (ordered(series), value)
}

/// Values may hold commas, so the labels are cut where a quote ends one.
fn ordered(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else { return series.to_owned() };
    let mut labels: Vec<&str> = labels.trim_end_matches("\"}").split("\",").collect();
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join("\","))
}

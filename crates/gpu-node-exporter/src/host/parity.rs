//! Our host collectors on `node_exporter`'s own captures must show what it shows there.
//!
//! The whole path runs: flags, lanes, families, page. `testdata/node_exporter/README.md` says where the captures are from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::args::{self, Command};
use crate::exposition::{Format, Page};
use crate::host;
use crate::scrape::Scraper;

/// The flags of `node_exporter`'s `end-to-end-test.sh` for these collectors.
const FLAGS: [&str; 10] = [
    "--no-collector.filesystem",
    "--no-collector.uname",
    "--collector.cpu.info",
    "--collector.cpu.info.bugs-include=^(cpu_meltdown|spectre_.*|mds)$",
    "--collector.cpu.info.flags-include=^(aes|avx.?|constant_tsc)$",
    "--collector.netclass.ignore-invalid-speed",
    "--collector.netclass.ignored-devices=(dmz|int)",
    "--collector.netdev.device-include=lo",
    "--collector.stat.softirq",
    "--no-collector.arp.netlink",
];

/// What follows from the machine that runs the test.
const LIVE: [&str; 3] = ["node_time_seconds", "node_time_zone_offset_seconds", "node_textfile_mtime_seconds"];

#[tokio::test]
async fn shows_every_series_of_node_exporters_own_page() {
    let root = format!("{}/src/host/testdata/node_exporter", env!("CARGO_MANIFEST_DIR"));
    let paths = [
        format!("--path.procfs={root}/proc"),
        format!("--path.sysfs={root}/sys"),
        format!("--path.rootfs={root}"),
        format!("--path.udev.data={root}/udev/data"),
        format!("--collector.textfile.directory={root}/textfile/two_metric_files"),
    ];
    let arguments = FLAGS.map(OsString::from).into_iter().chain(paths.map(OsString::from));
    let Ok(Command::Serve(settings)) = args::parse(arguments) else { panic!("the flags are wrong") };

    let scraper = Scraper::start(host::lanes(&settings.host)).unwrap();
    let readings = scraper.read(|_| true, Instant::now() + Duration::from_secs(30)).await;
    for reading in &readings {
        assert!(reading.success(), "{}: {:?}", reading.collector, reading.faults);
    }
    let page = Page::new(readings.iter().map(|reading| Arc::clone(&reading.families)).collect());
    assert_eq!(page.refused, [] as [&str; 0]);

    let ours = lines(&Arc::new(page).encode(Format::Classic, 0));
    let expected = lines(&std::fs::read_to_string(format!("{root}/expected.txt")).unwrap());
    let missing: Vec<_> = expected.iter().filter(|(line, value)| ours.get(*line) != Some(value)).collect();
    let extra: Vec<_> = ours.iter().filter(|(line, _)| !expected.contains_key(*line)).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing or different: {missing:#?}\nonly ours: {extra:#?}"
    );
    assert!(expected.len() > 500, "only {} lines are compared", expected.len());
}

/// Series and TYPE lines with their values; labels in the order of their names.
fn lines(page: &str) -> BTreeMap<String, String> {
    let is_traffic = |line: &str| {
        let name = line.trim_start_matches("# TYPE ");
        ["receive", "transmit"].iter().any(|way| {
            let of = |what: &str| name.starts_with(&format!("node_network_{way}_{what}_total"));
            of("bytes") || of("packets")
        })
    };
    let compared = |line: &&str| {
        !line.starts_with("# HELP")
            && !is_traffic(line)
            && !LIVE.iter().any(|live| line.trim_start_matches("# TYPE ").starts_with(live))
    };
    page.lines().filter(compared).map(entry).collect()
}

fn entry(line: &str) -> (String, String) {
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

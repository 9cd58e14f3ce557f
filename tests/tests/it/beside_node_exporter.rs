//! On this machine, at one moment, with the same flags: what Debian's `node_exporter` shows, the exporter shows.
//!
//! The captures in the exporter's own tests pin 1.12.1; this one meets whatever machine the tests run on. Debian's is an older version, so what changed
//! between the two stands in a table.

use std::collections::BTreeMap;

use e2e::chain::parts::Gpus;
use e2e::node_exporter::{self, NOT_COMPARED};
use e2e::ports::Port;
use e2e::process::Launch;
use e2e::{http, programs};
use test_peers::page::Page;

use crate::exporter_fixture::{ExporterFixture, TIMEOUT};

/// Families that 1.12.1 shows in another way than Debian's 1.5.
const CHANGED: [&str; 0] = [];

/// Flags whose defaults changed since.
const FLAGS: [&str; 1] =
    [r"--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$"];

/// Families whose help changed since.
const HELPS: [&str; 1] = ["node_ksmd_"];

/// What is of the program itself.
const OF_ITSELF: [&str; 6] = [
    "go_",
    "node_exporter_build_info",
    "node_scrape_collector_duration_seconds",
    "process_",
    "promhttp_",
    "scrape_",
];

/// Collectors that are compared here, though nothing measures them. Of systemd and logind `beside_systemd.rs` has some of their own.
const ALSO: [&str; 2] = ["perf", "wifi"];

/// Each program counts these from its own start on.
const COUNTED_FROM_THE_START: &str = "node_perf_";

pub(crate) type Series = BTreeMap<(String, BTreeMap<String, String>), f64>;

pub(crate) fn series(page: &str) -> Series {
    let samples = Page(page.to_owned());
    let kept = samples.samples().filter(|sample| !OF_ITSELF.iter().any(|own| sample.name.starts_with(own)));
    kept.map(|sample| ((sample.name, sample.labels), sample.value)).collect()
}

#[tokio::test]
async fn what_node_exporter_shows_is_shown() {
    let program = programs::debian("prometheus-node-exporter").unwrap();
    let names = node_exporter::collectors().unwrap();
    let names = names.iter().map(String::as_str).chain(ALSO);
    let flags: Vec<String> = names.map(|name| format!("--collector.{name}")).collect();
    assert!(flags.len() > 50, "{flags:?}");
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(FLAGS).collect();

    let (folder, port) = (tempfile::tempdir().unwrap(), Port::free().unwrap());
    let address = format!("--web.listen-address={}", port.address());
    let off = NOT_COMPARED.iter().filter(|name| !ALSO.contains(name));
    let off: Vec<_> = off.map(|name| format!("--no-collector.{name}")).collect();
    let launch = off.iter().fold(Launch::new("node_exporter", &program).arg(address), Launch::arg);
    let mut peer = flags.iter().fold(launch, Launch::arg).start(folder.path()).unwrap();
    let client = http::client().unwrap();
    let url = format!("http://{}/metrics", port.address());
    peer.ready(&client, &url, TIMEOUT).await.unwrap();
    let ours =
        ExporterFixture::start(&Gpus::Real, &[&flags[..], &["--no-collector.gpu"]].concat()).await.unwrap();

    // What is wrong is so each time; what moved between two pages is so once.
    let mut wrong: Option<BTreeMap<String, String>> = None;
    for _ in 0..5 {
        let before = series(&http::page(&client, &url).await.unwrap());
        let shown = series(&ours.scrape().await.unwrap().0);
        let after = series(&http::page(&client, &url).await.unwrap());
        let (compared, found) = differences(&before, &shown, &after);
        assert!(compared > 300, "only {compared} series were compared");
        wrong = Some(match wrong {
            None => found,
            Some(last) => last.into_iter().filter(|(series, _)| found.contains_key(series)).collect(),
        });
    }
    let texts = [http::page(&client, &url).await.unwrap(), ours.scrape().await.unwrap().0];
    let (texts, shown) = (helps_and_types(&texts[0]), helps_and_types(&texts[1]));
    let is_other = |(name, text): &(&String, &String)| shown.get(*name).is_some_and(|ours| ours != *text);
    let other: Vec<_> = texts.iter().filter(is_other).map(|(name, text)| (text, &shown[name])).collect();
    assert!(texts.len() > 200 && other.is_empty(), "{} families, beside ours: {other:#?}", texts.len());
    let wrong: Vec<_> =
        wrong.unwrap_or_default().into_iter().map(|(series, why)| format!("{series} {why}")).collect();
    assert!(wrong.is_empty(), "{} series:\n{}", wrong.len(), wrong.join("\n"));
}

/// The lines `# HELP` and `# TYPE` of each family of the machine, in the order of the page.
fn helps_and_types(page: &str) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::<String, String>::new();
    let lines = page.lines().filter(|line| line.starts_with("# "));
    for line in lines.filter(|line| !HELPS.iter().chain(&OF_ITSELF).any(|name| line[7..].starts_with(name))) {
        let name = line[7..].split(' ').next().unwrap_or_default();
        texts.entry(name.to_owned()).or_default().push_str(line);
    }
    texts
}

/// How many series were compared, and what is wrong with ours, by series.
pub(crate) fn differences(
    before: &Series,
    shown: &Series,
    after: &Series,
) -> (usize, BTreeMap<String, String>) {
    let mut wrong = BTreeMap::new();
    let lasting = before.iter().filter_map(|(key, before)| Some((key, *before, *after.get(key)?)));
    let compared: Vec<_> = lasting.filter(|((name, _), ..)| !CHANGED.contains(&&**name)).collect();
    for ((name, labels), before, after) in &compared {
        let (low, high) = (before.min(*after), before.max(*after));
        let slack = high.abs() * 1e-9;
        let why = match ours(shown, name, labels) {
            None => "is missing".to_owned(),
            Some(_) if name.starts_with(COUNTED_FROM_THE_START) => continue,
            // Where nobody may ask, ours says so.
            Some(0.0) if labels.get("collector").is_some_and(|name| name == "perf") => continue,
            Some(value) if low.total_cmp(&high).is_eq() && (value - low).abs() > slack => {
                format!("is {value} instead of {low}")
            }
            Some(value) if name.ends_with("_total") && !(low - slack..=high + slack).contains(&value) => {
                format!("is {value}, not from {low} to {high}")
            }
            Some(_) => continue,
        };
        wrong.insert(format!("{name}{labels:?}"), why);
    }
    (compared.len(), wrong)
}

/// The series of ours with these labels; newer versions have more of them.
fn ours(shown: &Series, name: &str, labels: &BTreeMap<String, String>) -> Option<f64> {
    let has_all =
        |found: &BTreeMap<String, String>| labels.iter().all(|(name, value)| found.get(name) == Some(value));
    let of_name =
        shown.range((name.to_owned(), BTreeMap::new())..).take_while(|((found, _), _)| found == name);
    let mut matching = of_name.filter(|((_, found), _)| has_all(found));
    matching.next().map(|(_, value)| *value)
}

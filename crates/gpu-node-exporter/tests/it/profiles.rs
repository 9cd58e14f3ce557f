//! `--gpu.profile`: what each shows, and what the driver is not asked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::exporter::{Exporter, Page};

/// A card with a process, of which these calls fail, once this is shown.
fn page(flags: &[&str], failing: &[&str], last: &str) -> (Exporter, Page) {
    let incidents: Vec<_> = failing
        .iter()
        .map(|call| format!("{{ gpu: 0, at: 0s, kind: error, code: 999, call: {call} }}"))
        .collect();
    let scenario = format!(
        "description: test\ngpus: [{{ model: h100-sxm }}]\nprocesses: [{{ gpu: 0, pid: 4000001, memory_mib: 100 }}]\nincidents: [{}]\n",
        incidents.join(", ")
    );
    let exporter = Exporter::on_scenario(&scenario, flags);
    let page = exporter.wait_until("it is read and summed up", |page| {
        page.says("gpu_up", &[], 1.0) && page.value(last, &[]).is_some()
    });
    (exporter, page)
}

/// Comes with the second sweep.
const MEASURED: &str = "gpu_sm_active_ratio";

/// The names of what is told of GPUs. What is told of the probe comes when it comes.
fn names(page: &Page) -> BTreeSet<String> {
    let is_of_gpus = |name: &String| name.starts_with("gpu_") && !name.starts_with("gpu_probe_");
    page.samples().map(|sample| sample.name).filter(is_of_gpus).collect()
}

/// The names of a page that has at least these: some come a little later than others.
#[track_caller]
fn names_with(exporter: &Exporter, least: &BTreeSet<String>) -> BTreeSet<String> {
    let what = format!("it shows all of {least:?}");
    names(&exporter.wait_until(&what, |page| least.is_subset(&names(page))))
}

/// The rules that need more than the least; they say so.
const OF_LINKS: &str = "gpu-links.rules.yml";

/// The readings that rules need only to name who holds memory, without which they tell the same of nobody; and those of `GpuClocksLow`.
const BEYOND: [&str; 3] = ["gpu_container_memory_used_bytes", "gpu_clock_hertz", "gpu_clock_max_hertz"];

/// All words of the other rules.
fn words_of_rules() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let files = fs::read_dir(folder).expect("the rules").map(|entry| entry.expect("a file").path());
    let rules =
        files.filter(|path| path.to_string_lossy().ends_with(".rules.yml") && !path.ends_with(OF_LINKS));
    let texts = rules.map(|path| fs::read_to_string(path).expect("a text"));
    let is_part = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_';
    texts
        .flat_map(|text| text.split(|symbol| !is_part(symbol)).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn the_least_has_what_rules_need_and_asks_for_nothing_else() {
    let (of_default, default) = page(&[], &[], MEASURED);
    let failing = [
        "nvmlDeviceGetClockInfo",
        "nvmlGpmSampleGet",
        "nvmlDeviceGetSramEccErrorStatus",
        "nvmlDeviceGetPersistenceMode",
        "nvmlDeviceGetMemoryErrorCounter",
        "nvmlDeviceGetNvLinkState",
    ];
    let (of_minimal, minimal) = page(&["--gpu.profile=minimal"], &failing, "gpu_busy_seconds_total");
    let success = minimal.value("node_scrape_collector_success", &[r#"collector="gpu""#]);
    assert_eq!(success, Some(1.0), "a call that fails is not made: {}", of_minimal.log());

    let default = names(&default);
    let needed: BTreeSet<_> = default
        .intersection(&words_of_rules())
        .filter(|name| !BEYOND.contains(&name.as_str()))
        .cloned()
        .collect();
    assert!(needed.len() > 10, "{needed:?}");
    let minimal = names_with(&of_minimal, &needed);
    let default = names_with(&of_default, &minimal);
    for left_out in
        ["gpu_clock_hertz", "gpu_gpm_supported", "gpu_nvlink_up", "gpu_container_memory_used_bytes"]
    {
        assert!(default.contains(left_out) && !minimal.contains(left_out), "{left_out}");
    }
}

#[test]
fn all_there_is_has_each_process() {
    let (_, default) = page(&[], &[], MEASURED);
    let (of_full, _) = page(&["--gpu.profile=full"], &[], MEASURED);
    let default = names(&default);
    let full = names_with(&of_full, &default);
    assert!(
        full.contains("gpu_process_memory_used_bytes") && !default.contains("gpu_process_memory_used_bytes")
    );
}

//! Load averages, from `/proc/loadavg` (see `proc_loadavg(5)`).
//!
//! Owns the three averages. Leaves out CPU time, which is `cpu`'s.

use procfs::{FromRead, LoadAverage};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::KeptFile;
use crate::host::proc_file::ProcFile;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "loadavg",
    help: "load averages",
    reads: "/proc/loadavg",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| {
        Box::new(LoadCollector { file: ProcFile::of_few_lines(root, "loadavg").known(KeptFile::of_one_text) })
    },
};

struct LoadCollector {
    file: ProcFile,
}

impl Collector for LoadCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        self.file.read().map_err(Fault::from).and_then(parse).map(|load| families(&load)).into()
    }
}

fn parse(text: &str) -> Result<LoadAverage, Fault> {
    LoadAverage::from_read(text.as_bytes())
        .map_err(|_| Fault::with_excerpt("loadavg: expected three averages", excerpt(text)))
}

fn families(load: &LoadAverage) -> Vec<Family> {
    let gauge = |name: &'static str, help: &'static str, value: f32| {
        Family::gauge(name, help).with(Labels::NONE, as_written(value))
    };
    vec![
        gauge("node_load1", "1m load average.", load.one),
        gauge("node_load5", "5m load average.", load.five),
        gauge("node_load15", "15m load average.", load.fifteen),
    ]
}

/// procfs keeps averages as `f32`; the kernel writes two decimals, so rounding to them gives back the written number.
fn as_written(average: f32) -> f64 {
    (f64::from(average) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn gives_the_numbers_as_written() {
        let load = parse("0.21 0.37 0.39 1/719 19737\n").unwrap();
        assert_eq!(values(&families(&load)), ["node_load1 0.21", "node_load5 0.37", "node_load15 0.39"]);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).err().into_iter().collect(),
            &["", "\n", "a b c d e", "0.1 0.2", "0,21 0,37 0,39 1/719 19737"],
        );
    }
}

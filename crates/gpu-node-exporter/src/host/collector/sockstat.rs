//! Sockets by protocol, from `/proc/net/sockstat` and `/proc/net/sockstat6`, which a kernel without that protocol does not have.
//!
//! Owns the counts and the pages of memory that these files name. Parsed by hand: procfs does not know them.

use rustix::param::page_size;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::host::entry::Entry;
use crate::host::integer::integer;
use crate::host::lines::{Lines, lines};
use crate::host::meaning::Scale;
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "sockstat",
    help: "sockets in use by protocol",
    reads: "/proc/net/sockstat, /proc/net/sockstat6",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(SockstatCollector::new(root)),
};

struct SockstatCollector {
    ipv4: ProcFile,
    ipv6: ProcFile,
}

impl SockstatCollector {
    fn new(root: &Root) -> Self {
        let file = |path| ProcFile::of_few_lines(root, path);
        Self { ipv4: file("net/sockstat"), ipv6: file("net/sockstat6") }
    }
}

impl Collector for SockstatCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut collected = Collected::default();
        for (name, file) in [("sockstat", &mut self.ipv4), ("sockstat6", &mut self.ipv6)] {
            match file.read() {
                Ok(text) => collected.extend(read(name, text)),
                Err(error) if error.is_absent() => {}
                Err(error) => collected.faults.push(error.into()),
            }
        }
        collected
    }
}

/// One line: `TCP: inuse 4 orphan 0 tw 4 alloc 17 mem 1`.
#[derive(Debug)]
struct Protocol<'text> {
    name: &'text str,
    counts: Vec<(&'text str, Number)>,
}

/// The counts that are shown. Memory is counted in pages.
const COUNTS: [&str; 6] = ["inuse", "orphan", "tw", "alloc", "mem", "memory"];

fn read(file: &str, text: &str) -> Collected {
    let Lines { read, faults } = lines(file, text, parse);
    Collected::new(read.iter().flat_map(families).collect(), faults)
}

fn parse(line: &str) -> Option<Protocol<'_>> {
    let (name, rest) = line.split_once(':')?;
    let mut words = rest.split_ascii_whitespace();
    let mut counts = Vec::new();
    while let Some(what) = words.next() {
        counts.push((what, integer(words.next()?)?));
    }
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_name && !counts.is_empty()).then_some(Protocol { name, counts })
}

fn families(protocol: &Protocol<'_>) -> Vec<Family> {
    let of = |what: &str| protocol.counts.iter().find(|(name, _)| *name == what).map(|(_, count)| *count);
    if protocol.name == "sockets" {
        let used = |used| {
            Family::gauge("node_sockstat_sockets_used", "Number of IPv4 sockets in use.")
                .with(Labels::NONE, used)
        };
        return of("used").map(used).into_iter().collect();
    }
    let name = protocol.name;
    let family = |what: &str, count: Number| {
        let help = format!("Number of {name} sockets in state {what}.");
        Family::gauge(format!("node_sockstat_{name}_{what}"), help).with(Labels::NONE, count)
    };
    let counts = COUNTS.iter().filter_map(|what| Some(family(what, of(what)?)));
    let bytes = of("mem").map(|pages| family("mem_bytes", Scale::Each(page_size() as u64).of(pages)));
    counts.chain(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    #[test]
    fn pages_of_memory_are_bytes_too() {
        let Collected { families, faults, .. } =
            read("sockstat", "sockets: used 229\nUDP: inuse 0 mem 3 new 1\n");
        let bytes = format!("node_sockstat_UDP_mem_bytes {}", 3 * page_size());
        assert_eq!(
            values(&families),
            [
                "node_sockstat_sockets_used 229",
                "node_sockstat_UDP_inuse 0",
                "node_sockstat_UDP_mem 3",
                &bytes
            ]
        );
        assert_eq!(faults, []);
    }

    #[test]
    fn a_kernel_without_ipv6_has_no_fault() {
        let proc = tempfile::tempdir().unwrap();
        let mut collector = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]);
        let nothing = collector.collect();
        assert!(nothing.families.is_empty() && nothing.faults.is_empty(), "{nothing:?}");
        std::fs::create_dir(proc.path().join("net")).unwrap();
        std::fs::write(proc.path().join("net/sockstat"), "RAW: inuse 1\n").unwrap();
        let collected = collector.collect();
        assert_eq!(
            (values(&collected.families), collected.faults),
            (vec!["node_sockstat_RAW_inuse 1".to_owned()], vec![])
        );
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let Collected { families, faults, .. } =
            read("sockstat", "RAW: inuse 1\nTCP: inuse\nUDP: inuse -1\n");
        assert_eq!(values(&families), ["node_sockstat_RAW_inuse 1", "node_sockstat_UDP_inuse -1"]);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].to_string(), "sockstat: cannot read line 2: `TCP: inuse`");
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| read("sockstat", text).faults,
            &["", "\n", "TCP", "TCP:", "TCP: inuse x", ": inuse 1", "T{}: inuse 1"],
        );
    }
}

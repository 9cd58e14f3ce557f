//! Sockets by protocol, from `/proc/net/sockstat` and `/proc/net/sockstat6`, which a kernel without that protocol does not have.
//!
//! Owns the counts and the pages of memory that these files name. Parsed by hand: procfs does not know them.

use rustix::param::page_size;

use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::host::entry::Entry;
use crate::host::integer::integer;
use crate::host::kept_file::KeptFile;
use crate::host::line_families::LineFamilies;
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
    ipv4: Statistics,
    ipv6: Statistics,
}

/// One file.
struct Statistics {
    name: &'static str,
    file: ProcFile,
    families: Made,
}

/// By protocol and count.
type Made = LineFamilies<(String, &'static str)>;

impl SockstatCollector {
    fn new(root: &Root) -> Self {
        let statistics = |name: &'static str| Statistics {
            name,
            file: ProcFile::of_few_lines(root, &format!("net/{name}")).known(KeptFile::of_one_text),
            families: LineFamilies::default(),
        };
        Self { ipv4: statistics("sockstat"), ipv6: statistics("sockstat6") }
    }
}

impl Collector for SockstatCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut collected = Collected::default();
        for Statistics { name, file, families } in [&mut self.ipv4, &mut self.ipv6] {
            match file.read() {
                Ok(text) => collected.extend(read(name, text, families)),
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

fn read(file: &str, text: &str, made: &mut Made) -> Collected {
    let Lines { read, faults } = lines(file, text, parse);
    let mut families = Vec::new();
    for protocol in &read {
        for (what, count) in protocol.shown() {
            let is_it = |(name, count): &(String, &str)| name == protocol.name && *count == what;
            let new = || ((protocol.name.to_owned(), what), Some(family(protocol.name, what)));
            families
                .extend(made.of(families.len(), is_it, new).map(|family| family.with(Labels::NONE, count)));
        }
    }
    Collected::new(families, faults)
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

impl Protocol<'_> {
    /// What is shown of it, in order.
    fn shown(&self) -> Vec<(&'static str, Number)> {
        let of = |what: &str| self.counts.iter().find(|(name, _)| *name == what).map(|(_, count)| *count);
        if self.name == "sockets" {
            return of("used").map(|used| ("used", used)).into_iter().collect();
        }
        let counts = COUNTS.into_iter().filter_map(|what| Some((what, of(what)?)));
        let bytes = of("mem").map(|pages| ("mem_bytes", Scale::Each(page_size() as u64).of(pages)));
        counts.chain(bytes).collect()
    }
}

/// The empty family of a protocol's count.
fn family(protocol: &str, what: &str) -> Family {
    if protocol == "sockets" {
        return Family::gauge("node_sockstat_sockets_used", "Number of IPv4 sockets in use.");
    }
    let help = format!("Number of {protocol} sockets in state {what}.");
    Family::gauge(format!("node_sockstat_{protocol}_{what}"), help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    fn read_once(text: &str) -> Collected {
        read("sockstat", text, &mut LineFamilies::default())
    }

    #[test]
    fn pages_of_memory_are_bytes_too() {
        let Collected { families, faults, .. } = read_once("sockets: used 229\nUDP: inuse 0 mem 3 new 1\n");
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
        let Collected { families, faults, .. } = read_once("RAW: inuse 1\nTCP: inuse\nUDP: inuse -1\n");
        assert_eq!(values(&families), ["node_sockstat_RAW_inuse 1", "node_sockstat_UDP_inuse -1"]);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].to_string(), "sockstat: cannot read line 2: `TCP: inuse`");
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| read_once(text).faults,
            &["", "\n", "TCP", "TCP:", "TCP: inuse x", ": inuse 1", "T{}: inuse 1"],
        );
    }
}

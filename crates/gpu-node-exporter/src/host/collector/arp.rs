//! Neighbours that the machine has addresses of (see `arp(7)`).
//!
//! Owns their number by network device, from the kernel's answer over netlink or from `/proc/net/arp`, which can be read
//! under another root. Only IPv4 has ARP; IPv6's neighbours are left out. Parsed by hand: the file cuts the long addresses
//! of `InfiniBand` devices short, which a type for hardware addresses refuses.

use std::collections::{BTreeMap, HashMap};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::device_names::DeviceNames;
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::filter::Filter;
use crate::host::lines::{Lines, numbered_lines};
use crate::host::netlink::{Query, Socket, u16_at, u32_at};
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;

static DEVICE_INCLUDE: Flag =
    Flag::regex("collector.arp.device-include", "", "The only network devices arp shows");
static DEVICE_EXCLUDE: Flag = Flag::regex(
    "collector.arp.device-exclude",
    "",
    "Network devices that arp leaves out (not together with device-include)",
);
static NETLINK_SOURCE: Flag = Flag::switch(
    "collector.arp.netlink",
    true,
    "Read PROCFS/net/arp rather than ask the kernel over netlink",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "arp",
    help: "neighbours with a known address, by network device",
    reads: "netlink, or /proc/net/arp with --no-collector.arp.netlink",
    is_default: true,
    waits_for: WaitsFor::NetworkLock,
    flags: &[&DEVICE_INCLUDE, &DEVICE_EXCLUDE, &NETLINK_SOURCE],
    new: |flags, root| Box::new(ArpCollector::new(flags, root)),
};

struct ArpCollector {
    filter: Filter,
    source: Source,
}

/// Where the entries come from.
enum Source {
    /// The kernel's answer over netlink.
    Netlink(Socket),
    /// `/proc/net/arp`.
    Proc(ProcFile),
}

/// The number of entries, by device.
type Entries = BTreeMap<String, u64>;

impl ArpCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        Self {
            filter: Filter::new(flags, &DEVICE_EXCLUDE, &DEVICE_INCLUDE),
            source: if flags.is_on(&NETLINK_SOURCE) {
                Source::Netlink(Socket::default())
            } else {
                Source::Proc(ProcFile::new(root, "net/arp"))
            },
        }
    }

    fn entries(&mut self) -> Result<(Entries, Vec<Fault>), Fault> {
        match &mut self.source {
            Source::Netlink(socket) => Ok((named(&neighbours(socket)?)?, Vec::new())),
            Source::Proc(file) => {
                let Lines { read, faults } = parse(file.read()?)?;
                let mut entries = Entries::new();
                for device in read {
                    *entries.entry(device.to_owned()).or_default() += 1;
                }
                Ok((entries, faults))
            }
        }
    }
}

impl Collector for ArpCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let (entries, faults) = match self.entries() {
            Ok(entries) => entries,
            Err(fault) => return Collected::failed(fault),
        };
        let mut family = Family::gauge("node_arp_entries", "ARP entries by device");
        for (device, count) in entries.iter().filter(|(device, _)| self.filter.keeps(device)) {
            family.push(Labels::new([("device", device)]), *count);
        }
        Collected::new(vec![family], faults)
    }
}

const NEIGHBOURS: Query = Query { request: 30, answer: 28 };
/// `struct ndmsg` of `include/uapi/linux/neighbour.h`: the family in its first byte, the device's number at 4, the state at 8.
const HEADER: usize = 12;
const AF_INET: u8 = 2;
/// The state of entries that need no address, such as those of the loopback device, which `/proc/net/arp` does not have.
const NUD_NOARP: u16 = 0x40;

/// The number of entries, by the device's number.
fn neighbours(socket: &mut Socket) -> Result<HashMap<u32, u64>, Fault> {
    let mut entries = HashMap::new();
    let mut header = [0; HEADER];
    header[0] = AF_INET;
    socket.dump_of(NEIGHBOURS, &header, |message| {
        if let Some(device) = device_of(message) {
            *entries.entry(device).or_default() += 1;
        }
    })?;
    Ok(entries)
}

/// The device's number, of an entry that counts.
fn device_of(message: &[u8]) -> Option<u32> {
    let (family, state) = (*message.first()?, u16_at(message, 8)?);
    (family == AF_INET && state & NUD_NOARP == 0).then_some(u32_at(message, 4)?)
}

/// The same by the device's name. A device that went away in between had no entries left either.
fn named(numbered: &HashMap<u32, u64>) -> Result<Entries, Fault> {
    let mut names = DeviceNames::new()?;
    let mut entries = Entries::new();
    for (device, count) in numbered {
        if let Some(name) = names.name(*device)? {
            *entries.entry(name.to_owned()).or_default() += count;
        }
    }
    Ok(entries)
}

/// The device of each entry: `192.168.1.1 0x1 0x2 cc:aa:dd:ee:aa:bb * eth0`.
fn parse(text: &str) -> Result<Lines<&str>, Fault> {
    let mut lines = text.lines().enumerate();
    let head = lines.next().map_or("", |(_, head)| head);
    if !head.starts_with("IP address") {
        return Err(Fault::with_excerpt("net/arp: expected the line of its columns", excerpt(head)));
    }
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return Ok(Lines { read: Vec::new(), faults: Vec::new() });
    }
    Ok(numbered_lines("net/arp", lines, |line| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [_, _, flags, _, _, device] = words[..] else { return None };
        u8::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?;
        Some(device)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::garbled;
    use crate::host::testing::{check_garbage, collector, values};

    const HEAD: &str = "IP address       HW type     Flags       HW address            Mask     Device\n";

    fn shown(text: &str, flags: &[&str]) -> (Vec<String>, Vec<Fault>) {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir(proc.path().join("net")).unwrap();
        std::fs::write(proc.path().join("net/arp"), text).unwrap();
        let flags: Vec<_> = ["--no-collector.arp.netlink"].iter().chain(flags).copied().collect();
        let none = "/nonexistent".as_ref();
        let Collected { families, faults, .. } = collector(&ENTRY, proc.path(), none, &flags).collect();
        (values(&families), faults)
    }

    const TWO: &str =
        "10.0.0.1 0x1 0x2 de:ad:be:ef:00:00 * eth0\n10.0.0.2 0x1 0x0 00:00:00:00:00:00 * eth1\n";

    #[test]
    fn devices_are_chosen_by_name() {
        let text = format!("{HEAD}{TWO}");
        let line = |device: &str| format!("node_arp_entries{{device={device:?}}} 1");
        assert_eq!(shown(&text, &[]).0, [line("eth0"), line("eth1")]);
        assert_eq!(shown(&text, &["--collector.arp.device-exclude=0$"]).0, [line("eth1")]);
        assert_eq!(shown(&text, &["--collector.arp.device-include=0$"]).0, [line("eth0")]);
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let infiniband = "10.1.0.1 0x20 0x2 80:00:02:08:fe:80:00:00:00: * ib0\n";
        let (lines, faults) = shown(&format!("{HEAD}{infiniband}10.0.0.1 0x1 two * eth0\n"), &[]);
        assert_eq!(lines, [r#"node_arp_entries{device="ib0"} 1"#], "an address that the kernel cut short");
        assert_eq!(faults, [Fault::new("net/arp: cannot read line 3")]);
        assert_eq!(shown(HEAD, &[]), (vec![], vec![]), "a machine that knows nobody");
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).map_or_else(|fault| vec![fault], |lines| lines.faults),
            &["", "Segmentation fault\n", &format!("{HEAD}\n"), &format!("{HEAD}a b 0x100 c d e\n")],
        );
    }

    #[test]
    fn only_entries_that_can_have_an_address_count() {
        let message = |family: u8, state: u16| {
            let mut message = vec![family, 0, 0, 0];
            message.extend(7_u32.to_ne_bytes());
            message.extend(state.to_ne_bytes());
            message
        };
        assert_eq!(device_of(&message(AF_INET, 0x02)), Some(7));
        assert_eq!(device_of(&message(AF_INET, NUD_NOARP)), None);
        assert_eq!(device_of(&message(10, 0x02)), None, "IPv6");
        assert_eq!(device_of(&message(AF_INET, 0x02)[..9]), None);
    }

    #[test]
    fn the_kernel_answers_and_names_its_devices() {
        assert_eq!(neighbours(&mut Socket::default()).and_then(|known| named(&known)).err(), None);
        // The loopback device has this number in every network namespace; the other number nobody has.
        let entries = named(&HashMap::from([(1, 2), (u32::MAX / 2, 3)])).unwrap();
        assert_eq!(entries, Entries::from([("lo".to_owned(), 2)]));
    }

    #[test]
    fn no_answer_panics() {
        garbled::messages(&[&[AF_INET, 0, 0, 0, 7, 0, 0, 0, 2, 0]], |bytes| _ = device_of(bytes));
    }
}

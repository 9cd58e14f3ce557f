//! Bytes that wait in the queues of all UDP sockets, from `/proc/net/udp` and `/proc/net/udp6` (see `proc_pid_net(5)`).
//!
//! Owns their sums. Leaves out single sockets, of which a machine can have a hundred thousand.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::lines::{Lines, numbered_lines};
use crate::host::root::Root;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "udp_queues",
    help: "bytes that wait in the queues of UDP sockets",
    reads: "/proc/net/udp, /proc/net/udp6",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(UdpQueuesCollector::new(root)),
};

/// A line of `udp6` has some 180 bytes.
const LONGEST: usize = 256;

/// A line is 128 bytes, so this is a quarter of a million sockets.
const MOST: usize = 32 * 1024 * 1024;

struct UdpQueuesCollector {
    files: [(&'static str, KeptFile); 2],
    buffer: Buffer,
}

impl UdpQueuesCollector {
    fn new(root: &Root) -> Self {
        let file =
            |file: &str| KeptFile::new(root.proc.join("net").join(file)).at_most(MOST).of_lines(LONGEST);
        Self { files: [("v4", file("udp")), ("v6", file("udp6"))], buffer: Buffer::default() }
    }
}

impl Collector for UdpQueuesCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut family = Family::gauge(
            "node_udp_queues",
            "Number of allocated memory in the kernel for UDP datagrams in bytes.",
        );
        let mut faults = Vec::new();
        let mut absent = None;
        for (ip, file) in &mut self.files {
            match file.read(&mut self.buffer).map(parse) {
                Ok(Ok(Lines { read, faults: odd })) => {
                    let sum = |queue: fn(&Queues) -> u64| read.iter().map(queue).fold(0, u64::saturating_add);
                    for (queue, bytes) in [("tx", sum(|it| it.transmit)), ("rx", sum(|it| it.receive))] {
                        family.push(Labels::new([("queue", queue), ("ip", *ip)]), bytes);
                    }
                    faults.extend(odd);
                }
                Ok(Err(fault)) => faults.push(fault),
                // A kernel without one of the protocols.
                Err(error) if error.is_absent() => absent = Some(error),
                Err(error) => faults.push(error.into()),
            }
        }
        if family.samples.is_empty() && faults.is_empty() {
            faults.extend(absent.map(|error| error.no_data_if_absent(ENTRY.name)));
        }
        Collected::new(vec![family], faults)
    }
}

/// Bytes in the queues of one socket.
#[derive(Debug, PartialEq, Eq)]
struct Queues {
    transmit: u64,
    receive: u64,
}

/// The sockets after the line that names the columns; there may be none.
fn parse(text: &str) -> Result<Lines<Queues>, Fault> {
    let mut lines = text.lines().enumerate();
    let head = lines.next().map_or("", |(_, head)| head);
    if !head.trim_start().starts_with("sl ") {
        return Err(Fault::with_excerpt("net/udp: expected the line of its columns", excerpt(head)));
    }
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return Ok(Lines { read: Vec::new(), faults: Vec::new() });
    }
    Ok(numbered_lines("net/udp", lines, parse_line))
}

/// `0: 00000000:0035 00000000:0000 07 00000000:00000015 …`: place, addresses, state, then both queues in hexadecimal.
fn parse_line(line: &str) -> Option<Queues> {
    let mut words = line.split_ascii_whitespace();
    words.next()?.strip_suffix(':')?;
    let (transmit, receive) = words.nth(3)?.split_once(':')?;
    let number = |word| u64::from_str_radix(word, 16).ok();
    Some(Queues { transmit: number(transmit)?, receive: number(receive)? })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";

    fn shown(proc: &Path) -> (Vec<String>, Vec<Fault>) {
        let Collected { families, faults, .. } =
            collector(&ENTRY, proc, "/nonexistent".as_ref(), &[]).collect();
        (values(&families), faults)
    }

    #[test]
    fn the_queues_of_all_sockets_are_summed() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir(proc.path().join("net")).unwrap();
        let socket =
            |queues: &str| format!("    0: 0A000005:0016 00000000:0000 0A {queues} 00:00000000 0 0 0 2\n");
        let text = [HEAD, &socket("00000015:00000001"), "odd\n", &socket("0000000A:FFFFFFFF")].concat();
        std::fs::write(proc.path().join("net/udp"), text).unwrap();
        let lines = [r#"{queue="tx",ip="v4"} 31"#, r#"{queue="rx",ip="v4"} 4294967296"#];
        let lines = lines.map(|line| format!("node_udp_queues{line}"));
        assert_eq!(shown(proc.path()), (lines.to_vec(), vec![Fault::new("net/udp: cannot read line 3")]));

        std::fs::write(proc.path().join("net/udp"), HEAD).unwrap();
        std::fs::write(proc.path().join("net/udp6"), HEAD).unwrap();
        let (lines, faults) = shown(proc.path());
        assert!(lines.len() == 4 && lines.iter().all(|line| line.ends_with(" 0")), "{lines:?}");
        assert_eq!(faults, []);
    }

    #[test]
    fn a_kernel_without_both_protocols_is_told() {
        let (lines, faults) = shown(Path::new("/nonexistent"));
        assert_eq!((lines.len(), faults.len()), (0, 1));
    }

    #[test]
    fn garbage_is_a_fault() {
        let socket = |socket: &str| format!("{HEAD}{socket}\n");
        check_garbage(
            |text| parse(text).map_or_else(|fault| vec![fault], |lines| lines.faults),
            &[
                "",
                "Segmentation fault\n",
                &socket(""),
                &socket("0: a b"),
                &socket("0 0:0 0:0 07 0:0"),
                &socket("0: 0:0 0:0 07 00"),
                &socket("0: 0:0 0:0 07 0:-1"),
                &socket("0: 0:0 0:0 07 10000000000000000:0"),
            ],
        );
    }
}

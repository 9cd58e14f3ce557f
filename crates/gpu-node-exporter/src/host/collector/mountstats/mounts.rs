//! What the lines of `/proc/self/mountstats` say about each mount of NFS, and `/proc/self/mountinfo` about its server.

use std::collections::HashMap;

use crate::collector::Fault;
use crate::host::lines::{Lines, lines};

/// One mount of NFS.
#[derive(Debug, Default)]
pub(super) struct Mount<'text> {
    /// `SERVER:/PATH`
    pub(super) export: &'text str,
    pub(super) point: &'text str,
    /// `nfs` or `nfs4`.
    kind: &'text str,
    /// Seconds since it was mounted.
    pub(super) age: Option<u64>,
    pub(super) bytes: Option<[u64; 8]>,
    pub(super) events: Option<[u64; 27]>,
    /// One for each connection.
    pub(super) transports: Vec<Transport<'text>>,
    pub(super) operations: Vec<(&'text str, [u64; 8])>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Transport<'text> {
    /// `tcp`, `udp` or `rdma`.
    pub(super) protocol: &'text str,
    /// In the order in which TCP has them; what the protocol or the version does not count is 0, as in `node_exporter`.
    pub(super) numbers: [u64; 13],
}

/// One line.
enum Line<'text> {
    /// `device 192.168.1.1:/srv mounted on /mnt with fstype nfs4 statvers=1.1`: the next lines are about it.
    Mount {
        device: &'text str,
        point: &'text str,
        kind: &'text str,
    },
    Age(u64),
    Bytes([u64; 8]),
    Events([u64; 27]),
    Transport(Transport<'text>),
    Operation(&'text str, [u64; 8]),
    /// Anything that is not shown.
    Other,
}

/// The mounts of NFS in the text, and what could not be read.
pub(super) fn mounts(text: &str) -> (Vec<Mount<'_>>, Vec<Fault>) {
    let Lines { read, mut faults } = lines("mountstats", text, line);
    let mut mounts: Vec<Mount<'_>> = Vec::new();
    let (mut any, mut is_nfs) = (false, false);
    for line in read {
        if let Line::Mount { device, point, kind } = line {
            any = true;
            is_nfs = matches!(kind, "nfs" | "nfs4");
            if is_nfs {
                mounts.push(Mount { export: device, point, kind, ..Mount::default() });
            }
            continue;
        }
        let Some(mount) = mounts.last_mut().filter(|_| is_nfs) else { continue };
        match line {
            Line::Age(seconds) => mount.age = Some(seconds),
            Line::Bytes(numbers) => mount.bytes = Some(numbers),
            Line::Events(numbers) => mount.events = Some(numbers),
            Line::Transport(transport) => mount.transports.push(transport),
            Line::Operation(name, numbers) => mount.operations.push((name, numbers)),
            Line::Mount { .. } | Line::Other => {}
        }
    }
    // Every process has mounts.
    if !any && faults.is_empty() {
        faults.push(Fault::new("mountstats: there is no mount in it"));
    }
    (mounts, faults)
}

fn line(line: &str) -> Option<Line<'_>> {
    let mut words = line.split_ascii_whitespace();
    let Some(word) = words.next() else { return Some(Line::Other) };
    match word {
        "device" => {
            let words: Vec<_> = words.collect();
            let [device, "mounted", "on", point, "with", "fstype", kind, ..] = words[..] else { return None };
            Some(Line::Mount { device, point, kind })
        }
        "age:" => words.next()?.parse().ok().map(Line::Age),
        "bytes:" => exactly(words).map(Line::Bytes),
        "events:" => exactly(words).map(Line::Events),
        "xprt:" => transport(words.next()?, &words.map(str::parse).collect::<Result<Vec<_>, _>>().ok()?)
            .map(Line::Transport),
        // Newer kernels count errors behind the eight.
        _ => match word.strip_suffix(':') {
            Some(name) if is_operation(name) => {
                let mut numbers = [0; 8];
                for number in &mut numbers {
                    *number = words.next()?.parse().ok()?;
                }
                Some(Line::Operation(name, numbers))
            }
            _ => Some(Line::Other),
        },
    }
}

fn is_operation(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// As many numbers as the line has, and no more.
fn exactly<'text, const N: usize>(mut words: impl Iterator<Item = &'text str>) -> Option<[u64; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = words.next()?.parse().ok()?;
    }
    words.next().is_none().then_some(numbers)
}

/// TCP has 10 numbers, or 13 since version 1.1 of the file; UDP lacks the three about the connection; RDMA has its own behind
/// the first ten.
fn transport<'text>(protocol: &'text str, found: &[u64]) -> Option<Transport<'text>> {
    let mut numbers = [0; 13];
    match (protocol, found.len()) {
        ("tcp", 10 | 13) => numbers[..found.len()].copy_from_slice(found),
        ("udp", 7 | 10) => {
            numbers[..2].copy_from_slice(&found[..2]);
            numbers[5..5 + found.len() - 2].copy_from_slice(&found[2..]);
        }
        ("rdma", 20..) => numbers[..10].copy_from_slice(&found[..10]),
        _ => return None,
    }
    Some(Transport { protocol, numbers })
}

/// The addresses of the servers.
pub(super) struct Servers<'text> {
    /// By what is mounted, where, and the kind of file system.
    addresses: HashMap<[&'text str; 3], &'text str>,
}

impl<'text> Servers<'text> {
    /// From the text of `mountinfo`: `194 21 0:42 / /mnt rw - nfs4 192.168.1.1:/srv rw,addr=192.168.1.1`.
    pub(super) fn read(text: &'text str) -> (Self, Vec<Fault>) {
        let Lines { read, faults } = lines("mountinfo", text, |line| {
            let (mount, file_system) = line.split_once(" - ")?;
            let point = mount.split(' ').nth(4)?;
            let mut words = file_system.split(' ');
            let (kind, device) = (words.next()?, words.next()?);
            let address = words.next()?.split(',').find_map(|option| option.strip_prefix("addr="));
            Some(([device, point, kind], address))
        });
        let addresses = read.into_iter().filter_map(|(mount, address)| Some((mount, address?))).collect();
        (Self { addresses }, faults)
    }

    /// Empty where it is not known.
    pub(super) fn address(&self, mount: &Mount<'_>) -> &'text str {
        self.addresses.get(&[mount.export, mount.point, mount.kind]).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    #[test]
    fn each_protocol_has_its_own_numbers() {
        let check = |protocol, count: u64, expected: Option<[u64; 13]>| {
            let found: Vec<_> = (1..=count).collect();
            assert_eq!(transport(protocol, &found).map(|read| read.numbers), expected, "{protocol} {count}");
        };
        check("tcp", 13, Some([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]));
        check("tcp", 10, Some([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 0]));
        check("udp", 10, Some([1, 2, 0, 0, 0, 3, 4, 5, 6, 7, 8, 9, 10]));
        check("udp", 7, Some([1, 2, 0, 0, 0, 3, 4, 5, 6, 7, 0, 0, 0]));
        check("rdma", 28, Some([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 0]));
        check("rdma", 19, None);
        check("tcp", 12, None);
        check("local", 13, None);
    }

    #[test]
    fn lines_of_other_file_systems_are_passed_over() {
        let text = "no device mounted on / with fstype tmpfs\ndevice a mounted on /a with fstype ext4\n\tage: 1\n\
            device b:/ mounted on /b with fstype nfs4 statvers=1.1\n\topts:\trw\n\tage:\t7\n\tGETATTR: 1 2 3 4 5 6 7 8 9\n";
        let (mounts, faults) = mounts(text);
        let [mount] = &mounts[..] else { panic!("{mounts:?}") };
        assert_eq!((mount.export, mount.point, mount.age), ("b:/", "/b", Some(7)));
        assert_eq!(mount.operations, [("GETATTR", [1, 2, 3, 4, 5, 6, 7, 8])]);
        assert_eq!(faults, []);
    }

    #[test]
    fn an_odd_line_costs_itself() {
        const MOUNT: &str = "device b:/ mounted on /b with fstype nfs4 statvers=1.1\n";
        let odd = [
            "age: -1",
            "bytes: 1 2",
            "events: 1",
            "xprt: tcp 1 2",
            "xprt: local",
            "READ: 1 2",
            "device b:/ mounted",
        ];
        let texts: Vec<_> = odd.iter().map(|line| format!("{MOUNT}\t{line}\n")).collect();
        for text in &texts {
            assert_eq!(mounts(text).0.len(), 1, "{text}");
        }
        let texts: Vec<_> = texts.iter().map(String::as_str).chain(["", "Segmentation fault\n"]).collect();
        check_garbage(|text| mounts(text).1, &texts);
        check_garbage(
            |text| Servers::read(text).1,
            &["", "1 2 3:4 / /mnt rw nfs4 b:/ rw\n", "1 2 - nfs4 b:/ rw\n", "1 2 3:4 / /mnt rw - nfs4\n"],
        );
    }
}

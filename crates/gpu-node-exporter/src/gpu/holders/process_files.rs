//! One process as `/proc/PID` tells of it: when it began, its parent and name, whose it is, and what it is in an inference engine
//! (`proc_pid_stat(5)`, `proc_pid_cmdline(5)`, `cgroups(7)`).
//!
//! Owns reading these files, each to a bound. `cmdline` lies in the process' own memory and may keep the reader waiting: the caller
//! must bear that. Leaves out what names and groups mean (`title`, `cgroup`), and which process is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use rustix::io::Errno;

use super::cgroup::{Owner, owner};
use super::title::{MOST_COMMAND_LINE, Role, Title, title};

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Ticks from the machine's start to the process'. Of two processes with one number, another.
    pub(crate) start: u64,
    pub(crate) parent: u32,
    /// The name it has given itself, up to 15 characters.
    pub(crate) comm: String,
    pub(crate) owner: Owner,
    /// For a process of an engine.
    pub(crate) title: Option<Title>,
    /// The children of its first thread; only of an engine's process.
    pub(crate) children: Vec<u32>,
    /// The TCP ports that it takes connections on; only of an engine's server, and `None` where its files may not be seen.
    pub(crate) ports: Option<BTreeSet<u16>>,
}

/// Bytes that are read of the files, each.
const MOST_STAT: u64 = 4 << 10;
const MOST_CGROUP: u64 = 16 << 10;
const MOST_CHILDREN: u64 = 16 << 10;
/// Sockets that listen stand before the others.
const MOST_SOCKETS: u64 = 256 << 10;

/// Descriptors that are looked at of one server. It opened the one that listens before those of its clients.
const MOST_DESCRIPTORS: usize = 1024;

/// Reads this process beneath `proc`; `None` when it has ended. An error says neither that it runs nor that it has ended.
pub(crate) fn read(proc: &Path, pid: u32) -> io::Result<Option<Process>> {
    let Some(stat) = stat(proc, pid)? else { return Ok(None) };
    let folder = proc.join(pid.to_string());
    let owner = match text(&folder.join("cgroup"), MOST_CGROUP) {
        Ok(text) => owner(&text),
        Err(_) => Owner::unknown(),
    };
    let title = title(&text(&folder.join("cmdline"), MOST_COMMAND_LINE.into())?);
    let children = match &title {
        Some(_) => children(&folder, pid),
        None => Vec::new(),
    };
    let ports = match &title {
        Some(Title { role: Role::Server, .. }) => listening_ports(&folder),
        _ => None,
    };
    let Stat { start, parent, comm, .. } = stat;
    Ok(Some(Process { start, parent, comm, owner, title, children, ports }))
}

/// What the process' `stat` tells, which waits for nothing that the process holds; `None` when it has ended.
pub(super) fn stat(proc: &Path, pid: u32) -> io::Result<Option<Stat>> {
    let text = match text(&proc.join(pid.to_string()).join("stat"), MOST_STAT) {
        Ok(text) => text,
        Err(error) => {
            // It ended before the file was opened, or between that and reading it.
            let has_ended =
                matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR | Errno::SRCH));
            return if has_ended { Ok(None) } else { Err(error) };
        }
    };
    let stat = parse_stat(&text).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some(stat).filter(|stat| !stat.has_ended))
}

/// Whether the descriptors of another user's process can be seen: of the first, which is root's.
pub(crate) fn sees_descriptors(proc: &Path) -> bool {
    fs::read_dir(proc.join("1/fd")).is_ok()
}

fn text(path: &Path, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What is used of `/proc/PID/stat`.
#[derive(Debug, PartialEq)]
pub(super) struct Stat {
    pub(super) comm: String,
    has_ended: bool,
    pub(super) parent: u32,
    pub(super) start: u64,
}

/// The name stands in parentheses and may hold any character.
pub(super) fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.split_once('(')?;
    let (comm, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // The fields are numbered from 1, and the parent is the fourth.
    let start = fields.nth(22 - 5)?.parse().ok()?;
    let has_ended = matches!(state, "Z" | "X" | "x");
    Some(Stat { comm: comm.to_owned(), has_ended, parent, start })
}

/// There is none where the kernel was built without the file.
fn children(folder: &Path, pid: u32) -> Vec<u32> {
    let listed = text(&folder.join(format!("task/{pid}/children")), MOST_CHILDREN);
    listed
        .map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect())
        .unwrap_or_default()
}

/// The TCP ports on which the process' sockets listen, in its own network namespace.
fn listening_ports(folder: &Path) -> Option<BTreeSet<u16>> {
    let files = ["net/tcp", "net/tcp6"].map(|file| text(&folder.join(file), MOST_SOCKETS));
    // Without IPv6 there is but one.
    let texts: Vec<_> = files.into_iter().filter_map(Result::ok).collect();
    if texts.is_empty() {
        return None;
    }
    let listening: BTreeMap<u64, u16> = texts.iter().flat_map(|text| listening_sockets(text)).collect();
    let mut ports = BTreeSet::new();
    for (number, entry) in fs::read_dir(folder.join("fd")).ok()?.enumerate() {
        if number == MOST_DESCRIPTORS {
            return Some(ports).filter(|ports| !ports.is_empty());
        }
        // A descriptor may be closed meanwhile.
        let target = entry.ok().and_then(|entry| fs::read_link(entry.path()).ok());
        let port = target.and_then(|target| listening.get(&socket(target.to_str()?)?).copied());
        ports.extend(port);
    }
    Some(ports)
}

/// The number of the socket that a descriptor leads to: `socket:[4711]`.
fn socket(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The numbers of the sockets in state LISTEN (`0A`) of a `/proc/net/tcp`, each with its port.
pub(super) fn listening_sockets(text: &str) -> impl Iterator<Item = (u64, u16)> {
    text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (_, port) = fields.nth(1)?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (fields.nth(1)? == "0A").then(|| Some((fields.nth(5)?.parse().ok()?, port))).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        let line = |name: &str, state: &str| {
            format!("7 ({name}) {state} 3 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 123456 1 2 3\n")
        };
        let stat =
            |text: &str| parse_stat(text).map(|stat| (stat.comm, stat.has_ended, stat.parent, stat.start));
        for name in ["python3", "a b", "a) S 9 (b", ""] {
            assert_eq!(stat(&line(name, "S")), Some((name.to_owned(), false, 3, 123_456)), "{name}");
        }
        assert_eq!(stat(&line("python3", "Z")).map(|stat| stat.1), Some(true));
        for text in [
            "",
            "7",
            "7 (",
            "7 (x",
            "7 (x)",
            "7 (x) S",
            "7 (x) S 3 7",
            "7 (x) S x 7 7 0 -1 4 1 2 3 4 5 6 7 8 2 0 9 0 1 1",
        ] {
            assert_eq!(stat(text), None, "{text}");
        }
    }

    #[test]
    fn listening_sockets_are_told_from_connected_ones() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n   \
            1: 0100007F:1F40 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1\n   \
            2: 0100007F:1F4";
        assert_eq!(listening_sockets(text).collect::<Vec<_>>(), [(4711, 8000)]);
        assert_eq!(socket("socket:[4711]"), Some(4711));
        for target in ["/dev/null", "pipe:[1]", "socket:[x]", "anon_inode:[eventpoll]"] {
            assert_eq!(socket(target), None, "{target}");
        }
    }

    #[test]
    fn what_goes_beyond_a_bound_is_not_read() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("7");
        fs::create_dir_all(folder.join("net")).expect("a folder");
        fs::create_dir_all(folder.join("fd")).expect("a folder");
        let write = |file: &str, text: &str| fs::write(folder.join(file), text).expect("writable");
        write("stat", "7 (vllm) S 3 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 9 0 123456 1\n");
        let unit = "0::/system.slice/vllm.service\n";
        write("cmdline", &format!("python3\0/usr/bin/vllm\0serve\0{}", "x".repeat(1 << 20)));
        write("net/tcp", &"  sl  local_address\n".repeat(1 << 16));
        for (before, expected) in [(0, "vllm.service"), (20 << 10, "")] {
            write("cgroup", &format!("{}{unit}", "1:cpu:/\n".repeat(before / 8)));
            let process = read(root.path(), 7).expect("readable").expect("it runs");
            assert_eq!(process.owner.id, expected);
            assert!(process.title.is_some(), "the command line begins well");
        }
        for (descriptors, expected) in [(1024, Some(BTreeSet::new())), (1025, None)] {
            for number in 0..descriptors {
                let link = folder.join(format!("fd/{number}"));
                if link.symlink_metadata().is_err() {
                    std::os::unix::fs::symlink("socket:[1]", link).expect("a link");
                }
            }
            assert_eq!(listening_ports(&folder), expected, "{descriptors}");
        }
    }

    /// This very process, with a socket that listens.
    #[test]
    fn a_process_is_read_as_the_kernel_tells_of_it() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let pid = std::process::id();
        let process = read(Path::new("/proc"), pid).expect("readable").expect("it runs");
        assert_eq!(process.parent, std::os::unix::process::parent_id());
        assert!(process.start > 0 && process.title.is_none());
        let ports = listening_ports(&Path::new("/proc").join(pid.to_string())).expect("its own files");
        assert!(ports.contains(&socket.local_addr().expect("it is bound").port()), "{ports:?}");
        assert_eq!(read(Path::new("/nonexistent"), pid).expect("there is none"), None);
    }
}

//! Swap devices and files, from `/proc/swaps` (see `proc_swaps(5)`).
//!
//! Owns size, use and priority of each. The sums are `meminfo`'s, the traffic `vmstat`'s.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::lines::{Lines, numbered_lines};
use crate::host::proc_file::ProcFile;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "swap",
    help: "swap devices and files",
    reads: "/proc/swaps",
    is_default: false,
    waits_for: WaitsFor::Nothing,
    flags: &[],
    new: |_, root| Box::new(SwapCollector { file: ProcFile::new(root, "swaps") }),
};

struct SwapCollector {
    file: ProcFile,
}

impl Collector for SwapCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.file.read().map_err(|error| error.no_data_if_absent(ENTRY.name)).and_then(parse) {
            Ok(Lines { read, faults }) => Collected::new(families(&read), faults),
            Err(fault) => Collected::failed(fault),
        }
    }
}

/// One line: `/dev/zram0  partition  8388604  76  100`.
#[derive(Debug)]
struct Swap<'text> {
    device: &'text str,
    kind: &'text str,
    size_bytes: u64,
    used_bytes: u64,
    priority: i32,
}

/// A machine without swap has the headline alone.
fn parse(text: &str) -> Result<Lines<Swap<'_>>, Fault> {
    let head = text.lines().next().unwrap_or_default();
    if !head.starts_with("Filename") {
        return Err(Fault::with_excerpt("swaps: expected a headline", excerpt(head)));
    }
    if text.lines().nth(1).is_none() {
        return Ok(Lines { read: Vec::new(), faults: Vec::new() });
    }
    Ok(numbered_lines("swaps", text.lines().enumerate().skip(1), parse_line))
}

/// The kernel writes sizes in units of 1024 bytes, and a blank in a name as `\040`.
fn parse_line(line: &str) -> Option<Swap<'_>> {
    let mut words = line.split_ascii_whitespace();
    let (device, kind) = (words.next()?, words.next()?);
    let mut bytes = || words.next()?.parse::<u64>().ok()?.checked_mul(1024);
    let (size_bytes, used_bytes) = (bytes()?, bytes()?);
    Some(Swap { device, kind, size_bytes, used_bytes, priority: words.next()?.parse().ok()? })
}

fn families(swaps: &[Swap<'_>]) -> Vec<Family> {
    let mut sizes = Family::gauge("node_swap_size_bytes", "Swap device size in bytes.");
    let mut used = Family::gauge("node_swap_used_bytes", "Swap device used in bytes.");
    let mut priorities = Family::gauge("node_swap_priority", "Swap device priority.");
    for swap in swaps {
        let labels = Labels::new([("device", swap.device), ("swap_type", swap.kind)]);
        sizes.push(labels.clone(), swap.size_bytes);
        used.push(labels.clone(), swap.used_bytes);
        priorities.push(labels, f64::from(swap.priority));
    }
    vec![sizes, used, priorities]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    const HEAD: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    #[test]
    fn sizes_are_bytes_and_a_priority_may_be_negative() {
        let check = |text: &str, expected: &[&str]| {
            let text = format!("{HEAD}{text}");
            let Lines { read, faults } = parse(&text).unwrap();
            assert_eq!(
                (values(&families(&read)), faults),
                (expected.iter().map(ToString::to_string).collect(), vec![])
            );
        };
        check("", &[]);
        check(
            "/swap\\040file                          file\t\t4194300\t\t76\t\t-2\n",
            &[
                r#"node_swap_size_bytes{device="/swap\\040file",swap_type="file"} 4294963200"#,
                r#"node_swap_used_bytes{device="/swap\\040file",swap_type="file"} 77824"#,
                r#"node_swap_priority{device="/swap\\040file",swap_type="file"} -2"#,
            ],
        );
    }

    #[test]
    fn garbage_is_a_fault() {
        let lines = [
            "\n",
            "/a file 1 1\n",
            "/a file -1 1 1\n",
            "/a file 1 1 x\n",
            "/a file 18446744073709551615 1 1\n",
        ];
        let texts: Vec<_> = lines.iter().map(|line| format!("{HEAD}{line}")).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).chain(["", "/a file 1 1 1\n"]).collect();
        check_garbage(|text| parse(text).map_or_else(|fault| vec![fault], |lines| lines.faults), &texts);
    }
}

//! Reading `/proc/net/dev` (see `proc_pid_net(5)`).
//!
//! By hand: procfs's type calls the columns by other names and gives up on the whole file at the first odd line.

use super::counters::{Counters, Device, PROC};
use crate::collector::Fault;

pub(super) fn parse(text: &str) -> Result<Vec<Device>, Fault> {
    // Two lines of headings.
    let mut lines = text.lines().skip(2).peekable();
    if lines.peek().is_none() {
        return Err(Fault::new("net/dev: no line about a device"));
    }
    lines
        .map(|line| {
            parse_line(line).ok_or_else(|| Fault::new(format!("net/dev: cannot read the line {line:?}")))
        })
        .collect()
}

/// The name may hold colons itself (`eth0:1`), the numbers never.
fn parse_line(line: &str) -> Option<Device> {
    let (name, rest) = line.rsplit_once(':')?;
    let mut words = rest.split_ascii_whitespace();
    let mut columns = [0; PROC.len()];
    for column in &mut columns {
        *column = words.next()?.parse().ok()?;
    }
    let name = name.trim();
    (!name.is_empty()).then(|| Device {
        name: name.to_owned(),
        alias: String::new(),
        counters: Counters::Proc(columns),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    const HEAD: &str = "Inter-|   Receive |  Transmit\n face |bytes packets errs |bytes packets errs\n";

    #[test]
    fn reads_the_columns() {
        let devices = parse(&format!("{HEAD}    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0:1:17 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")).unwrap();
        assert_eq!((devices[0].name.as_str(), devices[1].name.as_str()), ("lo", "eth0:1"));
        assert_eq!(devices[1].counters.sum(&["receive_bytes"]), Some(17));
        assert_eq!(devices[1].counters.sum(&["transmit_compressed"]), Some(16));
        assert_eq!(devices[1].counters.sum(&["receive_nohandler"]), None);
    }

    #[test]
    fn garbage_is_a_fault() {
        let parse = |line: &str| parse(&format!("{HEAD}{line}")).map(|_| ());
        check_garbage(
            parse,
            &[
                "",
                "\n",
                "lo",
                "lo: 1 2 3",
                "lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x",
                ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            ],
        );
    }
}

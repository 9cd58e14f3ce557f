//! Reading `/proc/net/dev` (see `proc_pid_net(5)`).
//!
//! By hand: procfs's type calls the columns by other names and gives up on the whole file at the first odd line.

use super::counters::{Counters, Device, PROC};
use crate::host::lines::{Lines, numbered_lines};

pub(super) fn parse(text: &str) -> Lines<Device> {
    // Two lines of headings.
    numbered_lines("net/dev", text.lines().enumerate().skip(2), parse_line)
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
        let devices = parse(&format!("{HEAD}    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0:1:17 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")).read;
        assert_eq!((devices[0].name.as_str(), devices[1].name.as_str()), ("lo", "eth0:1"));
        assert_eq!(devices[1].counters.count("receive_bytes"), Some(17));
        assert_eq!(devices[1].counters.count("transmit_compressed"), Some(16));
        assert_eq!(devices[1].counters.count("receive_nohandler"), None);
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let numbers = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        let Lines { read, faults } = parse(&format!("{HEAD}lo: {numbers}\neth0: 1\neth1: {numbers}\n"));
        assert_eq!((read[0].name.as_str(), read[1].name.as_str()), ("lo", "eth1"));
        assert_eq!(faults[0].to_string(), "net/dev: cannot read line 4: `eth0: 1`");
    }

    #[test]
    fn garbage_is_a_fault() {
        let parse = |line: &str| parse(&format!("{HEAD}{line}")).faults;
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

//! What a process or thread does, from `/proc/PID/stat` and `/proc/PID/task/TID/stat` (see `proc_pid_stat(5)`).
//!
//! Owns finding them and the fields that collectors need. Leaves out what becomes of one that ended meanwhile.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The entries of a directory that are numbers: processes in `/proc`, threads in `task`.
pub(crate) fn numbers_in(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(numbers)
}

/// What one process or thread does.
#[derive(Debug, PartialEq)]
pub(crate) struct Stat {
    /// One letter: `S` sleeps, `R` runs, `D` waits and cannot be woken.
    pub(crate) state: char,
    /// Of the whole process.
    pub(crate) threads: u64,
}

/// The line is some 300 bytes; of a longer one the beginning is enough.
const MOST_OF_STAT: usize = 4096;

/// Reads one file; it is not kept, since there are thousands.
pub(crate) fn read_stat(path: &Path) -> io::Result<Stat> {
    let mut bytes = [0; MOST_OF_STAT];
    let length = File::open(path)?.read_at(&mut bytes, 0)?;
    parse(&bytes[..length]).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "expected a process"))
}

/// `4711 (a (b) c) S 1 …`: the name may hold anything, so what counts begins behind the last parenthesis: the state first,
/// and the number of threads in field 20.
fn parse(stat: &[u8]) -> Option<Stat> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = str::from_utf8(stat.get(end + 1..)?).ok()?.split_ascii_whitespace();
    let state = fields.next().filter(|state| state.len() == 1)?.chars().next()?;
    let threads = fields.nth(20 - 4)?.parse().ok()?;
    state.is_ascii_alphabetic().then_some(Stat { state, threads })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str, state: &str, threads: &str) -> String {
        format!("7 ({name}) {state} 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 {threads} 0 11 12 13\n")
    }

    #[test]
    fn a_name_may_hold_anything() {
        let check = |text: &[u8], expected: Option<(char, u64)>| {
            let expected = expected.map(|(state, threads)| Stat { state, threads });
            assert_eq!(parse(text), expected, "{}", text.escape_ascii());
        };
        check(stat("a", "S", "3").as_bytes(), Some(('S', 3)));
        check(stat("a) R 1 (b", "D", "1").as_bytes(), Some(('D', 1)));
        check(&[b"7 (\xff\n) Z", &b" 1".repeat(17)[..]].concat(), Some(('Z', 1)));
        check(stat("a", "S", "-1").as_bytes(), None);
        check(stat("a", "sleeping", "1").as_bytes(), None);
        check(b"7 (a) S 1 2", None);
        check(b"7 a S", None);
        check(b"", None);
    }
}

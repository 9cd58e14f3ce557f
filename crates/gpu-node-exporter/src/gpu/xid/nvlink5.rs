//! NVLink 5 errors, XIDs 144 to 150: one code is one unit of the link, and how bad it is stands in the rest of the record:
//! `RLW_SRC_TRACK Nonfatal XC1 i0 Link 12 (0x040988e2 0x00000008 …)` has the kind, then the link, intrinfo and error status.

use std::ops::RangeInclusive;

use super::severity::Severity;

/// SAW, RLW, TLW, TREX, NVLPW, NETIR and MSE.
pub(super) const CODES: RangeInclusive<u32> = 144..=150;

/// NVIDIA's table of sub-codes.
const TABLE: &str = include_str!("nvlink5.csv");

/// The driver branch that encodes intrinfo anew.
const NEW_ENCODING: u32 = 575;

/// How bad it is, as far as the record or NVIDIA's table says so. `branch` is the driver's (575 of 575.57.08).
pub(super) fn severity(code: u32, text: &str, branch: Option<u32>) -> Option<Severity> {
    branch.and_then(|branch| from_table(code, text, branch)).or_else(|| from_words(text))
}

/// By the action that the table asks for.
fn from_table(code: u32, text: &str, branch: u32) -> Option<Severity> {
    let (intrinfo, status) = numbers(text)?;
    let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(Row::parse)
        .find(|row| row.code == code && row.status == status && row.matches(intrinfo, branch))
        .map(|row| match row.action {
            "RESET_GPU" => Severity::Fatal,
            "IGNORE" => Severity::Info,
            // What is to be done, XID 154 tells.
            _ => Severity::Warning,
        })
}

/// By the driver's own word, which stands before the crossbar's number. A process in the record may be called anything.
fn from_words(text: &str) -> Option<Severity> {
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    words.windows(2).rev().find(|pair| pair[1].starts_with("XC")).and_then(|pair| match pair[0] {
        "Fatal" => Some(Severity::Fatal),
        "Nonfatal" => Some(Severity::Warning),
        _ => None,
    })
}

/// Intrinfo and error status, the first two numbers in the parentheses behind the link.
fn numbers(text: &str) -> Option<(u32, u32)> {
    let (_, inside) = text.rsplit_once("Link ")?.1.split_once('(')?;
    let mut numbers = inside.split([' ', ')']).map(number);
    Some((numbers.next()??, numbers.next()??))
}

fn number(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

struct Row {
    code: u32,
    /// Before R575, and since.
    patterns: [&'static str; 2],
    status: u32,
    action: &'static str,
}

impl Row {
    fn parse(line: &'static str) -> Option<Self> {
        let mut cells = line.split(',');
        let mut next = || cells.next();
        Some(Self {
            code: next()?.parse().ok()?,
            patterns: [next()?, next()?],
            status: number(next()?)?,
            action: next()?,
        })
    }

    fn matches(&self, intrinfo: u32, branch: u32) -> bool {
        let pattern = self.patterns[usize::from(branch >= NEW_ENCODING)];
        pattern.bytes().rev().enumerate().all(|(bit, wanted)| match wanted {
            b'0' => intrinfo >> bit & 1 == 0,
            b'1' => intrinfo >> bit & 1 == 1,
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole() {
        let rows: Vec<_> = TABLE
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| Row::parse(line).expect(line))
            .collect();
        assert_eq!(rows.len(), 94);
        for row in rows {
            assert!(CODES.contains(&row.code));
            assert!(["RESET_GPU", "IGNORE", "XID_154_EVAL"].contains(&row.action), "{}", row.action);
            assert!(row.patterns.iter().all(|pattern| pattern.len() == 32));
        }
    }

    #[test]
    fn the_sub_code_says_how_bad_it_is() {
        use Severity::{Fatal, Info, Warning};
        let table = [
            // Two drivers write the same unit differently, and each is read in its own way.
            (
                145,
                "RLW_SRC_TRACK Nonfatal XC1 i0 Link 12 (0x040988e2 0x00000008 0x00000000)",
                Some(570),
                Warning,
            ),
            (
                145,
                "RLW_SRC_TRACK Nonfatal XC1 i0 Link 12 (0x040988e2 0x00000002 0x00000000)",
                Some(570),
                Info,
            ),
            (145, "RLW_SRC_TRACK Fatal XC0 i0 Link 0 (0x00000007 0x00000001 0x00000000)", Some(575), Fatal),
            (145, "RLW_REMAP Nonfatal XC0 i0 Link 00 (0x00000004 0x00000100 0x00000000)", Some(580), Info),
            (144, "SAW_MVB Fatal XC0 i0 Link 00 (0x00000001 0x00000002 0x00000000)", Some(580), Fatal),
            (
                149,
                "NETIR_LINK_EVT  Fatal   XC0 i0 Link 01 (0x021425c6 0x00000000 0x00000000)",
                Some(570),
                Fatal,
            ),
            (
                145,
                "pid=876767, name=ray::WorkerDict, RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x0409a0c2 0x00000008 0x1)",
                Some(570),
                Info,
            ),
            // What the table does not have, the driver's word decides.
            (149, "NETIR Fatal XC0 i0 Link -1 (0xffffffff 0x00000000 0x00000000)", Some(580), Fatal),
            (145, "RLW_CTRL Nonfatal XC0 i0 Link 00 (0x00000003", Some(580), Warning),
            (145, "RLW_SRC_TRACK Nonfatal XC1 i0 Link 12 (0x040988e2 0x00000002 0x00000000)", None, Warning),
        ];
        for (code, text, branch, expected) in table {
            assert_eq!(severity(code, text, branch), Some(expected), "{code} {text} {branch:?}");
        }
        assert_eq!(severity(150, "", Some(580)), None);
        assert_eq!(severity(150, "pid=1, name=Fatal, MSE_WATCHDOG", Some(580)), None);
    }
}

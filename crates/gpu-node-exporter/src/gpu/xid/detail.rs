//! Whose an XID is, as the kernel log's record says it: `pid=1818990, name=python3, Ch 00000001 caused by previous Xid 149`. Pure.
//!
//! A process may have chosen any name of 15 bytes, so what it is called can lie about itself. The cause is looked for at the end of the record,
//! where no name reaches.

use serde::Serialize;

/// What one record says beside code and meaning. Any of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Detail {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    /// The process' name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<String>,
    /// The channel by which work reached the GPU, a hexadecimal number as it stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<String>,
    /// The XID that this one follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) caused_by: Option<u32>,
    /// The parts of a GPU in MIG mode: numbers of the GPU instance and of the compute instance in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gpu_instance: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) compute_instance: Option<u32>,
}

/// Letters of a process' name. The kernel keeps 15.
const LONGEST_NAME: usize = 32;

/// What stands before a channel's number.
const CHANNEL: [&str; 6] = ["Ch ", "Channel ", "Channel ID ", "channel 0x", "ChID ", "ChId "];

/// What stands before the code of the cause.
const CAUSE: &str = "caused by previous Xid ";

impl Detail {
    /// Of a record that says `instance` (`GPU-I:02 GPU-CI:01`, or nothing) behind the address and `text` behind the code.
    pub(super) fn of(instance: &str, text: &str) -> Self {
        let part = |name: &str| instance.split(' ').find_map(|part| part.strip_prefix(name)?.parse().ok());
        let (pid, rest) = after(text, "pid=");
        let (process, rest) = after(rest, "name=");
        let process = process.filter(|name| !name.is_empty() && *name != "<unknown>");
        Self {
            pid: pid.and_then(|pid| pid.parse().ok()),
            process: process.map(|name| name.chars().take(LONGEST_NAME).collect()),
            channel: channel(rest),
            caused_by: cause(text),
            gpu_instance: part("GPU-I:"),
            compute_instance: part("GPU-CI:"),
        }
    }
}

/// The value behind this name at the beginning of the text, and what follows the comma behind it; else the text.
fn after<'a>(text: &'a str, name: &str) -> (Option<&'a str>, &'a str) {
    let Some(rest) = text.strip_prefix(name) else { return (None, text) };
    let (value, rest) = rest.split_once(',').unwrap_or((rest, ""));
    (Some(value.trim()), rest.trim_start())
}

/// The channel of `Ch 00000010, intr …`, `Channel 00000001`, `Channel ID 0000000d intr0 …`, `channel 0x00000013 intr0 …`, `…: ChID 0010, Class …`
/// and `Class Error: ChId 0008, …`: the first that has a number.
fn channel(text: &str) -> Option<String> {
    let number = |text: &str| {
        let end = text.find(|symbol: char| !symbol.is_ascii_hexdigit()).unwrap_or(text.len());
        let is_whole = text[end..].chars().next().is_none_or(|next| !next.is_alphanumeric());
        ((1..=8).contains(&end) && is_whole).then(|| text[..end].to_owned())
    };
    let words = |word: &str| text.match_indices(word).map(|(at, _)| at).collect::<Vec<_>>();
    let found = CHANNEL.iter().flat_map(|word| words(word).into_iter().map(move |at| (at, at + word.len())));
    let begins = |at: usize| text[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric());
    let mut found: Vec<_> = found.filter(|(at, _)| begins(*at)).collect();
    found.sort_unstable();
    found.into_iter().find_map(|(_, end)| number(&text[end..]))
}

fn cause(text: &str) -> Option<u32> {
    let (_, code) = text.rsplit_once(CAUSE)?;
    code.trim_end_matches(['.', ' ']).parse().ok().filter(|code| *code != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_an_xid_is_stands_behind_its_code() {
        type Case<'a> = (&'a str, Option<u32>, Option<&'a str>, Option<&'a str>, Option<u32>);
        let cases: [Case<'_>; 18] = [
            (
                "pid=1818990, name=python3, Ch 00000001 caused by previous Xid 149",
                Some(1_818_990),
                Some("python3"),
                Some("00000001"),
                Some(149),
            ),
            (
                "pid=7194, name=VLLM::Worker_TP, Ch 0000000a, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0",
                Some(7194),
                Some("VLLM::Worker_TP"),
                Some("0000000a"),
                None,
            ),
            (
                "pid=7194, name=python3, Contained: CE User Channel (0x9). RST: No, D-RST: No",
                Some(7194),
                Some("python3"),
                None,
                None,
            ),
            ("pid=1234, GPU has fallen off the bus.", Some(1234), None, None, None),
            ("pid='<unknown>', name=<unknown>, GPU has fallen off the bus.", None, None, None, None),
            ("Channel 00000001", None, None, Some("00000001"), None),
            (
                "pid=9, name=a, Graphics Exception: ChID 0010, Class 0000c7c0, Offset 00000000",
                Some(9),
                Some("a"),
                Some("0010"),
                None,
            ),
            (
                "pid=2280636, name=train.3, Channel ID 0000000d intr0 00800000",
                Some(2_280_636),
                Some("train.3"),
                Some("0000000d"),
                None,
            ),
            ("pid=7, name=a, channel 0x00000013 intr0 00040000", Some(7), Some("a"), Some("00000013"), None),
            (
                "pid=7, name=a, Class Error: ChId 0008, Class 0000c7c0, Offset 000002d4",
                Some(7),
                Some("a"),
                Some("0008"),
                None,
            ),
            ("Ch is not known, Channel 00000002", None, None, Some("00000002"), None),
            ("Ch 0000001a caused by previous Xid 13.", None, None, Some("0000001a"), Some(13)),
            ("Timeout waiting for RPC from GSP0!", None, None, None, None),
            ("", None, None, None, None),
            ("pid=99999999999, name=, Ch 123456789", None, None, None, None),
            // What follows a cause is not the kernel's.
            (
                "pid=7, name=x caused by previous Xid 79, Ch 00000003",
                Some(7),
                Some("x caused by previous Xid 79"),
                Some("00000003"),
                None,
            ),
            ("caused by previous Xid 0", None, None, None, None),
            ("Batch 12 of Ch xyz", None, None, None, None),
        ];
        for (text, pid, process, channel, caused_by) in cases {
            let detail = Detail::of("", text);
            let seen = (detail.pid, detail.process.as_deref(), detail.channel.as_deref(), detail.caused_by);
            assert_eq!(seen, (pid, process, channel, caused_by), "{text}");
        }
    }

    #[test]
    fn the_parts_of_a_gpu_stand_behind_its_address() {
        for (instance, gpu, compute) in [
            ("", None, None),
            ("GPU-I:05", Some(5), None),
            ("GPU-I:02 GPU-CI:01", Some(2), Some(1)),
            ("GPU-I:x GPU-CI:", None, None),
        ] {
            let detail = Detail::of(instance, "");
            assert_eq!((detail.gpu_instance, detail.compute_instance), (gpu, compute), "{instance}");
        }
    }
}

//! How the kernel log writes errors of GPUs and of NVSwitches.
//!
//! Any program can choose its name so that the kernel writes such a text about it (a crash, an audit record), and root in a container can
//! write records of its own: those do not begin with the driver's words, or have another facility than the kernel's
//! (kernel documentation, ABI/testing/dev-kmsg).

use super::detail::Detail;

/// What one record of the kernel log reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// An XID.
    Xid {
        /// PCI address without function, `0000:3b:00`.
        slot: String,
        code: u32,
        /// What is said behind the code: process, channel, sub-code, cause.
        text: String,
        /// What of it is understood.
        detail: Detail,
    },
    /// The driver says in words that a GPU has left the bus, with an XID 79 or without one.
    FallenOff {
        /// PCI address without function.
        slot: String,
    },
    /// An error of an NVSwitch (SXid).
    Switch {
        /// PCI address, `0000:84:00.0`.
        address: String,
        code: u32,
        is_fatal: bool,
        /// What is said behind the code.
        text: String,
    },
}

/// Characters of a record's text that are kept. The longest that is understood, a 145 with its process and six numbers, has some 200.
const TEXT_LIMIT: usize = 300;

/// The kernel log, record by record. Most of them report nothing.
#[derive(Debug, Default)]
pub(crate) struct KernelRecords {
    /// The GPU of which the driver has begun to say that it is lost, in a text of three lines that may be three records.
    named: Option<String>,
}

impl KernelRecords {
    /// What one record of `/dev/kmsg` reports, such as
    /// `4,1184,5043021,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python, GPU has fallen off the bus.`
    pub(crate) fn read(&mut self, record: &str) -> Option<Report> {
        let (prefix, message) = record.split_once(';')?;
        let priority: u32 = prefix.split(',').next()?.parse().ok()?;
        // The lowest three bits are the level, the others the facility; 0 is the kernel.
        if priority >> 3 != 0 {
            return None;
        }
        if let Some(message) = message.strip_prefix("NVRM: ") {
            return xid(message).or_else(|| self.fallen_off(message));
        }
        switch(message.strip_prefix("nvidia-nvswitch")?)
    }

    /// `GPU 0000:18:00.0: GPU has fallen off the bus.`, or `The NVIDIA GPU 0000:b3:00.0 … has fallen off the bus and is not responding to
    /// commands.` over three lines: in one record, where the kernel writes line ends as `\x0a`, or in three.
    fn fallen_off(&mut self, message: &str) -> Option<Report> {
        let is_end = message.contains("fallen off the bus");
        if let Some(rest) = message.strip_prefix("The NVIDIA GPU ") {
            let end = rest.find(|symbol: char| !is_of_address(symbol)).unwrap_or(rest.len());
            self.named = slot(&rest[..end]);
        } else if let Some((address, _)) = message.strip_prefix("GPU ").and_then(|rest| rest.split_once(": "))
            && is_end
        {
            return Some(Report::FallenOff { slot: slot(address)? });
        }
        if is_end { Some(Report::FallenOff { slot: self.named.take()? }) } else { None }
    }
}

/// `Xid (PCI:0000:3b:00): 79, text`. Old drivers leave `PCI:` out; a MIG instance may follow the address (`PCI:0000:17:00 GPU-I:02 GPU-CI:01`).
/// 0 is no XID.
fn xid(message: &str) -> Option<Report> {
    let (place, rest) = message.strip_prefix("Xid (")?.split_once("): ")?;
    let place = place.strip_prefix("PCI:").unwrap_or(place);
    let (address, instance) = place.split_once(' ').unwrap_or((place, ""));
    let (code, text) = code(rest)?;
    let detail = Detail::of(instance, &text);
    Some(Report::Xid { slot: slot(address)?, code, text, detail })
}

/// `1: SXid (PCI:0000:84:00.0): 12028, Non-fatal, Link 32 egress non-posted PRIV error`. Its data and its place in the switch follow in
/// records of their own, which repeat the code and say neither word.
fn switch(message: &str) -> Option<Report> {
    let (number, rest) = message.split_once(": SXid (PCI:")?;
    let (address, rest) = rest.split_once("): ")?;
    let (code, text) = code(rest)?;
    let is_fatal = if text.starts_with("Fatal,") {
        true
    } else if text.starts_with("Non-fatal,") {
        false
    } else {
        return None;
    };
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && slot(address).is_some()).then(|| Report::Switch {
        address: address.to_ascii_lowercase(),
        code,
        is_fatal,
        text,
    })
}

fn code(rest: &str) -> Option<(u32, String)> {
    let end = rest.find(|symbol: char| !symbol.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, text) = rest.split_at(end);
    let code = digits.parse().ok().filter(|code| *code != 0)?;
    let text = text.trim_start_matches([',', ' ']).chars().filter(|symbol| !symbol.is_control());
    Some((code, text.take(TEXT_LIMIT).collect()))
}

/// The address without its function, in small letters.
fn slot(address: &str) -> Option<String> {
    let is_address = address.contains(':') && address.len() <= 20 && address.chars().all(is_of_address);
    let slot = address.split_once('.').map_or(address, |(slot, _)| slot);
    is_address.then(|| slot.to_ascii_lowercase())
}

fn is_of_address(symbol: char) -> bool {
    symbol.is_ascii_hexdigit() || symbol == ':' || symbol == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(records: &[&str]) -> Vec<Report> {
        let mut log = KernelRecords::default();
        records.iter().filter_map(|record| log.read(record)).collect()
    }

    #[test]
    fn the_drivers_records_are_understood() {
        for (record, slot, code, text) in [
            (
                "4,1184,5043021,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus.",
                "0000:3b:00",
                79,
                "pid=1234, GPU has fallen off the bus.",
            ),
            (
                "4,1184,5043021,-;NVRM: Xid (PCI:0000:17:00): 119, Timeout waiting for RPC",
                "0000:17:00",
                119,
                "Timeout waiting for RPC",
            ),
            ("3,7,9,-;NVRM: Xid (PCI:0000:3B:00): 31", "0000:3b:00", 31, ""),
            // MIG instances.
            (
                "4,1,1,-;NVRM: Xid (PCI:0000:17:00 GPU-I:05): 94, pid=7194, name=python3, Contained: CE User Channel (0x9). RST: No, D-RST: No",
                "0000:17:00",
                94,
                "pid=7194, name=python3, Contained: CE User Channel (0x9). RST: No, D-RST: No",
            ),
            (
                "4,2,2,-;NVRM: Xid (PCI:0000:17:00 GPU-I:02 GPU-CI:01): 13, pid=9, name=a, Graphics Exception",
                "0000:17:00",
                13,
                "pid=9, name=a, Graphics Exception",
            ),
            // Old drivers.
            ("4,3,3,-;NVRM: Xid (0000:03:00): 14, Channel 00000001", "0000:03:00", 14, "Channel 00000001"),
            ("4,3,3,-;NVRM: Xid (PCI:0000:17:00.0): 48, DBE", "0000:17:00", 48, "DBE"),
            (
                "4,4,4,-;NVRM: Xid (PCI:0000:dc:00): 45, pid=1818990, name=python3, Ch 00000001 caused by previous Xid 149",
                "0000:dc:00",
                45,
                "pid=1818990, name=python3, Ch 00000001 caused by previous Xid 149",
            ),
            (
                "4,5,5,-;NVRM: Xid (PCI:0000:00:1e): 63, Row Remapper: New row (0x0000000000abcdef) marked for remapping, reset gpu to activate.",
                "0000:00:1e",
                63,
                "Row Remapper: New row (0x0000000000abcdef) marked for remapping, reset gpu to activate.",
            ),
        ] {
            let [Report::Xid { slot: of, code: number, text: says, .. }] = &read(&[record])[..] else {
                panic!("one XID: {record}")
            };
            assert_eq!((of.as_str(), *number, says.as_str()), (slot, code, text), "{record}");
        }
    }

    #[test]
    fn a_gpu_is_lost_in_words() {
        let lost = |slot: &str| Report::FallenOff { slot: slot.to_owned() };
        let cases: [(&[&str], &[Report]); 6] = [
            (&["3,1,1,-;NVRM: GPU 0000:18:00.0: GPU has fallen off the bus."], &[lost("0000:18:00")]),
            (
                &[
                    "3,1,1,-;NVRM: The NVIDIA GPU 0000:b3:00.0\\x0aNVRM: (PCI ID: 10de:26b5) installed in this system has\\x0aNVRM: fallen off the bus and is not responding to commands.",
                ],
                &[lost("0000:b3:00")],
            ),
            (
                &[
                    "3,1,1,-;NVRM: The NVIDIA GPU 0000:b3:00.0",
                    "3,2,1,-;NVRM: (PCI ID: 10de:26b5) installed in this system has",
                    "6,3,1,-;usb 1-1: new device",
                    "3,4,1,-;NVRM: fallen off the bus and is not responding to commands.",
                ],
                &[lost("0000:b3:00")],
            ),
            (
                &[
                    "3,1,1,-;NVRM: The NVIDIA GPU 0000:01:00.0 (PCI ID: 10de:1e07) installed in this",
                    "3,2,1,-;NVRM: system has fallen off the bus and is not responding to commands.",
                    "3,3,1,-;NVRM: fallen off the bus and is not responding to commands.",
                ],
                &[lost("0000:01:00")],
            ),
            (&["3,1,1,-;NVRM: The NVIDIA GPU 0000:01:00.0 is not supported"], &[]),
            (&["3,1,1,-;NVRM: GPU 0000:18:00.0: RmInitAdapter failed!"], &[]),
        ];
        for (records, expected) in cases {
            assert_eq!(read(records), expected, "{records:?}");
        }
    }

    #[test]
    fn an_error_of_a_switch_is_one_report() {
        let records = [
            "3,1,1,-;nvidia-nvswitch1: SXid (PCI:0000:84:00.0): 12028, Data {0x000001c0, 0x00bd5c8a}",
            "3,2,1,-;nvidia-nvswitch1: SXid (PCI:0000:84:00.0): 12028, Non-fatal, Link 32 egress non-posted PRIV error (First)",
            "3,3,1,-;nvidia-nvswitch1: SXid (PCI:0000:84:00.0): 12028, Severity 0 Engine instance 44 Sub-engine instance 00",
            "3,4,1,-;nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 63 LTSSM Fault Up",
        ];
        let switch = |address: &str, code, is_fatal, text: &str| Report::Switch {
            address: address.to_owned(),
            code,
            is_fatal,
            text: text.to_owned(),
        };
        assert_eq!(
            read(&records),
            [
                switch(
                    "0000:84:00.0",
                    12028,
                    false,
                    "Non-fatal, Link 32 egress non-posted PRIV error (First)"
                ),
                switch("0000:05:00.0", 20034, true, "Fatal, Link 63 LTSSM Fault Up"),
            ]
        );
    }

    #[test]
    fn nobody_else_reports() {
        let others = [
            "6,1,1,-;usb 1-1: new device",
            "4,2,2,-;NVRM: GPU at PCI:0000:3b:00: GPU-1",
            "4,3,3,-;NVRM: Xid (PCI:0000:3b:00): many",
            "4,4,4,-;NVRM: Xid (PCI:0000:3b:00): 0, nothing",
            "4,4,4,-;NVRM: Xid (PCI:0000:3b:00): 4294967296, too large",
            "4,5,5,-;NVRM: Xid (PCI:everything there is): 79",
            "4,5,5,-;NVRM: Xid (PCI:): 79",
            // Programs that crash under a name of their choice.
            "6,6,6,-;NVRM: Xid (PCI:[812]: segfault at 0 ip 0 sp 0 error 4 in NVRM: Xid (PCI:0000:3b:00): 79,",
            "6,6,6,-;traps: NVRM: Xid (PCI:0000:3b:00): 79[812] general protection fault",
            "6,6,6,-;GPU has fallen off the bus[812]: segfault at 0",
            "5,7,7,-;audit: type=1701 audit(0): pid=8 comm=\"NVRM: Xid (PCI:0000:3b:00): 79\" sig=11",
            "6,7,7,-;nvidia-nvswitch[812]: segfault at 0 in SXid (PCI:0000:84:00.0): 12028, Fatal, no",
            // Who may write to /dev/kmsg, and what systemd and rsyslog write there: facilities user and daemon.
            "12,8,8,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=7, GPU has fallen off the bus.",
            "12,8,8,-;NVRM: GPU 0000:18:00.0: GPU has fallen off the bus.",
            "12,8,8,-;nvidia-nvswitch0: SXid (PCI:0000:05:00.0): 20034, Fatal, Link 63 LTSSM Fault Up",
            "30,9,9,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=7, GPU has fallen off the bus.",
            "NVRM: Xid (PCI:0000:3b:00): 79, pid=7, without what the kernel writes before it",
            ",,,;NVRM: Xid (PCI:0000:3b:00): 79",
            "3,1,1,-;NVRM: fallen off the bus and is not responding to commands.",
        ];
        for record in others {
            assert_eq!(read(&[record]), [], "{record}");
        }
    }

    #[test]
    fn a_record_says_whose_the_error_is() {
        let record = "4,1,1,-;NVRM: Xid (PCI:0000:17:00 GPU-I:02 GPU-CI:01): 45, pid=9, name=a, Ch 00000001 caused by previous Xid 13";
        let [Report::Xid { detail, .. }] = &read(&[record])[..] else { panic!("one XID") };
        let expected = Detail {
            pid: Some(9),
            process: Some("a".to_owned()),
            channel: Some("00000001".to_owned()),
            caused_by: Some(13),
            gpu_instance: Some(2),
            compute_instance: Some(1),
        };
        assert_eq!(*detail, expected);
    }

    #[test]
    fn what_a_record_says_is_bounded() {
        let record = format!("4,1,1,-;NVRM: Xid (PCI:0000:3b:00): 31, {}", "é\u{1b}".repeat(4_000));
        let [Report::Xid { text, .. }] = &read(&[&record])[..] else { panic!("one XID") };
        assert_eq!(*text, "é".repeat(TEXT_LIMIT));
    }
}

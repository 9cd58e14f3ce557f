//! What goes wrong on a link, and what it can carry at most.

use serde::{Deserialize, Serialize};

use super::Link;
use crate::gpu::nvml::enum_wrappers::nv_link::ErrorCounter;
use crate::gpu::nvml::{Ask, Field, Part, count, field_id};
use crate::units::{BytesPerSecond, Ratio};

/// Fields that each link has, with their names: the capacity, and three counters of Hopper's and before.
const FIELDS: [(&str, u32); 4] = [
    ("bandwidth", field_id::NVML_FI_DEV_NVLINK_GET_SPEED),
    ("replays", field_id::NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY),
    ("recoveries", field_id::NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY),
    ("CRC errors", field_id::NVML_FI_DEV_NVLINK_ERROR_DL_CRC),
];

/// Fields of NVLink 5 (Blackwell), instead of the three: errors, recoveries and bit error ratios, in the order of [`Fifth`].
const FIELDS_OF_FIFTH: [(&str, u32); KINDS.len() + RESULTS.len() + RATIOS.len()] = [
    ("malformed packets", field_id::NVML_FI_DEV_NVLINK_COUNT_MALFORMED_PACKET_ERRORS),
    ("buffer overruns", field_id::NVML_FI_DEV_NVLINK_COUNT_BUFFER_OVERRUN_ERRORS),
    ("receive errors", field_id::NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS),
    ("remote receive errors", field_id::NVML_FI_DEV_NVLINK_COUNT_RCV_REMOTE_ERRORS),
    ("general receive errors", field_id::NVML_FI_DEV_NVLINK_COUNT_RCV_GENERAL_ERRORS),
    ("integrity errors", field_id::NVML_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS),
    ("transmit discards", field_id::NVML_FI_DEV_NVLINK_COUNT_XMIT_DISCARDS),
    ("effective errors", field_id::NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS),
    ("symbol errors", field_id::NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS),
    ("successful recoveries", field_id::NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS),
    ("failed recoveries", field_id::NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS),
    ("effective bit error ratio", field_id::NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_BER),
    ("symbol bit error ratio", field_id::NVML_FI_DEV_NVLINK_COUNT_SYMBOL_BER),
];

/// Errors that NVLink 5 counts, as a label has them.
pub(super) const KINDS: [&str; 9] = [
    "malformed_packet",
    "buffer_overrun",
    "receive",
    "receive_remote",
    "receive_general",
    "link_integrity",
    "transmit_discard",
    "effective",
    "symbol",
];

/// How it says that recoveries ended, as a label has it.
pub(super) const RESULTS: [&str; 2] = ["successful", "failed"];

/// What its bit error ratios are of, as a label has it: what is left after correction, and symbols before it.
pub(super) const RATIOS: [&str; 2] = ["effective", "symbol"];

/// What only a link of NVLink 5 and later says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fifth {
    /// In the order of [`KINDS`].
    pub(super) errors: [Option<u64>; KINDS.len()],
    /// In the order of [`RESULTS`].
    pub(super) recoveries: [Option<u64>; RESULTS.len()],
    /// In the order of [`RATIOS`].
    pub(super) ratios: [Option<Ratio>; RATIOS.len()],
}

/// What one link says, in the order of the fields.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkErrors {
    pub(super) link: u32,
    bandwidth: Option<BytesPerSecond>,
    counters: [Option<u64>; FIELDS.len() - 1],
    crc_data: Option<u64>,
    fifth: Option<Box<Fifth>>,
}

impl LinkErrors {
    /// Adds it to what is known of the link.
    pub(super) fn write_to(self, link: &mut Link) {
        link.bandwidth = self.bandwidth;
        [link.replays, link.recoveries, link.crc_errors] = self.counters;
        link.crc_data_errors = self.crc_data;
        link.fifth = self.fifth;
    }
}

/// Reads links that are up, in their order: all their fields with one call.
pub(super) fn read(ask: &mut Ask<'_>, links: &[u32], is_fifth: bool) -> Vec<LinkErrors> {
    let of_fifth = if is_fifth { &FIELDS_OF_FIFTH[..] } else { &[] };
    let fields: Vec<_> = FIELDS.iter().chain(of_fifth).collect();
    let of_links = || links.iter().flat_map(|link| fields.iter().map(move |(what, id)| (what, *id, *link)));
    let names: Vec<_> = of_links().map(|(what, _, link)| name(what, link)).collect();
    let wanted: Vec<_> = of_links()
        .zip(&names)
        .map(|((_, id, link), name)| Field { name, id, of: Part::Link(link) })
        .collect();
    let mut found = vec![None; wanted.len()];
    ask.read_fields("NVLink errors", &wanted, &mut found);
    let by_link = links.iter().zip(names.chunks(fields.len()).zip(found.chunks(fields.len())));
    by_link.map(|(link, (names, values))| link_errors(ask, *link, names, values)).collect()
}

/// A reading's name, for logs and `--check`.
fn name(what: &str, link: u32) -> String {
    format!("{what} of NVLink {link}")
}

/// What the values of a link's fields say.
fn link_errors(ask: &mut Ask<'_>, link: u32, names: &[String], values: &[Option<u64>]) -> LinkErrors {
    let value = |at: usize| values.get(at).copied().flatten();
    let capacity = value(0).filter(|megabytes| *megabytes > 0);
    let bandwidth =
        capacity.and_then(|megabytes| ask.meaning(&names[0], megabytes, BytesPerSecond::from_megabytes));
    let fields = [value(1), value(2), value(3)];
    let is_fifth = values.len() > FIELDS.len();
    let is_before_hopper = !is_fifth && fields.iter().all(Option::is_none);
    let (counters, crc_data) = if is_before_hopper { one_by_one(ask, link) } else { (fields, None) };
    let fifth = is_fifth.then(|| {
        let recoveries = FIELDS.len() + KINDS.len();
        let ratios = recoveries + RESULTS.len();
        Box::new(Fifth {
            errors: std::array::from_fn(|at| value(FIELDS.len() + at)),
            recoveries: std::array::from_fn(|at| value(recoveries + at)),
            ratios: std::array::from_fn(|at| {
                ask.meaning(&names[ratios + at], value(ratios + at)?, bit_error_ratio)
            }),
        })
    });
    LinkErrors { link, bandwidth, counters, crc_data, fifth }
}

/// A ratio as the driver writes it: eight bits of a negative power of ten, and four of what that is multiplied with (nvml.h,
/// `NVML_NVLINK_ERROR_COUNTER_BER_GET`). All of them set is none at all, as DCGM reads it (`DcgmUtilities.h`).
fn bit_error_ratio(encoded: u64) -> Option<Ratio> {
    const NONE: u64 = 0xFFF;
    let exponent = i32::try_from(encoded & 0xFF).ok()?;
    let factor = u32::try_from(encoded >> 8).ok().filter(|factor| *factor <= 0xF)?;
    Some(Ratio(if encoded == NONE { 0.0 } else { f64::from(factor) / 10_f64.powi(exponent) }))
}

/// The counters of before Hopper: the same three, and one of its own.
fn one_by_one(ask: &mut Ask<'_>, link: u32) -> ([Option<u64>; 3], Option<u64>) {
    let mut read = |name: &str, counter| {
        ask.quantity(
            &format!("{name} (first version)"),
            |device| device.link_wrapper_for(link).error_counter(counter),
            count,
        )
    };
    let [_, replays, recoveries, crc_errors] = FIELDS.map(|(what, _)| name(what, link));
    let counters = [
        read(&replays, ErrorCounter::DlReplay),
        read(&recoveries, ErrorCounter::DlRecovery),
        read(&crc_errors, ErrorCounter::DlCrcFlit),
    ];
    (counters, read(&format!("CRC errors of data on NVLink {link}"), ErrorCounter::DlCrcData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_a_factor_and_a_power_of_ten() {
        for (encoded, expected) in [
            (0x20F, Some(2e-15)),
            (0xF0C, Some(15e-12)),
            (0x000, Some(0.0)),
            (0xFFF, Some(0.0)),
            (0x1000, None),
            (u64::MAX, None),
        ] {
            assert_eq!(bit_error_ratio(encoded), expected.map(Ratio), "{encoded:x}");
        }
    }
}

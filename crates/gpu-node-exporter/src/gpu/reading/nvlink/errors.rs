//! What goes wrong on a link, and what it can carry at most.

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

/// Fields of NVLink 5 (Blackwell), instead of the three.
const FIELDS_OF_FIFTH: [(&str, u32); 11] = [
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
];

/// Its bit error ratios.
const RATIOS_OF_FIFTH: [(&str, u32); 2] = [
    ("effective bit error ratio", field_id::NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_BER),
    ("symbol bit error ratio", field_id::NVML_FI_DEV_NVLINK_COUNT_SYMBOL_BER),
];

/// The names of one link's readings, for logs and `--check`, in the order of the fields.
pub(super) struct ErrorNames {
    fields: [String; FIELDS.len()],
    fields_of_fifth: [String; FIELDS_OF_FIFTH.len()],
    ratios_of_fifth: [String; RATIOS_OF_FIFTH.len()],
}

impl ErrorNames {
    pub(super) fn of(link: usize) -> Self {
        let name = |(what, _): (&str, u32)| format!("{what} of NVLink {link}");
        Self {
            fields: FIELDS.map(name),
            fields_of_fifth: FIELDS_OF_FIFTH.map(name),
            ratios_of_fifth: RATIOS_OF_FIFTH.map(name),
        }
    }

    /// The fields of the link of this number.
    fn fields(&self, link: u32, is_fifth: bool) -> impl Iterator<Item = Field<'_>> {
        let first = self.fields.iter().zip(FIELDS);
        let counters = self.fields_of_fifth.iter().zip(FIELDS_OF_FIFTH);
        let fifth = counters.chain(self.ratios_of_fifth.iter().zip(RATIOS_OF_FIFTH));
        first.chain(fifth.filter(move |_| is_fifth)).map(move |(name, (_, id))| Field {
            name,
            id,
            of: Part::Link(link),
        })
    }
}

/// What one link says, in the order of the fields.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkErrors {
    pub(super) link: u32,
    bandwidth: Option<BytesPerSecond>,
    counters: [Option<u64>; FIELDS.len() - 1],
    crc_data: Option<u64>,
    counters_of_fifth: [Option<u64>; FIELDS_OF_FIFTH.len()],
    ratios_of_fifth: [Option<Ratio>; RATIOS_OF_FIFTH.len()],
}

impl LinkErrors {
    /// Adds it to what is known of the link.
    pub(super) fn write_to(&self, link: &mut Link) {
        link.bandwidth = self.bandwidth;
        [link.replays, link.recoveries, link.crc_errors] = self.counters;
        link.crc_data_errors = self.crc_data;
        [
            link.malformed_packets,
            link.buffer_overruns,
            link.receive_errors,
            link.receive_remote_errors,
            link.receive_general_errors,
            link.integrity_errors,
            link.transmit_discards,
            link.effective_errors,
            link.symbol_errors,
            link.recoveries_successful,
            link.recoveries_failed,
        ] = self.counters_of_fifth;
        [link.effective_error_ratio, link.symbol_error_ratio] = self.ratios_of_fifth;
    }
}

/// Reads links that are up, in their order: all their fields with one call.
pub(super) fn read<'a>(
    ask: &mut Ask<'_>,
    links: impl Iterator<Item = (&'a ErrorNames, u32)>,
    is_fifth: bool,
) -> Vec<LinkErrors> {
    let links: Vec<_> = links.collect();
    let wanted: Vec<_> = links.iter().flat_map(|(names, link)| names.fields(*link, is_fifth)).collect();
    let mut found = vec![None; wanted.len()];
    ask.read_fields("NVLink errors", &wanted, &mut found);
    let of_fifth = FIELDS_OF_FIFTH.len() + RATIOS_OF_FIFTH.len();
    let width = if is_fifth { FIELDS.len() + of_fifth } else { FIELDS.len() };
    links
        .into_iter()
        .zip(found.chunks(width))
        .map(|((names, link), values)| {
            let value = |at: usize| values.get(at).copied().flatten();
            let capacity = value(0).filter(|megabytes| *megabytes > 0);
            let bandwidth = capacity.and_then(|megabytes| {
                ask.meaning(&names.fields[0], megabytes, BytesPerSecond::from_megabytes)
            });
            let fields = [value(1), value(2), value(3)];
            let is_before_hopper = !is_fifth && fields.iter().all(Option::is_none);
            let (counters, crc_data) =
                if is_before_hopper { one_by_one(ask, names, link) } else { (fields, None) };
            let counters_of_fifth = std::array::from_fn(|at| value(FIELDS.len() + at));
            let ratios_of_fifth = std::array::from_fn(|at| {
                let encoded = value(FIELDS.len() + FIELDS_OF_FIFTH.len() + at)?;
                ask.meaning(&names.ratios_of_fifth[at], encoded, bit_error_ratio)
            });
            LinkErrors { link, bandwidth, counters, crc_data, counters_of_fifth, ratios_of_fifth }
        })
        .collect()
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
fn one_by_one(ask: &mut Ask<'_>, names: &ErrorNames, link: u32) -> ([Option<u64>; 3], Option<u64>) {
    let mut read = |name: &str, counter| {
        ask.quantity(
            &format!("{name} (first version)"),
            |device| device.link_wrapper_for(link).error_counter(counter),
            count,
        )
    };
    let [_, replays, recoveries, crc_errors] = &names.fields;
    let counters = [
        read(replays, ErrorCounter::DlReplay),
        read(recoveries, ErrorCounter::DlRecovery),
        read(crc_errors, ErrorCounter::DlCrcFlit),
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

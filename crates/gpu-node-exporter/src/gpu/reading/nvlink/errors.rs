//! What goes wrong on a link, and what it can carry at most.

use super::Link;
use crate::gpu::nvml::enum_wrappers::nv_link::ErrorCounter;
use crate::gpu::nvml::{Ask, Field, Part, count, field_id};
use crate::units::BytesPerSecond;

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

/// The names of one link's readings, for logs and `--check`, in the order of the fields.
pub(super) struct ErrorNames {
    fields: [String; FIELDS.len()],
    fields_of_fifth: [String; FIELDS_OF_FIFTH.len()],
}

impl ErrorNames {
    pub(super) fn of(link: usize) -> Self {
        let name = |(what, _): (&str, u32)| format!("{what} of NVLink {link}");
        Self { fields: FIELDS.map(name), fields_of_fifth: FIELDS_OF_FIFTH.map(name) }
    }

    /// The fields of the link of this number.
    fn fields(&self, link: u32, is_fifth: bool) -> impl Iterator<Item = Field<'_>> {
        let first = self.fields.iter().zip(FIELDS);
        let fifth = self.fields_of_fifth.iter().zip(FIELDS_OF_FIFTH).filter(move |_| is_fifth);
        first.chain(fifth).map(move |(name, (_, id))| Field { name, id, of: Part::Link(link) })
    }
}

/// What one link says, in the order of the fields.
#[derive(Clone, Debug, Default)]
pub(super) struct LinkErrors {
    pub(super) link: u32,
    bandwidth: Option<BytesPerSecond>,
    counters: [Option<u64>; FIELDS.len() - 1],
    counters_of_fifth: [Option<u64>; FIELDS_OF_FIFTH.len()],
}

impl LinkErrors {
    /// Adds it to what is known of the link.
    pub(super) fn write_to(&self, link: &mut Link) {
        link.bandwidth = self.bandwidth;
        [link.replays, link.recoveries, link.crc_errors] = self.counters;
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
    let width = if is_fifth { FIELDS.len() + FIELDS_OF_FIFTH.len() } else { FIELDS.len() };
    links
        .into_iter()
        .zip(found.chunks(width))
        .map(|((names, link), values)| {
            let value = |at: usize| values.get(at).copied().flatten();
            let capacity = value(0).filter(|megabytes| *megabytes > 0);
            LinkErrors {
                link,
                bandwidth: capacity.and_then(|megabytes| {
                    ask.meaning(&names.fields[0], megabytes, BytesPerSecond::from_megabytes)
                }),
                counters: counters(ask, names, link, [value(1), value(2), value(3)], is_fifth),
                counters_of_fifth: std::array::from_fn(|at| value(FIELDS.len() + at)),
            }
        })
        .collect()
}

/// The three counters. Before Hopper these fields are not there, and the counters are read one by one.
fn counters(
    ask: &mut Ask<'_>,
    names: &ErrorNames,
    link: u32,
    fields: [Option<u64>; 3],
    is_fifth: bool,
) -> [Option<u64>; 3] {
    if is_fifth {
        return fields;
    }
    let counters = [ErrorCounter::DlReplay, ErrorCounter::DlRecovery, ErrorCounter::DlCrcFlit];
    let mut one_by_one = counters.into_iter().zip(&names.fields[1..]);
    fields.map(|field| {
        let (counter, name) = one_by_one.next()?;
        field.or_else(|| {
            ask.quantity(
                &format!("{name} (first version)"),
                |device| device.link_wrapper_for(link).error_counter(counter),
                count,
            )
        })
    })
}

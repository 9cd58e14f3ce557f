//! NVLink, by link: whether it is up, what crossed it, and its errors.
//!
//! NVML numbers links from 0 and says how many a GPU has (18 on Hopper, up to 36 by nvml.h 13.3). It also lists links that lead nowhere by
//! design: a PCIe card without a bridge has 18 of them, and one with a bridge some. So a link is shown once it was seen connected: it is
//! active, or the driver knows what is at its other end. What a link counts is shown while it is up.

use std::collections::BTreeSet;

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::enum_wrappers::nv_link::ErrorCounter;
use crate::gpu::nvml::{Ask, Cached, Field, Part, field_id};
use crate::gpu::subject::{Shown, Subject};
use crate::units::Bytes;

readings! {
    /// One link. Its counters begin when the driver is loaded.
    struct Link {
        /// Whether it is active; unknown for one that was never seen connected.
        up: bool,
        transmitted: Bytes,
        received: Bytes,
        replays: u64,
        recoveries: u64,
        crc_errors: u64,
    }
}

/// The links of one GPU, by number.
pub(crate) type NvLinks = Vec<Link>;

/// What the probe keeps of one GPU's links.
#[derive(Default)]
pub(crate) struct Kept {
    count: Cached<usize>,
    names: Vec<Names>,
    /// Links that were seen connected. One that goes down stays here.
    connected: BTreeSet<u32>,
    /// State and errors.
    links: Cached<NvLinks>,
    /// The fields that count bytes on this GPU, once they have.
    byte_fields: Option<ByteFields>,
}

/// The names of one link's readings, for logs and `--check`.
struct Names {
    transmitted: String,
    received: String,
    replays: String,
    recoveries: String,
    crc_errors: String,
}

/// The fields that count bytes: transmitted, received, and how many bytes one of the count is.
type ByteFields = (u32, u32, u64);

/// From NVLink 5 on in bytes, before that in KiB (nvml.h). The newer ones are asked for first.
const BYTE_FIELDS: [ByteFields; 2] = [
    (field_id::NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES, field_id::NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES, 1),
    (field_id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, field_id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, 1024),
];

/// More links than any GPU has.
const MOST_LINKS: usize = 64;

impl Subject for NvLinks {
    type Kept = Kept;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Kept) -> Self {
        let Kept { count, names, connected, links, byte_fields } = kept;
        let count = count.once(ask, count_links);
        if count == 0 {
            return Self::new();
        }
        let known = names.len();
        names.extend((known..count).map(Names::of));
        let names = &names[..count];
        let mut links = links.seldom(ask, |ask| states_and_errors(ask, names, connected));
        read_bytes(ask, names, &mut links, byte_fields);
        links
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut up = Family::gauge(
            "gpu_nvlink_up",
            "Whether the NVLink is active; absent for one that leads nowhere.",
        );
        let mut transmitted = Family::counter(
            "gpu_nvlink_transmit_bytes_total",
            "Bytes sent over the NVLink, without protocol overhead.",
        );
        let mut received = Family::counter(
            "gpu_nvlink_receive_bytes_total",
            "Bytes received over the NVLink, without protocol overhead.",
        );
        let mut errors = Family::counter(
            "gpu_nvlink_errors_total",
            "Errors of the NVLink's data link layer, by kind, since the driver was loaded.",
        );
        for gpu in gpus {
            for (number, link) in gpu.reading.iter().enumerate() {
                let Some(is_up) = link.up else { continue };
                let labels = gpu.labels.and([("link", number.to_string())]);
                for (kind, count) in
                    [("replay", link.replays), ("recovery", link.recoveries), ("crc", link.crc_errors)]
                {
                    if let Some(count) = count {
                        errors.push(labels.and([("kind", kind)]), count);
                    }
                }
                if let Some(bytes) = link.transmitted {
                    transmitted.push(labels.clone(), bytes);
                }
                if let Some(bytes) = link.received {
                    received.push(labels.clone(), bytes);
                }
                up.push(labels, is_up);
            }
        }
        vec![up, transmitted, received, errors]
    }
}

impl Names {
    fn of(link: usize) -> Self {
        Self {
            transmitted: format!("bytes sent over NVLink {link}"),
            received: format!("bytes received over NVLink {link}"),
            replays: format!("replays of NVLink {link}"),
            recoveries: format!("recoveries of NVLink {link}"),
            crc_errors: format!("CRC errors of NVLink {link}"),
        }
    }
}

fn count_links(ask: &mut Ask<'_>) -> usize {
    let field = Field::new("NVLinks", field_id::NVML_FI_DEV_NVLINK_LINK_COUNT);
    let [count] = ask.fields("number of NVLinks", [field]);
    let possible = |count| usize::try_from(count).ok().filter(|count| *count <= MOST_LINKS);
    count.and_then(|count| ask.meaning(field.name, count, possible)).unwrap_or(0)
}

/// The links that are connected, without bytes; the others stay unknown.
fn states_and_errors(ask: &mut Ask<'_>, names: &[Names], connected: &mut BTreeSet<u32>) -> NvLinks {
    let mut links: NvLinks = (0..).zip(names).map(|(link, _)| state(ask, link, connected)).collect();
    let up = numbers_of_links_that_are_up(&links);
    let wanted: Vec<_> = up
        .iter()
        .flat_map(|(at, link)| {
            let Names { replays, recoveries, crc_errors, .. } = &names[*at];
            [
                (replays, field_id::NVML_FI_DEV_NVLINK_ERROR_DL_REPLAY),
                (recoveries, field_id::NVML_FI_DEV_NVLINK_ERROR_DL_RECOVERY),
                (crc_errors, field_id::NVML_FI_DEV_NVLINK_ERROR_DL_CRC),
            ]
            .map(|(name, id)| Field { name, id, of: Part::Link(*link) })
        })
        .collect();
    let mut found = vec![None; wanted.len()];
    ask.read_fields("NVLink errors", &wanted, &mut found);
    for ((at, link), counts) in up.into_iter().zip(found.chunks_exact(3)) {
        // Before Hopper these fields are not there, and the counters are read one by one.
        let mut count = |count: Option<u64>, name: &str, counter| {
            count.or_else(|| {
                let possible = |count| (count != u64::MAX).then_some(count);
                ask.quantity(
                    &format!("{name} (first version)"),
                    |device| device.link_wrapper_for(link).error_counter(counter),
                    possible,
                )
            })
        };
        links[at].replays = count(counts[0], &names[at].replays, ErrorCounter::DlReplay);
        links[at].recoveries = count(counts[1], &names[at].recoveries, ErrorCounter::DlRecovery);
        links[at].crc_errors = count(counts[2], &names[at].crc_errors, ErrorCounter::DlCrcFlit);
    }
    links
}

/// Whether a link is active, if it is connected at all.
fn state(ask: &mut Ask<'_>, link: u32, connected: &mut BTreeSet<u32>) -> Link {
    let up = ask.ask(&format!("state of NVLink {link}"), |device| device.link_wrapper_for(link).is_active());
    let is_connected = up == Some(true)
        || connected.contains(&link)
        || ask
            .ask(&format!("other end of NVLink {link}"), |device| {
                device.link_wrapper_for(link).remote_pci_info()
            })
            // No device has the number 0.
            .is_some_and(|other| other.pci_device_id != 0);
    if is_connected {
        connected.insert(link);
    }
    Link { up: up.filter(|_| is_connected), ..Link::default() }
}

fn numbers_of_links_that_are_up(links: &NvLinks) -> Vec<(usize, u32)> {
    (0..)
        .zip(links)
        .enumerate()
        .filter(|(_, (_, link))| link.up == Some(true))
        .map(|(at, (link, _))| (at, link))
        .collect()
}

/// Bytes are read in each sweep: a rate over old counts would be wrong.
fn read_bytes(ask: &mut Ask<'_>, names: &[Names], links: &mut NvLinks, byte_fields: &mut Option<ByteFields>) {
    let up = numbers_of_links_that_are_up(links);
    if up.is_empty() {
        return;
    }
    let candidates = byte_fields.map_or(BYTE_FIELDS.to_vec(), |known| vec![known]);
    for fields in candidates {
        let (transmitted, received, unit) = fields;
        let wanted: Vec<_> = up
            .iter()
            .flat_map(|(at, link)| {
                let Names { transmitted: sent, received: got, .. } = &names[*at];
                [(sent, transmitted), (got, received)].map(|(name, id)| Field {
                    name,
                    id,
                    of: Part::Link(*link),
                })
            })
            .collect();
        let mut found = vec![None; wanted.len()];
        ask.read_fields("NVLink byte counters", &wanted, &mut found);
        if found.iter().all(Option::is_none) {
            continue;
        }
        *byte_fields = Some(fields);
        let mut bytes = |name: &str, count: Option<u64>| {
            ask.meaning(name, count?, |count| count.checked_mul(unit).map(Bytes))
        };
        for ((at, _), counts) in up.into_iter().zip(found.chunks_exact(2)) {
            links[at].transmitted = bytes(&names[at].transmitted, counts[0]);
            links[at].received = bytes(&names[at].received, counts[1]);
        }
        return;
    }
}

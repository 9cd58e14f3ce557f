//! NVLink, by link: whether it is up, what crossed it, and its errors.
//!
//! NVML numbers links from 0 and says how many a GPU has (18 on Hopper, up to 36 by nvml.h 13.3). It also lists links that lead nowhere by
//! design: a PCIe card without a bridge has 18 of them, and one with a bridge some. So a link is shown once it was seen connected: it is
//! active, or the driver knows what is at its other end. Of one that is down the driver may know that no more, so the exporter remembers it over
//! probes. What a link counts is shown while it is up.

mod errors;
mod traffic;

use std::collections::BTreeSet;

use self::errors::{Fifth, KINDS, LinkErrors, RATIOS, RESULTS};
use self::traffic::Traffic;
use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, Field, Part, field_id};
use crate::gpu::subject::{Said, Shown, Step, Subject};
use crate::units::{Bytes, BytesPerSecond};

readings! {
    /// One link. Its counters begin when the driver is loaded.
    struct Link {
        /// Whether it is active; unknown for one that was never seen connected.
        up: bool,
        /// It is inactive, and this probe never saw it connected.
        idle: bool,
        transmitted: Bytes,
        received: Bytes,
        /// What it carries at most, one way.
        bandwidth: BytesPerSecond,
        replays: u64,
        recoveries: u64,
        crc_errors: u64,
        /// Before Hopper, where `crc_errors` is of flow control digits alone.
        crc_data_errors: u64,
        /// Since NVLink 5. Apart, since most links have none of it.
        fifth: Box<Fifth>,
    }
}

/// The links of one GPU, by number.
pub(crate) type NvLinks = Vec<Link>;

/// What the exporter sums up of one GPU's links.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) traffic: Traffic,
    /// Links that any probe saw connected: the bit of each one's number.
    connected: u64,
}

impl Sums {
    /// Whether the link of this number is active: also one that is idle now and was connected before.
    fn is_up(&self, number: usize, link: &Link) -> Option<bool> {
        let is_lost = link.idle == Some(true) && self.connected & bit(number) != 0;
        link.up.or(is_lost.then_some(false))
    }
}

/// What the probe keeps of one GPU's links.
#[derive(Default)]
pub(crate) struct Kept {
    count: Cached<usize>,
    /// Links that were seen connected. One that goes down stays here.
    connected: BTreeSet<u32>,
    states: Cached<NvLinks>,
    errors: Cached<Vec<LinkErrors>>,
    /// The fields that count bytes on this GPU, once they have.
    byte_fields: Option<ByteFields>,
}

/// The fields that count bytes: transmitted, received, and how many bytes one of the count is.
type ByteFields = (u32, u32, u64);

/// From NVLink 5 on in bytes, before that in KiB (nvml.h). The newer ones are asked for first.
const BYTE_FIELDS: [ByteFields; 2] = [
    (field_id::NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES, field_id::NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES, 1),
    (field_id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, field_id::NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, 1024),
];

/// More links than any GPU has, and as many as a set of bits has room for.
const MOST_LINKS: usize = u64::BITS as usize;

/// The bit of a link. One that no GPU has, has none.
fn bit(number: usize) -> u64 {
    u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or(0)
}

impl Subject for NvLinks {
    type Kept = Kept;
    type Sums = Sums;

    fn add_to(&self, sums: &mut Sums, step: Step) {
        sums.traffic.add(self, step);
        for (number, link) in self.iter().enumerate() {
            if link.up.is_some() {
                sums.connected |= bit(number);
            }
        }
    }

    fn read(ask: &mut Ask<'_>, kept: &mut Kept) -> Self {
        let Kept { count, connected, states, errors, byte_fields } = kept;
        let count = count.once(ask, count_links);
        if count == 0 {
            return Self::new();
        }
        let mut links = states.seldom(ask, |ask| read_states(ask, count, connected));
        read_bytes(ask, &mut links, byte_fields);
        // Which counters a link has is known once it has counted bytes.
        let is_fifth = *byte_fields == Some(BYTE_FIELDS[0]);
        let up = numbers_of_links_that_are_up(&links);
        let errors = errors.seldom(ask, |ask| {
            let links: Vec<_> = up.iter().map(|(_, link)| *link).collect();
            errors::read(ask, &links, is_fifth)
        });
        for errors in errors {
            // A link that went down since then counts nothing.
            if let Some((at, _)) = up.iter().find(|(_, link)| *link == errors.link) {
                errors.write_to(&mut links[*at]);
            }
        }
        links
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut transmitted = Family::counter(
            "gpu_nvlink_transmit_bytes_total",
            "Bytes sent over the NVLink, without protocol overhead.",
        );
        let mut received = Family::counter(
            "gpu_nvlink_receive_bytes_total",
            "Bytes received over the NVLink, without protocol overhead.",
        );
        let links = gpus.iter().map(|gpu| gpu.reading.len()).sum();
        transmitted.samples.reserve_exact(links);
        received.samples.reserve_exact(links);
        for gpu in gpus {
            for (number, link, _) in shown_links(gpu) {
                let labels = gpu.labels.and([("link", itoa::Buffer::new().format(number))]);
                if let Some(bytes) = link.transmitted {
                    transmitted.push(labels.clone(), bytes);
                }
                if let Some(bytes) = link.received {
                    received.push(labels, bytes);
                }
            }
        }
        vec![transmitted, received]
    }

    fn seldom_families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut up = Family::gauge(
            "gpu_nvlink_up",
            "Whether the NVLink is active; absent for one that leads nowhere.",
        );
        let mut errors = Family::counter(
            "gpu_nvlink_errors_total",
            "Errors of the NVLink, by kind, since the driver was loaded.",
        );
        let mut recoveries = Family::counter(
            "gpu_nvlink_recoveries_total",
            "Times the NVLink went from active to recovery, by result, since the driver was loaded (NVLink 5 and later).",
        );
        let mut error_ratio = Family::gauge(
            "gpu_nvlink_bit_error_ratio",
            "Share of bits that are wrong on the NVLink: effective ones, which are left after correction, and symbols before it (NVLink 5 and later).",
        );
        let mut bandwidth = Family::gauge(
            "gpu_nvlink_bandwidth_bytes_per_second",
            "What the NVLink carries at most in one direction.",
        );
        for gpu in gpus {
            for (number, link, is_up) in shown_links(gpu) {
                let mut digits = itoa::Buffer::new();
                let link_label = ("link", digits.format(number));
                let labels = gpu.labels.and([link_label]);
                let older = [
                    ("replay", link.replays),
                    ("recovery", link.recoveries),
                    ("crc", link.crc_errors),
                    ("crc_data", link.crc_data_errors),
                ];
                let Fifth { errors: of_fifth, recoveries: recovered, ratios } =
                    link.fifth.as_deref().cloned().unwrap_or_default();
                for (kind, count) in older.into_iter().chain(KINDS.into_iter().zip(of_fifth)) {
                    if let Some(count) = count {
                        errors.push(gpu.labels.and([link_label, ("kind", kind)]), count);
                    }
                }
                for (result, count) in RESULTS.into_iter().zip(recovered) {
                    if let Some(count) = count {
                        recoveries.push(gpu.labels.and([link_label, ("result", result)]), count);
                    }
                }
                for (kind, ratio) in RATIOS.into_iter().zip(ratios) {
                    if let Some(ratio) = ratio {
                        error_ratio.push(gpu.labels.and([link_label, ("kind", kind)]), ratio);
                    }
                }
                if let Some(most) = link.bandwidth {
                    bandwidth.push(labels.clone(), most);
                }
                up.push(labels, is_up);
            }
        }
        vec![up, errors, recoveries, error_ratio, bandwidth]
    }

    fn is_seldom_same((now, sums): Said<'_, Self>, (before, sums_before): Said<'_, Self>) -> bool {
        let is_connected_same = sums.connected == sums_before.connected;
        is_connected_same && now.iter().map(but_bytes).eq(before.iter().map(but_bytes))
    }
}

/// All of a link but what crossed it.
fn but_bytes(link: &Link) -> impl PartialEq + '_ {
    let Link {
        transmitted: _,
        received: _,
        up,
        idle,
        bandwidth,
        replays,
        recoveries,
        crc_errors,
        crc_data_errors,
        fifth,
    } = link;
    (up, idle, bandwidth, (replays, recoveries, crc_errors, crc_data_errors), fifth)
}

/// The links that lead somewhere, each with its number and whether it is active.
fn shown_links<'a>(gpu: &Shown<'a, NvLinks>) -> impl Iterator<Item = (usize, &'a Link, bool)> {
    let (links, sums) = (gpu.reading.iter().enumerate(), gpu.sums);
    links.filter_map(|(number, link)| Some((number, link, sums.is_up(number, link)?)))
}

fn count_links(ask: &mut Ask<'_>) -> usize {
    let field = Field::new("NVLinks", field_id::NVML_FI_DEV_NVLINK_LINK_COUNT);
    let [count] = ask.fields("number of NVLinks", [field]);
    let possible = |count| usize::try_from(count).ok().filter(|count| *count <= MOST_LINKS);
    count.and_then(|count| ask.meaning(field.name, count, possible)).unwrap_or(0)
}

/// Which links are active; those that lead nowhere stay unknown.
fn read_states(ask: &mut Ask<'_>, count: usize, connected: &mut BTreeSet<u32>) -> NvLinks {
    (0..).take(count).map(|link| state(ask, link, connected)).collect()
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
    let idle = (up == Some(false) && !is_connected).then_some(true);
    Link { up: up.filter(|_| is_connected), idle, ..Link::default() }
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
fn read_bytes(ask: &mut Ask<'_>, links: &mut NvLinks, byte_fields: &mut Option<ByteFields>) {
    let up = numbers_of_links_that_are_up(links);
    if up.is_empty() {
        return;
    }
    let names: Vec<_> = up
        .iter()
        .flat_map(|(_, link)| ["sent", "received"].map(|way| format!("bytes {way} over NVLink {link}")))
        .collect();
    let candidates = byte_fields.map_or(BYTE_FIELDS.to_vec(), |known| vec![known]);
    for fields in candidates {
        let (transmitted, received, unit) = fields;
        let counted = up.iter().flat_map(|(_, link)| [(transmitted, *link), (received, *link)]);
        let wanted: Vec<_> =
            counted.zip(&names).map(|((id, link), name)| Field { name, id, of: Part::Link(link) }).collect();
        let mut found = vec![None; wanted.len()];
        ask.read_fields("NVLink byte counters", &wanted, &mut found);
        if found.iter().all(Option::is_none) {
            continue;
        }
        *byte_fields = Some(fields);
        let mut bytes = wanted.iter().zip(found).map(|(field, count)| {
            ask.meaning(field.name, count?, |count| count.checked_mul(unit).map(Bytes))
        });
        for (at, _) in up {
            links[at].transmitted = bytes.next().flatten();
            links[at].received = bytes.next().flatten();
        }
        return;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_link_that_another_probe_saw_connected_is_down_and_not_absent() {
        let link = |up, idle| Link { up, idle, ..Link::default() };
        let step = || Step { now: Instant::now(), gap: Duration::ZERO };
        let mut sums = Sums::default();
        let mut shown = |links: &NvLinks| -> Vec<Option<bool>> {
            links.add_to(&mut sums, step());
            links.iter().enumerate().map(|(number, link)| sums.is_up(number, link)).collect()
        };
        let (up, idle, unknown) = (link(Some(true), None), link(None, Some(true)), link(None, None));
        assert_eq!(shown(&vec![up.clone(), idle.clone(), up]), [Some(true), None, Some(true)]);
        // A new probe: the first is down, the second leads nowhere, the third did not answer.
        assert_eq!(shown(&vec![idle.clone(), idle, unknown]), [Some(false), None, None]);
    }
}

//! NVLink-C2C: the links from the GPU to the CPU of its module (Grace), by number.

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, Field, Part, field_id, flag};
use crate::gpu::subject::{Shown, Subject};
use crate::units::BytesPerSecond;

readings! {
    /// One link.
    struct C2cLink {
        up: bool,
        bandwidth: BytesPerSecond,
        crc_errors: u64,
        replays: u64,
        back_to_back_replays: u64,
    }
}

/// The links of one GPU; none on a card beside another maker's CPU.
pub(crate) type C2cLinks = Vec<C2cLink>;

/// What the probe keeps of one GPU's links.
#[derive(Default)]
pub(crate) struct Kept {
    count: Cached<u32>,
    links: Cached<C2cLinks>,
}

/// More links than any GPU has: GPM counts 14.
const MOST_LINKS: u64 = 64;

impl Subject for C2cLinks {
    type Kept = Kept;
    type Sums = ();

    fn read(ask: &mut Ask<'_>, kept: &mut Kept) -> Self {
        let count = kept.count.once(ask, |ask| {
            let field = Field::new("C2C links", field_id::NVML_FI_DEV_C2C_LINK_COUNT);
            let [count] = ask.fields("number of C2C links", [field]);
            let possible = |count| u32::try_from(count).ok().filter(|_| count <= MOST_LINKS);
            count.and_then(|count| ask.meaning(field.name, count, possible)).unwrap_or(0)
        });
        if count == 0 {
            return Self::new();
        }
        kept.links.seldom(ask, |ask| (0..count).map(|link| read_link(ask, link)).collect())
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let mut up = Family::gauge("gpu_c2c_up", "Whether the NVLink-C2C to the CPU is active.");
        let mut bandwidth = Family::gauge(
            "gpu_c2c_bandwidth_bytes_per_second",
            "What the NVLink-C2C to the CPU can carry at most.",
        );
        let mut errors = Family::counter(
            "gpu_c2c_errors_total",
            "Errors of the NVLink-C2C to the CPU, by kind, since the driver was loaded.",
        );
        for gpu in gpus {
            for (number, link) in gpu.reading.iter().enumerate() {
                let number = number.to_string();
                let link_label = ("link", number.as_str());
                let labels = gpu.labels.and([link_label]);
                for (kind, count) in [
                    ("crc", link.crc_errors),
                    ("replay", link.replays),
                    ("back_to_back_replay", link.back_to_back_replays),
                ] {
                    if let Some(count) = count {
                        errors.push(gpu.labels.and([link_label, ("kind", kind)]), count);
                    }
                }
                if let Some(most) = link.bandwidth {
                    bandwidth.push(labels.clone(), most);
                }
                if let Some(is_up) = link.up {
                    up.push(labels, is_up);
                }
            }
        }
        vec![up, bandwidth, errors]
    }
}

fn read_link(ask: &mut Ask<'_>, link: u32) -> C2cLink {
    let names = [
        format!("state of C2C link {link}"),
        format!("bandwidth of C2C link {link}"),
        format!("CRC errors of C2C link {link}"),
        format!("replays of C2C link {link}"),
        format!("back-to-back replays of C2C link {link}"),
    ];
    let ids = [
        field_id::NVML_FI_DEV_C2C_LINK_GET_STATUS,
        field_id::NVML_FI_DEV_C2C_LINK_GET_MAX_BW,
        field_id::NVML_FI_DEV_C2C_LINK_ERROR_INTR,
        field_id::NVML_FI_DEV_C2C_LINK_ERROR_REPLAY,
        field_id::NVML_FI_DEV_C2C_LINK_ERROR_REPLAY_B2B,
    ];
    let fields = std::array::from_fn(|at| Field { name: &names[at], id: ids[at], of: Part::Link(link) });
    let [up, megabytes, crc_errors, replays, back_to_back_replays] = ask.fields("C2C link", fields);
    C2cLink {
        up: up.and_then(|number| ask.meaning(&names[0], number, flag)),
        bandwidth: megabytes
            .and_then(|number| ask.meaning(&names[1], number, BytesPerSecond::from_megabytes)),
        crc_errors,
        replays,
        back_to_back_replays,
    }
}

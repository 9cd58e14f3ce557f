//! Queues of packets that wait to be sent, by network device (see `tc(8)` and `rtnetlink(7)`).
//!
//! Owns what the kernel counts of each device's root queue. Leaves out the queues and classes below it.

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Kind, Labels};
use crate::flags::{Flag, Flags};
use crate::host::device_names::DeviceNames;
use crate::host::entry::Entry;
use crate::host::filter::Filter;
use crate::host::netlink::{Query, Socket, attribute, text, u32_at, u64_at};

static DEVICE_INCLUDE: Flag =
    Flag::regex("collector.qdisc.device-include", "", "The only network devices qdisc shows")
        .formerly(&["collector.qdisk.device-include"]);
static DEVICE_EXCLUDE: Flag = Flag::regex(
    "collector.qdisc.device-exclude",
    "",
    "Network devices that qdisc leaves out (not together with device-include)",
)
.formerly(&["collector.qdisk.device-exclude"]);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "qdisc",
    help: "queues of packets to send",
    reads: "netlink",
    is_default: false,
    waits_for: WaitsFor::NetworkLock,
    flags: &[&DEVICE_INCLUDE, &DEVICE_EXCLUDE],
    new: |flags, _| Box::new(QueueCollector::new(flags)),
};

struct QueueCollector {
    filter: Filter,
    socket: Socket,
}

impl QueueCollector {
    fn new(flags: &mut Flags) -> Self {
        let filter = Filter::new(flags, &DEVICE_EXCLUDE, &DEVICE_INCLUDE);
        Self { filter, socket: Socket::default() }
    }

    fn read(&mut self) -> Result<Vec<Family>, Fault> {
        let mut queues = Vec::new();
        self.socket.dump_of(QUEUES, &[0; HEADER], |message| queues.extend(root_queue(message)))?;
        let mut names = DeviceNames::new()?;
        let mut families = NUMBERS.map(|(name, help, kind)| match kind {
            Kind::Counter => Family::counter(name, help),
            _ => Family::gauge(name, help),
        });
        for queue in queues {
            // A device that went away has no queue either.
            let Some(device) = names.name(queue.device)?.filter(|device| self.filter.keeps(device)) else {
                continue;
            };
            let labels = Labels::new([("device", device), ("kind", queue.kind.as_str())]);
            for (family, number) in families.iter_mut().zip(queue.numbers) {
                family.push(labels.clone(), number);
            }
        }
        Ok(families.into())
    }
}

impl Collector for QueueCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        self.read().into()
    }
}

const NUMBERS: [(&str, &str, Kind); 7] = [
    ("node_qdisc_bytes_total", "Number of bytes sent.", Kind::Counter),
    ("node_qdisc_packets_total", "Number of packets sent.", Kind::Counter),
    ("node_qdisc_drops_total", "Number of packets dropped.", Kind::Counter),
    (
        "node_qdisc_requeues_total",
        "Number of packets dequeued, not transmitted, and requeued.",
        Kind::Counter,
    ),
    ("node_qdisc_overlimits_total", "Number of overlimit packets.", Kind::Counter),
    ("node_qdisc_current_queue_length", "Number of packets currently in queue to be sent.", Kind::Gauge),
    ("node_qdisc_backlog", "Number of bytes currently in queue to be sent.", Kind::Gauge),
];

/// `RTM_GETQDISC` and `RTM_NEWQDISC`.
const QUEUES: Query = Query { request: 38, answer: 36 };
/// `struct tcmsg` of `include/uapi/linux/rtnetlink.h`: the device's number at 4, the parent at 12.
const HEADER: usize = 20;
/// `TC_H_ROOT` of `include/uapi/linux/pkt_sched.h`.
const ROOT: u32 = u32::MAX;

/// Attributes of `include/uapi/linux/rtnetlink.h`.
const TCA_KIND: u16 = 1;
const TCA_STATS2: u16 = 7;
/// Those within the second, of `include/uapi/linux/gen_stats.h`: `struct gnet_stats_basic` (bytes, packets),
/// `struct gnet_stats_queue` (length, backlog, drops, requeues, overlimits), and packets past 2^32.
const TCA_STATS_BASIC: u16 = 1;
const TCA_STATS_QUEUE: u16 = 3;
const TCA_STATS_PKT64: u16 = 8;

/// The queue that a device has at its root.
#[derive(Debug, PartialEq)]
struct Queue {
    device: u32,
    kind: String,
    /// In the order of [`NUMBERS`].
    numbers: [u64; NUMBERS.len()],
}

/// `None` for a queue below another, and for an answer without numbers.
fn root_queue(message: &[u8]) -> Option<Queue> {
    let (device, parent) = (u32_at(message, 4)?, u32_at(message, 12)?);
    if parent != ROOT && parent != 0 {
        return None;
    }
    let attributes = message.get(HEADER..)?;
    let numbers = attribute(attributes, TCA_STATS2)?;
    let (basic, queue) = (attribute(numbers, TCA_STATS_BASIC)?, attribute(numbers, TCA_STATS_QUEUE)?);
    let queue = |place: usize| u32_at(queue, place * 4).map(u64::from);
    let packets = attribute(numbers, TCA_STATS_PKT64).and_then(|packets| u64_at(packets, 0));
    let packets = packets.or_else(|| u32_at(basic, 8).map(u64::from))?;
    Some(Queue {
        device,
        kind: text(attribute(attributes, TCA_KIND)?),
        numbers: [u64_at(basic, 0)?, packets, queue(2)?, queue(3)?, queue(4)?, queue(0)?, queue(1)?],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::garbled;
    use crate::host::netlink::attribute_of;
    use crate::host::testing::{collector, values};

    fn message(parent: u32, numbers: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[4..8].copy_from_slice(&1_u32.to_ne_bytes());
        bytes[12..16].copy_from_slice(&parent.to_ne_bytes());
        bytes.extend(attribute_of(TCA_KIND, b"fq\0"));
        bytes.extend(attribute_of(TCA_STATS2, &numbers.concat()));
        bytes
    }

    fn basic() -> Vec<u8> {
        attribute_of(TCA_STATS_BASIC, &[&u64::MAX.to_ne_bytes()[..], &42_u32.to_ne_bytes(), &[0; 4]].concat())
    }

    fn waiting() -> Vec<u8> {
        attribute_of(TCA_STATS_QUEUE, &[1_u32, 2, 3, 4, 5].map(u32::to_ne_bytes).concat())
    }

    #[test]
    fn a_root_queue_has_all_numbers() {
        let queue =
            |packets| Queue { device: 1, kind: "fq".to_owned(), numbers: [u64::MAX, packets, 3, 4, 5, 1, 2] };
        assert_eq!(root_queue(&message(ROOT, &[basic(), waiting()])), Some(queue(42)));
        let many = attribute_of(TCA_STATS_PKT64, &(1_u64 << 40).to_ne_bytes());
        assert_eq!(root_queue(&message(0, &[basic(), many, waiting()])), Some(queue(1 << 40)));
        assert_eq!(root_queue(&message(0x10_0000, &[basic(), waiting()])), None, "below another");
        assert_eq!(root_queue(&message(ROOT, &[basic()])), None);
    }

    #[test]
    fn the_loopback_device_has_a_queue() {
        let none = "/nonexistent".as_ref();
        let shown = |flags: &[&str]| {
            let Collected { families, faults, .. } = collector(&ENTRY, none, none, flags).collect();
            assert_eq!(faults, []);
            values(&families)
        };
        let lines = shown(&[]);
        assert!(
            lines.iter().any(|line| line.starts_with(r#"node_qdisc_bytes_total{device="lo",kind="#)),
            "{lines:?}"
        );
        assert_eq!(shown(&["--collector.qdisc.device-include=^$"]), [] as [&str; 0]);
    }

    #[test]
    fn no_message_panics() {
        garbled::messages(&[&message(ROOT, &[basic(), waiting()])], |bytes| _ = root_queue(bytes));
    }
}

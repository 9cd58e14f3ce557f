//! Network devices as `/sys/class/net` describes them (see the kernel's `ABI/testing/sysfs-class-net`).
//!
//! Owns state and properties of each device. Leaves out traffic, which is `netdev`'s. Some of these files take a lock of
//! the network stack that a driver in trouble can hold for long. Most of them are not read: one answer of the kernel over netlink says the same of
//! all devices (`netclass/link.rs`), as long as `/sys` is this machine's own.

mod link;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use regex_lite::Regex;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::kept_file::{Buffer, KeptFile};
use crate::host::netlink::Socket;
use crate::host::root::Root;
use crate::host::sysfs::{Attribute, Devices, number, text};
use link::{Link, Said, links};

static IGNORED_DEVICES: Flag =
    Flag::regex("collector.netclass.ignored-devices", "^$", "Network devices that netclass leaves out");
static IGNORE_INVALID_SPEED: Flag = Flag::switch(
    "collector.netclass.ignore-invalid-speed",
    false,
    "Leave out speeds that the device does not know",
);

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "netclass",
    help: "state and properties of network devices",
    reads: "/sys/class/net, netlink",
    is_default: true,
    waits_for: WaitsFor::NetworkLock,
    flags: &[&IGNORED_DEVICES, &IGNORE_INVALID_SPEED],
    new: |flags, root| Box::new(NetclassCollector::new(flags, root)),
};

struct NetclassCollector {
    ignored: Option<Regex>,
    /// Whether a speed of -1, which means that the device does not know it, is left out.
    ignore_invalid_speed: bool,
    buffer: Buffer,
    devices: Devices<Device>,
    /// `None` where the files are another machine's.
    socket: Option<Socket>,
}

/// Where the kernel shows the devices that it tells of over netlink.
const OWN_SYSFS: &str = "/sys";

impl NetclassCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        Self {
            ignored: flags.regex(&IGNORED_DEVICES),
            ignore_invalid_speed: flags.is_on(&IGNORE_INVALID_SPEED),
            buffer: Buffer::default(),
            devices: Devices::new(root.sys.join("class/net")),
            socket: (root.sys == Path::new(OWN_SYSFS)).then(Socket::default),
        }
    }

    /// What the kernel says of the devices. Where it says nothing, the files do.
    fn links(&mut self) -> BTreeMap<String, Link> {
        self.socket.as_mut().and_then(|socket| links(socket).ok()).unwrap_or_default()
    }
}

impl Collector for NetclassCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        // Before the devices are looked for: one that is new has files, and none of another is taken for it.
        let links = self.links();
        let ignored = |name: &str| self.ignored.as_ref().is_some_and(|ignored| ignored.is_match(name));
        let open = |directory: &Path, name: &str| (!ignored(name)).then(|| Device::new(directory, name));
        // Devices come and go with containers, so they are looked for at each reading.
        let devices = match self.devices.find(open) {
            Ok(devices) => devices,
            Err(error) => return Collected::failed(error.into()),
        };
        let mut families = Families::new();
        let mut faults = Vec::new();
        for device in devices {
            let link = device.own_link(&links, &mut self.buffer);
            faults.extend(device.read(link, &mut self.buffer, self.ignore_invalid_speed, &mut families));
        }
        Collected::new(families.into_vec(), faults)
    }
}

/// Bytes a second in the unit of the file `speed`, megabits a second.
const MEGABITS: f64 = 1e6 / 8.0;

const ATTRIBUTES: [Attribute; 17] = [
    Attribute::gauge(
        "addr_assign_type",
        "node_network_address_assign_type",
        "Network device property: address_assign_type",
    ),
    Attribute::gauge("carrier", "node_network_carrier", "Network device property: carrier"),
    Attribute::counter(
        "carrier_changes",
        "node_network_carrier_changes_total",
        "Network device property: carrier_changes_total",
    ),
    Attribute::counter(
        "carrier_up_count",
        "node_network_carrier_up_changes_total",
        "Network device property: carrier_up_changes_total",
    ),
    Attribute::counter(
        "carrier_down_count",
        "node_network_carrier_down_changes_total",
        "Network device property: carrier_down_changes_total",
    ),
    Attribute::gauge("dev_id", "node_network_device_id", "Network device property: device_id"),
    Attribute::gauge("dormant", "node_network_dormant", "Network device property: dormant"),
    Attribute::gauge("flags", "node_network_flags", "Network device property: flags"),
    Attribute::gauge("ifindex", "node_network_iface_id", "Network device property: iface_id"),
    Attribute::gauge("iflink", "node_network_iface_link", "Network device property: iface_link"),
    Attribute::gauge("link_mode", "node_network_iface_link_mode", "Network device property: iface_link_mode"),
    Attribute::gauge("mtu", "node_network_mtu_bytes", "Network device property: mtu_bytes"),
    Attribute::gauge(
        "name_assign_type",
        "node_network_name_assign_type",
        "Network device property: name_assign_type",
    ),
    Attribute::gauge("netdev_group", "node_network_net_dev_group", "Network device property: net_dev_group"),
    Attribute::gauge(
        "tx_queue_len",
        "node_network_transmit_queue_length",
        "Network device property: transmit_queue_length",
    ),
    Attribute::gauge("speed", "node_network_speed_bytes", "Network device property: speed_bytes")
        .times(MEGABITS),
    Attribute::gauge("type", "node_network_protocol_type", "Network device property: protocol_type"),
];

/// `IFF_UP` in `include/uapi/linux/if.h`: what the administrator wants.
const FLAG_UP: u64 = 1;

/// One device's files.
struct Device {
    directory: PathBuf,
    name: String,
    labels: Labels,
    /// The number of the device for which the kernel's answer was held against these files, and whether they are that device's.
    checked: Option<(u32, bool)>,
    /// In the order of [`ATTRIBUTES`].
    attributes: Vec<KeptFile>,
    address: KeptFile,
    broadcast: KeptFile,
    duplex: KeptFile,
    ifalias: KeptFile,
    operstate: KeptFile,
}

impl Device {
    fn new(directory: &Path, name: &str) -> Self {
        let file = |file: &str| KeptFile::attribute(directory.join(file));
        Self {
            directory: directory.to_owned(),
            name: name.to_owned(),
            labels: Labels::new([("device", name)]),
            checked: None,
            attributes: ATTRIBUTES.iter().map(|attribute| file(attribute.file)).collect(),
            address: file("address"),
            broadcast: file("broadcast"),
            duplex: file("duplex"),
            ifalias: file("ifalias"),
            operstate: file("operstate"),
        }
    }

    /// What the kernel says of this device. `/sys` may show the devices of another network namespace, and files that are open stay those of
    /// a device that was renamed: so another number than before is another device, and its files have to say what the answer says.
    fn own_link<'l>(&mut self, links: &'l BTreeMap<String, Link>, buffer: &mut Buffer) -> Option<&'l Link> {
        let link = links.get(&self.name)?;
        let is_own = match self.checked {
            Some((index, is_own)) if index == link.index => is_own,
            _ => {
                *self = Self::new(&self.directory, &self.name);
                let index = number(&mut KeptFile::attribute(self.directory.join("ifindex")), buffer);
                let address = text(&mut self.address, buffer);
                let is_index = matches!(index, Ok(Some(index)) if index == Number::from(link.index));
                let is_address = address.is_ok_and(|address| address == link.text("address").value());
                let is_own = is_index && is_address;
                self.checked = Some((link.index, is_own));
                is_own
            }
        };
        Some(link).filter(|_| is_own)
    }

    /// Adds the device's samples; each file that cannot be read, or holds something else than it should, is a fault.
    fn read(
        &mut self,
        link: Option<&Link>,
        buffer: &mut Buffer,
        ignore_invalid_speed: bool,
        families: &mut Families,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut flags = None;
        let files = self.attributes.iter_mut().zip(&ATTRIBUTES).zip(&mut families.attributes);
        for ((file, attribute), family) in files {
            let said = link.map_or(Said::Unsaid, |link| link.number(attribute.file));
            match said.or_read(|| number(file, buffer)) {
                Ok(Some(value)) => {
                    let whole = match value {
                        Number::Whole(whole) => Some(whole),
                        Number::Real(_) => None,
                    };
                    if attribute.file == "flags" {
                        flags = whole;
                    }
                    if attribute.file != "speed" || whole.is_some() || !ignore_invalid_speed {
                        attribute.push(family, &self.labels, value);
                    }
                }
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        let state = link.map_or(Said::Unsaid, |link| link.text("operstate"));
        let state = state.or_read(|| text(&mut self.operstate, buffer));
        match state.and_then(|state| self.info(link, state, flags, buffer)) {
            Ok(Some((up, info))) => {
                families.up.push(self.labels.clone(), up);
                families.info.push(info, 1_u64);
            }
            Ok(None) => {}
            Err(fault) => faults.push(fault),
        }
        faults
    }

    /// Whether the device is up, and its info labels. Every device has a state; without it the device went away after
    /// the directory was listed.
    fn info(
        &mut self,
        link: Option<&Link>,
        operstate: Option<String>,
        flags: Option<u64>,
        buffer: &mut Buffer,
    ) -> Result<Option<(bool, Labels)>, Fault> {
        let Some(operstate) = operstate else { return Ok(None) };
        let adminstate = match flags {
            None => "unknown",
            Some(flags) if flags & FLAG_UP != 0 => "up",
            Some(_) => "down",
        };
        // What the device does not have is an empty label.
        let mut label = |name: &str, file: &mut KeptFile| {
            let said = link.map_or(Said::Unsaid, |link| link.text(name));
            said.or_read(|| text(file, buffer)).map(Option::unwrap_or_default)
        };
        let up = operstate == "up";
        let info = Labels::new([
            ("device", self.name.clone()),
            ("address", label("address", &mut self.address)?),
            ("broadcast", label("broadcast", &mut self.broadcast)?),
            ("duplex", label("duplex", &mut self.duplex)?),
            ("operstate", operstate),
            ("adminstate", adminstate.to_owned()),
            ("ifalias", label("ifalias", &mut self.ifalias)?),
        ]);
        Ok(Some((up, info)))
    }
}

/// The collector's families, being filled device by device.
struct Families {
    /// In the order of [`ATTRIBUTES`].
    attributes: Vec<Family>,
    up: Family,
    info: Family,
}

impl Families {
    fn new() -> Self {
        Self {
            attributes: ATTRIBUTES.iter().map(Attribute::family).collect(),
            up: Family::gauge("node_network_up", "Value is 1 if operstate is 'up', 0 otherwise."),
            info: Family::info(
                "node_network_info",
                "Non-numeric data from /sys/class/net/<iface>, value is always 1.",
            ),
        }
    }

    fn into_vec(self) -> Vec<Family> {
        self.attributes.into_iter().chain([self.up, self.info]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    /// The series and faults of a device with these files; one without a text cannot be read.
    fn read(files: &[(&str, Option<&str>)]) -> (Vec<String>, Vec<Fault>) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            match text {
                Some(text) => std::fs::write(path, text).unwrap(),
                // Reading a directory fails for root too.
                None => std::fs::create_dir(path).unwrap(),
            }
        }
        let mut families = Families::new();
        let mut device = Device::new(directory.path(), "eth0");
        let faults = device.read(None, &mut Buffer::default(), false, &mut families);
        (values(&families.into_vec()), faults)
    }

    /// What this machine's own devices are shown as, asked for over netlink and by their files alone.
    #[test]
    fn the_kernels_answer_says_what_the_files_say() {
        let mut socket = Socket::default();
        let mut buffer = Buffer::default();
        let mut asked = 0;
        for directory in std::fs::read_dir("/sys/class/net").unwrap() {
            let directory = directory.unwrap().path();
            let name = directory.file_name().unwrap().to_str().unwrap();
            if !directory.is_dir() {
                continue;
            }
            let mut shown = |is_asked: bool| {
                let links = links(&mut socket).unwrap();
                let (mut device, mut families) = (Device::new(&directory, name), Families::new());
                let link = device.own_link(&links, &mut buffer).filter(|_| is_asked);
                asked += usize::from(link.is_some());
                let faults = device.read(link, &mut buffer, false, &mut families);
                (values(&families.into_vec()), faults)
            };
            assert_eq!(shown(true), shown(false));
        }
        assert!(asked > 0, "there is a loopback device");
    }

    #[test]
    fn files_of_another_device_are_not_taken_for_the_kernels() {
        let links = BTreeMap::from([("eth0".to_owned(), Link::numbered(7))]);
        let check = |files: &[(&str, &str)], is_own: bool| {
            let directory = tempfile::tempdir().unwrap();
            for (name, text) in files {
                std::fs::write(directory.path().join(name), text).unwrap();
            }
            let mut device = Device::new(directory.path(), "eth0");
            assert_eq!(device.own_link(&links, &mut Buffer::default()).is_some(), is_own, "{files:?}");
        };
        check(&[("ifindex", "7\n"), ("address", "\n")], true);
        check(&[("ifindex", "8\n"), ("address", "\n")], false);
        check(&[("ifindex", "7\n"), ("address", "00:1b:21:0a:0b:0c\n")], false);
        check(&[("address", "\n")], false);
    }

    const DOWN: &str = r#"node_network_info{device="eth0",address="",broadcast="",duplex="",operstate="down",adminstate="unknown",ifalias=""} 1"#;

    #[test]
    fn what_a_device_does_not_have_is_no_fault() {
        let (lines, faults) = read(&[("operstate", Some("down\n")), ("mtu", Some("1500\n"))]);
        assert_eq!(
            lines,
            [r#"node_network_mtu_bytes{device="eth0"} 1500"#, r#"node_network_up{device="eth0"} 0"#, DOWN]
        );
        assert_eq!(faults, []);
        assert_eq!(read(&[]), (Vec::new(), Vec::new()), "a device that went away");
    }

    #[test]
    fn what_cannot_be_read_is_a_fault_and_costs_nothing_else() {
        let (lines, faults) = read(&[("operstate", Some("down\n")), ("mtu", None)]);
        assert_eq!(lines, [r#"node_network_up{device="eth0"} 0"#, DOWN]);
        assert!(faults.len() == 1 && faults[0].to_string().contains("/mtu: "), "{faults:?}");

        for unreadable in ["operstate", "address", "ifalias"] {
            let state = ("operstate", Some("down\n"));
            let files = [state, ("mtu", Some("1500\n"))].into_iter().filter(|(name, _)| *name != unreadable);
            let (lines, faults) = read(&files.chain([(unreadable, None)]).collect::<Vec<_>>());
            assert_eq!(lines, [r#"node_network_mtu_bytes{device="eth0"} 1500"#], "{unreadable}");
            assert!(faults.len() == 1 && faults[0].to_string().contains(unreadable), "{faults:?}");
        }
    }
}

//! Network devices as `/sys/class/net` describes them (see the kernel's `ABI/testing/sysfs-class-net`).
//!
//! Owns state and properties of each device. Leaves out traffic, which is `netdev`'s. Some of these files take a lock of
//! the network stack that a driver in trouble can hold for long, so the collector has a lane of its own.

use std::collections::BTreeMap;
use std::path::Path;

use regex_lite::Regex;

use super::HostSettings;
use super::root::{Buffer, KeptFile, ReadError, Root};
use crate::collector::{Collected, Collector, Fault};
use crate::family::{Family, Kind, Labels};

/// `--collector.netclass.*`
#[derive(Clone, Debug)]
pub(crate) struct NetclassSettings {
    /// Devices to leave out.
    pub(crate) ignored: Option<Regex>,
    /// Whether a speed of -1, which means that the device does not know it, is left out.
    pub(crate) ignore_invalid_speed: bool,
}

/// The collector `netclass`.
pub(crate) struct NetclassCollector {
    root: Root,
    settings: NetclassSettings,
    buffer: Buffer,
    /// `None` for a device that the expression leaves out.
    devices: BTreeMap<String, Option<Device>>,
}

impl NetclassCollector {
    pub(crate) fn new(settings: &HostSettings) -> Self {
        Self {
            root: settings.root.clone(),
            settings: settings.netclass.clone(),
            buffer: Buffer::default(),
            devices: BTreeMap::new(),
        }
    }

    /// Devices come and go with containers, so the directory is listed at each reading; files stay open.
    fn find_devices(&mut self) -> Result<(), Fault> {
        let directory = self.root.sys.join("class/net");
        let listed = std::fs::read_dir(&directory).map_err(|error| ReadError::new(&directory, error))?;
        let mut names = Vec::new();
        for entry in listed {
            let entry = entry.map_err(|error| ReadError::new(&directory, error))?;
            // `bonding_masters` is a plain file among the devices.
            let is_device = entry.file_type().is_ok_and(|kind| !kind.is_file());
            names.extend(entry.file_name().into_string().ok().filter(|_| is_device));
        }
        self.devices.retain(|name, _| names.contains(name));
        for name in names {
            let ignored =
                |name: &str| self.settings.ignored.as_ref().is_some_and(|ignored| ignored.is_match(name));
            self.devices.entry(name).or_insert_with_key(|name| {
                (!ignored(name)).then(|| Device::new(&directory.join(name), name))
            });
        }
        Ok(())
    }
}

impl Collector for NetclassCollector {
    fn name(&self) -> &'static str {
        "netclass"
    }

    fn collect(&mut self) -> Collected {
        if let Err(fault) = self.find_devices() {
            return Collected::failed(fault);
        }
        let mut families = Families::new();
        let mut faults = Vec::new();
        for device in self.devices.values_mut().flatten() {
            faults.extend(device.read(&mut self.buffer, &self.settings, &mut families));
        }
        Collected { families: families.into_vec(), faults }
    }
}

/// A file with one number, and the family it becomes.
struct Property {
    file: &'static str,
    family: &'static str,
    kind: Kind,
    help: &'static str,
}

const fn gauge(file: &'static str, family: &'static str, help: &'static str) -> Property {
    Property { file, family, kind: Kind::Gauge, help }
}

const fn counter(file: &'static str, family: &'static str, help: &'static str) -> Property {
    Property { file, family, kind: Kind::Counter, help }
}

const PROPERTIES: [Property; 16] = [
    gauge(
        "addr_assign_type",
        "node_network_address_assign_type",
        "How the address came about: 0 permanent, 1 random, 2 stolen, 3 set.",
    ),
    gauge("carrier", "node_network_carrier", "1 when the physical link is up."),
    counter(
        "carrier_changes",
        "node_network_carrier_changes_total",
        "Times the physical link went up or down.",
    ),
    counter("carrier_up_count", "node_network_carrier_up_changes_total", "Times the physical link went up."),
    counter(
        "carrier_down_count",
        "node_network_carrier_down_changes_total",
        "Times the physical link went down.",
    ),
    gauge("dev_id", "node_network_device_id", "Tells apart devices that share an address."),
    gauge("dormant", "node_network_dormant", "1 when the device waits for something before it can be used."),
    gauge("flags", "node_network_flags", "The device's flags (IFF_*), as one number."),
    gauge("ifindex", "node_network_iface_id", "The device's number in this system."),
    gauge("iflink", "node_network_iface_link", "The number of the device this one is linked to."),
    gauge("link_mode", "node_network_iface_link_mode", "0 default, 1 dormant."),
    gauge("mtu", "node_network_mtu_bytes", "Largest packet the device sends."),
    gauge(
        "name_assign_type",
        "node_network_name_assign_type",
        "How the name came about: 1 by the kernel, 2 predictably, 3 by a user, 4 renamed.",
    ),
    gauge("netdev_group", "node_network_net_dev_group", "The device's group."),
    gauge("tx_queue_len", "node_network_transmit_queue_length", "Most packets that wait to be sent."),
    gauge("type", "node_network_protocol_type", "The device's hardware type (ARPHRD_*)."),
];

/// `IFF_UP` in `include/uapi/linux/if.h`: what the administrator wants.
const FLAG_UP: i64 = 1;

/// One device's files.
struct Device {
    name: String,
    labels: Labels,
    properties: Vec<KeptFile>,
    address: KeptFile,
    broadcast: KeptFile,
    duplex: KeptFile,
    ifalias: KeptFile,
    operstate: KeptFile,
    speed: KeptFile,
}

impl Device {
    fn new(directory: &Path, name: &str) -> Self {
        let file = |file: &str| KeptFile::attribute(directory.join(file));
        Self {
            name: name.to_owned(),
            labels: Labels::new([("device", name)]),
            properties: PROPERTIES.iter().map(|property| file(property.file)).collect(),
            address: file("address"),
            broadcast: file("broadcast"),
            duplex: file("duplex"),
            ifalias: file("ifalias"),
            operstate: file("operstate"),
            speed: file("speed"),
        }
    }

    /// Adds the device's samples; each file that cannot be read, or holds something else than it should, is a fault.
    fn read(
        &mut self,
        buffer: &mut Buffer,
        settings: &NetclassSettings,
        families: &mut Families,
    ) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut flags = None;
        let files = self.properties.iter_mut().zip(&PROPERTIES).zip(&mut families.properties);
        for ((file, property), family) in files {
            match number(file, buffer) {
                Ok(Some(value)) => {
                    if property.file == "flags" {
                        flags = Some(value);
                    }
                    push(family, &self.labels, value);
                }
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        match number(&mut self.speed, buffer) {
            // Megabits a second.
            Ok(Some(speed)) if speed >= 0 || !settings.ignore_invalid_speed => {
                families.speed.push(self.labels.clone(), speed as f64 * 1e6 / 8.0);
            }
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
        match text(&mut self.operstate, buffer).and_then(|state| self.info(state, flags, buffer)) {
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
        operstate: Option<String>,
        flags: Option<i64>,
        buffer: &mut Buffer,
    ) -> Result<Option<(bool, Labels)>, Fault> {
        let Some(operstate) = operstate else { return Ok(None) };
        let adminstate = match flags {
            None => "unknown",
            Some(flags) if flags & FLAG_UP != 0 => "up",
            Some(_) => "down",
        };
        // What the device does not have is an empty label.
        let mut label = |file: &mut KeptFile| text(file, buffer).map(Option::unwrap_or_default);
        let up = operstate == "up";
        let info = Labels::new([
            ("device", self.name.clone()),
            ("address", label(&mut self.address)?),
            ("broadcast", label(&mut self.broadcast)?),
            ("duplex", label(&mut self.duplex)?),
            ("operstate", operstate),
            ("adminstate", adminstate.to_owned()),
            ("ifalias", label(&mut self.ifalias)?),
        ]);
        Ok(Some((up, info)))
    }
}

fn push(family: &mut Family, labels: &Labels, value: i64) {
    match u64::try_from(value) {
        Ok(whole) => family.push(labels.clone(), whole),
        Err(_) => family.push(labels.clone(), value as f64),
    }
}

/// `None` where the device has no answer.
fn text(file: &mut KeptFile, buffer: &mut Buffer) -> Result<Option<String>, Fault> {
    match file.read(buffer) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.is_no_answer() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `None` where the device has no answer.
fn number(file: &mut KeptFile, buffer: &mut Buffer) -> Result<Option<i64>, Fault> {
    match file.read(buffer) {
        Ok(text) => parse_number(text.trim()).map(Some).map_err(|wrong| file.fault(&wrong)),
        Err(error) if error.is_no_answer() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Decimal, or hexadecimal after `0x`.
fn parse_number(text: &str) -> Result<i64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("expected a number, found {text:?}"))
}

/// The collector's families, being filled device by device.
struct Families {
    properties: Vec<Family>,
    speed: Family,
    up: Family,
    info: Family,
}

impl Families {
    fn new() -> Self {
        let family = |property: &Property| match property.kind {
            Kind::Counter => Family::counter(property.family, property.help),
            _ => Family::gauge(property.family, property.help),
        };
        Self {
            properties: PROPERTIES.iter().map(family).collect(),
            speed: Family::gauge("node_network_speed_bytes", "The link's speed in bytes a second."),
            up: Family::gauge("node_network_up", "1 when the device's operational state is up."),
            info: Family::info("node_network_info", "The device's addresses and states; always 1."),
        }
    }

    fn into_vec(self) -> Vec<Family> {
        self.properties.into_iter().chain([self.speed, self.up, self.info]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(parse_number("0x1303").unwrap(), 4867);
        assert_eq!(parse_number("-1").unwrap(), -1);
        check_garbage(parse_number, &["", "0x", "up", "1.5", "99999999999999999999"]);
    }

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
        let settings = NetclassSettings { ignored: None, ignore_invalid_speed: false };
        let faults =
            Device::new(directory.path(), "eth0").read(&mut Buffer::default(), &settings, &mut families);
        (values(&families.into_vec()), faults)
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

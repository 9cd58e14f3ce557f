//! What the drivers of network devices say, as `ethtool(8)` shows it.
//!
//! `ethtool/ioctl.rs` asks. Owns the names of the series, which are made of the drivers' own words, and what a link can do.
//! `netdev` has the counters that all devices share, `netclass` the speed they have now.

mod ioctl;

use std::collections::BTreeMap;
use std::path::Path;

use regex_lite::Regex;
use rustix::io::Errno;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::filter::Filter;
use crate::host::root::Root;
use crate::host::series_name::series_name;
use crate::host::sysfs::Devices;
use ioctl::{About, Driver, Link, MOST_COUNTERS};

static DEVICE_INCLUDE: Flag =
    Flag::regex("collector.ethtool.device-include", "", "The only network devices ethtool shows");
static DEVICE_EXCLUDE: Flag = Flag::regex(
    "collector.ethtool.device-exclude",
    "",
    "Network devices that ethtool leaves out (not together with device-include)",
);
static METRICS_INCLUDE: Flag =
    Flag::regex("collector.ethtool.metrics-include", ".*", "The only counters of drivers to show");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "ethtool",
    help: "counters of network devices' drivers, and what links can do",
    reads: "the drivers, with ioctl(2)",
    is_default: false,
    waits_for: WaitsFor::NetworkLock,
    flags: &[&DEVICE_INCLUDE, &DEVICE_EXCLUDE, &METRICS_INCLUDE],
    new: |flags, root| Box::new(EthtoolCollector::new(flags, root)),
};

struct EthtoolCollector {
    filter: Filter,
    /// The driver's counters to show.
    counters: Option<Regex>,
    /// Their names.
    devices: Devices<String>,
    /// `None` before the first reading.
    driver: Option<Driver>,
}

impl EthtoolCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        Self {
            filter: Filter::new(flags, &DEVICE_EXCLUDE, &DEVICE_INCLUDE),
            counters: flags.regex(&METRICS_INCLUDE),
            devices: Devices::new(root.sys.join("class/net")),
            driver: None,
        }
    }
}

impl Collector for EthtoolCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let driver = match &mut self.driver {
            Some(driver) => driver,
            None => match Driver::new() {
                Ok(driver) => self.driver.insert(driver),
                Err(error) => return Collected::failed(Fault::new(format!("ethtool: no socket: {error}"))),
            },
        };
        let open = |_: &Path, name: &str| self.filter.keeps(name).then(|| name.to_owned());
        let devices = match self.devices.find(open) {
            Ok(devices) => devices,
            Err(error) => return Collected::failed(error.no_data_if_absent(ENTRY.name)),
        };
        let mut families = Families::new();
        let mut faults = Vec::new();
        for device in devices {
            faults.extend(read(driver, device, self.counters.as_ref(), &mut families));
        }
        Collected::new(families.into_vec(), faults)
    }
}

/// Adds what one device's driver answers.
fn read(driver: &mut Driver, device: &str, shown: Option<&Regex>, families: &mut Families) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut unanswered = |what: &str, error: Errno| {
        // A device that went away, and a driver that does not have this.
        if !matches!(error, Errno::NODEV | Errno::OPNOTSUPP | Errno::INVAL) {
            faults.push(Fault::new(format!("ethtool: {what} of {device}: {error}")));
        }
    };
    match driver.link(device) {
        Ok(link) => families.add_link(device, &link),
        Err(error) => unanswered("the link", error),
    }
    match driver.about(device) {
        Ok(about) => {
            families.add_about(device, &about);
            match driver.counters(device, &about) {
                Ok(Some(counters)) => families.add_counters(device, &counters, shown),
                Ok(None) => faults.push(Fault::new(format!(
                    "ethtool: the driver of {device} has more than {MOST_COUNTERS} counters"
                ))),
                Err(error) => unanswered("the counters", error),
            }
        }
        Err(error) => unanswered("the driver", error),
    }
    faults
}

/// Bits of a link, of which `struct ethtool_cmd` has 32: speed in megabits, duplex, and what follows `base`.
const SPEEDS: [(u32, u32, &str, &str); 22] = [
    (0, 10, "half", "T"),
    (1, 10, "full", "T"),
    (2, 100, "half", "T"),
    (3, 100, "full", "T"),
    (4, 1_000, "half", "T"),
    (5, 1_000, "full", "T"),
    (12, 10_000, "full", "T"),
    (17, 1_000, "full", "KX"),
    (18, 10_000, "full", "KX4"),
    (19, 10_000, "full", "KR"),
    (20, 10_000, "full", "R_FEC"),
    (21, 20_000, "full", "MLD2"),
    (22, 20_000, "full", "KR2"),
    (23, 40_000, "full", "KR4"),
    (24, 40_000, "full", "CR4"),
    (25, 40_000, "full", "SR4"),
    (26, 40_000, "full", "LR4"),
    (27, 56_000, "full", "KR4"),
    (28, 56_000, "full", "CR4"),
    (29, 56_000, "full", "SR4"),
    (30, 56_000, "full", "LR4"),
    (31, 25_000, "full", "CR"),
];
const PORTS: [(u32, &str); 6] =
    [(7, "TP"), (8, "AUI"), (9, "MII"), (10, "FIBRE"), (11, "BNC"), (16, "Backplane")];
const AUTONEGOTIATE: u32 = 6;
const PAUSE: u32 = 13;
const ASYMMETRIC_PAUSE: u32 = 14;
/// Bytes a second in a megabit a second.
const MEGABIT: f64 = 1e6 / 8.0;

/// What a link supports, or tells its peer that it does.
struct Abilities {
    speeds: Family,
    autonegotiate: Family,
    pause: Family,
    asymmetric_pause: Family,
}

impl Abilities {
    fn add(&mut self, device: &str, bits: u32) {
        let has = |bit: u32| bits & (1 << bit) != 0;
        let labels = Labels::new([("device", device)]);
        for (bit, megabits, duplex, medium) in SPEEDS {
            if has(bit) {
                let mode = format!("{megabits}base{medium}");
                let labels = labels.and([("duplex", duplex), ("mode", mode.as_str())]);
                self.speeds.push(labels, f64::from(megabits) * MEGABIT);
            }
        }
        self.autonegotiate.push(labels.clone(), has(AUTONEGOTIATE));
        self.pause.push(labels.clone(), has(PAUSE));
        self.asymmetric_pause.push(labels, has(ASYMMETRIC_PAUSE));
    }
}

struct Families {
    supported: Abilities,
    advertised: Abilities,
    ports: Family,
    autonegotiates: Family,
    info: Family,
    /// Those of the drivers' counters, by name.
    counters: BTreeMap<String, Family>,
}

impl Families {
    fn new() -> Self {
        Self {
            supported: Abilities {
                speeds: Family::gauge(
                    "node_network_supported_speed_bytes",
                    "Combination of speeds and features supported by network device",
                ),
                autonegotiate: Family::gauge(
                    "node_network_autonegotiate_supported",
                    "If this port device supports autonegotiate",
                ),
                pause: Family::gauge(
                    "node_network_pause_supported",
                    "If this port device supports pause frames",
                ),
                asymmetric_pause: Family::gauge(
                    "node_network_asymmetricpause_supported",
                    "If this port device supports asymmetric pause frames",
                ),
            },
            advertised: Abilities {
                speeds: Family::gauge(
                    "node_network_advertised_speed_bytes",
                    "Combination of speeds and features offered by network device",
                ),
                autonegotiate: Family::gauge(
                    "node_network_autonegotiate_advertised",
                    "If this port device offers autonegotiate",
                ),
                pause: Family::gauge(
                    "node_network_pause_advertised",
                    "If this port device offers pause capability",
                ),
                asymmetric_pause: Family::gauge(
                    "node_network_asymmetricpause_advertised",
                    "If this port device offers asymmetric pause capability",
                ),
            },
            ports: Family::info(
                "node_network_supported_port_info",
                "Type of ports or PHYs supported by network device",
            ),
            autonegotiates: Family::gauge(
                "node_network_autonegotiate",
                "If this port is using autonegotiate",
            ),
            info: Family::info(
                "node_ethtool_info",
                "A metric with a constant '1' value labeled by bus_info, device, driver, expansion_rom_version, \
                 firmware_version, version.",
            ),
            counters: BTreeMap::new(),
        }
    }

    fn add_link(&mut self, device: &str, link: &Link) {
        self.supported.add(device, link.supported);
        self.advertised.add(device, link.advertised);
        for (_, port) in PORTS.into_iter().filter(|(bit, _)| link.supported & (1 << bit) != 0) {
            self.ports.push(Labels::new([("device", device), ("type", port)]), 1_u64);
        }
        self.autonegotiates.push(Labels::new([("device", device)]), u32::from(link.autonegotiates));
    }

    fn add_about(&mut self, device: &str, about: &About) {
        let labels = Labels::new([
            ("bus_info", about.bus.as_str()),
            ("device", device),
            ("driver", about.driver.as_str()),
            ("expansion_rom_version", about.rom.as_str()),
            ("firmware_version", about.firmware.as_str()),
            ("version", about.version.as_str()),
        ]);
        self.info.push(labels, 1_u64);
    }

    /// Two counters whose names are alike once they are those of series are both left out, as in `node_exporter`.
    fn add_counters(&mut self, device: &str, counters: &[(String, u64)], shown: Option<&Regex>) {
        let mut by_family = BTreeMap::<String, Option<(String, u64)>>::new();
        for (name, count) in counters {
            let name = series_name(name);
            if shown.is_none_or(|shown| shown.is_match(&name)) {
                let family = family_name(&name);
                by_family.entry(family).and_modify(|known| *known = None).or_insert(Some((name, *count)));
            }
        }
        for (family, counter) in by_family {
            let Some((name, count)) = counter else { continue };
            let family =
                self.counters.entry(family.clone()).or_insert_with(|| Family::unknown(family, help(&name)));
            family.push(Labels::new([("device", device)]), count);
        }
    }

    fn into_vec(self) -> Vec<Family> {
        let mut all = vec![self.info, self.ports, self.autonegotiates];
        for abilities in [self.supported, self.advertised] {
            let Abilities { speeds, autonegotiate, pause, asymmetric_pause } = abilities;
            all.extend([speeds, autonegotiate, pause, asymmetric_pause]);
        }
        all.extend(self.counters.into_values());
        all
    }
}

/// Counters that most drivers have: the driver's name, the family's, and its help.
const COMMON: [(&str, &str, &str); 7] = [
    ("rx_bytes", "node_ethtool_received_bytes_total", "Network interface bytes received"),
    ("rx_dropped", "node_ethtool_received_dropped_total", "Number of received frames dropped"),
    ("rx_errors", "node_ethtool_received_errors_total", "Number of received frames with errors"),
    ("rx_packets", "node_ethtool_received_packets_total", "Network interface packets received"),
    ("tx_bytes", "node_ethtool_transmitted_bytes_total", "Network interface bytes sent"),
    ("tx_errors", "node_ethtool_transmitted_errors_total", "Number of sent frames with errors"),
    ("tx_packets", "node_ethtool_transmitted_packets_total", "Network interface packets sent"),
];

/// `rx` and `tx` as words are written out: `tx_queue_0_cnt` is `node_ethtool_transmitted_queue_0_cnt`. Of one that stands twice in
/// a row, as in `tx_tx_timeouts` of virtio, `node_exporter` writes out the first.
fn family_name(name: &str) -> String {
    if let Some((_, family, _)) = COMMON.iter().find(|(known, ..)| *known == name) {
        return (*family).to_owned();
    }
    let mut family = "node_ethtool".to_owned();
    let mut written_out = "";
    for word in name.to_ascii_lowercase().trim_start_matches('_').split('_') {
        let long = match word {
            "rx" => "received",
            "tx" => "transmitted",
            _ => word,
        };
        let is_second = long == written_out;
        family.push('_');
        family.push_str(if is_second { word } else { long });
        written_out = if is_second || long == word { "" } else { long };
    }
    family
}

fn help(name: &str) -> String {
    match COMMON.iter().find(|(known, ..)| *known == name) {
        Some((_, _, help)) => (*help).to_owned(),
        None => format!("Network interface {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    #[test]
    fn a_family_is_named_after_the_drivers_word() {
        for (name, family) in [
            ("rx_bytes", "node_ethtool_received_bytes_total"),
            ("tx_queue_0_cnt", "node_ethtool_transmitted_queue_0_cnt"),
            ("port.tx_dropped", "node_ethtool_port_transmitted_dropped"),
            ("[3]: rx_ucast_packets", "node_ethtool_3_received_ucast_packets"),
            ("Align_errors", "node_ethtool_align_errors"),
            ("maxrx", "node_ethtool_maxrx"),
            ("tx_tx_timeouts", "node_ethtool_transmitted_tx_timeouts"),
            ("rx_tx_rx_rx_rx", "node_ethtool_received_transmitted_received_rx_received"),
            ("port.VF_admin_queue_requests", "node_ethtool_port_vf_admin_queue_requests"),
        ] {
            assert_eq!(family_name(&series_name(name)), family, "{name}");
        }
    }

    #[test]
    fn counters_of_devices_share_families_and_those_that_are_alike_are_left_out() {
        let mut families = Families::new();
        let counter = |name: &str, count| (name.to_owned(), count);
        families.add_counters(
            "eth0",
            &[counter("rx_bytes", u64::MAX), counter("a b", 1), counter("a-b", 2)],
            None,
        );
        let shown = Regex::new("^rx_b").unwrap();
        families.add_counters("eth1", &[counter("rx_bytes", 7), counter("rx_x", 1)], Some(&shown));
        assert_eq!(
            values(&families.into_vec()),
            [
                r#"node_ethtool_received_bytes_total{device="eth0"} 18446744073709551615"#,
                r#"node_ethtool_received_bytes_total{device="eth1"} 7"#,
            ]
        );
        assert_eq!(help("rx_bytes"), "Network interface bytes received");
        assert_eq!(help("a_b"), "Network interface a_b");
    }

    #[test]
    fn a_link_has_what_its_bits_say() {
        let mut families = Families::new();
        let supported = 1 << 7 | 1 << 5 | 1 << AUTONEGOTIATE | 1 << PAUSE;
        families.add_link("eth0", &Link { supported, advertised: 1 << 12, autonegotiates: 1 });
        assert_eq!(
            values(&families.into_vec()),
            [
                r#"node_network_supported_port_info{device="eth0",type="TP"} 1"#,
                r#"node_network_autonegotiate{device="eth0"} 1"#,
                r#"node_network_supported_speed_bytes{device="eth0",duplex="full",mode="1000baseT"} 125000000"#,
                r#"node_network_autonegotiate_supported{device="eth0"} 1"#,
                r#"node_network_pause_supported{device="eth0"} 1"#,
                r#"node_network_asymmetricpause_supported{device="eth0"} 0"#,
                r#"node_network_advertised_speed_bytes{device="eth0",duplex="full",mode="10000baseT"} 1250000000"#,
                r#"node_network_autonegotiate_advertised{device="eth0"} 0"#,
                r#"node_network_pause_advertised{device="eth0"} 0"#,
                r#"node_network_asymmetricpause_advertised{device="eth0"} 0"#,
            ]
        );
    }

    #[test]
    fn the_machines_devices_answer() {
        let none = "/nonexistent".as_ref();
        let collected = collector(&ENTRY, none, "/sys".as_ref(), &[]).collect();
        assert!(collected.faults.is_empty(), "{:?}", collected.faults);
        let missing = collector(&ENTRY, none, none, &[]).collect();
        assert!(missing.faults[0].is_no_data(), "{:?}", missing.faults);
    }
}

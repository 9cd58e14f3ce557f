//! Wireless network devices, and the stations they talk to.
//!
//! Owns the families. `wifi/nl80211.rs` owns how the kernel is asked, and where its answers have what is shown here. What a driver does
//! not tell of a station has no series.

mod nl80211;

use std::io;

use rustix::io::Errno;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Kind, Labels, Number};
use crate::host::entry::Entry;
use crate::host::netlink::fault;
use nl80211::{Bss, Device, Nl80211, Station};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "wifi",
    help: "wireless network devices and their stations",
    reads: "netlink",
    is_default: false,
    waits_for: WaitsFor::NetworkLock,
    flags: &[],
    new: |_, _| Box::new(WifiCollector::default()),
};

#[derive(Default)]
struct WifiCollector {
    nl80211: Nl80211,
}

impl WifiCollector {
    fn read(&mut self) -> Result<Collected, Fault> {
        let Some(number) = self.nl80211.number().map_err(|error| fault(&error))? else {
            return Err(Fault::no_data("wifi: the kernel has no nl80211"));
        };
        let (mut families, mut faults) = (Families::new(), Vec::new());
        for device in self.nl80211.devices(number).map_err(|error| fault(&error))? {
            match self.told(number, &device) {
                Ok((bss, stations)) => families.add(&device.name, device.hertz, bss.as_ref(), &stations),
                // It was removed after it was listed.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => {}
                Err(error) => {
                    families.add(&device.name, device.hertz, None, &[]);
                    faults.push(Fault::new(format!("wifi: {}: {error}", device.name)));
                }
            }
        }
        Ok(Collected::new(families.into_vec(), faults))
    }

    /// The network that a device has joined, and the stations it talks to.
    fn told(&mut self, number: u16, device: &Device) -> io::Result<(Option<Bss>, Vec<Station>)> {
        Ok((self.nl80211.bss(number, device)?, self.nl80211.stations(number, device)?))
    }
}

impl Collector for WifiCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        self.read().unwrap_or_else(Collected::failed)
    }
}

/// A number of a station's, and the family it becomes.
struct Row {
    family: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&Station) -> Option<Number>,
}

const fn row(
    family: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&Station) -> Option<Number>,
) -> Row {
    Row { family, help, kind, value }
}

const ROWS: [Row; 12] = [
    row(
        "node_wifi_station_connected_seconds_total",
        "The total number of seconds a station has been connected to an access point.",
        Kind::Counter,
        |station| station.count(nl80211::CONNECTED_TIME),
    ),
    row(
        "node_wifi_station_inactive_seconds",
        "The number of seconds since any wireless activity has occurred on a station.",
        Kind::Gauge,
        Station::inactive_seconds,
    ),
    row(
        "node_wifi_station_receive_bits_per_second",
        "The current WiFi receive bitrate of a station, in bits per second.",
        Kind::Gauge,
        |station| station.bits_per_second(nl80211::RX_BITRATE),
    ),
    row(
        "node_wifi_station_transmit_bits_per_second",
        "The current WiFi transmit bitrate of a station, in bits per second.",
        Kind::Gauge,
        |station| station.bits_per_second(nl80211::TX_BITRATE),
    ),
    row(
        "node_wifi_station_receive_bytes_total",
        "The total number of bytes received by a WiFi station.",
        Kind::Counter,
        |station| station.long_count(nl80211::RX_BYTES64).or_else(|| station.count(nl80211::RX_BYTES)),
    ),
    row(
        "node_wifi_station_transmit_bytes_total",
        "The total number of bytes transmitted by a WiFi station.",
        Kind::Counter,
        |station| station.long_count(nl80211::TX_BYTES64).or_else(|| station.count(nl80211::TX_BYTES)),
    ),
    row(
        "node_wifi_station_signal_dbm",
        "The current WiFi signal strength, in decibel-milliwatts (dBm).",
        Kind::Gauge,
        Station::signal_dbm,
    ),
    row(
        "node_wifi_station_transmit_retries_total",
        "The total number of times a station has had to retry while sending a packet.",
        Kind::Counter,
        |station| station.count(nl80211::TX_RETRIES),
    ),
    row(
        "node_wifi_station_transmit_failed_total",
        "The total number of times a station has failed to send a packet.",
        Kind::Counter,
        |station| station.count(nl80211::TX_FAILED),
    ),
    row(
        "node_wifi_station_beacon_loss_total",
        "The total number of times a station has detected a beacon loss.",
        Kind::Counter,
        |station| station.count(nl80211::BEACON_LOSS),
    ),
    row(
        "node_wifi_station_transmitted_packets_total",
        "The total number of packets transmitted by a station.",
        Kind::Counter,
        |station| station.count(nl80211::TX_PACKETS),
    ),
    row(
        "node_wifi_station_received_packets_total",
        "The total number of packets received by a station.",
        Kind::Counter,
        |station| station.count(nl80211::RX_PACKETS),
    ),
];

struct Families {
    frequency: Family,
    info: Family,
    /// In the order of [`ROWS`].
    stations: [Family; ROWS.len()],
}

impl Families {
    fn new() -> Self {
        Self {
            frequency: Family::gauge(
                "node_wifi_interface_frequency_hertz",
                "The current frequency a WiFi interface is operating at, in hertz.",
            ),
            info: Family::info(
                "node_wifi_station_info",
                "Labeled WiFi interface station information as provided by the operating system.",
            ),
            stations: ROWS.map(|Row { family, help, kind, .. }| match kind {
                Kind::Counter => Family::counter(family, help),
                _ => Family::gauge(family, help),
            }),
        }
    }

    /// Adds one device, the network it has joined and the stations it talks to.
    fn add(&mut self, device: &str, hertz: Option<f64>, bss: Option<&Bss>, stations: &[Station]) {
        if let Some(hertz) = hertz {
            self.frequency.push(Labels::new([("device", device)]), hertz);
        }
        if let Some(Bss { id, ssid, mode }) = bss {
            let labels = [("device", device), ("bssid", id), ("ssid", ssid), ("mode", mode)];
            self.info.push(Labels::new(labels), 1_u64);
        }
        for station in stations {
            let labels = Labels::new([("device", device), ("mac_address", &station.address)]);
            for (row, family) in ROWS.iter().zip(&mut self.stations) {
                if let Some(value) = (row.value)(station) {
                    family.push(labels.clone(), value);
                }
            }
        }
    }

    fn into_vec(self) -> Vec<Family> {
        [self.frequency, self.info].into_iter().chain(self.stations).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::host::testing::{reading, testdata};

    fn fixture(file: &str) -> Value {
        let text = std::fs::read_to_string(testdata().join("wifi").join(file)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn read(nl80211: Nl80211) -> (Vec<String>, Vec<String>) {
        reading(&mut WifiCollector { nl80211 })
    }

    fn all(fixture: &Value, one: fn(&Value) -> Vec<u8>) -> Vec<Vec<u8>> {
        fixture.as_array().unwrap().iter().map(one).collect()
    }

    /// `node_exporter`'s fixtures are its own structures as JSON; here they are what the kernel would have sent.
    #[test]
    fn shows_what_node_exporter_shows_of_its_fixtures() {
        let interfaces = fixture("interfaces.json");
        let client = interfaces.as_array().unwrap().iter().position(|device| device["name"] == "wlan0");
        let (ours, faults) = read(nl80211::tests::kernel(&interfaces, move |command, number| {
            Ok(match command {
                _ if Some(number - 1) != client => Vec::new(),
                nl80211::GET_SCAN => vec![nl80211::tests::bss(&fixture("wlan0/bss.json"))],
                _ => all(&fixture("wlan0/stationinfo.json"), nl80211::tests::station),
            })
        }));
        assert_eq!(faults, [] as [&str; 0]);
        // Labels in the order of their names, and numbers as Go writes them.
        let ordered = |line: &str| {
            let (series, number) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap();
            let mut labels: Vec<&str> = labels.split(',').collect();
            labels.sort_unstable();
            (name.to_owned(), labels.join(","), number.parse::<f64>().unwrap().to_bits())
        };
        let mut ours: Vec<_> = ours.iter().map(|line| ordered(line)).collect();
        let page = std::fs::read_to_string(testdata().join("e2e-output.txt")).unwrap();
        let mut theirs: Vec<_> =
            page.lines().filter(|line| line.starts_with("node_wifi_")).map(ordered).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(theirs.len(), 2 + 1 + 2 * ROWS.len());
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_device_that_is_not_told_of_costs_no_other() {
        let device = |name: &str| json!({ "name": name, "frequency": 2412 });
        let devices = json!([device("mute"), device("gone"), device("odd"), device("wlan0")]);
        let (series, faults) = read(nl80211::tests::kernel(&devices, |command, number| match number {
            1 => Err(Errno::OPNOTSUPP),
            2 => Err(Errno::NODEV),
            3 => Err(Errno::PERM),
            _ if command == nl80211::GET_STATION => {
                Ok(all(&fixture("wlan0/stationinfo.json"), nl80211::tests::station))
            }
            _ => Ok(Vec::new()),
        }));
        assert_eq!(faults, ["wifi: odd: Operation not permitted (os error 1)"]);
        let frequencies: Vec<_> = series.iter().filter(|line| line.contains("_frequency_")).collect();
        let frequency =
            |device| format!(r#"node_wifi_interface_frequency_hertz{{device="{device}"}} 2412000000"#);
        assert_eq!(frequencies, [&frequency("mute"), &frequency("odd"), &frequency("wlan0")]);
        assert_eq!(series.len(), 3 + 2 * ROWS.len());
    }

    #[test]
    fn names_types_and_helps_are_node_exporters() {
        let page = std::fs::read_to_string(testdata().join("e2e-output.txt")).unwrap();
        for Family { name, help, kind, .. } in Families::new().into_vec() {
            let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
            for line in [format!("# HELP {name} {help}\n"), format!("# TYPE {name} {kind}\n")] {
                assert!(page.contains(&line), "{line}");
            }
        }
    }

    #[test]
    fn a_machine_without_wireless_devices_has_no_series() {
        let Collected { families, faults, .. } = WifiCollector::default().collect();
        assert!(faults.iter().all(Fault::is_no_data), "{faults:?}");
        assert!(!faults.is_empty() || families.len() == 2 + ROWS.len());
    }
}

//! How the kernel is asked about wireless devices (see its `include/uapi/linux/nl80211.h` and `genetlink.h`).
//!
//! Owns the requests, and where an answer has its attributes.

use std::fmt::Write as _;
use std::io;

use rustix::io::Errno;
use rustix::net::netlink::GENERIC;

use crate::family::Number;
use crate::host::netlink::{Query, Socket, attribute, attribute_of, text, u16_at, u32_at, u64_at};

/// `struct genlmsghdr`, a command and a version, comes before the attributes.
const HEADER: usize = 4;
/// `GENL_ID_CTRL`, which knows the numbers of all protocols of generic netlink.
const CONTROLLER: u16 = 16;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

const GET_INTERFACE: u8 = 5;
pub(super) const GET_STATION: u8 = 17;
pub(super) const GET_SCAN: u8 = 32;

const IFINDEX: u16 = 3;
const IFNAME: u16 = 4;
const MAC: u16 = 6;
const STA_INFO: u16 = 21;
const WIPHY_FREQ: u16 = 38;
const BSS: u16 = 47;

/// Within `BSS`.
const BSSID: u16 = 1;
const INFORMATION_ELEMENTS: u16 = 6;
const STATUS: u16 = 9;
/// The information element that is the network's name (IEEE 802.11, 9.4.2.2).
const SSID: u8 = 0;

/// Within `STA_INFO`; counts are of 32 bits where nothing else is said.
const INACTIVE_TIME: u16 = 1;
pub(super) const RX_BYTES: u16 = 2;
pub(super) const TX_BYTES: u16 = 3;
const SIGNAL: u16 = 7;
pub(super) const TX_BITRATE: u16 = 8;
pub(super) const RX_PACKETS: u16 = 9;
pub(super) const TX_PACKETS: u16 = 10;
pub(super) const TX_RETRIES: u16 = 11;
pub(super) const TX_FAILED: u16 = 12;
pub(super) const RX_BITRATE: u16 = 14;
pub(super) const CONNECTED_TIME: u16 = 16;
pub(super) const BEACON_LOSS: u16 = 18;
/// Of 64 bits.
pub(super) const RX_BYTES64: u16 = 23;
pub(super) const TX_BYTES64: u16 = 24;
/// Within a bit rate, in units of 100 kbit/s: of 16 bits, which do not hold every rate, and of 32.
const RATE: u16 = 1;
const RATE32: u16 = 5;

/// The socket that requests go over.
pub(super) struct Nl80211 {
    socket: Socket,
}

impl Default for Nl80211 {
    fn default() -> Self {
        Self { socket: Socket::of(GENERIC) }
    }
}

/// A wireless network device.
#[derive(Debug, PartialEq)]
pub(super) struct Device {
    index: u32,
    pub(super) name: String,
    /// Of the channel it is on, if it is on one.
    pub(super) hertz: Option<f64>,
}

/// The network that a device has joined.
#[derive(Debug, PartialEq)]
pub(super) struct Bss {
    pub(super) id: String,
    pub(super) ssid: String,
    pub(super) mode: &'static str,
}

/// Whom a device talks to: its access point, or those that use it as theirs.
#[derive(Debug, PartialEq)]
pub(super) struct Station {
    pub(super) address: String,
    info: Vec<u8>,
}

impl Nl80211 {
    /// The number under which this kernel answers; `None` where it has no wireless devices.
    pub(super) fn number(&mut self) -> io::Result<Option<u16>> {
        let mut number = None;
        self.ask(CONTROLLER, GET_FAMILY, &[], |family| {
            if attribute(family, FAMILY_NAME).is_some_and(|name| text(name) == "nl80211") {
                number = attribute(family, FAMILY_ID).and_then(|id| u16_at(id, 0));
            }
        })?;
        Ok(number)
    }

    /// All devices that have a name.
    pub(super) fn devices(&mut self, number: u16) -> io::Result<Vec<Device>> {
        let mut devices = Vec::new();
        self.ask(number, GET_INTERFACE, &[], |attributes| devices.extend(device(attributes)))?;
        Ok(devices)
    }

    /// The network that a device has joined, if it has.
    pub(super) fn bss(&mut self, number: u16, device: &Device) -> io::Result<Option<Bss>> {
        let mut joined = None;
        let told = self.ask(number, GET_SCAN, &of(device), |attributes| {
            joined = joined.take().or_else(|| bss(attributes));
        });
        told.or_else(not_told)?;
        Ok(joined)
    }

    /// The stations that a device talks to.
    pub(super) fn stations(&mut self, number: u16, device: &Device) -> io::Result<Vec<Station>> {
        let mut stations = Vec::new();
        let told =
            self.ask(number, GET_STATION, &of(device), |attributes| stations.extend(station(attributes)));
        told.or_else(not_told)?;
        Ok(stations)
    }

    /// Gives the attributes of each message that answers to `take`.
    fn ask(
        &mut self,
        number: u16,
        command: u8,
        attributes: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let query = Query { request: number, answer: number };
        let header = [&[command, 1, 0, 0], attributes].concat();
        self.socket.ask(query, &header, |message| take(message.get(HEADER..).unwrap_or_default()))
    }
}

/// A driver that cannot tell says so.
fn not_told(refusal: io::Error) -> io::Result<()> {
    match Errno::from_io_error(&refusal) {
        Some(Errno::OPNOTSUPP | Errno::NOENT) => Ok(()),
        _ => Err(refusal),
    }
}

/// The attribute that names a device.
fn of(device: &Device) -> Vec<u8> {
    attribute_of(IFINDEX, &device.index.to_ne_bytes())
}

/// `None` for what has no name, such as a device for direct connections.
fn device(attributes: &[u8]) -> Option<Device> {
    let name = text(attribute(attributes, IFNAME)?);
    let megahertz = attribute(attributes, WIPHY_FREQ).and_then(|frequency| u32_at(frequency, 0));
    Some(Device {
        index: u32_at(attribute(attributes, IFINDEX)?, 0)?,
        name,
        hertz: megahertz.map(|megahertz| f64::from(megahertz) * 1e6),
    })
}

/// `None` for a network that was only seen.
fn bss(attributes: &[u8]) -> Option<Bss> {
    let bss = attribute(attributes, BSS)?;
    let mode = match u32_at(attribute(bss, STATUS)?, 0)? {
        // Authenticated, associated.
        0 | 1 => "client",
        2 => "ad-hoc",
        _ => "unknown",
    };
    let elements = attribute(bss, INFORMATION_ELEMENTS).unwrap_or_default();
    Some(Bss { id: address(attribute(bss, BSSID)?), ssid: ssid(elements), mode })
}

/// The network's name among the information elements, each byte that is not UTF-8 as `�`. Empty for one that hides it.
fn ssid(mut elements: &[u8]) -> String {
    while let [kind, length, rest @ ..] = elements {
        let Some((element, next)) = rest.split_at_checked(usize::from(*length)) else { break };
        if *kind == SSID {
            let shown = |chunk: std::str::Utf8Chunk<'_>| {
                chunk.valid().to_owned() + &"\u{fffd}".repeat(chunk.invalid().len())
            };
            return element.utf8_chunks().map(shown).collect();
        }
        elements = next;
    }
    String::new()
}

fn station(attributes: &[u8]) -> Option<Station> {
    let (address, info) = (address(attribute(attributes, MAC)?), attribute(attributes, STA_INFO)?.to_owned());
    Some(Station { address, info })
}

impl Station {
    /// A number of 32 bits.
    pub(super) fn count(&self, kind: u16) -> Option<Number> {
        u32_at(attribute(&self.info, kind)?, 0).map(Number::from)
    }

    /// A number of 64 bits.
    pub(super) fn long_count(&self, kind: u16) -> Option<Number> {
        u64_at(attribute(&self.info, kind)?, 0).map(Number::from)
    }

    pub(super) fn inactive_seconds(&self) -> Option<Number> {
        let milliseconds = u32_at(attribute(&self.info, INACTIVE_TIME)?, 0)?;
        Some(Number::Real(f64::from(milliseconds) / 1e3))
    }

    pub(super) fn bits_per_second(&self, kind: u16) -> Option<Number> {
        let rate = attribute(&self.info, kind)?;
        let long = attribute(rate, RATE32).and_then(|rate| u32_at(rate, 0));
        let rate = long.or_else(|| attribute(rate, RATE).and_then(|rate| u16_at(rate, 0)).map(u32::from))?;
        Some(Number::Whole(u64::from(rate) * 100_000))
    }

    pub(super) fn signal_dbm(&self) -> Option<Number> {
        let signal = attribute(&self.info, SIGNAL)?.first()?.cast_signed();
        Some(Number::Real(f64::from(signal)))
    }
}

/// `01:02:03:04:05:06`
fn address(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (place, byte) in bytes.iter().enumerate() {
        let colon = if place > 0 { ":" } else { "" };
        write!(text, "{colon}{byte:02x}").expect("writing to a String cannot fail");
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};

    use super::*;
    use crate::host::{garbled, netlink};

    fn number(value: &Value) -> u64 {
        value.as_u64().unwrap_or_default()
    }

    fn short(value: &Value) -> [u8; 4] {
        u32::try_from(number(value)).unwrap().to_ne_bytes()
    }

    fn bytes(value: &Value) -> Vec<u8> {
        STANDARD.decode(value.as_str().unwrap()).unwrap()
    }

    /// The number under which this kernel answers.
    const NUMBER: u16 = 28;

    /// A kernel with the devices of `interfaces`, numbered from 1 on, and what `told` says of them: the messages that answer a command about
    /// the device of a number, with their attributes.
    pub(in super::super) fn kernel(
        interfaces: &Value,
        told: impl Fn(u8, usize) -> Result<Vec<Vec<u8>>, Errno> + Send + 'static,
    ) -> Nl80211 {
        let devices: Vec<_> = interfaces.as_array().unwrap().iter().zip(1_u32..).map(device).collect();
        let socket = netlink::kernel::answering(move |kind, question| {
            let command = question[0];
            let answers = match (kind, command) {
                (CONTROLLER, GET_FAMILY) => {
                    let family = |number: u16, name| {
                        let id = attribute_of(FAMILY_ID, &number.to_ne_bytes());
                        [id, attribute_of(FAMILY_NAME, name)].concat()
                    };
                    vec![family(CONTROLLER, b"nlctrl\0"), family(NUMBER, b"nl80211\0")]
                }
                (NUMBER, GET_INTERFACE) => devices.clone(),
                (NUMBER, _) => {
                    let index = u32_at(attribute(&question[HEADER..], IFINDEX).unwrap(), 0).unwrap();
                    told(command, usize::try_from(index).unwrap())?
                }
                other => panic!("nobody asks for {other:?}"),
            };
            Ok(answers.into_iter().map(|attributes| [&[command, 1, 0, 0], &*attributes].concat()).collect())
        });
        Nl80211 { socket }
    }

    /// The device as the kernel tells of it.
    fn device((fixture, index): (&Value, u32)) -> Vec<u8> {
        let name = fixture["name"].as_str().map(|name| attribute_of(IFNAME, format!("{name}\0").as_bytes()));
        let frequency = attribute_of(WIPHY_FREQ, &short(&fixture["frequency"]));
        [attribute_of(IFINDEX, &index.to_ne_bytes()), name.unwrap_or_default(), frequency].concat()
    }

    pub(in super::super) fn bss(fixture: &Value) -> Vec<u8> {
        let ssid = fixture["ssid"].as_str().unwrap().as_bytes();
        let elements = [&[1, 2, 3, 4, SSID, u8::try_from(ssid.len()).unwrap()], ssid].concat();
        let bss = [
            attribute_of(BSSID, &bytes(&fixture["bssid"])),
            attribute_of(INFORMATION_ELEMENTS, &elements),
            attribute_of(STATUS, &short(&fixture["status"])),
        ];
        attribute_of(BSS, &bss.concat())
    }

    pub(in super::super) fn station(fixture: &Value) -> Vec<u8> {
        let count = |kind, name: &str| attribute_of(kind, &short(&fixture[name]));
        let rate = |kind, name: &str| {
            let rate = u32::try_from(number(&fixture[name]) / 100_000).unwrap();
            attribute_of(kind, &attribute_of(RATE32, &rate.to_ne_bytes()))
        };
        let time = |kind, name: &str, unit| {
            attribute_of(kind, &u32::try_from(number(&fixture[name]) / unit).unwrap().to_ne_bytes())
        };
        let signal = i8::try_from(fixture["signal"].as_i64().unwrap()).unwrap();
        let info = [
            time(INACTIVE_TIME, "inactive", 1_000_000),
            count(RX_BYTES, "absent"),
            attribute_of(TX_BYTES64, &[0; 8]),
            attribute_of(SIGNAL, &signal.to_ne_bytes()),
            rate(TX_BITRATE, "transmitbitrate"),
            count(RX_PACKETS, "absent"),
            count(TX_PACKETS, "absent"),
            count(TX_RETRIES, "transmitretries"),
            count(TX_FAILED, "transmitfailed"),
            rate(RX_BITRATE, "receivebitrate"),
            time(CONNECTED_TIME, "connected", 1_000_000_000),
            count(BEACON_LOSS, "beaconloss"),
        ];
        let hardware = bytes(&fixture["hardwareaddr"]);
        [attribute_of(MAC, &hardware), attribute_of(STA_INFO, &info.concat())].concat()
    }

    #[test]
    fn a_network_that_was_only_seen_is_not_joined() {
        let seen = attribute_of(BSS, &attribute_of(BSSID, &[1, 2, 3, 4, 5, 6]));
        assert_eq!(super::bss(&seen), None);
        let mode = |status: u32| {
            let bss = [attribute_of(BSSID, &[1]), attribute_of(STATUS, &status.to_ne_bytes())];
            super::bss(&attribute_of(BSS, &bss.concat())).unwrap().mode
        };
        assert_eq!([0, 1, 2, 3].map(mode), ["client", "client", "ad-hoc", "unknown"]);
    }

    #[test]
    fn a_name_is_found_among_the_elements() {
        for (elements, name) in [
            (&b"\x01\x01a\x00\x03abc\x03\x00"[..], "abc"),
            (b"\x00\x04a\xff\xfeb", "a\u{fffd}\u{fffd}b"),
            (b"\x00\x00", ""),
            (b"\x00\x09abc", ""),
            (b"\x01", ""),
        ] {
            assert_eq!(ssid(elements), name, "{elements:?}");
        }
    }

    #[test]
    fn what_a_driver_does_not_tell_is_absent_and_the_longer_count_wins() {
        let station = |info: &[Vec<u8>]| Station { address: String::new(), info: info.concat() };
        let none = station(&[]);
        assert_eq!(
            (none.count(RX_BYTES), none.signal_dbm(), none.bits_per_second(RX_BITRATE)),
            (None, None, None)
        );
        let rates = [attribute_of(RATE, &[7, 0]), attribute_of(RATE32, &9_u32.to_ne_bytes())];
        let rate = |rate: &[Vec<u8>]| {
            station(&[attribute_of(RX_BITRATE, &rate.concat())]).bits_per_second(RX_BITRATE)
        };
        assert_eq!(rate(&rates), Some(Number::Whole(900_000)));
        assert_eq!(rate(&rates[..1]), Some(Number::Whole(u64::from(u16::from_ne_bytes([7, 0])) * 100_000)));
    }

    #[test]
    fn no_answer_panics() {
        let fixture = json!({
            "name": "wlan0", "frequency": 2412, "ssid": "Example", "bssid": "ABEiM0RV", "status": 1, "hardwareaddr": "AQIDBAUG",
            "connected": 30_000_000_000_u64, "inactive": 400_000_000, "receivebitrate": 128_000_000, "transmitbitrate": 164_000_000,
            "signal": -52, "transmitretries": 10, "transmitfailed": 2, "beaconloss": 1
        });
        let good = [device((&fixture, 1)), bss(&fixture), station(&fixture)];
        garbled::messages(&good.each_ref().map(Vec::as_slice), |bytes| {
            let _ = (super::device(bytes), super::bss(bytes), ssid(bytes));
            let _ = super::bss(&attribute_of(BSS, bytes));
            let bare = Station { address: address(bytes), info: bytes.to_owned() };
            for station in super::station(bytes).into_iter().chain([bare]) {
                for kind in 0..32 {
                    let _ = (station.count(kind), station.long_count(kind), station.bits_per_second(kind));
                }
                let _ = (station.inactive_seconds(), station.signal_dbm());
            }
        });
    }
}

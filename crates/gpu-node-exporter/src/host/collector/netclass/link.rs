//! What the kernel says of all network devices in one answer over netlink (`RTM_GETLINK` in `rtnetlink(7)`): most of what each has a
//! file for in sysfs, where a machine with many devices has a thousand of them.
//!
//! Owns the answer's layout, and that it says what the files say (the kernel's `net/core/net-sysfs.c` and `net/core/rtnetlink.c`). What it
//! does not say, or says otherwise, is left to the files.

use std::collections::BTreeMap;

use crate::collector::Fault;
use crate::family::Number;
use crate::host::netlink::{Query, Socket, attribute_of, attributes, text, u16_at, u32_at};

const LINKS: Query = Query { request: 18, answer: 16 };
/// `struct ifinfomsg`, which stands before a link's attributes.
const HEADER: usize = 16;
/// From `include/uapi/linux/if_link.h` and `rtnetlink.h`.
const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKMODE: u16 = 17;
const IFLA_IFALIAS: u16 = 20;
const IFLA_GROUP: u16 = 27;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_CARRIER: u16 = 33;
const IFLA_CARRIER_CHANGES: u16 = 35;
const IFLA_CARRIER_UP_COUNT: u16 = 47;
const IFLA_CARRIER_DOWN_COUNT: u16 = 48;
/// Leave out traffic, which is most of an answer.
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
/// From `include/uapi/linux/if.h`.
const IFF_UP: u32 = 1;
const IFF_DORMANT: u32 = 1 << 17;

/// `operstates` in the kernel, by RFC 2863.
const STATES: [&str; 7] = ["unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up"];

/// One device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Link {
    /// The kernel's number of the device, which another device of its name does not have.
    pub(super) index: u32,
    kind: u32,
    flags: u32,
    /// By kind of attribute, in the order of [`NUMBERS`].
    numbers: [Option<u32>; NUMBERS.len()],
    address: String,
    broadcast: String,
    alias: String,
    state: Option<&'static str>,
}

/// Attributes that are one number, with the file that says the same.
const NUMBERS: [(u16, &str); 9] = [
    (IFLA_CARRIER, "carrier"),
    (IFLA_CARRIER_CHANGES, "carrier_changes"),
    (IFLA_CARRIER_UP_COUNT, "carrier_up_count"),
    (IFLA_CARRIER_DOWN_COUNT, "carrier_down_count"),
    (IFLA_LINK, "iflink"),
    (IFLA_LINKMODE, "link_mode"),
    (IFLA_MTU, "mtu"),
    (IFLA_GROUP, "netdev_group"),
    (IFLA_TXQLEN, "tx_queue_len"),
];

/// What the answer says in the place of a file.
#[derive(Debug, PartialEq)]
pub(super) enum Said<T> {
    /// What the file says.
    Value(T),
    /// That it has no answer.
    Nothing,
    /// Nothing about it: the file has to be read.
    Unsaid,
}

impl<T> Said<T> {
    /// What is said.
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Nothing | Self::Unsaid => None,
        }
    }

    /// What is said, or else what `read` finds in the file; `None` where it has no answer.
    pub(super) fn or_read(self, read: impl FnOnce() -> Result<Option<T>, Fault>) -> Result<Option<T>, Fault> {
        match self {
            Self::Value(value) => Ok(Some(value)),
            Self::Nothing => Ok(None),
            Self::Unsaid => read(),
        }
    }
}

impl Link {
    /// The number that this file holds.
    pub(super) fn number(&self, file: &str) -> Said<Number> {
        let is_running = self.flags & IFF_UP != 0;
        let number = match file {
            // Of a device that is down the files say neither.
            "carrier" | "dormant" if !is_running => return Said::Nothing,
            "dormant" => Some(u32::from(self.flags & IFF_DORMANT != 0)),
            "ifindex" => Some(self.index),
            "type" => Some(self.kind),
            _ => {
                let place = NUMBERS.iter().position(|(_, name)| *name == file);
                let number = place.and_then(|place| self.numbers[place]);
                // A device that is on no other is on itself.
                number.or_else(|| (file == "iflink").then_some(self.index))
            }
        };
        number.map_or(Said::Unsaid, |number| Said::Value(signed(number)))
    }

    /// The text that this file holds.
    pub(super) fn text(&self, file: &str) -> Said<String> {
        let text = match (file, self.state) {
            ("address", _) => &self.address,
            ("broadcast", _) => &self.broadcast,
            ("ifalias", _) => self.alias.trim(),
            ("operstate", Some(state)) => state,
            _ => return Said::Unsaid,
        };
        Said::Value(text.to_owned())
    }
}

/// The files are written with `%d`.
fn signed(number: u32) -> Number {
    match u64::try_from(number.cast_signed()) {
        Ok(number) => Number::Whole(number),
        Err(_) => Number::Real(f64::from(number.cast_signed())),
    }
}

/// The devices of this network namespace, by name.
pub(super) fn links(socket: &mut Socket) -> Result<BTreeMap<String, Link>, Fault> {
    let mask = attribute_of(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
    let mut links = BTreeMap::new();
    socket.dump_of(LINKS, &[&[0; HEADER], &mask[..]].concat(), |message| links.extend(link(message)))?;
    Ok(links)
}

/// `None` for a message without a name.
fn link(message: &[u8]) -> Option<(String, Link)> {
    let mut link = Link {
        index: u32_at(message, 4)?,
        kind: u16_at(message, 2)?.into(),
        flags: u32_at(message, 8)?,
        ..Link::default()
    };
    let mut name = None;
    for (kind, payload) in attributes(message.get(HEADER..)?) {
        match kind {
            IFLA_IFNAME => name = Some(text(payload)),
            IFLA_ADDRESS => link.address = octets(payload),
            IFLA_BROADCAST => link.broadcast = octets(payload),
            IFLA_IFALIAS => link.alias = text(payload),
            IFLA_OPERSTATE => {
                link.state = payload.first().and_then(|state| STATES.get(usize::from(*state))).copied();
            }
            _ => {
                if let Some(place) = NUMBERS.iter().position(|(known, _)| *known == kind) {
                    link.numbers[place] = match payload {
                        [byte] => Some(u32::from(*byte)),
                        _ => u32_at(payload, 0),
                    };
                }
            }
        }
    }
    Some((name?, link))
}

/// An address of hardware as sysfs writes it: `00:1b:21:0a:0b:0c`.
fn octets(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (place, byte) in bytes.iter().enumerate() {
        if place > 0 {
            text.push(':');
        }
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
}

#[cfg(test)]
impl Link {
    /// A device of which nothing else is said.
    pub(super) fn numbered(index: u32) -> Self {
        Self { index, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message about a device with this number, these flags and these attributes.
    fn message(index: u32, flags: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = [0, 0, 1, 0].to_vec();
        message.extend([index.to_ne_bytes(), flags.to_ne_bytes(), [0; 4]].concat());
        message.extend(attributes.iter().flat_map(|(kind, payload)| attribute_of(*kind, payload)));
        message
    }

    #[test]
    fn an_answer_says_what_the_files_say() {
        let bytes = message(
            7,
            IFF_UP | IFF_DORMANT,
            &[
                (IFLA_IFNAME, b"eth0\0"),
                (IFLA_ADDRESS, &[0, 0x1b, 0x21, 0xa0, 0xff, 9]),
                (IFLA_MTU, &9000_u32.to_ne_bytes()),
                (IFLA_GROUP, &u32::MAX.to_ne_bytes()),
                (IFLA_CARRIER, &[1]),
                (IFLA_OPERSTATE, &[5]),
                (IFLA_IFALIAS, b"to the switch \0"),
            ],
        );
        let (name, link) = link(&bytes).unwrap();
        assert_eq!(name, "eth0");
        for (file, number) in [
            ("mtu", 9000),
            ("carrier", 1),
            ("dormant", 1),
            ("ifindex", 7),
            ("iflink", 7),
            ("type", u64::from(u16::from_ne_bytes([1, 0]))),
        ] {
            assert_eq!(link.number(file), Said::Value(Number::Whole(number)), "{file}");
        }
        assert_eq!(link.number("netdev_group"), Said::Value(Number::Real(-1.0)));
        // An older kernel says less; and `flags` are other flags than those of the file.
        for file in ["carrier_up_count", "speed", "flags", "dev_id"] {
            assert_eq!(link.number(file), Said::Unsaid, "{file}");
        }
        for (file, said) in [
            ("address", "00:1b:21:a0:ff:09"),
            ("broadcast", ""),
            ("ifalias", "to the switch"),
            ("operstate", "dormant"),
        ] {
            assert_eq!(link.text(file), Said::Value(said.to_owned()), "{file}");
        }
        assert_eq!(link.text("duplex"), Said::Unsaid);
    }

    #[test]
    fn a_device_that_is_down_has_no_carrier_to_tell_of() {
        let (_, link) = link(&message(7, 0, &[(IFLA_IFNAME, b"a\0"), (IFLA_CARRIER, &[0])])).unwrap();
        assert_eq!((link.number("carrier"), link.number("dormant")), (Said::Nothing, Said::Nothing));
        assert_eq!(link.text("operstate"), Said::Unsaid);
    }

    #[test]
    fn a_device_without_a_name_is_none() {
        assert_eq!(link(&message(7, 0, &[])), None);
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some((_, link)) = link(&bytes) {
                let _ = NUMBERS.map(|(_, file)| link.number(file));
            }
        }
    }
}

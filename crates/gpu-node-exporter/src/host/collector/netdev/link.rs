//! Every device with its counters, as the kernel gives them over netlink (`RTM_GETLINK` in `rtnetlink(7)`).

use std::collections::BTreeMap;

use super::counters::{Counters, Device, NETLINK};
use crate::collector::Fault;
use crate::host::netlink::{Query, Socket, attribute, text, u32_at};

const LINKS: Query = Query { request: 18, answer: 16 };
/// `struct ifinfomsg`, which stands before a link's attributes.
const HEADER: usize = 16;
/// From `include/uapi/linux/if_link.h`.
const IFLA_IFNAME: u16 = 3;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;

/// Every device of this network namespace.
pub(super) fn devices(socket: &mut Socket) -> Result<Vec<Device>, Fault> {
    let mut devices = Vec::new();
    socket.dump(LINKS, |message| devices.extend(message.get(HEADER..).and_then(device)))?;
    Ok(devices)
}

/// The names of the devices, by their numbers.
pub(super) fn names(socket: &mut Socket) -> Result<BTreeMap<u32, String>, Fault> {
    let mut names = BTreeMap::new();
    socket.dump(LINKS, |message| names.extend(numbered_name(message)))?;
    Ok(names)
}

fn numbered_name(message: &[u8]) -> Option<(u32, String)> {
    Some((u32_at(message, 4)?, text(attribute(message.get(HEADER..)?, IFLA_IFNAME)?)))
}

/// `None` for a link without a name or counters.
fn device(attributes: &[u8]) -> Option<Device> {
    let name = text(attribute(attributes, IFLA_IFNAME)?);
    let alias = attribute(attributes, IFLA_IFALIAS).map_or(String::new(), text);
    let stats = attribute(attributes, IFLA_STATS64)?;
    let mut words = [0; NETLINK.len()];
    let mut filled = 0;
    for (word, bytes) in words.iter_mut().zip(stats.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
        filled += 1;
    }
    Some(Device { name, alias, counters: Counters::Netlink { words, filled } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::garbled;
    use crate::host::netlink::attribute_of;

    #[test]
    fn this_machine_has_a_loopback_device() {
        let mut socket = Socket::default();
        for _ in 0..2 {
            let devices = devices(&mut socket).unwrap();
            let loopback = devices.iter().find(|device| device.name == "lo").unwrap();
            assert!(loopback.counters.count("receive_nohandler").is_some());
            assert_eq!(loopback.counters.count("receive_bytes"), loopback.counters.count("transmit_bytes"));
        }
    }

    #[test]
    fn a_name_that_is_no_text_is_a_name() {
        let message = |name: &[u8; 4]| [&[0, 0, 1, 0, 7, 0, 0, 0][..], &[0; 8], &[8, 0, 3, 0], name].concat();
        assert_eq!(numbered_name(&message(b"a\xffb\0")), Some((7, r"a\xffb".to_owned())));
        assert_eq!(numbered_name(&message(b"eth\0")), Some((7, "eth".to_owned())));
        assert_eq!(numbered_name(&message(b"eth\0")[..16]), None);
    }

    #[test]
    fn no_answer_panics() {
        let name = [0, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 3, 0, b'e', b't', b'h', 0];
        let stats = attribute_of(IFLA_STATS64, &[7; 200]);
        garbled::messages(&[&name, &[&name[..], &stats].concat()], |bytes| {
            _ = device(bytes);
            _ = numbered_name(bytes);
        });
    }
}

//! The addresses of the network devices, with `--collector.netdev.address-info`, as the kernel gives them over netlink
//! (`RTM_GETADDR` in `rtnetlink(7)`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::collector::Fault;
use crate::family::{Family, Labels};
use crate::host::netlink::{Query, Socket, attribute, u32_at};

const ADDRESSES: Query = Query { request: 22, answer: 20 };
/// `struct ifaddrmsg`, which stands before an address's attributes.
const HEADER: usize = 8;
/// From `include/uapi/linux/if_addr.h`.
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// One address of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    ip: IpAddr,
    /// How many leading bits are the network's.
    prefix: u8,
}

impl Address {
    /// The label `scope`, in `node_exporter`'s words.
    fn scope(self) -> &'static str {
        match self.ip {
            IpAddr::V4(ip) if ip.is_loopback() || ip.is_link_local() => "link-local",
            IpAddr::V4(ip) if ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() => "",
            IpAddr::V6(ip) if ip.is_loopback() || ip.is_unicast_link_local() => "link-local",
            IpAddr::V6(ip) if ip.is_unspecified() || ip.is_multicast() => "",
            IpAddr::V4(_) | IpAddr::V6(_) => "global",
        }
    }
}

/// Every address of every device, with the device's name of these, which are by number.
pub(super) fn addresses(
    socket: &mut Socket,
    names: &BTreeMap<u32, String>,
) -> Result<Vec<(String, Address)>, Fault> {
    let mut addresses = Vec::new();
    socket.dump(ADDRESSES, |message| {
        // A device that came in between has no name yet; the next reading has both.
        addresses.extend(
            address(message).and_then(|(index, address)| Some((names.get(&index)?.clone(), address))),
        );
    })?;
    Ok(addresses)
}

/// The number of the device and its address; `None` for something that is neither IPv4 nor IPv6.
fn address(message: &[u8]) -> Option<(u32, Address)> {
    let prefix = *message.get(1)?;
    let index = u32_at(message, 4)?;
    let attributes = message.get(HEADER..)?;
    // On a link with two ends the other kind is the far end's.
    let bytes = attribute(attributes, IFA_LOCAL).or_else(|| attribute(attributes, IFA_ADDRESS))?;
    let ip = match *bytes {
        [a, b, c, d] => IpAddr::from([a, b, c, d]),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some((index, Address { ip, prefix }))
}

/// One series for each address.
pub(super) fn family<'a>(addresses: impl Iterator<Item = &'a (String, Address)>) -> Family {
    let mut family = Family::info("node_network_address_info", "An address of the device; always 1.");
    for (device, address) in addresses {
        let labels = [
            ("device", device.clone()),
            ("address", address.ip.to_string()),
            ("netmask", address.prefix.to_string()),
            ("scope", address.scope().to_owned()),
        ];
        family.push(Labels::new(labels), 1_u64);
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::garbled;
    use crate::host::testing::values;

    #[test]
    fn the_loopback_device_has_its_address() {
        let names = BTreeMap::from([(1, r"a\xff".to_owned())]);
        let addresses = addresses(&mut Socket::default(), &names).unwrap();
        let expected = Address { ip: IpAddr::from([127, 0, 0, 1]), prefix: 8 };
        assert!(addresses.contains(&(r"a\xff".to_owned(), expected)), "{addresses:?}");
    }

    #[test]
    fn of_a_link_with_two_ends_the_near_one_is_shown() {
        let far = [8, 0, 1, 0, 10, 0, 0, 2];
        let near = [8, 0, 2, 0, 10, 0, 0, 1];
        let read = |attributes: &[&[u8]]| {
            let index = 7_u32.to_ne_bytes();
            address(&[&[2, 32, 0, 0][..], &index, &attributes.concat()].concat())
        };
        let expected = |last| Some((7, Address { ip: IpAddr::from([10, 0, 0, last]), prefix: 32 }));
        assert_eq!(read(&[&far, &near]), expected(1));
        assert_eq!(read(&[&far]), expected(2));
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn no_answer_panics() {
        let near = [2, 32, 0, 0, 7, 0, 0, 0, 8, 0, 2, 0, 10, 0, 0, 1];
        garbled::messages(&[&near], |bytes| _ = address(bytes));
    }

    #[test]
    fn scopes_are_node_exporters() {
        let check = |ip: &str, expected: &str| {
            let address = Address { ip: ip.parse().unwrap(), prefix: 24 };
            assert_eq!(address.scope(), expected, "{ip}");
        };
        check("127.0.0.1", "link-local");
        check("169.254.1.2", "link-local");
        check("10.0.0.1", "global");
        check("192.0.2.1", "global");
        check("224.1.2.3", "");
        check("255.255.255.255", "");
        check("0.0.0.0", "");
        check("::1", "link-local");
        check("fe80::1", "link-local");
        check("fd00::1", "global");
        check("2001:db8::1", "global");
        check("ff05::1", "");
        check("::", "");
    }

    #[test]
    fn each_address_is_a_series() {
        let addresses = [("eth0", "10.0.0.1", 24), ("eth0", "fe80::1", 64)]
            .map(|(device, ip, prefix)| (device.to_owned(), Address { ip: ip.parse().unwrap(), prefix }));
        assert_eq!(
            values(&[family(addresses.iter())]),
            [
                r#"node_network_address_info{device="eth0",address="10.0.0.1",netmask="24",scope="global"} 1"#,
                r#"node_network_address_info{device="eth0",address="fe80::1",netmask="64",scope="link-local"} 1"#,
            ]
        );
    }
}

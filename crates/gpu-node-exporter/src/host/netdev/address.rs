//! The addresses of the network devices, with `--collector.netdev.address-info`.

use std::net::IpAddr;

use crate::family::{Family, Labels};

/// One address of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: IpAddr,
    /// How many leading bits are the network's.
    pub(super) prefix: u8,
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
    use crate::host::testing::values;

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

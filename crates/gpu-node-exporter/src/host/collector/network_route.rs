//! Routes to other networks (see `rtnetlink(7)` and `ip-route(8)`).
//!
//! Owns the routes of IPv4 and IPv6 in all tables that lead to a device or through gateways. Leaves out those to the machine's
//! own addresses, and those that refuse.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::device_names::DeviceNames;
use crate::host::entry::Entry;
use crate::host::netlink::{Query, Socket, attribute, u16_at, u32_at};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "network_route",
    help: "routes to other networks",
    reads: "netlink",
    is_default: false,
    waits_for: WaitsFor::NetworkLock,
    flags: &[],
    new: |_, _| Box::new(RouteCollector { socket: Socket::default() }),
};

struct RouteCollector {
    socket: Socket,
}

impl RouteCollector {
    fn read(&mut self) -> Result<Vec<Family>, Fault> {
        let mut routes = Vec::new();
        self.socket.dump_of(ROUTES, &[0; HEADER], |message| routes.extend(route(message)))?;
        families(&routes, &mut DeviceNames::new()?)
    }
}

impl Collector for RouteCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        self.read().into()
    }
}

/// `RTM_GETROUTE` and `RTM_NEWROUTE`.
const ROUTES: Query = Query { request: 26, answer: 24 };
/// `struct rtmsg` of `include/uapi/linux/rtnetlink.h`: the family, the length of the destination's prefix, at 5 the
/// protocol and at 7 the type.
const HEADER: usize = 12;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const RTN_UNICAST: u8 = 1;

/// Attributes of a route.
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
/// `struct rtnexthop`: its length, flags, the weight less one at 3, and the device's number at 4.
const NEXT_HOP: usize = 8;

#[derive(Debug, PartialEq)]
struct Route {
    source: String,
    destination: String,
    priority: u32,
    protocol: u8,
    hops: Vec<Hop>,
}

#[derive(Debug, PartialEq)]
struct Hop {
    /// 0 without a device.
    device: u32,
    gateway: String,
    /// Of one among several.
    weight: Option<u16>,
}

/// `None` for a route that is not shown, and for an answer that cannot be read.
fn route(message: &[u8]) -> Option<Route> {
    let [family, length, _, _, _, protocol, _, kind] = *message.first_chunk()?;
    if kind != RTN_UNICAST || !matches!(family, AF_INET | AF_INET6) {
        return None;
    }
    let attributes = message.get(HEADER..)?;
    let address = |kind| attribute(attributes, kind).and_then(address).unwrap_or_default();
    let number = |kind| attribute(attributes, kind).and_then(|bytes| u32_at(bytes, 0)).unwrap_or_default();
    let hops = match attribute(attributes, RTA_MULTIPATH) {
        Some(hops) if !hops.is_empty() => several(hops),
        _ => vec![Hop { device: number(RTA_OIF), gateway: address(RTA_GATEWAY), weight: None }],
    };
    let destination =
        if length == 0 { "default".to_owned() } else { format!("{}/{length}", address(RTA_DST)) };
    Some(Route { source: address(RTA_PREFSRC), destination, priority: number(RTA_PRIORITY), protocol, hops })
}

fn several(mut bytes: &[u8]) -> Vec<Hop> {
    let mut hops = Vec::new();
    while let (Some(length), Some(weight), Some(device)) = (u16_at(bytes, 0), bytes.get(3), u32_at(bytes, 4))
    {
        let length = usize::from(length);
        let Some(attributes) = bytes.get(NEXT_HOP..length) else { break };
        hops.push(Hop {
            device,
            gateway: attribute(attributes, RTA_GATEWAY).and_then(address).unwrap_or_default(),
            weight: Some(u16::from(*weight) + 1),
        });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).to_string())
}

/// Who made the route (`RTPROT_*` of `include/uapi/linux/rtnetlink.h`).
fn protocol(number: u8) -> &'static str {
    match number {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        17 => "mrouted",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        _ => "unknown",
    }
}

fn families(routes: &[Route], names: &mut DeviceNames) -> Result<Vec<Family>, Fault> {
    let mut info = Family::info("node_network_route_info", "network routing table information");
    let mut by_device = BTreeMap::<String, u64>::new();
    // Routes of two tables may be alike in all labels.
    let mut shown = HashSet::new();
    for route in routes {
        for hop in &route.hops {
            let device = names.name(hop.device)?.unwrap_or_default();
            let (priority, weight) =
                (route.priority.to_string(), hop.weight.map(|weight| weight.to_string()).unwrap_or_default());
            let labels = Labels::new([
                ("device", device),
                ("src", route.source.as_str()),
                ("dest", route.destination.as_str()),
                ("gw", hop.gateway.as_str()),
                ("priority", priority.as_str()),
                ("proto", protocol(route.protocol)),
                ("weight", weight.as_str()),
            ]);
            if shown.insert(labels.clone()) {
                info.push(labels, 1_u64);
            }
            *by_device.entry(device.to_owned()).or_default() += 1;
        }
    }
    let mut counts = Family::gauge("node_network_routes", "network routes by interface");
    for (device, count) in by_device {
        counts.push(Labels::new([("device", device)]), count);
    }
    Ok(vec![info, counts])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::garbled;
    use crate::host::netlink::attribute_of;
    use crate::host::testing::values;

    fn message(head: [u8; 8], attributes: &[Vec<u8>]) -> Vec<u8> {
        [&head[..], &[0; 4], &attributes.concat()].concat()
    }

    const TO_10_8: [u8; 8] = [AF_INET, 8, 0, 0, 254, 2, 0, RTN_UNICAST];

    #[test]
    fn a_route_leads_to_a_device_or_through_gateways() {
        let direct = message(
            TO_10_8,
            &[
                attribute_of(RTA_DST, &[10, 0, 0, 0]),
                attribute_of(RTA_PREFSRC, &[10, 0, 0, 7]),
                attribute_of(RTA_OIF, &1_u32.to_ne_bytes()),
                attribute_of(RTA_PRIORITY, &100_u32.to_ne_bytes()),
            ],
        );
        let hop = |gateway: [u8; 4], weight: u8| {
            let gateway = attribute_of(RTA_GATEWAY, &gateway);
            let length = u16::try_from(NEXT_HOP + gateway.len()).unwrap();
            [&length.to_ne_bytes()[..], &[0, weight - 1], &1_u32.to_ne_bytes(), &gateway].concat()
        };
        let hops = [hop([10, 0, 0, 1], 1), hop([10, 0, 0, 2], 255)].concat();
        let default =
            message([AF_INET, 0, 0, 0, 254, 16, 0, RTN_UNICAST], &[attribute_of(RTA_MULTIPATH, &hops)]);
        let local = message([AF_INET, 32, 0, 0, 255, 2, 0, 2], &[]);
        let six = message(
            [AF_INET6, 64, 0, 0, 254, 99, 0, RTN_UNICAST],
            &[attribute_of(RTA_DST, &Ipv6Addr::LOCALHOST.octets())],
        );
        let routes: Vec<_> = [&direct, &direct, &default, &local, &six]
            .into_iter()
            .filter_map(|message| route(message))
            .collect();
        let info = |labels: &str| format!("node_network_route_info{{{labels}}} 1");
        assert_eq!(
            values(&families(&routes, &mut DeviceNames::new().unwrap()).unwrap()),
            [
                info(
                    r#"device="lo",src="10.0.0.7",dest="10.0.0.0/8",gw="",priority="100",proto="kernel",weight="""#
                ),
                info(
                    r#"device="lo",src="",dest="default",gw="10.0.0.1",priority="0",proto="dhcp",weight="1""#
                ),
                info(
                    r#"device="lo",src="",dest="default",gw="10.0.0.2",priority="0",proto="dhcp",weight="255""#
                ),
                info(r#"device="",src="",dest="::1/64",gw="",priority="0",proto="unknown",weight="""#),
                r#"node_network_routes{device=""} 1"#.to_owned(),
                r#"node_network_routes{device="lo"} 4"#.to_owned(),
            ]
        );
    }

    #[test]
    fn the_kernel_answers() {
        let collected = RouteCollector { socket: Socket::default() }.collect();
        assert_eq!(collected.faults, []);
    }

    #[test]
    fn no_message_panics() {
        let good = message(
            TO_10_8,
            &[attribute_of(RTA_MULTIPATH, &[16, 0, 0, 1, 1, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 1])],
        );
        garbled::messages(&[&good], |bytes| {
            _ = route(&message(TO_10_8, &[bytes.to_owned()]));
            _ = route(bytes);
            _ = several(bytes);
        });
    }
}

//! Traffic of the network devices.
//!
//! Owns which devices are shown and where their counters come from: the kernel's answer over netlink (`netdev/link.rs`),
//! which counts packets nobody wanted too, or `/proc/net/dev` (`netdev/proc.rs`), which can be read under another root.
//! The counters' names are `netdev/counters.rs`'s, addresses `netdev/address.rs`'s. Leaves out what a device is, which is
//! `netclass`'s.

use std::collections::HashMap;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::flags::{Flag, Flags};
use crate::host::entry::Entry;
use crate::host::filter::Filter;
use crate::host::kept_file::read_whole;
use crate::host::lines::Lines;
use crate::host::netlink::Socket;
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;
use crate::host::utf8::escaped;

mod address;
mod counters;
mod link;
mod proc;

use counters::{Counters, Device, Sum, families, sums};

static DEVICE_EXCLUDE: Flag =
    Flag::regex("collector.netdev.device-exclude", "", "Network devices that netdev leaves out")
        .formerly(&["collector.netdev.device-blacklist"]);
static DEVICE_INCLUDE: Flag =
    Flag::regex("collector.netdev.device-include", "", "The only network devices netdev shows")
        .formerly(&["collector.netdev.device-whitelist"]);
static NETLINK_SOURCE: Flag = Flag::switch(
    "collector.netdev.netlink",
    true,
    "Read PROCFS/net/dev rather than ask the kernel over netlink",
);
static DETAILED: Flag = Flag::switch(
    "collector.netdev.enable-detailed-metrics",
    false,
    "Show each kind of error apart, under its own name",
);
static LABEL_IFALIAS: Flag =
    Flag::switch("collector.netdev.label-ifalias", false, "Add a label with the device's alias");
static ADDRESS_INFO: Flag =
    Flag::switch("collector.netdev.address-info", false, "Show node_network_address_info");

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "netdev",
    help: "traffic of network devices",
    reads: "netlink, or /proc/net/dev with --no-collector.netdev.netlink",
    is_default: true,
    waits_for: WaitsFor::NetworkLock,
    flags: &[&DEVICE_EXCLUDE, &DEVICE_INCLUDE, &NETLINK_SOURCE, &DETAILED, &LABEL_IFALIAS, &ADDRESS_INFO],
    new: |flags, root| Box::new(NetdevCollector::new(flags, root)),
};

struct NetdevCollector {
    root: Root,
    filter: Filter,
    source: Source,
    /// What is shown as one number; `None` where each counter is shown.
    sums: Option<Vec<Sum>>,
    /// Label with the device's alias.
    label_ifalias: bool,
    address_info: bool,
    socket: Socket,
    /// By device and alias; `None` for a device that the filter leaves out.
    labels: HashMap<(String, String), Option<Labels>>,
}

/// Where the counters come from.
enum Source {
    /// The kernel's answer over netlink.
    Netlink,
    /// `/proc/net/dev`.
    Proc(ProcFile),
}

impl NetdevCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        Self {
            root: root.clone(),
            filter: Filter::new(flags, &DEVICE_EXCLUDE, &DEVICE_INCLUDE),
            source: if flags.is_on(&NETLINK_SOURCE) {
                Source::Netlink
            } else {
                Source::Proc(ProcFile::new(root, "net/dev"))
            },
            sums: (!flags.is_on(&DETAILED)).then(sums),
            label_ifalias: flags.is_on(&LABEL_IFALIAS),
            address_info: flags.is_on(&ADDRESS_INFO),
            socket: Socket::default(),
            labels: HashMap::new(),
        }
    }

    fn read(&mut self) -> Result<Lines<Device>, Fault> {
        let mut devices = match &mut self.source {
            Source::Netlink => {
                return link::devices(&mut self.socket).map(|read| Lines { read, faults: Vec::new() });
            }
            Source::Proc(file) => proc::parse(file.read()?),
        };
        if self.label_ifalias {
            let refused = self.read_aliases(&mut devices.read);
            devices.faults.extend(refused);
        }
        Ok(devices)
    }

    /// Netlink gives the alias with the counters; `/proc/net/dev` does not have it. One that cannot be read is empty, and a fault.
    fn read_aliases(&self, devices: &mut [Device]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for device in devices {
            let file = self.root.sys.join("class/net").join(&device.name).join("ifalias");
            match read_whole(&file) {
                Ok(bytes) => device.alias = escaped(bytes.trim_ascii()).into_owned(),
                Err(error) if error.is_no_answer() => {}
                Err(error) => faults.push(error.into()),
            }
        }
        faults
    }

    /// The addresses of the devices that pass the filter; only netlink has them.
    fn addresses(&mut self) -> Result<Family, Fault> {
        let names = link::names(&mut self.socket)?;
        let addresses = address::addresses(&mut self.socket, &names)?;
        let shown = addresses.iter().filter(|(device, _)| self.filter.keeps(device));
        Ok(address::family(shown))
    }

    /// The devices that pass the filter, with their labels; the filter is asked when a device is new.
    fn shown(&mut self, devices: Vec<Device>) -> Vec<(Labels, Counters)> {
        let mut shown = Vec::with_capacity(devices.len());
        let mut known = HashMap::with_capacity(devices.len());
        for Device { name, alias, counters } in devices {
            let key = (name, alias);
            let labels = self.labels.remove(&key).unwrap_or_else(|| {
                let (name, alias) = &key;
                self.filter.keeps(name).then(|| {
                    if self.label_ifalias {
                        Labels::new([("device", name), ("ifalias", alias)])
                    } else {
                        Labels::new([("device", name)])
                    }
                })
            });
            shown.extend(labels.clone().map(|labels| (labels, counters)));
            known.insert(key, labels);
        }
        self.labels = known;
        shown
    }
}

impl Collector for NetdevCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let mut collected = match self.read() {
            Ok(Lines { read, faults }) => {
                let shown = self.shown(read);
                Collected::new(families(&shown, self.sums.as_deref()), faults)
            }
            Err(fault) => Collected::failed(fault),
        };
        if self.address_info {
            match self.addresses() {
                Ok(family) => collected.families.push(family),
                Err(fault) => collected.faults.push(fault),
            }
        }
        collected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{collector, values};

    /// What the collector shows under a root, with these flags.
    fn shown(root: &std::path::Path, flags: &[&str]) -> Vec<String> {
        let Collected { families, faults, .. } = collector(&ENTRY, root, root, flags).collect();
        assert_eq!(faults, []);
        values(&families)
    }

    #[test]
    fn without_netlink_the_alias_comes_from_sysfs() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &[u8]| {
            std::fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
            std::fs::write(root.path().join(file), text).unwrap();
        };
        let numbers = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        let devices = ["eth0", "eth1", "eth2"].map(|device| format!(" {device}: {numbers}\n")).concat();
        write("net/dev", format!("a\nb\n{devices}").as_bytes());
        write("class/net/eth0/ifalias", b"uplink\n");
        write("class/net/eth2/ifalias", b"caf\xe9\n");
        let lines =
            shown(root.path(), &["--no-collector.netdev.netlink", "--collector.netdev.label-ifalias"]);
        assert_eq!(
            lines[..3],
            [
                r#"node_network_receive_bytes_total{device="eth0",ifalias="uplink"} 1"#,
                r#"node_network_receive_bytes_total{device="eth1",ifalias=""} 1"#,
                r#"node_network_receive_bytes_total{device="eth2",ifalias="caf\\xe9"} 1"#,
            ]
        );
    }

    #[test]
    fn addresses_are_shown_when_asked_for() {
        let line =
            r#"node_network_address_info{device="lo",address="127.0.0.1",netmask="8",scope="link-local"} 1"#;
        let has_it = |flags: &[&str]| shown("/".as_ref(), flags).iter().any(|shown| shown == line);
        assert!(has_it(&["--collector.netdev.address-info"]));
        assert!(!has_it(&["--collector.netdev.address-info", "--collector.netdev.device-exclude=^lo$"]));
        assert!(!has_it(&[]));
    }
}

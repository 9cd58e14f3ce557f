//! The flags of `node_exporter` 1.12 on Linux, so that its command lines start this program too.
//!
//! Owns the table of its collectors and their flags. What belongs to a collector that is not in this version is accepted
//! with one warning, and so is what only says how `node_exporter` itself reads; the rest is the collectors' own.

use crate::flags::{Flags, Grammar, Takes};
use crate::host;

/// One collector of `node_exporter`.
struct Peer {
    name: &'static str,
    switches: &'static [&'static str],
    /// Flags with a value, older names among them.
    values: &'static [&'static str],
}

const fn peer(
    name: &'static str,
    switches: &'static [&'static str],
    values: &'static [&'static str],
) -> Peer {
    Peer { name, switches, values }
}

/// Its collectors that run without being named.
const DEFAULT: &[Peer] = &[
    peer(
        "arp",
        &["collector.arp.netlink"],
        &["collector.arp.device-exclude", "collector.arp.device-include"],
    ),
    peer("bcache", &["collector.bcache.priorityStats"], &[]),
    peer("bcachefs", &[], &[]),
    peer("bonding", &[], &[]),
    peer("btrfs", &[], &[]),
    peer("conntrack", &[], &[]),
    peer(
        "cpu",
        &["collector.cpu.guest", "collector.cpu.info"],
        &["collector.cpu.info.bugs-include", "collector.cpu.info.flags-include"],
    ),
    peer("cpufreq", &[], &[]),
    peer(
        "diskstats",
        &[],
        &[
            "collector.diskstats.device-exclude",
            "collector.diskstats.device-include",
            "collector.diskstats.ignored-devices",
        ],
    ),
    peer("dmi", &[], &[]),
    peer("dmmultipath", &[], &[]),
    peer("edac", &[], &[]),
    peer("entropy", &[], &[]),
    peer("fibrechannel", &[], &[]),
    peer("filefd", &[], &[]),
    peer(
        "filesystem",
        &[],
        &[
            "collector.filesystem.fs-types-exclude",
            "collector.filesystem.fs-types-include",
            "collector.filesystem.ignored-fs-types",
            "collector.filesystem.ignored-mount-points",
            "collector.filesystem.mount-points-exclude",
            "collector.filesystem.mount-points-include",
            "collector.filesystem.mount-timeout",
        ],
    ),
    peer(
        "hwmon",
        &[],
        &[
            "collector.hwmon.chip-exclude",
            "collector.hwmon.chip-include",
            "collector.hwmon.sensor-exclude",
            "collector.hwmon.sensor-include",
        ],
    ),
    peer("infiniband", &[], &["collector.infiniband.device-exclude", "collector.infiniband.device-include"]),
    peer("ipvs", &[], &["collector.ipvs.backend-labels"]),
    peer("kernel_hung", &[], &[]),
    peer("loadavg", &[], &[]),
    peer("mdadm", &[], &[]),
    peer("meminfo", &[], &[]),
    peer("netclass", &["collector.netclass.ignore-invalid-speed"], &["collector.netclass.ignored-devices"]),
    peer(
        "netdev",
        &[
            "collector.netdev.address-info",
            "collector.netdev.enable-detailed-metrics",
            "collector.netdev.label-ifalias",
            "collector.netdev.netlink",
        ],
        &[
            "collector.netdev.device-blacklist",
            "collector.netdev.device-exclude",
            "collector.netdev.device-include",
            "collector.netdev.device-whitelist",
        ],
    ),
    peer("netstat", &[], &["collector.netstat.fields"]),
    peer("nfs", &[], &[]),
    peer("nfsd", &[], &[]),
    peer("nvme", &[], &[]),
    peer("os", &[], &[]),
    peer("powersupplyclass", &[], &["collector.powersupply.ignored-supplies"]),
    peer("pressure", &[], &[]),
    peer("rapl", &["collector.rapl.enable-zone-label"], &[]),
    peer("schedstat", &[], &[]),
    peer("selinux", &[], &[]),
    peer("sockstat", &[], &[]),
    peer("softnet", &[], &[]),
    peer("stat", &["collector.stat.softirq"], &[]),
    peer("tapestats", &[], &["collector.tapestats.ignored-devices"]),
    peer("textfile", &[], &["collector.textfile.directory"]),
    peer("thermal_zone", &[], &[]),
    peer("time", &[], &[]),
    peer("timex", &[], &[]),
    peer("udp_queues", &[], &[]),
    peer("uname", &[], &[]),
    peer("vmstat", &[], &["collector.vmstat.fields"]),
    peer("watchdog", &[], &[]),
    peer("xfs", &[], &[]),
    peer("zfs", &[], &[]),
];

/// Its collectors that run only when they are named.
const NAMED: &[Peer] = &[
    peer("buddyinfo", &[], &[]),
    peer("cgroups", &[], &[]),
    peer("cpu_vulnerabilities", &[], &[]),
    peer("drbd", &[], &[]),
    peer("drm", &[], &[]),
    peer(
        "ethtool",
        &[],
        &[
            "collector.ethtool.device-exclude",
            "collector.ethtool.device-include",
            "collector.ethtool.metrics-include",
        ],
    ),
    peer(
        "interrupts",
        &["collector.interrupts.include-zeros"],
        &["collector.interrupts.name-exclude", "collector.interrupts.name-include"],
    ),
    peer("ksmd", &[], &[]),
    peer("lnstat", &[], &[]),
    peer("logind", &[], &[]),
    peer("meminfo_numa", &[], &[]),
    peer("mountstats", &[], &[]),
    peer("network_route", &[], &[]),
    peer(
        "ntp",
        &["collector.ntp.server-is-local"],
        &[
            "collector.ntp.ip-ttl",
            "collector.ntp.local-offset-tolerance",
            "collector.ntp.max-distance",
            "collector.ntp.protocol-version",
            "collector.ntp.server",
            "collector.ntp.server-port",
        ],
    ),
    peer("nvmesubsystem", &[], &[]),
    peer("pcidevice", &["collector.pcidevice.names"], &["collector.pcidevice.idsfile"]),
    peer(
        "perf",
        &[
            "collector.perf.disable-cache-profilers",
            "collector.perf.disable-hardware-profilers",
            "collector.perf.disable-software-profilers",
        ],
        &[
            "collector.perf.cache-profilers",
            "collector.perf.cpus",
            "collector.perf.hardware-profilers",
            "collector.perf.software-profilers",
            "collector.perf.tracepoint",
        ],
    ),
    peer("processes", &[], &[]),
    peer(
        "qdisc",
        &[],
        &[
            "collector.qdisc.device-exclude",
            "collector.qdisc.device-include",
            "collector.qdisk.device-exclude",
            "collector.qdisk.device-include",
        ],
    ),
    peer("runit", &[], &["collector.runit.servicedir"]),
    peer("slabinfo", &[], &["collector.slabinfo.slabs-exclude", "collector.slabinfo.slabs-include"]),
    peer("softirqs", &[], &[]),
    peer("supervisord", &[], &["collector.supervisord.url"]),
    peer("swap", &[], &[]),
    peer("sysctl", &[], &["collector.sysctl.include", "collector.sysctl.include-info"]),
    peer(
        "systemd",
        &[
            "collector.systemd.enable-restarts-metrics",
            "collector.systemd.enable-start-time-metrics",
            "collector.systemd.enable-task-metrics",
            "collector.systemd.private",
        ],
        &[
            "collector.systemd.unit-blacklist",
            "collector.systemd.unit-exclude",
            "collector.systemd.unit-include",
            "collector.systemd.unit-whitelist",
        ],
    ),
    peer("tcpstat", &[], &[]),
    peer("wifi", &[], &[]),
    peer("xfrm", &[], &[]),
    peer("zoneinfo", &[], &[]),
];

/// Switches about its own way of reading what is read here too.
const OWN_WAY_SWITCHES: &[&str] = &["collector.netclass.netlink", "collector.netclass_rtnl.with-stats"];

/// Flags with a value about its own way of reading what is read here too.
const OWN_WAY_VALUES: &[&str] = &[
    "collector.filesystem.stat-workers",
    "collector.qdisc.fixtures",
    "collector.wifi.fixtures",
    "runtime.gomaxprocs",
];

const SWITCH: Takes = Takes::Switch { on: false };
const VALUES: Takes = Takes::Values { placeholder: "", default: "" };

/// Its collectors that are not in this version.
fn absent() -> impl Iterator<Item = &'static Peer> {
    DEFAULT.iter().chain(NAMED).filter(|peer| host::COLLECTORS.iter().all(|entry| entry.name != peer.name))
}

/// The names of its collectors that are not in this version.
pub(crate) fn absent_collectors() -> Vec<&'static str> {
    absent().map(|peer| peer.name).collect()
}

/// Adds the flags that are accepted without effect.
pub(super) fn add_flags(grammar: &mut Grammar) {
    for peer in absent() {
        grammar.hidden(format!("collector.{}", peer.name), SWITCH);
    }
    for name in absent().flat_map(|peer| peer.switches).chain(OWN_WAY_SWITCHES) {
        grammar.hidden(*name, SWITCH);
    }
    for name in absent().flat_map(|peer| peer.values).chain(OWN_WAY_VALUES) {
        grammar.hidden(*name, VALUES);
    }
}

/// One sentence for each kind of flags that were written without effect.
pub(super) fn warnings(flags: &Flags) -> Vec<String> {
    // Turning off what is not there needs no word.
    let on = absent().filter(|peer| flags.runs(peer.name, false));
    let collectors = on.map(|peer| format!("collector.{}", peer.name));
    let of_absent = absent().flat_map(|peer| written(flags, peer.switches, peer.values));
    let absent = listed(collectors.chain(of_absent)).map(|names| {
        format!("flags of node_exporter for collectors that are not in this version have no effect: {names}")
    });
    let own_way = listed(written(flags, OWN_WAY_SWITCHES, OWN_WAY_VALUES)).map(|names| {
        format!(
            "flags about how node_exporter reads have no effect, since this program reads in its own way: {names}"
        )
    });
    absent.into_iter().chain(own_way).collect()
}

fn written<'a>(
    flags: &'a Flags,
    switches: &'a [&'static str],
    values: &'a [&'static str],
) -> impl Iterator<Item = String> + 'a {
    let is_written = |name: &&&str| flags.is_name_written(name);
    let switches =
        switches.iter().filter(move |name| is_written(name) || flags.is_name_written(&format!("no-{name}")));
    switches.chain(values.iter().filter(is_written)).map(|name| (*name).to_owned())
}

fn listed(names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<_> = names.map(|name| format!("--{name}")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::grammar;

    #[test]
    fn every_flag_is_accepted() {
        let grammar = grammar();
        for peer in DEFAULT.iter().chain(NAMED) {
            let collector = format!("collector.{}", peer.name);
            for name in [&*collector].iter().chain(peer.switches).chain(peer.values) {
                assert!(grammar.knows(name), "--{name}");
            }
        }
    }

    /// Collectors that it does not have.
    const BEYOND: [&str; 3] = ["oom_kills", "pcie", "uninterruptible"];

    #[test]
    fn the_same_collectors_run_by_default() {
        for entry in host::COLLECTORS.iter().filter(|entry| !BEYOND.contains(&entry.name)) {
            let is_in = |table: &[Peer]| table.iter().any(|peer| peer.name == entry.name);
            assert_eq!(
                (is_in(DEFAULT), is_in(NAMED)),
                (entry.is_default, !entry.is_default),
                "{}",
                entry.name
            );
        }
    }
}

//! The host's side: one collector for each subject, under `node_exporter`'s names, labels, values and flags.
//!
//! Owns the list of host collectors, and which of them run. To add one: a file in `host/collector/`, and its name here,
//! as a module and in [`COLLECTORS`]. Leaves out when they are read, which is `scrape.rs`'s.

use std::fmt;

use crate::collector::{Collector, WaitsFor};
use crate::flags::{Flags, Grammar};

mod binary_prefix;
mod columns;
mod cpu_labels;
mod cpu_list;
mod dbus;
mod device_names;
mod directory;
mod entry;
pub(crate) mod excerpt;
mod filter;
mod integer;
mod inventory;
mod kept_file;
mod line_families;
mod lines;
mod meaning;
mod named_families;
mod netlink;
mod nfs_procedures;
mod number_files;
mod pci;
mod proc_file;
mod process_stat;
pub(crate) mod root;
mod rpc_statistics;
mod series_name;
mod sysfs;
mod utf8;

mod collector {
    pub(super) mod arp;
    pub(super) mod bcache;
    pub(super) mod bcachefs;
    pub(super) mod bonding;
    pub(super) mod btrfs;
    pub(super) mod buddyinfo;
    pub(super) mod cgroups;
    pub(super) mod conntrack;
    pub(super) mod cpu;
    pub(super) mod cpu_vulnerabilities;
    pub(super) mod cpufreq;
    pub(super) mod diskstats;
    pub(super) mod dmi;
    pub(super) mod dmmultipath;
    pub(super) mod drbd;
    pub(super) mod drm;
    pub(super) mod edac;
    pub(super) mod entropy;
    pub(super) mod ethtool;
    pub(super) mod fibrechannel;
    pub(super) mod filefd;
    pub(super) mod filesystem;
    pub(super) mod hwmon;
    pub(super) mod infiniband;
    pub(super) mod interrupts;
    pub(super) mod ipvs;
    pub(super) mod kernel_hung;
    pub(super) mod ksmd;
    pub(super) mod lnstat;
    pub(super) mod loadavg;
    pub(super) mod logind;
    pub(super) mod mdadm;
    pub(super) mod meminfo;
    pub(super) mod meminfo_numa;
    pub(super) mod mountstats;
    pub(super) mod netclass;
    pub(super) mod netdev;
    pub(super) mod netstat;
    pub(super) mod network_route;
    pub(super) mod nfs;
    pub(super) mod nfsd;
    pub(super) mod nvme;
    pub(super) mod nvmesubsystem;
    pub(super) mod oom_kills;
    pub(super) mod os;
    pub(super) mod pcidevice;
    pub(super) mod pcie;
    pub(super) mod perf;
    pub(super) mod powersupplyclass;
    pub(super) mod pressure;
    pub(super) mod processes;
    pub(super) mod qdisc;
    pub(super) mod rapl;
    pub(super) mod schedstat;
    pub(super) mod selinux;
    pub(super) mod slabinfo;
    pub(super) mod sockstat;
    pub(super) mod softirqs;
    pub(super) mod softnet;
    pub(super) mod stat;
    pub(super) mod swap;
    pub(super) mod sysctl;
    pub(super) mod systemd;
    pub(super) mod tapestats;
    pub(super) mod tcpstat;
    pub(super) mod textfile;
    pub(super) mod thermal_zone;
    pub(super) mod time;
    pub(super) mod timex;
    pub(super) mod udp_queues;
    pub(super) mod uname;
    pub(super) mod uninterruptible;
    pub(super) mod vmstat;
    pub(super) mod watchdog;
    pub(super) mod wifi;
    pub(super) mod xfrm;
    pub(super) mod xfs;
    pub(super) mod zfs;
    pub(super) mod zoneinfo;
}

#[cfg(test)]
mod captures;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
#[cfg(test)]
mod garbled;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod readme;
#[cfg(any(test, fuzzing))]
mod testing;

use entry::Entry;
use root::Root;

/// All host collectors, by name.
pub(crate) const COLLECTORS: &[&Entry] = &[
    &collector::arp::ENTRY,
    &collector::bcache::ENTRY,
    &collector::bcachefs::ENTRY,
    &collector::bonding::ENTRY,
    &collector::btrfs::ENTRY,
    &collector::buddyinfo::ENTRY,
    &collector::cgroups::ENTRY,
    &collector::conntrack::ENTRY,
    &collector::cpu::ENTRY,
    &collector::cpu_vulnerabilities::ENTRY,
    &collector::cpufreq::ENTRY,
    &collector::diskstats::ENTRY,
    &collector::dmi::ENTRY,
    &collector::dmmultipath::ENTRY,
    &collector::drbd::ENTRY,
    &collector::drm::ENTRY,
    &collector::edac::ENTRY,
    &collector::entropy::ENTRY,
    &collector::ethtool::ENTRY,
    &collector::fibrechannel::ENTRY,
    &collector::filefd::ENTRY,
    &collector::filesystem::ENTRY,
    &collector::hwmon::ENTRY,
    &collector::infiniband::ENTRY,
    &collector::interrupts::ENTRY,
    &collector::ipvs::ENTRY,
    &collector::kernel_hung::ENTRY,
    &collector::ksmd::ENTRY,
    &collector::lnstat::ENTRY,
    &collector::loadavg::ENTRY,
    &collector::logind::ENTRY,
    &collector::mdadm::ENTRY,
    &collector::meminfo::ENTRY,
    &collector::meminfo_numa::ENTRY,
    &collector::mountstats::ENTRY,
    &collector::netclass::ENTRY,
    &collector::netdev::ENTRY,
    &collector::netstat::ENTRY,
    &collector::network_route::ENTRY,
    &collector::nfs::ENTRY,
    &collector::nfsd::ENTRY,
    &collector::nvme::ENTRY,
    &collector::nvmesubsystem::ENTRY,
    &collector::oom_kills::ENTRY,
    &collector::os::ENTRY,
    &collector::pcidevice::ENTRY,
    &collector::pcie::ENTRY,
    &collector::perf::ENTRY,
    &collector::powersupplyclass::ENTRY,
    &collector::pressure::ENTRY,
    &collector::processes::ENTRY,
    &collector::qdisc::ENTRY,
    &collector::rapl::ENTRY,
    &collector::schedstat::ENTRY,
    &collector::selinux::ENTRY,
    &collector::slabinfo::ENTRY,
    &collector::sockstat::ENTRY,
    &collector::softirqs::ENTRY,
    &collector::softnet::ENTRY,
    &collector::stat::ENTRY,
    &collector::swap::ENTRY,
    &collector::sysctl::ENTRY,
    &collector::systemd::ENTRY,
    &collector::tapestats::ENTRY,
    &collector::tcpstat::ENTRY,
    &collector::textfile::ENTRY,
    &collector::thermal_zone::ENTRY,
    &collector::time::ENTRY,
    &collector::timex::ENTRY,
    &collector::udp_queues::ENTRY,
    &collector::uname::ENTRY,
    &collector::uninterruptible::ENTRY,
    &collector::vmstat::ENTRY,
    &collector::watchdog::ENTRY,
    &collector::wifi::ENTRY,
    &collector::xfrm::ENTRY,
    &collector::xfs::ENTRY,
    &collector::zfs::ENTRY,
    &collector::zoneinfo::ENTRY,
];

/// The host's side as the flags ask for it.
pub(crate) struct Host {
    /// Where it reads.
    pub(crate) root: Root,
    /// The collectors that run, each with what may keep it waiting.
    pub(crate) collectors: Vec<(WaitsFor, Box<dyn Collector>)>,
    /// The names of the others.
    pub(crate) off: Vec<&'static str>,
}

impl Host {
    /// Adds the flags of all host collectors.
    pub(crate) fn add_flags(grammar: &mut Grammar, heading: &'static str) {
        for entry in COLLECTORS {
            let help = format!("{} ({})", entry.help, entry.reads);
            grammar.collector(entry.name, entry.is_default, &help, heading);
            for flag in entry.flags {
                grammar.flag(flag, heading);
            }
        }
    }

    /// As the flags say; the mistakes in them are added to `flags`, also those in flags of collectors that are off.
    pub(crate) fn new(flags: &mut Flags) -> Self {
        let root = Root::new(flags);
        let (mut collectors, mut off) = (Vec::new(), Vec::new());
        for entry in COLLECTORS {
            let collector = (entry.new)(flags, &root);
            if flags.runs(entry.name, entry.is_default) {
                collectors.push((entry.waits_for, collector));
            } else {
                off.push(entry.name);
            }
        }
        Self { root, collectors, off }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running: Vec<_> = self.collectors.iter().map(|(_, collector)| collector.name()).collect();
        f.debug_struct("Host").field("root", &self.root).field("running", &running).finish_non_exhaustive()
    }
}

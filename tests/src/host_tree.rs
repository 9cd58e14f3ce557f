//! A `/proc` and `/sys` of a machine of any size, written into a folder: what host collectors cost on 192 CPUs is measured on two.
//!
//! Owns the files that the kernel has for each CPU, network device, disk, InfiniBand port and NVMe drive (`Documentation/ABI` of the kernel says which).
//! What there is once in a machine is this machine's own. Leaves out links from classes to devices, which change what a reading means and not what it costs.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// How many of each there are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Logical CPUs, on two packages.
    pub cpus: usize,
    /// Network devices.
    pub network_devices: usize,
    /// Disks, each a volume of the device mapper.
    pub disks: usize,
    /// InfiniBand adapters, each with one port.
    pub infiniband_ports: usize,
    /// NVMe drives, each with a temperature.
    pub nvme_drives: usize,
}

impl Size {
    /// A machine with eight GPUs, as they are sold today.
    pub const GPU_HOST: Self =
        Self { cpus: 192, network_devices: 60, disks: 40, infiniband_ports: 8, nvme_drives: 16 };
}

/// Files of `/proc` that every machine has once, where the kernel has them at all.
const ONCE: [&str; 22] = [
    "buddyinfo",
    "cpuinfo",
    "loadavg",
    "meminfo",
    "mdstat",
    "net/arp",
    "net/netstat",
    "net/snmp",
    "net/snmp6",
    "net/sockstat",
    "net/sockstat6",
    "net/udp",
    "net/udp6",
    "pressure/cpu",
    "pressure/io",
    "pressure/memory",
    "sys/fs/file-nr",
    "sys/kernel/random/entropy_avail",
    "sys/kernel/random/poolsize",
    "vmstat",
    "zoneinfo",
    "1/mountinfo",
];

/// Where it is, until this is dropped: in memory, as the kernel's own files are, where there is such a folder.
#[derive(Debug)]
pub struct HostTree {
    /// For `--path.procfs`.
    pub proc: PathBuf,
    /// For `--path.sysfs`.
    pub sys: PathBuf,
    _folder: TempDir,
}

impl HostTree {
    /// Writes the files.
    pub fn write(size: Size) -> Result<Self> {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
        let [proc, sys] = ["proc", "sys"].map(|name| folder.path().join(name));
        write(&proc, &sys, size)?;
        Ok(Self { proc, sys, _folder: folder })
    }

    /// What says a program where it is; its network devices are in files alone.
    #[must_use]
    pub fn flags(&self) -> [String; 3] {
        [
            format!("--path.procfs={}", self.proc.display()),
            format!("--path.sysfs={}", self.sys.display()),
            "--no-collector.netdev.netlink".to_owned(),
        ]
    }
}

fn write(proc: &Path, sys: &Path, size: Size) -> Result<()> {
    let tree = Tree { proc, sys };
    for file in ONCE {
        if let Ok(text) = fs::read_to_string(Path::new("/proc").join(file)) {
            tree.proc(file, &text)?;
        }
    }
    // node_exporter does not start without.
    tree.proc("1/stat", "1 (init) S 0 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 1 1 1 1 1 1 1 1 1 0 0 0 0 0 0 0 17 0 0 0 0 0 0\n")?;
    symlink("1", proc.join("self"))?;
    tree.cpus(size.cpus)?;
    tree.network_devices(size.network_devices)?;
    tree.disks(size.disks)?;
    for number in 0..size.infiniband_ports {
        tree.infiniband_port(number)?;
    }
    for number in 0..size.nvme_drives {
        tree.nvme_drive(number)?;
    }
    Ok(())
}

struct Tree<'a> {
    proc: &'a Path,
    sys: &'a Path,
}

impl Tree<'_> {
    fn proc(&self, path: &str, text: &str) -> Result<()> {
        file(&self.proc.join(path), text)
    }

    /// One attribute, which ends as the kernel ends it.
    fn sys(&self, path: &str, text: &str) -> Result<()> {
        file(&self.sys.join(path), &format!("{text}\n"))
    }

    fn cpus(&self, count: usize) -> Result<()> {
        let line = |name: &str| format!("{name} 3109384 29213 1203931 92837465 12093 0 40321 0 0 0\n");
        let (mut stat, mut softnet) = (line("cpu "), String::new());
        let mut schedstat = "version 17\ntimestamp 4295160137\n".to_owned();
        for cpu in 0..count {
            stat += &line(&format!("cpu{cpu}"));
            writeln!(softnet, "{:08x}{}", 18_734 + cpu, " 00000000".repeat(14))?;
            writeln!(schedstat, "cpu{cpu} 0 0 0 0 0 0 2045936778163039 343796328169361 4767485306")?;
            let folder = format!("devices/system/cpu/cpu{cpu}");
            for (attribute, value) in [
                ("topology/physical_package_id", (cpu * 2 / count).to_string()),
                ("topology/core_id", (cpu / 2).to_string()),
                ("thermal_throttle/core_throttle_count", "3".to_owned()),
                ("thermal_throttle/package_throttle_count", "7".to_owned()),
                ("cpufreq/cpuinfo_cur_freq", "2600000".to_owned()),
                ("cpufreq/cpuinfo_max_freq", "3800000".to_owned()),
                ("cpufreq/cpuinfo_min_freq", "800000".to_owned()),
                ("cpufreq/scaling_cur_freq", format!("{}", 2_600_000 + cpu)),
                ("cpufreq/scaling_max_freq", "3800000".to_owned()),
                ("cpufreq/scaling_min_freq", "800000".to_owned()),
                ("cpufreq/scaling_governor", "schedutil".to_owned()),
                ("cpufreq/scaling_available_governors", "performance schedutil".to_owned()),
                ("cpufreq/scaling_driver", "intel_pstate".to_owned()),
                ("cpufreq/affected_cpus", cpu.to_string()),
                ("cpufreq/related_cpus", cpu.to_string()),
            ] {
                self.sys(&format!("{folder}/{attribute}"), &value)?;
            }
        }
        let interrupts = " 3".repeat(count);
        writeln!(
            stat,
            "intr 8885917{interrupts}\nctxt 38014093\nbtime 1418183276\nprocesses 26442\nprocs_running 2\nprocs_blocked 1"
        )?;
        stat += "softirq 5057579 250191 1481983 1647 211099 186066 0 1783454 622196 12499 508444\n";
        self.sys("devices/system/cpu/isolated", "")?;
        self.sys("devices/system/cpu/online", &format!("0-{}", count - 1))?;
        self.sys("devices/system/clocksource/clocksource0/current_clocksource", "tsc")?;
        self.sys("devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet acpi_pm")?;
        self.proc("stat", &stat)?;
        self.proc("schedstat", &schedstat)?;
        self.proc("net/softnet_stat", &softnet)
    }

    fn network_devices(&self, count: usize) -> Result<()> {
        let mut dev =
            "Inter-|   Receive                                                |  Transmit\n".to_owned();
        dev += " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";
        for number in 0..count {
            let name = format!("eth{number}");
            writeln!(dev, "{name}: 9873245{number} 987324 0 3 0 0 0 12 187623{number} 98732 0 0 0 0 0 0")?;
            for (attribute, value) in [
                ("addr_assign_type", "0"),
                ("addr_len", "6"),
                ("address", &*format!("02:00:00:00:{:02x}:{:02x}", number / 256, number % 256)),
                ("broadcast", "ff:ff:ff:ff:ff:ff"),
                ("carrier", "1"),
                ("carrier_changes", "2"),
                ("carrier_down_count", "1"),
                ("carrier_up_count", "1"),
                ("dev_id", "0x0"),
                ("dormant", "0"),
                ("duplex", "full"),
                ("flags", "0x1003"),
                ("ifalias", ""),
                ("ifindex", &*(number + 1).to_string()),
                ("iflink", &*(number + 1).to_string()),
                ("link_mode", "0"),
                ("mtu", "9000"),
                ("name_assign_type", "4"),
                ("netdev_group", "0"),
                ("operstate", "up"),
                ("phys_port_id", ""),
                ("phys_port_name", "p0"),
                ("phys_switch_id", ""),
                ("speed", "100000"),
                ("tx_queue_len", "1000"),
                ("type", "1"),
            ] {
                self.sys(&format!("class/net/{name}/{attribute}"), value)?;
            }
        }
        self.proc("net/dev", &dev)
    }

    fn disks(&self, count: usize) -> Result<()> {
        let mut diskstats = String::new();
        for number in 0..count {
            let (name, minor) = (format!("dm-{number}"), number);
            writeln!(
                diskstats,
                " 253 {minor:>7} {name} 59910002 12 5272101296 14920232 80832374 122 9134322088 19092888 0 1123912 34013120 0 0 0 0 12 33"
            )?;
            self.sys(&format!("block/{name}/queue/rotational"), "0")?;
            self.sys(&format!("block/{name}/dm/name"), &format!("volume{number}"))?;
        }
        self.proc("diskstats", &diskstats)
    }

    fn infiniband_port(&self, number: usize) -> Result<()> {
        let device = format!("class/infiniband/mlx5_{number}");
        for (attribute, value) in [
            ("board_id", "MT_0000000838"),
            ("fw_ver", "28.39.1002"),
            ("hca_type", "MT4129"),
            ("ports/1/state", "4: ACTIVE"),
            ("ports/1/phys_state", "5: LinkUp"),
            ("ports/1/rate", "400 Gb/sec (4X NDR)"),
            ("ports/1/link_layer", "InfiniBand"),
        ] {
            self.sys(&format!("{device}/{attribute}"), value)?;
        }
        for counter in [
            "VL15_dropped",
            "excessive_buffer_overrun_errors",
            "link_downed",
            "link_error_recovery",
            "local_link_integrity_errors",
            "multicast_rcv_packets",
            "multicast_xmit_packets",
            "port_rcv_constraint_errors",
            "port_rcv_data",
            "port_rcv_discards",
            "port_rcv_errors",
            "port_rcv_packets",
            "port_rcv_remote_physical_errors",
            "port_rcv_switch_relay_errors",
            "port_xmit_constraint_errors",
            "port_xmit_data",
            "port_xmit_discards",
            "port_xmit_packets",
            "port_xmit_wait",
            "symbol_error",
            "unicast_rcv_packets",
            "unicast_xmit_packets",
        ] {
            self.sys(&format!("{device}/ports/1/counters/{counter}"), "884894436")?;
        }
        for counter in
            ["duplicate_request", "implied_nak_seq_err", "lifespan", "local_ack_timeout_err", "np_cnp_sent"]
        {
            self.sys(&format!("{device}/ports/1/hw_counters/{counter}"), "12")?;
        }
        Ok(())
    }

    fn nvme_drive(&self, number: usize) -> Result<()> {
        for (attribute, value) in [
            ("firmware_rev", "EDA7602Q"),
            ("model", "SAMSUNG MZWLO3T8HCLS-00A07"),
            ("serial", &*format!("S795NC0W8{number:05}")),
            ("state", "live"),
            ("cntlid", "6"),
        ] {
            self.sys(&format!("class/nvme/nvme{number}/{attribute}"), value)?;
        }
        for (attribute, value) in
            [("name", "nvme"), ("temp1_input", "38850"), ("temp1_max", "81850"), ("temp1_crit", "84850")]
        {
            self.sys(&format!("class/hwmon/hwmon{number}/{attribute}"), value)?;
        }
        Ok(())
    }
}

fn file(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("failed to write {}", path.display()))
}

//! Every flag: its name, what it takes, its default and its sentence for `--help`.
//!
//! Owns the table. Names, defaults and meanings of `--collector.*`, `--path.*` and `--web.*` are `node_exporter` 1.12's.
//! Leaves out the resolution of what was written, which is its parent's.

use std::borrow::Cow;

/// One flag.
#[derive(Clone)]
pub(super) struct Flag {
    pub(super) name: Cow<'static, str>,
    pub(super) takes: Takes,
    pub(super) help: Cow<'static, str>,
    pub(super) heading: &'static str,
}

/// What follows a flag's name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing; `--no-NAME` says the opposite. The help is about the one of the two that changes something.
    Switch { on: bool },
    /// One value.
    Value { placeholder: &'static str, default: &'static str },
    /// One value, each time it is written.
    Values { placeholder: &'static str, default: &'static str },
}

const fn switch(name: &'static str, on: bool, heading: &'static str, help: &'static str) -> Flag {
    Flag { name: Cow::Borrowed(name), takes: Takes::Switch { on }, help: Cow::Borrowed(help), heading }
}

const fn value(
    name: &'static str,
    placeholder: &'static str,
    default: &'static str,
    heading: &'static str,
    help: &'static str,
) -> Flag {
    Flag {
        name: Cow::Borrowed(name),
        takes: Takes::Value { placeholder, default },
        help: Cow::Borrowed(help),
        heading,
    }
}

const fn values(
    name: &'static str,
    placeholder: &'static str,
    default: &'static str,
    heading: &'static str,
    help: &'static str,
) -> Flag {
    Flag {
        name: Cow::Borrowed(name),
        takes: Takes::Values { placeholder, default },
        help: Cow::Borrowed(help),
        heading,
    }
}

pub(super) const COLLECTORS: &str = "Collectors (node_exporter's flags)";
pub(super) const GPU: &str = "GPU";
const WEB: &str = "Web";
const PATHS: &str = "Where to read";
const PROGRAM: &str = "Program";

/// All flags but `--collector.NAME`, which the lists of collectors give.
pub(super) const FLAGS: &[Flag] = &[
    values("web.listen-address", "ADDRESS", ":9100", WEB, "Where to listen; may be given several times"),
    value("web.telemetry-path", "PATH", "/metrics", WEB, "The path of the metrics page"),
    value(
        "web.config.file",
        "FILE",
        "",
        WEB,
        "TLS and basic auth, in the format of Prometheus' web configuration",
    ),
    value(
        "web.max-requests",
        "NUMBER",
        "40",
        WEB,
        "Most scrapes at the same time; more are answered 503. 0 is no limit",
    ),
    switch("web.disable-exporter-metrics", false, WEB, "Leave out the series about this process itself"),
    value("path.procfs", "DIRECTORY", "/proc", PATHS, "Where procfs is mounted"),
    value("path.sysfs", "DIRECTORY", "/sys", PATHS, "Where sysfs is mounted"),
    value("path.rootfs", "DIRECTORY", "/", PATHS, "Where the host's root directory is mounted"),
    value("path.udev.data", "DIRECTORY", "/run/udev/data", PATHS, "Where udev keeps its database"),
    switch("collector.disable-defaults", false, COLLECTORS, "Read only the collectors that are named"),
    switch("collector.cpu.guest", true, COLLECTORS, "Leave out node_cpu_guest_seconds_total"),
    switch("collector.cpu.info", false, COLLECTORS, "Show node_cpu_info"),
    value(
        "collector.cpu.info.flags-include",
        "REGEX",
        "",
        COLLECTORS,
        "CPU flags to show in node_cpu_flag_info",
    ),
    value(
        "collector.cpu.info.bugs-include",
        "REGEX",
        "",
        COLLECTORS,
        "CPU bugs to show in node_cpu_bug_info",
    ),
    value(
        "collector.diskstats.device-exclude",
        "REGEX",
        r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
        COLLECTORS,
        "Disks to leave out (not together with device-include)",
    ),
    value("collector.diskstats.device-include", "REGEX", "", COLLECTORS, "The only disks to show"),
    value(
        "collector.filesystem.mount-points-exclude",
        "REGEX",
        "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
        COLLECTORS,
        "Mount points to leave out (not together with mount-points-include)",
    ),
    value(
        "collector.filesystem.mount-points-include",
        "REGEX",
        "",
        COLLECTORS,
        "The only mount points to show",
    ),
    value(
        "collector.filesystem.fs-types-exclude",
        "REGEX",
        "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
        COLLECTORS,
        "File system types to leave out (not together with fs-types-include)",
    ),
    value(
        "collector.filesystem.fs-types-include",
        "REGEX",
        "",
        COLLECTORS,
        "The only file system types to show",
    ),
    value(
        "collector.filesystem.mount-timeout",
        "DURATION",
        "5s",
        COLLECTORS,
        "How long a mount may take to answer before it counts as stuck",
    ),
    value(
        "collector.netclass.ignored-devices",
        "REGEX",
        "^$",
        COLLECTORS,
        "Network devices that netclass leaves out",
    ),
    switch(
        "collector.netclass.ignore-invalid-speed",
        false,
        COLLECTORS,
        "Leave out speeds that the device does not know",
    ),
    value(
        "collector.netdev.device-exclude",
        "REGEX",
        "",
        COLLECTORS,
        "Network devices that netdev leaves out",
    ),
    value(
        "collector.netdev.device-include",
        "REGEX",
        "",
        COLLECTORS,
        "The only network devices netdev shows",
    ),
    switch(
        "collector.netdev.netlink",
        true,
        COLLECTORS,
        "Read PROCFS/net/dev rather than ask the kernel over netlink",
    ),
    switch(
        "collector.netdev.enable-detailed-metrics",
        false,
        COLLECTORS,
        "Show each kind of error apart, under its own name",
    ),
    switch("collector.netdev.label-ifalias", false, COLLECTORS, "Add a label with the device's alias"),
    switch("collector.netdev.address-info", false, COLLECTORS, "Show node_network_address_info"),
    switch("collector.stat.softirq", false, COLLECTORS, "Show node_softirqs_total"),
    values(
        "collector.textfile.directory",
        "DIRECTORY",
        "",
        COLLECTORS,
        "Where to read *.prom files; may hold * and ?",
    ),
    value(
        "collector.vmstat.fields",
        "REGEX",
        "^(oom_kill|pgpg|pswp|pg.*fault).*",
        COLLECTORS,
        "Fields of PROCFS/vmstat to show",
    ),
    value(
        "gpu.library",
        "FILE",
        "",
        GPU,
        "The NVML library to load [default: the system's libnvidia-ml.so.1]",
    ),
    value("gpu.sample-interval", "DURATION", "1s", GPU, "Time from one look at the GPUs to the next"),
    value(
        "gpu.probe-timeout",
        "DURATION",
        "5s",
        GPU,
        "How long one GPU may stay silent before it counts as stuck",
    ),
    switch("gpu.processes", false, GPU, "Show what each process uses (no effect in this version)"),
    switch("gpu.containers", false, GPU, "Show what each container uses (no effect in this version)"),
    value("log.level", "LEVEL", "info", PROGRAM, "Least severity to log: error, warn, info, debug"),
    value("log.format", "FORMAT", "text", PROGRAM, "How to log: text, json"),
    switch("check", false, PROGRAM, "Print what can be read and what is missing, and leave with 0 or 1"),
];

/// `node_exporter`'s older names, and what they are called now.
pub(super) const RENAMED: &[(&str, &str)] = &[
    ("collector.diskstats.ignored-devices", "collector.diskstats.device-exclude"),
    ("collector.filesystem.ignored-mount-points", "collector.filesystem.mount-points-exclude"),
    ("collector.filesystem.ignored-fs-types", "collector.filesystem.fs-types-exclude"),
    ("collector.netdev.device-blacklist", "collector.netdev.device-exclude"),
    ("collector.netdev.device-whitelist", "collector.netdev.device-include"),
];

/// `node_exporter`'s collectors that this version does not have.
pub(super) const ABSENT_COLLECTORS: &[&str] = &[
    "arp",
    "bcache",
    "bcachefs",
    "bonding",
    "btrfs",
    "buddyinfo",
    "cgroups",
    "conntrack",
    "cpu_vulnerabilities",
    "cpufreq",
    "dmi",
    "dmmultipath",
    "drbd",
    "drm",
    "edac",
    "entropy",
    "ethtool",
    "fibrechannel",
    "filefd",
    "hwmon",
    "infiniband",
    "interrupts",
    "ipvs",
    "kernel_hung",
    "ksmd",
    "lnstat",
    "logind",
    "mdadm",
    "meminfo_numa",
    "mountstats",
    "netstat",
    "network_route",
    "nfs",
    "nfsd",
    "ntp",
    "nvme",
    "nvmesubsystem",
    "os",
    "pcidevice",
    "perf",
    "powersupplyclass",
    "processes",
    "qdisc",
    "rapl",
    "runit",
    "schedstat",
    "selinux",
    "slabinfo",
    "sockstat",
    "softirqs",
    "softnet",
    "supervisord",
    "swap",
    "sysctl",
    "systemd",
    "tapestats",
    "tcpstat",
    "thermal_zone",
    "timex",
    "udp_queues",
    "watchdog",
    "wifi",
    "xfrm",
    "xfs",
    "zfs",
    "zoneinfo",
];

/// `node_exporter`'s switches of collectors that this version does not have.
pub(super) const ABSENT_SWITCHES: &[&str] = &[
    "collector.arp.netlink",
    "collector.bcache.priorityStats",
    "collector.interrupts.include-zeros",
    "collector.ntp.server-is-local",
    "collector.pcidevice.names",
    "collector.perf.disable-cache-profilers",
    "collector.perf.disable-hardware-profilers",
    "collector.perf.disable-software-profilers",
    "collector.rapl.enable-zone-label",
    "collector.systemd.enable-restarts-metrics",
    "collector.systemd.enable-start-time-metrics",
    "collector.systemd.enable-task-metrics",
    "collector.systemd.private",
];

/// `node_exporter`'s flags with a value for collectors that this version does not have.
pub(super) const ABSENT_VALUES: &[&str] = &[
    "collector.arp.device-exclude",
    "collector.arp.device-include",
    "collector.ethtool.device-exclude",
    "collector.ethtool.device-include",
    "collector.ethtool.metrics-include",
    "collector.hwmon.chip-exclude",
    "collector.hwmon.chip-include",
    "collector.hwmon.sensor-exclude",
    "collector.hwmon.sensor-include",
    "collector.infiniband.device-exclude",
    "collector.infiniband.device-include",
    "collector.interrupts.name-exclude",
    "collector.interrupts.name-include",
    "collector.ipvs.backend-labels",
    "collector.netstat.fields",
    "collector.ntp.ip-ttl",
    "collector.ntp.local-offset-tolerance",
    "collector.ntp.max-distance",
    "collector.ntp.protocol-version",
    "collector.ntp.server",
    "collector.ntp.server-port",
    "collector.pcidevice.idsfile",
    "collector.perf.cache-profilers",
    "collector.perf.cpus",
    "collector.perf.hardware-profilers",
    "collector.perf.software-profilers",
    "collector.perf.tracepoint",
    "collector.powersupply.ignored-supplies",
    "collector.qdisc.device-exclude",
    "collector.qdisc.device-include",
    "collector.qdisc.fixtures",
    "collector.qdisk.device-exclude",
    "collector.qdisk.device-include",
    "collector.runit.servicedir",
    "collector.slabinfo.slabs-exclude",
    "collector.slabinfo.slabs-include",
    "collector.supervisord.url",
    "collector.sysctl.include",
    "collector.sysctl.include-info",
    "collector.systemd.unit-blacklist",
    "collector.systemd.unit-exclude",
    "collector.systemd.unit-include",
    "collector.systemd.unit-whitelist",
    "collector.tapestats.ignored-devices",
    "collector.wifi.fixtures",
];

/// `node_exporter`'s switches about its own way of reading what is read here too.
pub(super) const NEEDLESS_SWITCHES: &[&str] =
    &["collector.netclass.netlink", "collector.netclass_rtnl.with-stats"];

/// `node_exporter`'s flags with a value about its own way of reading what is read here too.
pub(super) const NEEDLESS_VALUES: &[&str] = &["collector.filesystem.stat-workers", "runtime.gomaxprocs"];

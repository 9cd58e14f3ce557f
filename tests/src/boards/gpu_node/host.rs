//! The machine beside its GPUs.

use crate::boards::limit::Limit;
use crate::boards::link;
use crate::boards::meanings::NODE;
use crate::boards::panel::Panel;
use crate::boards::query::ask;
use crate::boards::table::{Rows, Table};
use crate::boards::unit::Unit;
use crate::boards::words::{Note, words};

/// Devices of containers and bridges carry what a real device carries once more.
const REAL_DEVICES: &str = "device!~\"lo|veth.*|br-.*|docker.*|cali.*|cni.*\"";

pub(super) fn panels() -> Vec<Panel> {
    vec![
        cpu(),
        load(),
        pressure(),
        memory(),
        memory_parts(),
        disk_space(),
        disk_traffic(),
        network(),
        machines(),
    ]
}

fn cpu() -> Panel {
    let note = Note {
        zh: [
            "低于虚线。",
            "持续高于虚线：分词和图像预处理变慢；iowait 高：在等磁盘。",
            "看哪个容器占用 CPU；iowait 高时看磁盘读写。",
        ],
        en: [
            "Below the dashed line.",
            "Above it for long slows tokenizing and image work; much iowait: it waits for disks.",
            "Find the container that uses it; with iowait, see disk traffic.",
        ],
    };
    Panel::series(words("CPU 忙碌", "CPU busy"), Unit::Ratio, note)
        .ask("node:cpu_busy:ratio_rate5m{@node}", "{{node}}")
        .ask(
            "avg by (node) (rate(node_cpu_seconds_total{job=\"node\",mode=\"iowait\",@node}[$__rate_interval]))",
            "{{node}} iowait",
        )
        .limit(Limit::info("HostCpuHigh", "node:cpu_busy:ratio_rate5m"))
        .up_to(1)
        .link(link::node())
}

fn load() -> Panel {
    let note = Note {
        zh: [
            "低于虚线：每个核心平均不到 2 个等待运行的任务。",
            "高于虚线 15 分钟告警。",
            "看是 CPU 忙还是在等磁盘（iowait）。",
        ],
        en: [
            "Below the dashed line, in tasks a core.",
            "Above it for 15 minutes alerts.",
            "See whether the CPU is busy or waits for disks (iowait).",
        ],
    };
    Panel::series(words("每核负载", "Load a core"), Unit::Short, note)
        .ask(
            "node_load1{job=\"node\",@node} / on (node, instance) group_left () count by (node, instance) (node_cpu_seconds_total{job=\"node\",mode=\"idle\",@node})",
            "{{node}}",
        )
        .limit(Limit::warning("HostLoadHigh", "node_load1"))
        .link(link::node())
}

fn pressure() -> Panel {
    let note = Note {
        zh: [
            "接近 0。旧内核不报告。",
            "CPU 高于 50%、磁盘停顿高于 25% 持续 15 分钟告警；内存停顿高于 10% 持续 5 分钟告警。",
            "内存：找占用最多的进程；I/O：看磁盘读写。",
        ],
        en: [
            "Near 0. Old kernels do not report it.",
            "CPU above 50 % or I/O stalled above 25 % for a quarter of an hour alerts; memory stalled above 10 % for five minutes.",
            "Memory: find who holds most; I/O: see disk traffic.",
        ],
    };
    Panel::series(words("资源等待 (PSI)", "Pressure (PSI)"), Unit::Ratio, note)
        .ask("rate(node_pressure_cpu_waiting_seconds_total{@node}[$__rate_interval])", "{{node}} CPU")
        .ask("rate(node_pressure_io_waiting_seconds_total{@node}[$__rate_interval])", "{{node}} 磁盘 I/O")
        .ask(
            "rate(node_pressure_io_stalled_seconds_total{@node}[$__rate_interval])",
            "{{node}} 磁盘停顿 I/O stalled",
        )
        .ask(
            "rate(node_pressure_memory_stalled_seconds_total{@node}[$__rate_interval])",
            "{{node}} 内存停顿 memory stalled",
        )
        .limit(Limit::warning("HostCpuPressure", "node_pressure_cpu_waiting_seconds_total"))
        .limit(Limit::warning("HostIoPressure", "node_pressure_io_stalled_seconds_total"))
        .limit(Limit::warning("HostMemoryStalled", "node_pressure_memory_stalled_seconds_total"))
        .link(link::node())
}

fn memory() -> Panel {
    let note = Note {
        zh: [
            "低于虚线。页缓存不算已用，/dev/shm 算。",
            "高于虚线 15 分钟告警；用满后内核会杀进程。",
            "找占用最多的进程；多模态缓存和 /dev/shm 也占主机内存。",
        ],
        en: [
            "Below the dashed line. The page cache does not count as used, /dev/shm does.",
            "Above it for 15 minutes alerts; when it is full the kernel kills processes.",
            "Find who holds most; multimodal caches and /dev/shm are in here, too.",
        ],
    };
    Panel::series(words("内存使用率", "Memory used"), Unit::Ratio, note)
        .ask("node:memory_used:ratio{@node}", "{{node}}")
        .limit(Limit::warning("HostMemoryHigh", "node:memory_used:ratio"))
        .up_to(1)
        .link(link::node())
}

fn memory_parts() -> Panel {
    let note = Note {
        zh: [
            "大部分是程序和页缓存；交换区接近 0。",
            "交换区增大：内存不够；共享内存增大：/dev/shm 占用。",
            "减少每机的引擎数，或加内存。",
        ],
        en: [
            "Mostly programs and page cache; swap near 0.",
            "Swap grows: too little memory. Shared memory grows: /dev/shm.",
            "Run fewer engines a machine, or add memory.",
        ],
    };
    Panel::series(words("内存组成与交换区", "Parts of memory and swap"), Unit::Bytes, note)
        .ask(
            "node_memory_MemTotal_bytes{@node} - node_memory_MemFree_bytes - node_memory_Buffers_bytes - node_memory_Cached_bytes",
            "{{node}} 程序 programs",
        )
        .ask("node_memory_Cached_bytes{@node} - node_memory_Shmem_bytes", "{{node}} 页缓存 page cache")
        .ask("node_memory_Shmem_bytes{@node}", "{{node}} 共享内存 shared")
        .ask("node_memory_MemFree_bytes{@node}", "{{node}} 空闲 free")
        .query(
            ask("node_memory_SwapTotal_bytes{@node} - node_memory_SwapFree_bytes", "{{node}} 交换区 swap used")
                .aside(Unit::Bytes),
        )
        .stacked()
        .link(link::node())
}

fn disk_space() -> Panel {
    let note = Note {
        zh: [
            "可写文件系统都高于虚线。",
            "低于虚线 30 分钟告警；预计 24 小时内写满也告警。",
            "删除旧模型、日志和镜像，或扩容。",
        ],
        en: [
            "Every writable file system is above the dashed lines.",
            "Below one for 30 minutes alerts, and so does a forecast of full within a day.",
            "Delete old models, logs and images, or add space.",
        ],
    };
    Panel::series(words("磁盘余量", "Disk space left"), Unit::Ratio, note)
        .ask("node:filesystem_avail:ratio{@node}", "{{node}} {{mountpoint}}")
        .limit(Limit::warning("HostDiskAlmostFull", "node:filesystem_avail:ratio"))
        .limit(Limit::critical("HostDiskAlmostFull", "node:filesystem_avail:ratio"))
        .up_to(1)
        .link(link::node())
}

fn disk_traffic() -> Panel {
    let note = Note {
        zh: [
            "向上写，向下读；加载模型时读高。虚线为每秒操作数（右轴）。",
            "长期读写很高而 iowait 也高。",
            "看是否在反复加载模型；把模型放到更快的盘。",
        ],
        en: [
            "Up: written; down: read, high while a model loads. Dashed: operations a second, right axis.",
            "High for long, with iowait.",
            "See whether a model is loaded over and over; put it on a faster disk.",
        ],
    };
    Panel::series(words("磁盘读写", "Disk traffic"), Unit::BytesPerSecond, note)
        .ask("rate(node_disk_written_bytes_total{@node}[$__rate_interval])", "{{node}} {{device}} 写 written")
        .query(
            ask("rate(node_disk_read_bytes_total{@node}[$__rate_interval])", "{{node}} {{device}} 读 read").below(),
        )
        .query(
            ask(
                "rate(node_disk_writes_completed_total{@node}[$__rate_interval]) + rate(node_disk_reads_completed_total{@node}[$__rate_interval])",
                "{{node}} {{device}} 次 operations",
            )
            .aside(Unit::IoPerSecond),
        )
        .both_ways()
        .link(link::node())
}

fn network() -> Panel {
    let note = Note {
        zh: [
            "向上发送，向下接收；虚线（错误和丢包，右轴）为 0。不含容器的虚拟网卡。",
            "虚线大于 0：网线、光模块或缓冲区有问题。",
            "查链路和交换机端口；丢包时加大环形缓冲区。",
        ],
        en: [
            "Up: sent; down: received; dashed (errors and drops, right axis) at 0. Without containers' virtual devices.",
            "Dashed above 0: cable, optics or buffers.",
            "Check the link and the switch's port; for drops, enlarge the ring buffer.",
        ],
    };
    let rate = |metric: &str| format!("rate({metric}{{{REAL_DEVICES},@node}}[$__rate_interval])");
    let faults = ["receive_errs", "transmit_errs", "receive_drop", "transmit_drop"]
        .map(|kind| rate(&format!("node_network_{kind}_total")))
        .join(" + ");
    Panel::series(
        words("网络流量、错误和丢包", "Network traffic, errors and drops"),
        Unit::BytesPerSecond,
        note,
    )
    .ask(&rate("node_network_transmit_bytes_total"), "{{node}} {{device}} 发送 sent")
    .query(ask(&rate("node_network_receive_bytes_total"), "{{node}} {{device}} 接收 received").below())
    .query(ask(&faults, "{{node}} {{device}} 错误和丢包 errors, drops").aside(Unit::PerSecond))
    .both_ways()
    .link(link::node())
}

fn machines() -> Panel {
    let note = Note {
        zh: [
            "各机器版本一致；运行时间持续增长。",
            "运行时间突然变短：机器重启过；时钟偏差大于 5 秒告警。",
            "看系统日志查重启原因；检查 NTP。",
        ],
        en: [
            "The same versions everywhere; up for longer and longer.",
            "A short time up: it was rebooted. A clock more than 5 s off alerts.",
            "Find the reboot's cause in the system's log; check NTP.",
        ],
    };
    let table = Table::new(Rows::By("node"))
        .every("max by (node) (up{job=\"node\",@node})")
        .join("max by (node) (up{job=\"node\",@node})")
        .label("node", NODE)
        .link(link::node_of_row())
        .value(
            words("运行时间", "Up for"),
            Unit::Seconds,
            "max by (node) (time() - node_boot_time_seconds{@node})",
        )
        .value(
            words("时钟偏差", "Clock off by"),
            Unit::Seconds,
            "max by (node) (abs(node_time_seconds{@node} - timestamp(node_time_seconds)))",
        )
        .join("max by (node, version) (gpu_driver_info{@node})")
        .label("version", words("驱动", "Driver"))
        .join("max by (node, cuda_version) (gpu_driver_info{@node})")
        .label("cuda_version", words("CUDA", "CUDA"))
        .join("max by (node, release) (node_uname_info{@node})")
        .label("release", words("内核", "Kernel"))
        .value(
            words("最热部件", "Hottest part"),
            Unit::Celsius,
            "max by (node) (node_hwmon_temp_celsius{@node})",
        )
        .value(
            words("OOM 次数 (1h)", "OOM kills (1h)"),
            Unit::Count,
            "max by (node) (ceil(increase(node_vmstat_oom_kill{@node}[1h])))",
        )
        .smallest_first(NODE);
    Panel::table(words("机器与版本", "Machines and versions"), table, note).size(24, 6)
}

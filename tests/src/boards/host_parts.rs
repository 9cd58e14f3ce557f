//! What a machine's kernel runs out of, and its parts: memory, disks, InfiniBand, temperatures, clock.

use super::board::{self, Board, Section};
use super::limit::Limit;
use super::link;
use super::meanings::{firing, unseen};
use super::panel::Panel;
use super::unit::Unit;
use super::words::{Note, words};

/// The board.
pub(crate) fn board() -> Board {
    Board {
        uid: link::HOST_PARTS,
        title: words("主机部件", "Parts of machines"),
        about: words(
            "主机的内核表、时钟、内存、磁盘、InfiniBand 和温度。没有某个部件的机器没有该项数据。",
            "Kernel tables, clock, memory, disks, InfiniBand and temperatures of machines. A machine without a part shows nothing of it.",
        ),
        since: "now-24h",
        variables: vec![board::NODE],
        sections: vec![
            Section::first(vec![firing(), unseen()]),
            Section::of(words("内核", "Kernel"), vec![tables(), clock()]),
            Section::of(words("部件", "Parts"), vec![faults(), infiniband(), heat()]),
        ],
    }
}

fn tables() -> Panel {
    let note = Note {
        zh: [
            "低于虚线。没有连接跟踪的机器没有该项。",
            "连接跟踪表满：新连接被丢弃；文件描述符用完：什么都打不开。",
            "看是哪些连接、哪个进程，再调大上限。",
        ],
        en: [
            "Below the dashed lines. A machine without connection tracking has no such line.",
            "Connections full: new ones are dropped. Descriptors gone: nothing can be opened.",
            "See which connections or which process, then raise the limit.",
        ],
    };
    Panel::series(words("内核表使用率", "Kernel tables used"), Unit::Ratio, note)
        .ask(
            "node_nf_conntrack_entries{@node} / node_nf_conntrack_entries_limit",
            "{{node}} 连接跟踪 connections",
        )
        .ask("node_filefd_allocated{@node} / node_filefd_maximum", "{{node}} 文件描述符 descriptors")
        .limit(Limit::warning("HostConntrackNearlyFull", "node_nf_conntrack_entries"))
        .limit(Limit::warning("HostFileDescriptorsNearlyGone", "node_filefd_allocated"))
        .up_to(1)
        .link(link::node())
}

fn clock() -> Panel {
    let note = Note {
        zh: ["接近 0。", "超过 0.05 秒且不缩小持续 10 分钟告警；没有同步也告警。", "看 chrony 的时间源。"],
        en: [
            "Near 0.",
            "More than 0.05 s that do not shrink for ten minutes alert, and so does a clock that nobody corrects.",
            "See chrony's sources.",
        ],
    };
    Panel::series(words("与时间源的偏差", "Clock: off its source"), Unit::Seconds, note)
        .ask("node_timex_offset_seconds{@node}", "{{node}}")
        .limit(Limit::warning("HostClockDrifting", "node_timex_offset_seconds"))
        .both_ways()
        .link(link::node())
}

fn heat() -> Panel {
    let note = Note {
        zh: [
            "远低于各部件自己的临界温度。",
            "距临界温度不到 5 °C 持续 5 分钟告警。",
            "查风扇、进风温度和积灰。",
        ],
        en: [
            "Well below each part's own critical temperature.",
            "Within 5 °C of it for five minutes alerts.",
            "Check fans, inlet temperature and dust.",
        ],
    };
    Panel::series(words("部件最高温度", "Hottest sensor of each part"), Unit::Celsius, note)
        .ask("max by (node, chip) (node_hwmon_temp_celsius{@node})", "{{node}} {{chip}}")
        .link(link::node())
}

fn infiniband() -> Panel {
    let note = Note {
        zh: [
            "各端口速率相同、不变。没有 InfiniBand 的机器没有数据。",
            "下降：线缆或端口有问题，集合通信随之变慢；断开：跨机任务会卡住。",
            "重新插拔或更换线缆；看交换机端口。",
        ],
        en: [
            "The same for all ports, and constant. Machines without InfiniBand show nothing.",
            "Lower: cable or port, and collectives become slower with it. Down: work across machines hangs.",
            "Reseat or replace the cable; look at the switch's port.",
        ],
    };
    Panel::series(words("InfiniBand 速率", "InfiniBand rate"), Unit::BytesPerSecond, note)
        .ask("node_infiniband_rate_bytes_per_second{@node}", "{{node}} {{device}}/{{port}}")
        .link(link::node())
}

fn faults() -> Panel {
    let note = Note {
        zh: [
            "全部为 0。",
            "大于 0：内存、RAID 或 NVMe 有故障，各有告警。",
            "按告警的处理手册：多半需要换件。",
        ],
        en: [
            "All 0.",
            "Above 0: memory, RAID or NVMe has failed; each has its alert.",
            "Follow the alert's runbook: most likely a part is to be replaced.",
        ],
    };
    Panel::series(words("部件故障", "Faults of parts"), Unit::Count, note)
        .ask(
            "sum by (node) (last_over_time(node_edac_uncorrectable_errors_total{@node}[5m]))",
            "{{node}} 内存不可纠正 memory uncorrectable",
        )
        .ask(
            "sum by (node) (increase(node_edac_correctable_errors_total{@node}[$__rate_interval]))",
            "{{node}} 内存已纠正 memory corrected",
        )
        .ask(
            "sum by (node, device) (node_md_disks{state=\"failed\",@node})",
            "{{node}} {{device}} RAID 失效盘 failed disks",
        )
        .ask("count by (node, device) (node_nvme_info{state!=\"live\",@node})", "{{node}} {{device}} NVMe")
        .link(link::node())
}

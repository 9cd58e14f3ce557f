//! What of a GPU's memory is used, and by whom.

use crate::boards::colour::Colour;
use crate::boards::panel::Panel;
use crate::boards::query::ask;
use crate::boards::unit::Unit;
use crate::boards::words::{Note, words};

pub(super) fn panels() -> Vec<Panel> {
    vec![parts(), threshold(), holders()]
}

fn parts() -> Panel {
    let note = Note {
        zh: [
            "引擎启动后“已用”基本不变；“保留”是驱动自己的。",
            "“已用”持续上涨：泄漏；60 秒最大远高于已用：有短暂的尖峰。",
            "看右侧是谁在涨。",
        ],
        en: [
            "Used hardly changes once an engine runs; reserved is the driver's own.",
            "Used keeps rising: a leak. The most of 60 s far above it: short peaks.",
            "See beside who grows.",
        ],
    };
    Panel::series(words("显存组成", "Parts of memory"), Unit::Bytes, note)
        .ask("gpu_memory_used_bytes{@gpu}", "已用 used")
        .ask("gpu_memory_reserved_bytes{@gpu}", "保留 reserved")
        .ask("gpu_memory_free_bytes{@gpu}", "剩余 free")
        .query(ask("gpu_memory_used_max_bytes{@gpu}", "60 秒最大 most in 60 s").limit(Colour::Plain))
        .stacked()
}

fn threshold() -> Panel {
    let note = Note {
        zh: [
            "虚线（当前时段的告警阈值）以下；预占显存的引擎例外。",
            "没有引擎的卡高于虚线 5 分钟告警。",
            "看是谁占用；确实需要时给这张卡单独的阈值。",
        ],
        en: [
            "Below the dashed threshold of this hour, but for engines that reserve memory.",
            "Above it for five minutes alerts, on a card without an engine.",
            "See who holds it; if the work needs it, give the card its own threshold.",
        ],
    };
    Panel::series(words("显存使用率与阈值", "Memory used and its threshold"), Unit::Ratio, note)
        .ask("gpu:memory_used:ratio{@gpu}", "已用 used")
        .query(ask("gpu:memory_threshold:ratio{@gpu}", "阈值 threshold").limit(Colour::Bad))
        .up_to(1)
}

fn holders() -> Panel {
    let note = Note {
        zh: [
            "只有这张卡的服务。",
            "出现不认识的容器；进程已结束显存却没有归还。",
            "看“进程与容器”；停掉不该在这里的。",
        ],
        en: [
            "Only the service that the card is for.",
            "A container you do not know; memory of what has ended.",
            "See processes and containers; stop what does not belong here.",
        ],
    };
    Panel::series(words("各容器的显存", "Memory by container"), Unit::Bytes, note)
        .ask("sum by (container, kind) (gpu_container_memory_used_bytes{@gpu})", "{{container}} {{kind}}")
        .stacked()
}

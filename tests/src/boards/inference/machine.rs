//! What the engines' machines have left.

use crate::boards::limit::Limit;
use crate::boards::link;
use crate::boards::panel::Panel;
use crate::boards::unit::Unit;
use crate::boards::words::{Note, words};

pub(super) fn panels() -> Vec<Panel> {
    vec![busy(), memory_left(), full_in(), cpu(), memory()]
}

fn busy() -> Panel {
    let note = Note {
        zh: [
            "随请求起伏。",
            "100% 而没有生成：卡在内核或通信里；接近 0 而有请求：引擎不在算。",
            "看引擎状态；取每秒记录。",
        ],
        en: [
            "Follows the requests.",
            "100 % without tokens: stuck in a kernel or a collective. Near 0 with requests: it does not compute.",
            "See its state; take the recording at 1 Hz.",
        ],
    };
    Panel::series(words("GPU 忙碌", "GPU busy"), Unit::Ratio, note)
        .ask("rate(gpu_busy_seconds_total{@node}[$__rate_interval])", "{{node}} GPU {{gpu}}")
        .up_to(1)
        .link(link::gpu())
}

fn memory_left() -> Panel {
    let note = Note {
        zh: [
            "引擎启动后基本不变，高于虚线。",
            "低于虚线 5 分钟告警；持续下降：泄漏。",
            "看是否有别的进程；安排低峰重启。",
        ],
        en: [
            "Hardly changes once the engine runs, above the dashed line.",
            "Below it for five minutes alerts; a steady fall is a leak.",
            "Look for another process; restart at a quiet hour.",
        ],
    };
    Panel::series(words("剩余显存", "GPU memory left"), Unit::Bytes, note)
        .ask("gpu_memory_free_bytes{@node}", "{{node}} GPU {{gpu}}")
        .limit(Limit::critical("GpuMemoryHeadroomLow", "gpu_memory_free_bytes"))
        .link(link::gpu())
}

fn full_in() -> Panel {
    let note = Note {
        zh: [
            "空白：没有在稳定上涨；加载模型不算。",
            "出现一条线：照现在的速度，这么久之后显存用满。",
            "看“进程与容器”中是谁在涨；限流或安排重启。",
        ],
        en: [
            "Empty: nothing rises steadily; loading a model is no rise.",
            "A line: at the present pace the memory is full after that long.",
            "See who grows among the processes; shed load or plan a restart.",
        ],
    };
    Panel::series(words("显存多久后用满", "GPU memory full in"), Unit::Seconds, note)
        .ask("gpu_memory_time_to_full_seconds{@node}", "{{node}} GPU {{gpu}}")
        .limit(Limit::warning("GpuMemoryForecast", "gpu_memory_time_to_full_seconds"))
        .limit(Limit::critical("GpuMemoryForecast", "gpu_memory_time_to_full_seconds"))
        .link(link::gpu())
}

fn cpu() -> Panel {
    let note = Note {
        zh: [
            "低于虚线。",
            "高于虚线：图像预处理和分词变慢，首字延迟上升，GPU 却不忙。",
            "增加 CPU 或前端进程。",
        ],
        en: [
            "Below the dashed line.",
            "Above it: image work and tokenizing slow down, first tokens come late while the GPU idles.",
            "Give more cores or front-end processes.",
        ],
    };
    Panel::series(words("CPU 忙碌", "CPU busy"), Unit::Ratio, note)
        .ask("node:cpu_busy:ratio_rate5m{@node}", "{{node}}")
        .limit(Limit::info("HostCpuHigh", "node:cpu_busy:ratio_rate5m"))
        .up_to(1)
        .link(link::node())
}

fn memory() -> Panel {
    let note = Note {
        zh: [
            "低于虚线。",
            "持续上涨：多模态缓存或前端泄漏；用满后内核会杀掉引擎。",
            "减小 mm_processor_cache_gb；安排重启。",
        ],
        en: [
            "Below the dashed line.",
            "A steady rise: multimodal cache or a leak of the front end; when it is full the kernel kills the engine.",
            "Lower mm_processor_cache_gb; plan a restart.",
        ],
    };
    Panel::series(words("主机内存", "Host memory"), Unit::Ratio, note)
        .ask("node:memory_used:ratio{@node}", "{{node}}")
        .limit(Limit::warning("HostMemoryHigh", "node:memory_used:ratio"))
        .up_to(1)
        .link(link::node())
}

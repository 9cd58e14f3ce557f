//! Who uses the GPUs: containers, processes, inference engines.

use super::board::{self, Board, Section};
use super::colour::{Colour, Meaning, meaning};
use super::link;
use super::meanings::{GPU, NODE};
use super::panel::{Panel, WHOLE};
use super::table::{Rows, Table};
use super::unit::Unit;
use super::words::{Note, Words, words};

/// `gpu_engine_state`, of the state that an engine is in.
const ENGINE_STATES: [Meaning; 4] = [
    meaning(1, words("启动中", "starting"), Colour::Warning),
    meaning(2, words("运行", "running"), Colour::Good),
    meaning(3, words("不完整", "broken"), Colour::Bad),
    meaning(4, words("孤儿", "orphaned"), Colour::Bad),
];
const CONTAINER: Words = words("容器", "Container");

/// The board.
pub(crate) fn board() -> Board {
    Board {
        uid: link::PROCESSES,
        title: words("进程与容器", "Processes and containers"),
        about: words(
            "谁在用 GPU：容器、systemd 单元、进程、推理引擎；显存、时间和能耗各归谁。",
            "Who uses the GPUs: containers, units, processes, inference engines, with their memory, time and energy.",
        ),
        since: "now-3h",
        variables: vec![board::NODE, board::GPU],
        sections: vec![
            Section::first(vec![running(), owners(), engines_down(), unowned(), dropped()]),
            Section::of(words("推理引擎", "Inference engines"), vec![engines(), engine_states()]),
            Section::of(
                words("容器和单元", "Containers and units"),
                vec![containers(), memory(), kernels(), power()],
            ),
            Section::of(words("增长与进程", "Growth and processes"), vec![growth(), processes()]),
        ],
    }
}

fn running() -> Panel {
    let note = Note {
        zh: ["等于引擎的工作进程数。", "突然变少：工作进程退出；变多：有别的任务。", "看下方的引擎和容器。"],
        en: [
            "As many as the engines have workers.",
            "Fewer: a worker has ended; more: other work has come.",
            "See engines and containers below.",
        ],
    };
    Panel::stat(words("GPU 上的进程", "Processes on GPUs"), Unit::Count, note)
        .ask("sum(gpu_processes{@gpu})", "")
}

fn owners() -> Panel {
    let note = Note {
        zh: ["等于计划运行的服务数。", "多出来的：有人在这里跑别的任务。", "看下方容器表。"],
        en: [
            "As many as the services that are meant to run.",
            "More: somebody runs something else here.",
            "See the containers below.",
        ],
    };
    Panel::stat(words("使用 GPU 的容器和单元", "Containers and units on GPUs"), Unit::Count, note)
        .size(5, 4)
        .ask("count(count by (node, container, kind) (gpu_container_processes{@gpu}))", "")
        .nothing(words("没有进程", "no process"))
}

fn engines_down() -> Panel {
    let note = Note {
        zh: [
            "两个数都是 0。",
            "不完整：引擎缺了进程；孤儿：服务进程已结束，显存还被占着。",
            "孤儿：结束剩下的进程；不完整：重启引擎。",
        ],
        en: [
            "Both are 0.",
            "Broken: an engine lacks a process. Orphaned: its server has ended and memory is still held.",
            "Orphaned: end what is left. Broken: restart the engine.",
        ],
    };
    Panel::stat(words("不完整 · 孤儿引擎", "Engines broken · orphaned"), Unit::Count, note)
        .size(5, 4)
        .ask("sum(gpu_engine_state{state=\"broken\",@node}) or vector(0)", "不完整 broken")
        .ask("sum(gpu_engine_state{state=\"orphaned\",@node}) or vector(0)", "孤儿 orphaned")
        .bad_from(1)
}

fn unowned() -> Panel {
    let note = Note {
        zh: [
            "接近 0。",
            "很大：占用者在 /proc 中看不到（别的 PID 命名空间），或已经结束。",
            "在宿主机上运行导出器（pid: host）；仍看不到的用 nvidia-smi 查。",
        ],
        en: [
            "Near 0.",
            "Large: whoever holds it cannot be seen in /proc (another PID namespace), or has ended.",
            "Run the exporter in the host's PID namespace; ask nvidia-smi about the rest.",
        ],
    };
    Panel::stat(words("占用者不明的显存", "Memory of unknown owners"), Unit::Bytes, note)
        .size(5, 4)
        .ask("sum(gpu_container_memory_used_bytes{kind=\"unknown\",@gpu}) or vector(0)", "")
}

fn dropped() -> Panel {
    let note = Note {
        zh: [
            "0。",
            "大于 0：超过了每类 1000 条的上限，占用显存少的没有显示。",
            "查是什么在创建大量容器或进程。",
        ],
        en: [
            "It stays at 0.",
            "Above 0: more than 1,000 of a kind; those with the least memory are not shown.",
            "Find what starts so many containers or processes.",
        ],
    };
    Panel::stat(words("未显示的序列", "Series left out"), Unit::Count, note)
        .size(5, 4)
        .ask("sum(increase(gpu_dropped_series_total{@node}[$__range]))", "")
        .bad_from(1)
}

fn engines() -> Panel {
    let note = Note {
        zh: [
            "状态为运行，进程数等于应有的数量。",
            "启动中超过平时的时间；不完整；孤儿。",
            "启动慢：看磁盘读和日志；孤儿：结束剩下的进程。",
        ],
        en: [
            "Running, with as many workers as it should have.",
            "Starting for longer than usual; broken; orphaned.",
            "Slow start: see disk reads and its log. Orphaned: end what is left.",
        ],
    };
    let state = "sum by (node, engine, pid, container) (gpu_engine_state{state=\"starting\",@node} * 1 or gpu_engine_state{state=\"running\",@node} * 2 or gpu_engine_state{state=\"broken\",@node} * 3 or gpu_engine_state{state=\"orphaned\",@node} * 4)";
    let table = Table::new(Rows::Labels)
        .meanings(words("状态", "State"), state, &ENGINE_STATES)
        .label("node", NODE)
        .link(link::node_of_row())
        .label("engine", words("引擎", "Engine"))
        .label("pid", words("主进程", "First process"))
        .label("container", CONTAINER)
        .value(
            words("进入此状态", "In this state since"),
            Unit::Ago,
            "max by (node, engine, pid, container) (gpu_engine_state_since_timestamp_seconds{@node}) * 1000",
        )
        .value(
            words("进程", "Processes"),
            Unit::Count,
            "sum by (node, engine, pid, container) (gpu_engine_processes{@node})",
        )
        .largest_first(words("状态", "State"));
    Panel::table(words("引擎（从进程看）", "Engines, by their processes"), table, note).size(12, 7)
}

fn engine_states() -> Panel {
    let note = Note {
        zh: [
            "一条连续的绿色。",
            "反复出现启动中：引擎在不断重启；红色：不完整或孤儿。",
            "看引擎日志的最后几行和 XID。",
        ],
        en: [
            "One line of green.",
            "Starting again and again: it keeps restarting. Red: broken or orphaned.",
            "Read the last lines of its log, and look for XIDs.",
        ],
    };
    Panel::states(words("引擎状态时间线", "Engine states over time"), &ENGINE_STATES, note)
        .size(12, 7)
        .ask(
            "sum by (node, engine, container) (gpu_engine_state{state=\"starting\",@node} * 1 or gpu_engine_state{state=\"running\",@node} * 2 or gpu_engine_state{state=\"broken\",@node} * 3 or gpu_engine_state{state=\"orphaned\",@node} * 4)",
            "{{node}} {{engine}} {{container}}",
        )
}

fn containers() -> Panel {
    let note = Note {
        zh: [
            "只有计划运行的服务。",
            "不认识的容器；占着显存却长时间没有算。",
            "停掉不该在这里的；空占的考虑回收。",
        ],
        en: [
            "Only what is meant to run.",
            "One you do not know; memory held without any work for long.",
            "Stop what does not belong here; take back what is idle.",
        ],
    };
    let memory = words("显存", "Memory");
    let by = "node, gpu, container, kind";
    let table = Table::new(Rows::Labels)
        .label("node", NODE)
        .link(link::node_of_row())
        .label("gpu", GPU)
        .link(link::gpu_of_row())
        .label("container", CONTAINER)
        .label("kind", words("类型", "Kind"))
        .value(memory, Unit::Bytes, &format!("sum by ({by}) (gpu_container_memory_used_bytes{{@gpu}})"))
        .value(
            words("进程", "Processes"),
            Unit::Count,
            &format!("sum by ({by}) (gpu_container_processes{{@gpu}})"),
        )
        .bar(
            words("内核时间", "Kernel time"),
            &format!("sum by ({by}) (rate(gpu_container_sm_seconds_total{{@gpu}}[$__rate_interval]))"),
        )
        .value(
            words("能耗（所选时间）", "Energy in the range"),
            Unit::Joules,
            &format!("sum by ({by}) (increase(gpu_container_energy_joules_total{{@gpu}}[$__range]))"),
        )
        .largest_first(memory);
    Panel::table(words("容器和单元", "Containers and units"), table, note).size(WHOLE, 8)
}

fn memory() -> Panel {
    let note = Note {
        zh: [
            "引擎启动后是一条平线。",
            "缓慢上涨：泄漏；锯齿：缓存反复释放。",
            "对照“GPU 详情”的剩余显存，安排重启。",
        ],
        en: [
            "A flat line once the engine runs.",
            "A slow rise: a leak. A saw: caches come and go.",
            "Compare with the GPU's memory left; plan a restart.",
        ],
    };
    Panel::series(words("显存，按容器", "Memory, by container"), Unit::Bytes, note)
        .ask(
            "sum by (node, gpu, container) (gpu_container_memory_used_bytes{@gpu})",
            "{{node}} GPU {{gpu}} {{container}}",
        )
        .stacked()
        .link(link::gpu())
}

fn kernels() -> Panel {
    let note = Note {
        zh: ["随请求量起伏。", "同一张卡上两个容器都很高：互相拖慢。", "把它们分到不同的卡。"],
        en: [
            "Follows the requests.",
            "Two containers busy on one GPU slow each other down.",
            "Give each its own GPU.",
        ],
    };
    Panel::series(words("内核运行时间占比，按容器", "Share of kernel time, by container"), Unit::Ratio, note)
        .ask(
            "sum by (node, gpu, container) (rate(gpu_container_sm_seconds_total{@gpu}[$__rate_interval]))",
            "{{node}} GPU {{gpu}} {{container}}",
        )
        .up_to(1)
        .link(link::gpu())
}

fn power() -> Panel {
    let note = Note {
        zh: [
            "随负载起伏；按内核运行时间分摊，是估计。虚线是没有人用时的功耗。",
            "虚线长期很高：花了电没有算。",
            "合并任务，或关掉空闲的卡。",
        ],
        en: [
            "Follows the load; shared out by kernel time, an estimate. Unused is what nobody's kernels took.",
            "Much unused for long: paid for, not used.",
            "Merge work, or switch idle cards off.",
        ],
    };
    Panel::series(words("功耗，按容器", "Power, by container"), Unit::Watts, note)
        .ask(
            "sum by (node, container) (rate(gpu_container_energy_joules_total{@gpu}[$__rate_interval]))",
            "{{node}} {{container}}",
        )
        .ask(
            "sum by (node) (rate(gpu_idle_energy_joules_total{@gpu}[$__rate_interval]))",
            "{{node}} 空闲 unused",
        )
        .stacked()
        .link(link::node())
}

fn growth() -> Panel {
    let note = Note {
        zh: [
            "都接近 0。",
            "一个容器在所选时间内增加很多：模型加载，或泄漏。",
            "没有重启却增加的就是泄漏：安排重启，查引擎版本的已知问题。",
        ],
        en: [
            "All near 0.",
            "One grew much in the range: it loaded a model, or leaks.",
            "Growth without a restart is a leak: plan a restart, look for known leaks of its version.",
        ],
    };
    Panel::bars(words("显存增长（所选时间）", "Growth of memory in the range"), Unit::Bytes, note)
        .size(8, 9)
        .ask(
            "max by (node, gpu, container) (gpu_container_memory_used_bytes{@gpu} - min_over_time(gpu_container_memory_used_bytes{@gpu}[$__range]))",
            "{{node}} GPU {{gpu}} {{container}}",
        )
}

fn processes() -> Panel {
    let note = Note {
        zh: [
            "空表：导出器没有用 --gpu.processes 启动；容器表总是有。",
            "不认识的进程；同一引擎的工作进程显存相差很大。",
            "用 ps 查该 PID；停掉不该在这里的。",
        ],
        en: [
            "Empty unless the exporter runs with --gpu.processes; the containers are always there.",
            "A process you do not know; workers of one engine that hold very different amounts.",
            "Look the PID up with ps; stop what does not belong here.",
        ],
    };
    let memory = words("显存", "Memory");
    let by = "node, gpu, pid, process, container";
    let table = Table::new(Rows::Labels)
        .label("node", NODE)
        .link(link::node_of_row())
        .label("gpu", GPU)
        .link(link::gpu_of_row())
        .label("pid", words("PID", "PID"))
        .label("process", words("进程", "Process"))
        .label("container", CONTAINER)
        .value(memory, Unit::Bytes, &format!("sum by ({by}) (gpu_process_memory_used_bytes{{@gpu}})"))
        .bar(
            words("内核时间", "Kernel time"),
            &format!("sum by ({by}) (gpu_process_sm_utilization_ratio{{@gpu}})"),
        )
        .largest_first(memory);
    Panel::table(words("进程", "Processes"), table, note).size(16, 9)
}

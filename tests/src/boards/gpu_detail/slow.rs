//! What can make a GPU slow: clocks held down, heat, power, links, or nothing to do.

use crate::boards::colour::Colour;
use crate::boards::meanings::ACTIVE;
use crate::boards::panel::Panel;
use crate::boards::query::ask;
use crate::boards::unit::Unit;
use crate::boards::words::{Note, words};

pub(super) fn panels() -> Vec<Panel> {
    vec![reasons(), held(), clocks(), power(), temperature(), busy(), engines(), link(), pcie(), nvlink()]
}

fn reasons() -> Panel {
    let note = Note {
        zh: [
            "只有 sw_power_cap（满载）或 idle。",
            "hw_thermal、sw_thermal：过热；hw_power_brake：供电；hw_slowdown：两者之一。",
            "过热查散热；供电查 PSU、电缆和机柜。",
        ],
        en: [
            "Only sw_power_cap (full load) or idle.",
            "hw_thermal, sw_thermal: heat; hw_power_brake: power supply; hw_slowdown: one of the two.",
            "Heat: check cooling. Power: check PSU, cable and rack.",
        ],
    };
    Panel::states(words("降频原因", "What holds the clocks down"), &ACTIVE, note)
        .ask("gpu_throttle_active{@gpu}", "{{reason}}")
}

fn held() -> Panel {
    let note = Note {
        zh: [
            "除 idle 和 sw_power_cap 外接近 0。",
            "过热一项超过一半的时间（10 分钟）告警。",
            "同左。短于采集间隔的降频也计入。",
        ],
        en: [
            "Near 0 but for idle and sw_power_cap.",
            "Heat for more than half of ten minutes alerts.",
            "As beside. Times shorter than a scrape count, too.",
        ],
    };
    Panel::series(words("降频时间占比", "Share of time held down"), Unit::Ratio, note)
        .size(12, 8)
        .ask("rate(gpu_throttle_seconds_total{@gpu}[$__rate_interval])", "{{reason}}")
        .up_to(1)
}

fn clocks() -> Panel {
    let note = Note {
        zh: [
            "有负载时接近虚线（最高频率）。",
            "有负载却远低于虚线。",
            "看上方的原因；没有原因时看是否设置了应用频率。",
        ],
        en: [
            "Close to the dashed maximum under load.",
            "Far below it under load.",
            "See the reasons above; without one, see whether application clocks are set.",
        ],
    };
    Panel::series(words("频率与最高频率", "Clocks and their maximum"), Unit::Hertz, note)
        .ask("gpu_clock_hertz{domain=~\"sm|memory\",@gpu}", "{{domain}}")
        .query(
            ask("gpu_clock_max_hertz{domain=~\"sm|memory\",@gpu}", "{{domain}} 最高 maximum")
                .limit(Colour::Plain),
        )
}

fn power() -> Panel {
    let note = Note {
        zh: [
            "虚线（生效的上限）以下。",
            "长期贴着上限，且上限低于默认值。",
            "用 nvidia-smi -pl 恢复默认，或核对为何调低。",
        ],
        en: [
            "Below the dashed limit in force.",
            "At the limit for long, and the limit is below the default.",
            "Restore it with nvidia-smi -pl, or learn why it was lowered.",
        ],
    };
    Panel::series(words("功耗与上限", "Power and its limits"), Unit::Watts, note)
        .ask("gpu_power_watts{@gpu}", "功耗 power")
        .ask("gpu_power_max_watts{@gpu}", "60 秒最大 most in 60 s")
        .query(ask("gpu_power_limit_watts{@gpu}", "生效上限 limit").limit(Colour::Bad))
        .query(ask("gpu_power_default_limit_watts{@gpu}", "默认上限 default limit").limit(Colour::Plain))
}

fn temperature() -> Panel {
    let note = Note {
        zh: [
            "比该卡的降频温度低 5 °C 以上；显存低于自己的上限。",
            "5 °C 以内持续 5 分钟告警；显存高于其上限告警。",
            "查风扇（右轴虚线）、进风温度和相邻的卡。",
        ],
        en: [
            "More than 5 °C below the card's slowdown; memory below its own limit.",
            "Within 5 °C for five minutes alerts, and so does memory above its limit.",
            "Check fans (dashed, right axis), inlet air and neighbours.",
        ],
    };
    Panel::series(words("温度、上限与风扇", "Temperature, its limits and fans"), Unit::Celsius, note)
        .ask("gpu_temperature_celsius{@gpu}", "{{sensor}}")
        .query(
            ask(
                "gpu_temperature_limit_celsius{limit=~\"slowdown|memory_max\",@gpu} > 0",
                "上限 limit {{limit}}",
            )
            .limit(Colour::Bad),
        )
        .query(ask("gpu_fan_speed_ratio{@gpu}", "风扇 fan {{fan}}").aside(Unit::Ratio))
}

fn busy() -> Panel {
    let note = Note {
        zh: [
            "“有内核”高时 SM 和张量也随之升高（Hopper 起有后两项）。",
            "“有内核”接近 100% 而 SM 很低：在等通信或很小的内核；显存带宽高：受带宽限制。",
            "看 NVLink 和 PCIe；增大批次。",
        ],
        en: [
            "SM and tensor follow busy (both from Hopper on).",
            "Busy near 100 % with little SM: it waits for links, or runs tiny kernels. Much DRAM: memory bandwidth is the limit.",
            "See NVLink and PCIe; use larger batches.",
        ],
    };
    Panel::series(words("忙碌的部分", "What is busy"), Unit::Ratio, note)
        .ask("rate(gpu_busy_seconds_total{@gpu}[$__rate_interval])", "有内核 a kernel runs")
        .ask("gpu_sm_active_ratio{@gpu}", "SM")
        .ask("gpu_tensor_active_ratio{@gpu}", "张量 tensor")
        .ask("gpu_dram_active_ratio{@gpu}", "显存带宽 DRAM")
        .ask("gpu_memory_controller_busy_ratio{@gpu}", "显存控制器 memory controller")
        .up_to(1)
}

fn engines() -> Panel {
    let note = Note {
        zh: [
            "文本推理时为 0；处理视频时解码器忙。",
            "解码器或 JPEG 接近 100%：图像、视频输入是瓶颈。",
            "在 CPU 上解码一部分，或分散到多张卡。",
        ],
        en: [
            "0 for text; the decoder works for video.",
            "Decoder or JPEG near 100 %: image or video input is the bottleneck.",
            "Decode some on the CPU, or spread it over cards.",
        ],
    };
    Panel::series(words("编解码单元", "Encoder and decoder"), Unit::Ratio, note)
        .ask("gpu_encoder_utilization_ratio{@gpu}", "编码 encoder")
        .ask("gpu_decoder_utilization_ratio{@gpu}", "解码 decoder")
        .ask("gpu_jpeg_utilization_ratio{@gpu}", "JPEG")
        .ask("gpu_ofa_utilization_ratio{@gpu}", "光流 OFA")
        .up_to(1)
}

fn link() -> Panel {
    let note = Note {
        zh: [
            "有负载时等于虚线（双方支持的最高值）；空闲时代数降低属正常。",
            "有负载仍低于虚线 10 分钟告警；每分钟重传超过限度告警。",
            "重新插拔；查转接卡、背板和 BIOS。",
        ],
        en: [
            "At the dashed best under load; the generation falls when idle.",
            "Below it under load for ten minutes alerts, and so do too many replays a minute.",
            "Reseat the card; check riser, backplane and BIOS.",
        ],
    };
    Panel::series(words("PCIe 链路与重传", "PCIe link and replays"), Unit::Count, note)
        .ask("gpu_pcie_link_width{@gpu}", "宽度 width")
        .ask("gpu_pcie_link_generation{@gpu}", "代 generation")
        .query(ask("gpu_pcie_link_max_width{@gpu}", "最高宽度 best width").limit(Colour::Plain))
        .query(ask("gpu_pcie_link_max_generation{@gpu}", "最高代 best generation").limit(Colour::Plain))
        .query(
            ask("rate(gpu_pcie_replays_total{@gpu}[$__rate_interval]) * 60", "重传 replays")
                .aside(Unit::PerMinute),
        )
}

fn pcie() -> Panel {
    let note = Note {
        zh: [
            "向上发送，向下接收；加载模型时接收偏高。",
            "持续很高：张量并行在走 PCIe 而不是 NVLink。",
            "核对 NVLink 是否可用、拓扑是否正确。",
        ],
        en: [
            "Up: sent; down: received, high while a model is loaded.",
            "High for long: tensor parallelism goes over PCIe instead of NVLink.",
            "Check that NVLink is up, and the topology.",
        ],
    };
    Panel::series(words("PCIe 流量", "PCIe traffic"), Unit::BytesPerSecond, note)
        .ask("rate(gpu_pcie_transmit_bytes_total{@gpu}[$__rate_interval])", "发送 sent")
        .query(ask("rate(gpu_pcie_receive_bytes_total{@gpu}[$__rate_interval])", "接收 received").below())
        .both_ways()
}

fn nvlink() -> Panel {
    let note = Note {
        zh: [
            "多卡推理时各链路流量相近；没有 NVLink 的卡为空白。虚线为断开的链路数（右轴），应为 0。",
            "断开的链路大于 0，或一条链路没有流量。",
            "看 XID 74；重新插拔桥接器，查 NVSwitch。",
        ],
        en: [
            "Links carry about the same with several cards; empty without NVLink. Dashed: links that are down (right axis), 0.",
            "Links are down, or one carries nothing.",
            "Look for XID 74; reseat the bridge, check NVSwitch.",
        ],
    };
    Panel::series(words("NVLink 流量与断开", "NVLink traffic and links down"), Unit::BytesPerSecond, note)
        .ask("sum(rate(gpu_nvlink_transmit_bytes_total{@gpu}[$__rate_interval]))", "发送 sent")
        .query(
            ask("sum(rate(gpu_nvlink_receive_bytes_total{@gpu}[$__rate_interval]))", "接收 received").below(),
        )
        .query(ask("count(gpu_nvlink_up{@gpu}) - sum(gpu_nvlink_up{@gpu})", "断开 down").aside(Unit::Count))
        .both_ways()
}

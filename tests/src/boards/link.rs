//! Where a click leads.

use super::words::{Words, words};

/// The board of one or several machines; links in messages lead to it.
pub(crate) const GPU_NODE: &str = "gpu-node";
/// The board of one GPU.
pub(crate) const GPU_DETAIL: &str = "gpu-detail";
/// The board of all GPUs.
pub(crate) const FLEET: &str = "gpu-fleet";

/// Who uses the GPUs.
pub(crate) const PROCESSES: &str = "gpu-processes";

/// What machines' kernels run out of, and their parts.
pub(crate) const HOST_PARTS: &str = "host-parts";

/// What fires and who was told.
pub(crate) const ALERTS: &str = "alerts";

/// What the inference engines do; links in messages lead to it.
pub(crate) const INFERENCE: &str = "inference";

/// How full everything is, against last week.
pub(crate) const CAPACITY: &str = "capacity";

/// A link of a series, a table's cell or a panel.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) title: Words,
    pub(crate) url: String,
}

const NODE_TITLE: Words = words("只看这台机器", "This machine only");
const GPU_TITLE: Words = words("这张卡的详情", "This GPU in detail");

/// From a series with the label `node` to its machine.
pub(crate) fn node() -> Link {
    Link { title: NODE_TITLE, url: on_board(GPU_NODE, "var-node=${__field.labels.node}") }
}

/// From a series with the labels `node` and `gpu` to its GPU.
pub(crate) fn gpu() -> Link {
    let url = on_board(GPU_DETAIL, "var-node=${__field.labels.node}&var-gpu=${__field.labels.gpu}");
    Link { title: GPU_TITLE, url }
}

/// From a table's cell to the machine that its row is about.
pub(crate) fn node_of_row() -> Link {
    Link { title: NODE_TITLE, url: on_board(GPU_NODE, "var-node=${__data.fields.node}") }
}

/// From a table's cell to the GPU that its row is about.
pub(crate) fn gpu_of_row() -> Link {
    let url = on_board(GPU_DETAIL, "var-node=${__data.fields.node}&var-gpu=${__data.fields.gpu}");
    Link { title: GPU_TITLE, url }
}

/// What the exporter recorded of the chosen GPU in the range shown; it keeps ten minutes, and what was there when something happened.
pub(crate) fn recorder() -> Link {
    let query = "gpu=${gpu}&since=${__from:date:seconds}&until=${__to:date:seconds}";
    Link {
        title: words("每秒记录（导出器）", "Recording at 1 Hz (exporter)"),
        url: format!("http://${{instance}}/api/v1/recorder?{query}"),
    }
}

fn on_board(uid: &str, values: &str) -> String {
    format!("/d/{uid}?{values}&${{__url_time_range}}")
}

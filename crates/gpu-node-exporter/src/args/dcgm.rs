//! The second face: `--dcgm.*`.

use http_serve::ListenAddress;

use crate::flags::{Flag, Flags};
use crate::gpu::{DcgmSettings, GpuSettings, Names};

static LISTEN_ADDRESS: Flag = Flag::values(
    "dcgm.listen-address",
    "ADDRESS",
    "",
    "Where to serve the GPUs under dcgm-exporter's names, like :9400; may be given several times. Empty is nowhere",
);
static NAMES: Flag = Flag::value(
    "dcgm.names",
    "GENERATION",
    "classic",
    "Which names: classic (dcgm-exporter up to 4.5.3-4.8.2) or 4.9",
);
static COUNTERS_FILE: Flag = Flag::value(
    "dcgm.counters-file",
    "FILE",
    "",
    "Which series there are, in the format of dcgm-exporter's CSV [default: its default set]",
);
static OLD_NAMESPACE: Flag = Flag::switch(
    "dcgm.use-old-namespace",
    false,
    "Write labels as dcgm-exporter's -o does: `uuid` for `UUID`",
);

static VIRTUAL_GPUS: Flag = Flag::switch(
    "dcgm.kubernetes-virtual-gpus",
    false,
    "With --gpu.pods, write the series of a shared GPU for each container that has a part of it, as dcgm-exporter's flag does",
);

pub(super) static FLAGS: [&Flag; 5] =
    [&LISTEN_ADDRESS, &NAMES, &COUNTERS_FILE, &OLD_NAMESPACE, &VIRTUAL_GPUS];

/// Where the second face is served, and how.
#[derive(Debug)]
pub(crate) struct DcgmListener {
    /// At least one address.
    pub(crate) listen: Vec<ListenAddress>,
    pub(crate) settings: DcgmSettings,
}

/// As the flags say, `None` when it is served nowhere; mistakes and warnings are added to `flags`.
pub(super) fn listener(flags: &mut Flags, gpu: Option<&GpuSettings>) -> Option<DcgmListener> {
    let mut listen = Vec::new();
    for text in flags.values(&LISTEN_ADDRESS).iter().filter(|text| !text.is_empty()) {
        match text.parse() {
            Ok(address) => listen.push(address),
            Err(error) => flags.mistakes.push(format!("--dcgm.listen-address: {error}")),
        }
    }
    if listen.is_empty() {
        for flag in [&NAMES, &COUNTERS_FILE, &OLD_NAMESPACE, &VIRTUAL_GPUS] {
            if flags.is_written(flag) {
                flags.warnings.push(format!("--{} has no effect without --dcgm.listen-address", flag.name));
            }
        }
        return None;
    }
    let Some(gpu) = gpu else {
        flags.mistakes.push(
            "`--dcgm.listen-address` and `--no-collector.gpu` exclude each other (hint: write one of them)"
                .to_owned(),
        );
        return None;
    };
    let settings = DcgmSettings {
        names: flags.choice(&NAMES, &Names::WORDS),
        counters_file: flags.path_if_any(&COUNTERS_FILE),
        old_labels: flags.is_on(&OLD_NAMESPACE),
        profile: gpu.profile,
        each_container: flags.is_on(&VIRTUAL_GPUS),
    };
    if settings.each_container && gpu.pods.is_none() {
        flags.warnings.push("--dcgm.kubernetes-virtual-gpus has no effect without --gpu.pods".to_owned());
    }
    Some(DcgmListener { listen, settings })
}

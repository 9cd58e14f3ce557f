//! What the parts of a GPU did, by its performance counters (GPM): Hopper and later. `gpu_gpm_supported` tells a card without them
//! from one that is idle.
//!
//! Shares are of cycles, not of time, so that they lean to the time with the higher clock. One profiler at a time can have these
//! counters: beside DCGM or Nsight they may fail.

mod cycles;
mod sampler;

use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::nvml::{Ask, Cached, driver_branch, flag, raw};
use crate::gpu::subject::{Said, Shown, Subject, each, each_by};
use crate::units::{BytesPerSecond, Ratio};

use self::cycles::Cycles;
pub(super) use self::sampler::{Metric, Sampler, Source};

readings! {
    /// What one GPU did since the reading before.
    struct Gpm {
        supported: bool,
        graphics: Ratio,
        sm: Ratio,
        occupancy: Ratio,
        integer: Ratio,
        tensor: Ratio,
        dfma: Ratio,
        hmma: Ratio,
        dmma: Ratio,
        imma: Ratio,
        dram: Ratio,
        fp64: Ratio,
        fp32: Ratio,
        fp16: Ratio,
        pcie_transmitted: BytesPerSecond,
        pcie_received: BytesPerSecond,
        nvlink_transmitted: BytesPerSecond,
        nvlink_received: BytesPerSecond,
        /// By their numbers; what is not there is unknown.
        decoders: Vec<Option<Ratio>>,
        jpeg_decoders: Vec<Option<Ratio>>,
        optical_flow: Vec<Option<Ratio>>,
        encoders: Vec<Option<Ratio>>,
        cycles: Cycles,
    }
}

/// Shares of what the SMs and the memory could do, in the order in which they are taken.
pub(super) const SHARES: [Metric; 13] = [
    Metric { name: "graphics activity", id: Some(1) },
    Metric { name: "SM activity", id: Some(2) },
    Metric { name: "SM occupancy", id: Some(3) },
    Metric { name: "integer activity", id: Some(4) },
    Metric { name: "tensor activity", id: Some(5) },
    Metric { name: "tensor activity (DFMA)", id: Some(6) },
    Metric { name: "tensor activity (HMMA)", id: Some(7) },
    Metric { name: "tensor activity (DMMA)", id: Some(8) },
    Metric { name: "tensor activity (IMMA)", id: Some(9) },
    Metric { name: "DRAM activity", id: Some(10) },
    Metric { name: "FP64 activity", id: Some(11) },
    Metric { name: "FP32 activity", id: Some(12) },
    Metric { name: "FP16 activity", id: Some(13) },
];

/// Traffic: over PCIe sent and received, over all links of NVLink sent and received.
const TRAFFIC: [Metric; 4] = [
    Metric { name: "PCIe traffic sent", id: Some(20) },
    Metric { name: "PCIe traffic received", id: Some(21) },
    Metric { name: "NVLink traffic sent", id: Some(61) },
    Metric { name: "NVLink traffic received", id: Some(60) },
];

/// Engines of one kind: the number of the first, and their names.
type Engines<const N: usize> = (u32, [&'static str; N]);

/// The driver branches that have metrics first which are younger than GPM: the second optical flow engine and the encoders.
const SECOND_OPTICAL_FLOW_SINCE: u32 = 560;
const ENCODERS_SINCE: u32 = 575;

const DECODERS: Engines<8> = (
    30,
    ["decoder 0", "decoder 1", "decoder 2", "decoder 3", "decoder 4", "decoder 5", "decoder 6", "decoder 7"],
);
const JPEG_DECODERS: Engines<8> = (
    40,
    [
        "JPEG decoder 0",
        "JPEG decoder 1",
        "JPEG decoder 2",
        "JPEG decoder 3",
        "JPEG decoder 4",
        "JPEG decoder 5",
        "JPEG decoder 6",
        "JPEG decoder 7",
    ],
);
const OPTICAL_FLOW: Engines<2> = (50, ["optical flow engine 0", "optical flow engine 1"]);
const ENCODERS: Engines<4> = (166, ["encoder 0", "encoder 1", "encoder 2", "encoder 3"]);

/// What the probe keeps of one GPU.
#[derive(Default)]
pub(crate) struct Kept {
    is_supported: Cached<Option<bool>>,
    branch: Cached<Option<u32>>,
    metrics: Vec<Metric>,
    sampler: Sampler,
}

impl Subject for Gpm {
    type Kept = Kept;
    type Sums = ();

    #[expect(clippy::similar_names, reason = "the operations of tensor cores as nvml.h names them")]
    fn read(ask: &mut Ask<'_>, kept: &mut Kept) -> Self {
        let supported = kept.is_supported.once(ask, is_supported);
        // In MIG mode the counters are those of its instances.
        if supported != Some(true) || ask.is_divided() {
            return Self { supported, ..Self::default() };
        }
        let branch = kept.branch.once(ask, |ask| ask.ask("driver branch", driver_branch));
        if kept.metrics.is_empty() {
            kept.metrics = metrics(branch.unwrap_or(0));
        }
        let measured = kept.sampler.measure(ask, Source::Gpu, &kept.metrics);
        let mut measured = kept.metrics.iter().zip(measured);
        let mut shares = |count| -> Vec<Option<Ratio>> {
            let next = measured.by_ref().take(count);
            next.map(|(metric, percent)| share(ask, metric.name, percent)).collect()
        };
        let [graphics, sm, occupancy, integer, tensor, dfma, hmma, dmma, imma, dram, fp64, fp32, fp16] =
            array(&shares(SHARES.len()));
        let decoders = engines(shares(DECODERS.1.len()));
        let jpeg_decoders = engines(shares(JPEG_DECODERS.1.len()));
        let optical_flow = engines(shares(OPTICAL_FLOW.1.len()));
        let encoders = engines(shares(ENCODERS.1.len()));
        let cycles = cycles::read(ask, measured.by_ref().take(cycles::COUNT));
        let traffic: Vec<_> = measured
            .map(|(metric, mebibytes)| ask.meaning(metric.name, mebibytes?, BytesPerSecond::from_mebibytes))
            .collect();
        let [pcie_transmitted, pcie_received, nvlink_transmitted, nvlink_received] = array(&traffic);
        Self {
            supported,
            graphics,
            sm,
            occupancy,
            integer,
            tensor,
            dfma,
            hmma,
            dmma,
            imma,
            dram,
            fp64,
            fp32,
            fp16,
            pcie_transmitted,
            pcie_received,
            nvlink_transmitted,
            nvlink_received,
            decoders,
            jpeg_decoders,
            optical_flow,
            encoders,
            cycles,
        }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let share = |name: &'static str, help: &'static str, of: fn(&Self) -> Option<Ratio>| {
            each(Family::gauge(name, help), gpus, |gpu| of(gpu.reading))
        };
        let traffic = |name: &'static str, help: &'static str, of: fn(&Self) -> Option<BytesPerSecond>| {
            each(Family::gauge(name, help), gpus, |gpu| of(gpu.reading))
        };
        let mut families = vec![
            share(
                "gpu_graphics_active_ratio",
                "Share of cycles in which graphics or compute work was there.",
                |gpm| gpm.graphics,
            ),
            share(
                "gpu_sm_active_ratio",
                "Share of cycles in which an SM had work, mean of all SMs.",
                |gpm| gpm.sm,
            ),
            share("gpu_sm_occupancy_ratio", "Warps on the SMs as a share of the most there can be.", |gpm| {
                gpm.occupancy
            }),
            share(
                "gpu_tensor_active_ratio",
                "Share of cycles in which a tensor core worked, mean of all SMs.",
                |gpm| gpm.tensor,
            ),
            each_by(
                Family::gauge(
                    "gpu_tensor_pipe_active_ratio",
                    "Share of cycles in which a tensor core worked, by its operation.",
                ),
                "pipe",
                gpus,
                |gpu| {
                    let Gpm { dfma, hmma, dmma, imma, .. } = *gpu.reading;
                    [("dfma", dfma), ("hmma", hmma), ("dmma", dmma), ("imma", imma)]
                },
            ),
            share("gpu_fp64_active_ratio", "Share of cycles with FP64 math beside tensor cores.", |gpm| {
                gpm.fp64
            }),
            share("gpu_fp32_active_ratio", "Share of cycles with FP32 math beside tensor cores.", |gpm| {
                gpm.fp32
            }),
            share("gpu_fp16_active_ratio", "Share of cycles with FP16 math beside tensor cores.", |gpm| {
                gpm.fp16
            }),
            share("gpu_integer_active_ratio", "Share of cycles with integer math.", |gpm| gpm.integer),
            share(
                "gpu_dram_active_ratio",
                "Memory bandwidth used as a share of the most there can be.",
                |gpm| gpm.dram,
            ),
            traffic(
                "gpu_pcie_transmit_bytes_per_second",
                "Bytes sent over PCIe in each second since the sample before; the counter is `gpu_pcie_transmit_bytes_total`.",
                |gpm| gpm.pcie_transmitted,
            ),
            traffic(
                "gpu_pcie_receive_bytes_per_second",
                "Bytes received over PCIe in each second since the sample before; the counter is `gpu_pcie_receive_bytes_total`.",
                |gpm| gpm.pcie_received,
            ),
            traffic(
                "gpu_nvlink_transmit_bytes_per_second",
                "Bytes sent over all NVLinks in each second since the sample before; the counters are `gpu_nvlink_transmit_bytes_total`.",
                |gpm| gpm.nvlink_transmitted,
            ),
            traffic(
                "gpu_nvlink_receive_bytes_per_second",
                "Bytes received over all NVLinks in each second since the sample before; the counters are `gpu_nvlink_receive_bytes_total`.",
                |gpm| gpm.nvlink_received,
            ),
            by_engine(
                Family::gauge("gpu_decoder_active_ratio", "Share of time in which a video decoder worked."),
                gpus,
                |gpm| gpm.decoders.as_ref(),
            ),
        ];
        families.extend(cycles::families(gpus));
        families
    }

    /// Those of engines that inference leaves idle among them.
    fn seldom_families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each(
                Family::gauge(
                    "gpu_gpm_supported",
                    "Whether the GPU has performance counters that the driver gives (GPM, Hopper and later): without them `gpu_sm_active_ratio` and the like are absent.",
                ),
                gpus,
                |gpu| gpu.reading.supported,
            ),
            by_engine(
                Family::gauge("gpu_jpeg_active_ratio", "Share of time in which a JPEG decoder worked."),
                gpus,
                |gpm| gpm.jpeg_decoders.as_ref(),
            ),
            by_engine(
                Family::gauge(
                    "gpu_ofa_active_ratio",
                    "Share of time in which an optical flow engine worked.",
                ),
                gpus,
                |gpm| gpm.optical_flow.as_ref(),
            ),
            by_engine(
                Family::gauge("gpu_encoder_active_ratio", "Share of time in which a video encoder worked."),
                gpus,
                |gpm| gpm.encoders.as_ref(),
            ),
        ]
    }

    fn is_seldom_same((now, ()): Said<'_, Self>, (before, ()): Said<'_, Self>) -> bool {
        now.supported == before.supported
            && now.jpeg_decoders == before.jpeg_decoders
            && now.optical_flow == before.optical_flow
            && now.encoders == before.encoders
    }
}

/// Whether the card has these counters. A driver without the call has none to give.
pub(super) fn is_supported(ask: &mut Ask<'_>) -> Option<bool> {
    let answer = ask.quantity("GPM", raw::gpm_support, flag);
    answer.or_else(|| ask.lacks("GPM").then_some(false))
}

/// All metrics, in the order in which [`Gpm::read`] takes them. Those that a driver of this branch does not know have no number.
fn metrics(branch: u32) -> Vec<Metric> {
    fn engines<const N: usize>((first, names): Engines<N>) -> impl Iterator<Item = Metric> {
        (first..).zip(names).map(|(id, name)| Metric { name, id: Some(id) })
    }
    let old = |metric| (metric, 0);
    SHARES
        .into_iter()
        .map(old)
        .chain(engines(DECODERS).map(old))
        .chain(engines(JPEG_DECODERS).map(old))
        .chain(engines(OPTICAL_FLOW).zip([0, SECOND_OPTICAL_FLOW_SINCE]))
        .chain(engines(ENCODERS).map(|metric| (metric, ENCODERS_SINCE)))
        .chain(cycles::metrics())
        .chain(TRAFFIC.into_iter().map(old))
        .map(|(metric, since)| Metric { id: metric.id.filter(|_| branch >= since), ..metric })
        .collect()
}

/// What was measured as a share.
pub(super) fn share(ask: &mut Ask<'_>, name: &str, percent: Option<f64>) -> Option<Ratio> {
    ask.meaning(name, percent?, Ratio::from_measured_percent)
}

/// The first values, each in its place.
pub(super) fn array<T: Copy, const N: usize>(values: &[Option<T>]) -> [Option<T>; N] {
    std::array::from_fn(|at| values.get(at).copied().flatten())
}

/// Nothing at all for a card that has none of these engines.
fn engines(shares: Vec<Option<Ratio>>) -> Option<Vec<Option<Ratio>>> {
    shares.iter().any(Option::is_some).then_some(shares)
}

fn by_engine(
    mut family: Family,
    gpus: &[Shown<'_, Gpm>],
    of: fn(&Gpm) -> Option<&Vec<Option<Ratio>>>,
) -> Family {
    family.samples.reserve_exact(gpus.iter().filter_map(|gpu| of(gpu.reading)).map(Vec::len).sum());
    for gpu in gpus {
        for (number, share) in of(gpu.reading).into_iter().flatten().enumerate() {
            if let Some(share) = share {
                family.push(gpu.labels.and([("unit", itoa::Buffer::new().format(number))]), *share);
            }
        }
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_asked_for_once_and_fits_the_oldest_driver_with_gpm() {
        let metrics = metrics(u32::MAX);
        let mut ids: Vec<_> = metrics.iter().filter_map(|metric| metric.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), metrics.len());
        // nvml.h 11.8 has room for 98 metrics.
        assert!(metrics.len() <= 98);
    }

    #[test]
    fn a_driver_is_asked_for_no_metric_that_is_younger() {
        let youngest = |branch| metrics(branch).into_iter().filter_map(|metric| metric.id).max();
        for (branch, expected) in [(0, 61), (520, 61), (560, 61), (575, 169), (590, 169), (595, 260)] {
            assert_eq!(youngest(branch), Some(expected), "{branch}");
        }
        let has_second = |branch| metrics(branch).iter().any(|metric| metric.id == Some(51));
        assert_eq!([555, 560].map(has_second), [false, true]);
    }

    #[test]
    fn engines_that_are_not_there_are_no_idle_ones() {
        assert_eq!(engines(vec![None, None]), None);
        let shares = vec![Some(Ratio(0.5)), None];
        assert_eq!(engines(shares.clone()), Some(shares));
    }
}

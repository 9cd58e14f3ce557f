//! How busy a GPU is. In MIG mode only the mode itself: figures of the whole GPU mean nothing then.

mod busy_time;

use std::time::SystemTime;

use self::busy_time::{Samples, busy_time};
use crate::family::Family;
use crate::gpu::delta::readings;
use crate::gpu::histogram::Histogram;
use crate::gpu::nvml::{Ask, Cached, Device, flag, raw};
use crate::gpu::peak::{Peak, WINDOW_LABEL};
use crate::gpu::subject::{Said, Shown, Step, Subject, each, each_by, each_histogram};
use crate::units::{Ratio, Seconds};

use super::ring::Ring;

readings! {
    /// The load of one GPU.
    struct Load {
        /// Share of the last sample period in which a kernel ran.
        utilization: Ratio,
        /// Share in which memory was read or written.
        memory_controller: Ratio,
        encoder: Ratio,
        decoder: Ratio,
        jpeg: Ratio,
        /// Of the optical flow engine.
        ofa: Ratio,
        /// Busy time since the last sweep by the driver's own samples; nothing is missed in between.
        busy: Seconds,
        /// Those samples.
        samples: Samples,
        mig_enabled: bool,
    }
}

/// What the exporter sums up of one GPU's load.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    /// Busy time since the exporter started; `None` until there is something to sum.
    busy: Option<Seconds>,
    shares: Histogram,
    peak: Peak<Ratio>,
}

/// What the probe keeps of one GPU's load.
#[derive(Default)]
pub(crate) struct Kept {
    mig_enabled: Cached<Option<bool>>,
    samples: Ring,
}

/// Whether MIG mode is on.
fn mig_mode(ask: &mut Ask<'_>) -> Option<bool> {
    ask.quantity("MIG mode", |device| Ok(device.mig_mode()?.current), flag)
}

impl Subject for Load {
    type Kept = Kept;
    type Sums = Sums;

    fn read(ask: &mut Ask<'_>, kept: &mut Kept) -> Self {
        let mig_enabled = kept.mig_enabled.seldom(ask, mig_mode);
        if let Some(is_enabled) = mig_enabled {
            ask.note_mig_mode(is_enabled);
        }
        // Old drivers answer 0 in MIG mode rather than "not supported".
        if ask.is_divided() {
            return Self { mig_enabled, ..Self::default() };
        }
        let rates = ask.ask("utilisation", Device::utilization_rates);
        let mut share = |name, percent| ask.meaning(name, percent, Ratio::from_percent);
        let utilization = rates.as_ref().and_then(|rates| share("utilisation", rates.gpu));
        let memory_controller = rates.as_ref().and_then(|rates| share("utilisation of memory", rates.memory));
        let encoder = ask.quantity(
            "encoder",
            |device| Ok(device.encoder_utilization()?.utilization),
            Ratio::from_percent,
        );
        let decoder = ask.quantity(
            "decoder",
            |device| Ok(device.decoder_utilization()?.utilization),
            Ratio::from_percent,
        );
        let jpeg = ask.quantity("JPEG decoder", raw::jpeg_utilization, Ratio::from_percent);
        let ofa = ask.quantity("optical flow engine", raw::ofa_utilization, Ratio::from_percent);
        let (place, moment) = (&mut kept.samples, ask.moment());
        let samples = "utilisation samples";
        let busy = ask.ask(samples, |device| busy_time(device, place, moment, SystemTime::now()));
        let (busy, samples) = busy.map_or((None, None), |busy| {
            // What the other samples say holds all the same.
            if let Some(number) = busy.impossible {
                ask.meaning(samples, number, |_| None::<()>);
            }
            (busy.time, busy.samples)
        });
        Self { utilization, memory_controller, encoder, decoder, jpeg, ofa, busy, samples, mig_enabled }
    }

    fn add_to(&self, sums: &mut Sums, step: Step) {
        // As on a card that was in MIG mode from the start: a sum that stands still would pass for an idle GPU's.
        if self.mig_enabled == Some(true) {
            *sums = Sums::default();
            return;
        }
        sums.peak.forget(step.now);
        // The driver's own samples cover the gap without holes; the last rate is the next best.
        let rate = self.utilization.map(|rate| Seconds(rate.0 * step.gap.as_secs_f64()));
        if let Some(more) = self.busy.or(rate) {
            sums.busy.get_or_insert_default().0 += more.0;
        }
        match (&self.samples, self.utilization) {
            (Some(samples), _) => {
                sums.shares.add_all(samples.counts, samples.sum);
                sums.peak.add(step.now, samples.largest);
            }
            // Samples were read, and there is none that is newer.
            (None, _) if self.busy.is_some() => {}
            (None, Some(rate)) => {
                sums.shares.add(rate.0);
                sums.peak.add(step.now, rate);
            }
            (None, None) => {}
        }
    }

    fn families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        vec![
            each_histogram(
                "gpu_utilization_sample_ratio",
                "Share of a sample period in which a kernel ran, of all the driver's own samples since the exporter started.",
                gpus,
                |sums| &sums.shares,
            ),
            each_by(
                Family::gauge(
                    "gpu_utilization_max_ratio",
                    "Largest of the driver's own samples of utilisation in the window before the last sweep.",
                ),
                WINDOW_LABEL.0,
                gpus,
                |gpu| [(WINDOW_LABEL.1, gpu.sums.peak.max())],
            ),
            each(
                Family::gauge(
                    "gpu_utilization_ratio",
                    "Share of the last sample period in which a kernel ran.",
                ),
                gpus,
                |gpu| gpu.reading.utilization,
            ),
            each(
                Family::gauge(
                    "gpu_memory_controller_busy_ratio",
                    "Share of the last sample period in which memory was read or written; not memory used.",
                ),
                gpus,
                |gpu| gpu.reading.memory_controller,
            ),
            each(
                Family::counter(
                    "gpu_busy_seconds_total",
                    "Time in which a kernel ran, from the driver's own samples, since the exporter started.",
                ),
                gpus,
                |gpu| gpu.sums.busy,
            ),
            each(
                Family::gauge("gpu_encoder_utilization_ratio", "Share of time the video encoder was busy."),
                gpus,
                |gpu| gpu.reading.encoder,
            ),
            each(
                Family::gauge("gpu_decoder_utilization_ratio", "Share of time the video decoder was busy."),
                gpus,
                |gpu| gpu.reading.decoder,
            ),
            each(
                Family::gauge("gpu_jpeg_utilization_ratio", "Share of time the JPEG decoder was busy."),
                gpus,
                |gpu| gpu.reading.jpeg,
            ),
            each(
                Family::gauge(
                    "gpu_ofa_utilization_ratio",
                    "Share of time the optical flow engine (OFA) was busy.",
                ),
                gpus,
                |gpu| gpu.reading.ofa,
            ),
        ]
    }

    fn seldom_families(gpus: &[Shown<'_, Self>]) -> Vec<Family> {
        let enabled = Family::gauge("gpu_mig_enabled", "Whether MIG mode is on; utilisation is absent then.");
        vec![each(enabled, gpus, |gpu| gpu.reading.mig_enabled)]
    }

    fn is_seldom_same((now, _): Said<'_, Self>, (before, _): Said<'_, Self>) -> bool {
        now.mig_enabled == before.mig_enabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_drivers_samples_count_before_the_last_rate() {
        let mut sums = Sums::default();
        let mut load = Load::default();
        let step = |seconds| Step { now: Instant::now(), gap: Duration::from_secs(seconds) };
        load.add_to(&mut sums, step(2));
        assert_eq!((sums.busy, sums.shares.is_empty()), (None, true), "nothing said, nothing summed");
        load.utilization = Some(Ratio(0.5));
        load.add_to(&mut sums, step(0));
        load.add_to(&mut sums, step(2));
        assert_eq!(sums.busy, Some(Seconds(1.0)));
        assert_eq!(sums.peak.max(), Some(Ratio(0.5)));
        let rates = sums.shares.clone();
        load.busy = Some(Seconds(1.75));
        load.add_to(&mut sums, step(2));
        assert_eq!(sums.busy, Some(Seconds(2.75)));
        assert_eq!(sums.shares, rates, "no sample is newer");
        load.samples = Some(Samples { counts: [0, 0, 0, 0, 0, 0, 0, 0, 4], sum: 4.0, largest: Ratio(1.0) });
        load.add_to(&mut sums, step(2));
        assert_ne!(sums.shares, rates);
        assert_eq!(sums.peak.max(), Some(Ratio(1.0)));
    }

    #[test]
    fn the_sums_end_when_mig_mode_is_switched_on_and_begin_anew_after_it() {
        let mut sums = Sums::default();
        let step = Step { now: Instant::now(), gap: Duration::from_secs(2) };
        let whole = Load { utilization: Some(Ratio(0.5)), mig_enabled: Some(false), ..Load::default() };
        whole.add_to(&mut sums, step);
        assert_eq!(sums.busy, Some(Seconds(1.0)));
        Load { mig_enabled: Some(true), ..Load::default() }.add_to(&mut sums, step);
        assert_eq!(sums, Sums::default());
        whole.add_to(&mut sums, step);
        assert_eq!(sums.busy, Some(Seconds(1.0)));
    }
}

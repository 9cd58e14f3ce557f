//! NVLink of a simulated GPU at a moment: pure arithmetic, as `machine`'s.

use nvml_wrapper_sys::bindings as nvml;

use crate::incident::{Incident, Kind};
use crate::machine::{Code, Gpu, NOT_SUPPORTED, whole};

/// Bytes that a busy GPU sends over each link; only has to be plausible.
const TRANSMIT_BYTES_PER_BUSY_SECOND: f64 = 8e9;
const RECEIVE_BYTES_PER_BUSY_SECOND: f64 = 7e9;

/// Of `kind: nvlink_errors`.
const ERRORS_PER_SECOND: f64 = 10.0;

/// One link of one GPU.
#[derive(Clone, Copy)]
pub(crate) struct NvLink<'a> {
    gpu: Gpu<'a>,
    link: u32,
}

/// How many links the card has, connected or not.
pub(crate) fn count(gpu: Gpu<'_>) -> Result<u32, Code> {
    if gpu.card().nvlinks == 0 { Err(NOT_SUPPORTED) } else { Ok(gpu.card().nvlinks) }
}

impl<'a> NvLink<'a> {
    /// The link with this number, if the card has it.
    pub(crate) fn of(gpu: Gpu<'a>, link: u32) -> Result<Self, Code> {
        if link < count(gpu)? {
            Ok(Self { gpu, link })
        } else {
            Err(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)
        }
    }

    /// Whether anything is at its other end.
    pub(crate) fn is_connected(self) -> bool {
        self.gpu.group.nvlink
    }

    pub(crate) fn is_active(self) -> bool {
        let is_down = self.incidents(Kind::NvlinkDown).any(|incident| incident.lasts_at(self.gpu.t));
        self.is_connected() && !is_down
    }

    /// Whether it is one of NVLink 5 (Blackwell).
    pub(crate) fn is_fifth(self) -> bool {
        self.gpu.card().architecture >= nvml::NVML_DEVICE_ARCH_BLACKWELL
    }

    /// What it carries in a second at most.
    pub(crate) fn megabytes(self) -> Result<u32, Code> {
        let megabytes = if self.is_fifth() { 50_000 } else { 26_562 };
        if self.is_active() { Ok(megabytes) } else { Err(NOT_SUPPORTED) }
    }

    pub(crate) fn transmitted_kib(self) -> Result<u64, Code> {
        self.counter(|| self.busy() * TRANSMIT_BYTES_PER_BUSY_SECOND / 1024.0)
    }

    pub(crate) fn received_kib(self) -> Result<u64, Code> {
        self.counter(|| self.busy() * RECEIVE_BYTES_PER_BUSY_SECOND / 1024.0)
    }

    pub(crate) fn replays(self) -> Result<u64, Code> {
        self.counter(|| self.seconds_of_errors() * ERRORS_PER_SECOND)
    }

    pub(crate) fn crc_errors(self) -> Result<u64, Code> {
        self.replays()
    }

    pub(crate) fn recoveries(self) -> Result<u64, Code> {
        let begun = self.incidents(Kind::NvlinkErrors).filter(|i| i.at.as_secs_f64() <= self.gpu.t).count();
        self.counter(|| begun as f64)
    }

    /// A counter; only an active link has one.
    fn counter(self, count: impl FnOnce() -> f64) -> Result<u64, Code> {
        if self.is_active() { Ok(whole(count())) } else { Err(NOT_SUPPORTED) }
    }

    fn incidents(self, kind: Kind) -> impl Iterator<Item = &'a Incident> {
        let is_mine = move |incident: &&Incident| {
            incident.kind == kind && incident.gpu == self.gpu.index && incident.link == Some(self.link)
        };
        self.gpu.incidents.iter().filter(is_mine)
    }

    /// Seconds of activity since the origin, but for those in which the link was down.
    fn busy(self) -> f64 {
        let lost = |(start, end)| self.gpu.busy(end) - self.gpu.busy(start);
        self.gpu.busy(self.gpu.t) - self.spans(Kind::NvlinkDown).map(lost).sum::<f64>()
    }

    fn seconds_of_errors(self) -> f64 {
        self.spans(Kind::NvlinkErrors).map(|(start, end)| end - start).sum()
    }

    /// From when to when incidents lasted, as far as that is past.
    fn spans(self, kind: Kind) -> impl Iterator<Item = (f64, f64)> {
        self.incidents(kind).map(move |incident| {
            let end = incident.until.map_or(self.gpu.t, |until| until.as_secs_f64().min(self.gpu.t));
            let start = incident.at.as_secs_f64().min(end);
            (start, end)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use std::path::Path;

    #[test]
    fn a_link_that_is_down_counts_nothing_and_goes_on_where_it_was() {
        let text = "description: x\ngpus: [{ model: h100-sxm, utilization: { constant: 0.5 } }, { model: h100-sxm, nvlink: false }, { model: rtx4090 }]\n\
            incidents: [{ gpu: 0, at: 10s, until: 20s, kind: nvlink_down, link: 3 }, { gpu: 0, at: 10s, kind: nvlink_errors, link: 4 }]\n";
        let scenario = Scenario::parse(text, Path::new("test")).expect("a good scenario");
        let link = |gpu, t, link| NvLink::of(Gpu::at(&scenario, gpu, t).expect("a GPU"), link);
        let sent = |t, number| link(0, t, number).expect("a link").transmitted_kib();

        assert_eq!(sent(8.0, 3), Ok(31_250_000), "8 s half busy at 8 GB/s");
        assert_eq!(sent(15.0, 3), Err(NOT_SUPPORTED));
        assert_eq!(sent(20.0, 3), sent(10.0, 2), "ten seconds are missing");
        let errors = |t, number| {
            let link = link(0, t, number).expect("a link");
            (link.recoveries(), link.replays(), link.crc_errors())
        };
        assert_eq!(errors(9.0, 4), (Ok(0), Ok(0), Ok(0)));
        assert_eq!(errors(12.0, 4), (Ok(1), Ok(20), Ok(20)));
        assert_eq!(errors(12.0, 5), (Ok(0), Ok(0), Ok(0)));

        assert!(link(0, 1.0, 17).is_ok_and(NvLink::is_active));
        assert_eq!(link(0, 1.0, 18).err(), Some(nvml::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT));
        assert!(link(1, 1.0, 0).is_ok_and(|link| !link.is_active() && !link.is_connected()));
        assert_eq!(link(2, 1.0, 0).err(), Some(NOT_SUPPORTED));
    }
}

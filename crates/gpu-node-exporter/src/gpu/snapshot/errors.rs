//! What went wrong by the driver's own account: XIDs of GPUs, from NVML and from the kernel log, and errors of NVSwitches.
//!
//! Owns whose an error is, how bad it is, and that no error counts twice. Nothing here ends with a probe.

use std::collections::BTreeMap;
use std::time::Instant;

use super::driver_events::DriverEvents;
use super::occurrence::{Moment, Occurrence, XidSource};
use super::switches::Switches;
use super::xids::Xids;
use crate::gpu::xid::{Detail, FALLEN_OFF_THE_BUS, Report, Severities, Severity};

/// More addresses than a machine has slots for are somebody's mistake.
pub(super) const MAX_SLOTS: usize = 64;

/// All errors since the exporter started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Errors {
    severities: Severities,
    /// The kernel log is read: what depends on its text is counted from there alone.
    reads_kernel_log: bool,
    /// By GPU UUID.
    by_uuid: BTreeMap<String, Xids>,
    /// By PCI address without function, of GPUs that never told their UUID: one that does not come up at boot has nothing else.
    pub(crate) by_slot: BTreeMap<String, Xids>,
    pub(crate) switches: Switches,
    pub(crate) driver_events: DriverEvents,
}

/// An error that was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    /// The GPU's UUID, or a PCI address.
    pub(crate) of: String,
    /// `XID` or `SXid`.
    pub(crate) kind: &'static str,
    pub(crate) code: u32,
    pub(crate) severity: Severity,
    /// What the kernel log says of it; empty from NVML.
    pub(crate) text: String,
    /// Whose it is, as the kernel log says.
    pub(crate) detail: Detail,
}

impl Error {
    /// `XID 79`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.kind, self.code)
    }
}

impl Errors {
    pub(super) fn new(severities: Severities) -> Self {
        Self { severities, ..Self::default() }
    }

    /// Whether the kernel log is read from now on.
    pub(crate) fn read_kernel_log(&mut self, is_read: bool) {
        self.reads_kernel_log = is_read;
    }

    /// Whether [`Errors::named`] has nothing to do.
    pub(super) fn is_named(&self, uuid: &str, slot: Option<&str>) -> bool {
        self.by_uuid.contains_key(uuid) && slot.is_none_or(|slot| !self.by_slot.contains_key(slot))
    }

    /// A GPU has told its UUID: what was counted at its address is its own.
    pub(super) fn named(&mut self, uuid: &str, slot: Option<&str>) {
        if !self.by_uuid.contains_key(uuid) {
            self.by_uuid.insert(uuid.to_owned(), Xids::of_none(&self.severities));
        }
        if let Some(earlier) = slot.and_then(|slot| self.by_slot.remove(slot)) {
            self.of(uuid).add(earlier);
        }
    }

    /// NVML reports an XID.
    pub(crate) fn driver_says(&mut self, uuid: &str, code: u32, moment: Moment) -> Option<Error> {
        if self.reads_kernel_log && Severities::depends_on_text(code) {
            return None;
        }
        let severity = self.severities.of(code, None, None);
        self.of(uuid).count(Occurrence::new(code, severity, XidSource::Driver, moment));
        let (text, detail) = (String::new(), Detail::default());
        Some(Error { of: uuid.to_owned(), kind: "XID", code, severity, text, detail })
    }

    /// The kernel log reports something. `uuid_at` knows the GPUs by address; `branch` is the driver's (575 of 575.57.08).
    pub(crate) fn kernel_log_says(
        &mut self,
        report: Report,
        uuid_at: impl Fn(&str) -> Option<String>,
        branch: Option<u32>,
        moment: Moment,
    ) -> Option<Error> {
        match report {
            Report::Xid { slot, code, text, detail } => {
                let severity = self.severities.of(code, Some(&text), branch);
                let cause = detail.caused_by.map(|cause| (cause, self.severities.of(cause, None, branch)));
                let xid = Occurrence::new(code, severity, XidSource::KernelLog, moment);
                let of = self.count_at(slot, &uuid_at, Occurrence { cause, ..xid });
                Some(Error { of, kind: "XID", code, severity, text, detail })
            }
            Report::FallenOff { slot } => {
                let uuid = uuid_at(&slot);
                let xids = match &uuid {
                    Some(uuid) => self.by_uuid.get(uuid),
                    None => self.by_slot.get(&slot),
                };
                if xids.is_some_and(|xids| xids.incidents.is_off_the_bus(moment.now)) {
                    return None;
                }
                let code = FALLEN_OFF_THE_BUS;
                let severity = self.severities.of(code, None, branch);
                let xid = Occurrence::new(code, severity, XidSource::KernelLog, moment);
                let of = self.count_at(slot, &uuid_at, xid);
                let text = "the GPU has fallen off the bus (said without an XID)".to_owned();
                Some(Error { of, kind: "XID", code, severity, text, detail: Detail::default() })
            }
            Report::Switch { address, code, is_fatal, text } => {
                let severity = if is_fatal { Severity::Fatal } else { Severity::Warning };
                self.switches.count(&address, code, severity, moment.at);
                Some(Error { of: address, kind: "SXid", code, severity, text, detail: Detail::default() })
            }
        }
    }

    /// The driver asks for an action now that it did not ask for before.
    pub(super) fn asked_for(&mut self, uuid: &str, action: u32, now: Instant) {
        self.of(uuid).incidents.raise(Severities::of_recovery_action(action), now);
    }

    /// XIDs of the GPU with this UUID.
    pub(crate) fn by_uuid(&self, uuid: &str) -> Option<&Xids> {
        self.by_uuid.get(uuid)
    }

    fn of(&mut self, uuid: &str) -> &mut Xids {
        self.by_uuid.entry(uuid.to_owned()).or_insert_with(|| Xids::of_none(&self.severities))
    }

    /// Counts an XID of the kernel log, and says whose it is.
    fn count_at(
        &mut self,
        slot: String,
        uuid_at: impl Fn(&str) -> Option<String>,
        xid: Occurrence,
    ) -> String {
        if let Some(uuid) = uuid_at(&slot) {
            self.of(&uuid).count(xid);
            return uuid;
        }
        if self.by_slot.len() < MAX_SLOTS || self.by_slot.contains_key(&slot) {
            self.by_slot.entry(slot.clone()).or_default().count(xid);
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::xid::KernelRecords;

    const SLOT: &str = "0000:17:00";

    /// What is counted after records of the kernel log and XIDs from NVML (a number), for a GPU that is known: code, severity, total.
    fn counted(errors: &mut Errors, reports: &[&str]) -> Vec<(u32, Severity, u64)> {
        let mut log = KernelRecords::default();
        let uuid_at = |slot: &str| (slot == SLOT).then(|| "GPU-1".to_owned());
        for report in reports {
            let moment = Moment { at: 10.0, now: Instant::now() };
            if let Ok(code) = report.parse() {
                errors.driver_says("GPU-1", code, moment);
            } else if let Some(report) = log.read(&format!("4,1,1,-;{report}")) {
                errors.kernel_log_says(report, uuid_at, Some(570), moment);
            }
        }
        let xids = errors.by_uuid("GPU-1").into_iter().flat_map(Xids::iter);
        xids.filter(|(.., count)| count.total > 0)
            .map(|(code, severity, count)| (code, severity, count.total))
            .collect()
    }

    #[test]
    fn an_error_counts_once_whoever_tells_of_it() {
        use Severity::{Fatal, Info, Warning};

        type Case<'a> = (&'a [&'a str], bool, &'a [(u32, Severity, u64)]);
        let lost = "NVRM: Xid (PCI:0000:17:00): 79, pid=7, GPU has fallen off the bus.";
        let in_words = "NVRM: GPU 0000:17:00.0: GPU has fallen off the bus.";
        let link =
            "NVRM: Xid (PCI:0000:17:00): 145, RLW_SRC_TRACK Nonfatal XC1 i0 Link 12 (0x040988e2 0x00000002)";
        let action =
            "NVRM: Xid (PCI:0000:17:00): 154, GPU recovery action changed from 0x0 (None) to 0x2 (OS Reboot)";
        let cases: [Case<'_>; 8] = [
            (&["48", "48"], false, &[(48, Fatal, 2)]),
            (&["79", lost, in_words], true, &[(79, Fatal, 1)]),
            (&[lost, in_words, "79"], true, &[(79, Fatal, 1)]),
            (&[in_words, "79"], true, &[(79, Fatal, 1)]),
            (&["31", "31", "NVRM: Xid (PCI:0000:17:00): 31, pid=7"], true, &[(31, Info, 2)]),
            // How bad they are, only the kernel log tells.
            (&["145", link, "154", action], true, &[(145, Info, 1), (154, Fatal, 1)]),
            (&["145", "154"], false, &[(145, Warning, 1), (154, Warning, 1)]),
            // A MIG instance's is its GPU's.
            (&["NVRM: Xid (PCI:0000:17:00 GPU-I:05): 94, pid=7"], true, &[(94, Warning, 1)]),
        ];
        for (reports, reads_kernel_log, expected) in cases {
            let mut errors = Errors { reads_kernel_log, ..Errors::default() };
            assert_eq!(counted(&mut errors, reports), expected, "{reports:?}");
        }
    }

    #[test]
    fn without_the_kernel_log_the_driver_alone_counts_again() {
        let mut errors = Errors::default();
        errors.read_kernel_log(true);
        assert_eq!(counted(&mut errors, &["145"]), [], "the record comes from there");
        errors.read_kernel_log(false);
        assert_eq!(counted(&mut errors, &["145"]), [(145, Severity::Warning, 1)]);
    }

    #[test]
    fn a_gpu_that_left_the_bus_again_is_another_error() {
        let (mut errors, start) = (Errors::default(), Instant::now());
        let mut say = |seconds| {
            let now = start + std::time::Duration::from_secs(seconds);
            let report = Report::FallenOff { slot: SLOT.to_owned() };
            errors.kernel_log_says(report, |_| None, None, Moment { at: 0.0, now }).is_some()
        };
        assert_eq!([0, 60, 300].map(&mut say), [true, false, true]);
    }

    #[test]
    fn a_cause_that_is_named_leads_and_stands_in_the_error() {
        let mut errors = Errors { reads_kernel_log: true, ..Errors::default() };
        let reports = [
            "NVRM: Xid (PCI:0000:17:00): 109, pid=7, name=a, Ch 00000002, errorString CTX SWITCH TIMEOUT",
            "NVRM: Xid (PCI:0000:17:00): 110, pid=7, name=a",
        ];
        counted(&mut errors, &reports);
        let leading = |errors: &Errors| {
            let incidents = errors.by_uuid("GPU-1").map(|xids| &xids.incidents);
            incidents.and_then(|incidents| incidents.latest()).map(|incident| incident.leading_code)
        };
        assert_eq!(leading(&errors), Some(109), "of equals the first");
        let record =
            "4,1,1,-;NVRM: Xid (PCI:0000:17:00): 45, pid=8, name=b, Ch 00000003 caused by previous Xid 110";
        let report = KernelRecords::default().read(record).expect("an XID");
        let uuid_at = |_: &str| Some("GPU-1".to_owned());
        let moment = Moment { at: 10.0, now: Instant::now() };
        let error = errors.kernel_log_says(report, uuid_at, Some(570), moment).expect("it counts");
        assert_eq!((error.detail.pid, error.detail.caused_by), (Some(8), Some(110)));
        assert_eq!(leading(&errors), Some(110));
    }

    #[test]
    fn an_operator_decides() {
        let severities = Severities::with([(31, Severity::Fatal), (145, Severity::Info)]);
        let mut errors = Errors { reads_kernel_log: true, ..Errors::new(severities) };
        let link =
            "NVRM: Xid (PCI:0000:17:00): 145, RLW_SRC_TRACK Fatal XC1 i0 Link 12 (0x040988e2 0x00000001)";
        let seen = counted(&mut errors, &["31", link]);
        assert_eq!(seen, [(31, Severity::Fatal, 1), (145, Severity::Info, 1)]);
    }
}

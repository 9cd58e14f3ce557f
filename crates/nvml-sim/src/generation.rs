//! What a driver knows by its version: a call or a field is there from some driver branch on.
//!
//! By the headers of the CUDA toolkits 11.0 (R450) to 13.3 (R610), each compared with the one before. Owns these tables. Leaves out
//! what a scenario takes away beside that (`driver.missing`).

/// A driver's version: branch and update, as in `580.82.07`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Generation {
    branch: u32,
    update: u32,
}

/// Calls that are younger than R450, with the branch that brought them.
const CALLS: &[(&str, u32)] = &[
    ("nvmlDeviceGetRowRemapperHistogram", 455),
    ("nvmlDeviceGetGridLicensableFeatures_v4", 470),
    ("nvmlDeviceGetMemoryInfo_v2", 510),
    ("nvmlDeviceGetComputeRunningProcesses_v3", 510),
    ("nvmlDeviceGetGraphicsRunningProcesses_v3", 510),
    ("nvmlDeviceGetNumFans", 510),
    ("nvmlGpmMetricsGet", 520),
    ("nvmlGpmQueryDeviceSupport", 520),
    ("nvmlGpmSampleAlloc", 520),
    ("nvmlGpmSampleGet", 520),
    ("nvmlGpmMigSampleGet", 525),
    ("nvmlDeviceGetGpuFabricInfo", 525),
    ("nvmlDeviceGetCurrentClocksEventReasons", 535),
    ("nvmlDeviceGetJpgUtilization", 535),
    ("nvmlDeviceGetOfaUtilization", 535),
    ("nvmlDeviceGetGpuFabricInfoV", 550),
    ("nvmlDeviceGetSramEccErrorStatus", 550),
    ("nvmlSystemGetConfComputeSettings", 550),
    ("nvmlSystemGetDriverBranch", 560),
    ("nvmlDeviceGetMarginTemperature", 570),
    ("nvmlDeviceGetTemperatureV", 570),
    ("nvmlDeviceWorkloadPowerProfileGetCurrentProfiles", 570),
    ("nvmlDeviceGetAddressingMode", 580),
    ("nvmlDeviceGetRepairStatus", 580),
    ("nvmlDeviceGetUnrepairableMemoryFlag_v1", 590),
    ("nvmlDeviceGetAccountingStats_v2", 610),
];

/// Fields that are younger than R450: from this number to this, with the branch that brought them.
const FIELDS: &[(u32, u32, u32)] = &[
    (146, 146, 455),
    (147, 147, 460),
    (148, 160, 470),
    (161, 166, 520),
    (167, 169, 525),
    (170, 196, 535),
    (197, 200, 555),
    (201, 229, 560),
    (230, 230, 570),
    (231, 234, 575),
    (235, 273, 570),
    (274, 288, 590),
    (289, 295, 595),
    (296, 300, 610),
    (301, u32::MAX, 595),
];

/// Metrics of performance counters that are younger than these (R520): from this number to this, with the branch that brought them.
const METRICS: &[(u32, u32, u32)] =
    &[(51, 51, 560), (100, 209, 575), (212, 247, 610), (248, 296, 595), (297, 332, 610)];

/// The fields whose numbers were given anew twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renumbered {
    SoftwareThermalTime,
    HardwareThermalTime,
    PowerBrakeTime,
    /// Power smoothing and others, which this simulation does not have.
    Other,
}

impl Generation {
    /// Whether the driver knows the events beyond `nvmlEventMigConfigChange` (0x100). The header of CUDA 13.0 has them first.
    pub(crate) fn has_newest_events(self) -> bool {
        self.branch >= 580
    }

    /// Of a version such as `580.82.07`; what is no number counts as 0.
    pub(crate) fn of(version: &str) -> Self {
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        Self { branch: next(), update: next() }
    }

    /// Whether the driver has this call.
    pub(crate) fn has_call(self, name: &str) -> bool {
        if self.is_in_535((98, 104)) && name.ends_with("RunningProcesses_v3") {
            return false;
        }
        CALLS.iter().find(|(call, _)| *call == name).is_none_or(|(_, since)| self.branch >= *since)
    }

    /// How many words of 64 bits an entry has in the third version of the lists of processes: the first drivers of R535 wrote
    /// more than those before, the next had no such call, and since 535.104.05 all is as before (nvitop's pull requests 79, 88, 89).
    pub(crate) fn words_of_a_process(self) -> usize {
        if self.is_in_535((43, 98)) { 4 } else { 3 }
    }

    /// From one update of R535 to before another.
    fn is_in_535(self, (first, end): (u32, u32)) -> bool {
        self.branch == 535 && (first..end).contains(&self.update)
    }

    /// Whether the driver has a field of this number.
    pub(crate) fn has_field(self, id: u32) -> bool {
        self.has(FIELDS, id)
    }

    /// Whether the driver has a metric of this number.
    pub(crate) fn has_metric(self, id: u32) -> bool {
        self.has(METRICS, id)
    }

    fn has(self, table: &[(u32, u32, u32)], id: u32) -> bool {
        let row = table.iter().find(|(first, last, _)| (*first..=*last).contains(&id));
        row.is_none_or(|(_, _, since)| self.branch >= *since)
    }

    /// What a number from 251 to 273 means: power smoothing first, then times and power smoothing, then power smoothing and times
    /// (known issues of the NVML reference: the last since 580.82).
    pub(crate) fn renumbered(self, id: u32) -> Renumbered {
        let since = |branch, update| self >= Self { branch, update };
        let first = match (since(580, 82), since(575, 0)) {
            (true, _) => 269,
            (false, true) => 251,
            (false, false) => return Renumbered::Other,
        };
        match id.checked_sub(first) {
            Some(0) => Renumbered::SoftwareThermalTime,
            Some(1) => Renumbered::HardwareThermalTime,
            Some(2) => Renumbered::PowerBrakeTime,
            _ => Renumbered::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_knows_what_its_branch_brought() {
        let has = |version, call| Generation::of(version).has_call(call);
        assert!(has("450.80.02", "nvmlDeviceGetPowerUsage"));
        assert!(!has("450.80.02", "nvmlDeviceGetMemoryInfo_v2"));
        assert!(has("510.39.01", "nvmlDeviceGetMemoryInfo_v2"));
        assert!(!has("", "nvmlDeviceGetTemperatureV"));
        for (version, words, has_third) in [
            ("470.82.01", 3, false),
            ("510.39.01", 3, true),
            ("535.54.03", 4, true),
            ("535.98", 3, false),
            ("535.104.05", 3, true),
            ("570.86.15", 3, true),
        ] {
            let generation = Generation::of(version);
            assert_eq!(generation.words_of_a_process(), words, "{version}");
            assert_eq!(has(version, "nvmlDeviceGetComputeRunningProcesses_v3"), has_third, "{version}");
        }
        let fields = |version| [82, 185, 202, 230, 301].map(|id| Generation::of(version).has_field(id));
        assert_eq!(fields("450.80.02"), [true, false, false, false, false]);
        assert_eq!(fields("550.54.15"), [true, true, false, false, false]);
        assert_eq!(fields("595.10"), [true; 5]);
    }

    #[test]
    fn numbers_mean_what_they_mean_on_the_driver_at_hand() {
        use Renumbered::{Other, SoftwareThermalTime};
        for (version, expected) in [
            ("570.86.15", [Other, Other]),
            ("575.51.03", [SoftwareThermalTime, Other]),
            ("580.65.06", [SoftwareThermalTime, Other]),
            ("580.82.07", [Other, SoftwareThermalTime]),
            ("590.44.01", [Other, SoftwareThermalTime]),
        ] {
            assert_eq!([251, 269].map(|id| Generation::of(version).renumbered(id)), expected, "{version}");
        }
    }
}

//! What can be counted (see `perf_event_open(2)`), under `node_exporter`'s names.

use crate::family::Text;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) family: Text,
    pub(super) help: Text,
    pub(super) source: Source,
}

/// By what the kernel knows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// By its kind and its number.
    Number(u32, u64),
    /// By the number in a file of tracefs, which changes from one start of the machine to the next.
    Tracepoint { subsystem: String, event: String },
}

/// Events that a flag names one by one, and a switch leaves out together.
pub(super) struct Group {
    /// `PERF_TYPE_HARDWARE` and so on.
    kind: u32,
    /// What flags call it, its number, its family and help.
    pub(super) events: &'static [(&'static str, u64, &'static str, &'static str)],
}

impl Group {
    /// The event of this group that flags call so.
    pub(super) fn event(&self, called: &str) -> Option<Event> {
        let (_, config, family, help) = self.events.iter().find(|(name, ..)| *name == called)?;
        let (family, help) = (Text::Static(family), Text::Static(help));
        Some(Event { family, help, source: Source::Number(self.kind, *config) })
    }
}

pub(super) const HARDWARE: Group = Group {
    kind: 0,
    events: &[
        ("CpuCycles", 0, "node_perf_cpucycles_total", "Number of CPU cycles (frequency scaled)"),
        ("CpuInstr", 1, "node_perf_instructions_total", "Number of CPU instructions"),
        ("CacheRef", 2, "node_perf_cache_refs_total", "Number of cache references (non frequency scaled)"),
        ("CacheMisses", 3, "node_perf_cache_misses_total", "Number of cache misses"),
        ("BranchInstr", 4, "node_perf_branch_instructions_total", "Number of CPU branch instructions"),
        ("BranchMisses", 5, "node_perf_branch_misses_total", "Number of CPU branch misses"),
        (
            "StalledCyclesFrontend",
            7,
            "node_perf_stalled_cycles_frontend_total",
            "Number of stalled frontend CPU cycles",
        ),
        (
            "StalledCyclesBackend",
            8,
            "node_perf_stalled_cycles_backend_total",
            "Number of stalled backend CPU cycles",
        ),
        ("RefCpuCycles", 9, "node_perf_ref_cpucycles_total", "Number of CPU cycles"),
    ],
};

pub(super) const SOFTWARE: Group = Group {
    kind: 1,
    events: &[
        ("PageFault", 2, "node_perf_page_faults_total", "Number of page faults"),
        ("ContextSwitch", 3, "node_perf_context_switches_total", "Number of context switches"),
        ("CpuMigration", 4, "node_perf_cpu_migrations_total", "Number of CPU process migrations"),
        ("MinorFault", 5, "node_perf_minor_faults_total", "Number of minor page faults"),
        ("MajorFault", 6, "node_perf_major_faults_total", "Number of major page faults"),
    ],
};

/// `PERF_COUNT_HW_CACHE_*`
const L1_DATA: u64 = 0;
const L1_INSTRUCTIONS: u64 = 1;
const LAST_LEVEL: u64 = 2;
const DATA_TLB: u64 = 3;
const INSTRUCTION_TLB: u64 = 4;
const BRANCH_UNIT: u64 = 5;
/// `PERF_COUNT_HW_CACHE_OP_*`, and `PERF_COUNT_HW_CACHE_RESULT_*`.
const READ: u64 = 0;
const WRITE: u64 = 1 << 8;
const ACCESS: u64 = 0;
const MISS: u64 = 1 << 16;

pub(super) const CACHE: Group = Group {
    kind: 3,
    events: &[
        (
            "L1DataReadHit",
            L1_DATA | READ | ACCESS,
            "node_perf_cache_l1d_read_hits_total",
            "Number L1 data cache read hits",
        ),
        (
            "L1DataReadMiss",
            L1_DATA | READ | MISS,
            "node_perf_cache_l1d_read_misses_total",
            "Number L1 data cache read misses",
        ),
        (
            "L1DataWriteHit",
            L1_DATA | WRITE | ACCESS,
            "node_perf_cache_l1d_write_hits_total",
            "Number L1 data cache write hits",
        ),
        (
            "L1InstrReadMiss",
            L1_INSTRUCTIONS | READ | MISS,
            "node_perf_cache_l1_instr_read_misses_total",
            "Number instruction L1 instruction read misses",
        ),
        (
            "InstrTLBReadHit",
            INSTRUCTION_TLB | READ | ACCESS,
            "node_perf_cache_tlb_instr_read_hits_total",
            "Number instruction TLB read hits",
        ),
        (
            "InstrTLBReadMiss",
            INSTRUCTION_TLB | READ | MISS,
            "node_perf_cache_tlb_instr_read_misses_total",
            "Number instruction TLB read misses",
        ),
        (
            "DataTLBReadHit",
            DATA_TLB | READ | ACCESS,
            "node_perf_cache_tlb_data_read_hits_total",
            "Number of data TLB read hits",
        ),
        (
            "DataTLBReadMiss",
            DATA_TLB | READ | MISS,
            "node_perf_cache_tlb_data_read_misses_total",
            "Number of data TLB read misses",
        ),
        (
            "DataTLBWriteHit",
            DATA_TLB | WRITE | ACCESS,
            "node_perf_cache_tlb_data_write_hits_total",
            "Number of data TLB write hits",
        ),
        (
            "DataTLBWriteMiss",
            DATA_TLB | WRITE | MISS,
            "node_perf_cache_tlb_data_write_misses_total",
            "Number of data TLB write misses",
        ),
        (
            "LLReadHit",
            LAST_LEVEL | READ | ACCESS,
            "node_perf_cache_ll_read_hits_total",
            "Number last level read hits",
        ),
        (
            "LLReadMiss",
            LAST_LEVEL | READ | MISS,
            "node_perf_cache_ll_read_misses_total",
            "Number last level read misses",
        ),
        (
            "LLWriteHit",
            LAST_LEVEL | WRITE | ACCESS,
            "node_perf_cache_ll_write_hits_total",
            "Number last level write hits",
        ),
        (
            "LLWriteMiss",
            LAST_LEVEL | WRITE | MISS,
            "node_perf_cache_ll_write_misses_total",
            "Number last level write misses",
        ),
        (
            "BPUReadHit",
            BRANCH_UNIT | READ | ACCESS,
            "node_perf_cache_bpu_read_hits_total",
            "Number BPU read hits",
        ),
        (
            "BPUReadMiss",
            BRANCH_UNIT | READ | MISS,
            "node_perf_cache_bpu_read_misses_total",
            "Number BPU read misses",
        ),
    ],
};

/// `PERF_TYPE_TRACEPOINT`
pub(super) const TRACEPOINT: u32 = 2;

/// The event of `subsystem:event`; `None` for what is no name of a tracepoint.
pub(super) fn tracepoint(written: &str) -> Option<Event> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let (subsystem, event) =
        written.split_once(':').filter(|(subsystem, event)| is_name(subsystem) && is_name(event))?;
    Some(Event {
        family: format!("node_perf_{subsystem}_{event}").into(),
        help: format!("Perf tracepoint {written}").into(),
        source: Source::Tracepoint { subsystem: subsystem.to_owned(), event: event.to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracepoints_are_named_by_subsystem_and_event() {
        let event = tracepoint("sched:sched_process_exec").unwrap();
        assert_eq!(event.family, "node_perf_sched_sched_process_exec");
        assert_eq!(event.help, "Perf tracepoint sched:sched_process_exec");
        for odd in ["", "sched", ":exec", "sched:", "a:b:c", "../..:id", "a:b/c"] {
            assert_eq!(tracepoint(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_cache_event_has_cache_operation_and_result_in_a_byte_each() {
        let number = |called| CACHE.event(called).unwrap().source;
        assert_eq!(number("L1DataReadHit"), Source::Number(3, 0));
        assert_eq!(number("DataTLBWriteMiss"), Source::Number(3, 0x01_0103));
        assert_eq!(number("BPUReadMiss"), Source::Number(3, 0x01_0005));
        assert_eq!(SOFTWARE.event("MajorFault").unwrap().source, Source::Number(1, 6));
        assert_eq!(HARDWARE.event("BusCycles"), None);
    }

    #[test]
    fn each_event_has_a_family_of_its_own() {
        let mut families: Vec<_> = [HARDWARE, SOFTWARE, CACHE]
            .iter()
            .flat_map(|group| group.events.iter().map(|event| event.2))
            .collect();
        let count = families.len();
        families.sort_unstable();
        families.dedup();
        assert_eq!((families.len(), count), (30, 30));
    }
}

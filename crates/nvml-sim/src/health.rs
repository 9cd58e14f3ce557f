//! The memory health of a simulated GPU: its errors and what was done about them. Pure, as `machine`'s.

use crate::machine::{Code, Gpu, NOT_SUPPORTED};
use crate::memory_health::{Remapped, Retired};
use crate::model::Repair;

/// Banks of memory that an H100 has: five stacks of 128.
const BANKS: u32 = 640;

/// Remapped rows: correctable, uncorrectable, pending, failed.
pub(crate) fn remapped_rows(gpu: Gpu<'_>) -> Result<[u32; 4], Code> {
    let health = gpu.group.memory_health;
    of(gpu, Repair::RemapsRows, || {
        let Remapped { correctable, uncorrectable } = health.remapped;
        [correctable, uncorrectable, health.remap_pending.into(), health.remap_failed.into()]
    })
}

/// Banks by the spare rows they have left: all, many, some, few, none. Each remapped row is of a bank of its own.
pub(crate) fn remap_banks(gpu: Gpu<'_>) -> Result<[u32; 5], Code> {
    let Remapped { correctable, uncorrectable } = gpu.group.memory_health.remapped;
    let touched = correctable.saturating_add(uncorrectable).min(BANKS);
    of(gpu, Repair::RemapsRows, || [BANKS - touched, touched, 0, 0, 0])
}

/// Retired pages: for single-bit and for double-bit errors.
pub(crate) fn retired_pages(gpu: Gpu<'_>) -> Result<Retired, Code> {
    of(gpu, Repair::RetiresPages, || gpu.group.memory_health.retired)
}

fn of<T>(gpu: Gpu<'_>, repair: Repair, reading: impl FnOnce() -> T) -> Result<T, Code> {
    if gpu.card().repair == repair { Ok(reading()) } else { Err(NOT_SUPPORTED) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use std::path::Path;

    #[test]
    fn a_card_says_what_it_does_about_broken_memory() {
        let health = "memory_health: { remapped: { correctable: 3 }, remap_pending: true, retired: { double_bit: 2 } }";
        let text = format!(
            "description: x\ngpus: [{{ model: h100-sxm, {health} }}, {{ model: t4, {health} }}, {{ model: rtx4090, {health} }}]\n"
        );
        let scenario = Scenario::parse(&text, Path::new("test")).expect("a good scenario");
        let gpu = |index| Gpu::at(&scenario, index, 1.0).expect("a GPU");
        assert_eq!([0, 1, 2].map(|at| remapped_rows(gpu(at)).ok()), [Some([3, 0, 1, 0]), None, None]);
        assert_eq!(remap_banks(gpu(0)), Ok([637, 3, 0, 0, 0]));
        let retired = |index| retired_pages(gpu(index)).ok().map(|pages| pages.double_bit);
        assert_eq!([0, 1, 2].map(retired), [None, Some(2), None]);
    }
}

//! GPU instances (MIG) of a simulated GPU at a moment: pure, as `machine`'s.

use crate::incident::Kind;
use crate::machine::{Code, Gpu, NOT_FOUND, NOT_SUPPORTED, whole};

/// One GPU instance with one compute instance, as large as it.
#[derive(Clone, Copy)]
pub(crate) struct Instance<'a> {
    pub(crate) gpu: Gpu<'a>,
    /// Its place in the list of MIG devices.
    pub(crate) place: u32,
    /// As `3g.40gb`.
    pub(crate) profile: &'a str,
}

/// The most MIG devices of a GPU.
pub(crate) const MOST: u32 = 7;

/// The instances there are now.
fn layout(gpu: Gpu<'_>) -> &[String] {
    let changed = gpu.incidents().find(|incident| incident.kind == Kind::MigLayout);
    changed.map_or(&gpu.group.mig_instances, |incident| &incident.instances)
}

impl<'a> Instance<'a> {
    /// The instance at this place of the list, if there is one.
    pub(crate) fn at(gpu: Gpu<'a>, place: u32) -> Result<Self, Code> {
        if !gpu.group.mig {
            return Err(NOT_SUPPORTED);
        }
        let profile = layout(gpu).get(place as usize).ok_or(NOT_FOUND)?;
        Ok(Self { gpu, place, profile })
    }

    /// The instance of this number.
    pub(crate) fn numbered(gpu: Gpu<'a>, number: u32) -> Result<Self, Code> {
        (0..MOST)
            .filter_map(|place| Self::at(gpu, place).ok())
            .find(|instance| instance.number() == number)
            .ok_or(NOT_FOUND)
    }

    /// Its number: of another layout's instances none has the same.
    pub(crate) fn number(self) -> u32 {
        let is_changed = self.gpu.incidents().any(|incident| incident.kind == Kind::MigLayout);
        self.place + if is_changed { 8 } else { 1 }
    }

    pub(crate) fn name(self) -> String {
        format!("{} MIG {}", self.gpu.card().name, self.profile)
    }

    pub(crate) fn uuid(self) -> String {
        format!("MIG-51b00000-0000-4000-{:04x}-{:012x}", 0x8000 + self.number(), self.gpu.index)
    }

    /// Its share of the GPU's SMs: sevenths.
    pub(crate) fn share(self) -> f64 {
        let slices = self.profile.split('g').next().and_then(|slices| slices.parse().ok());
        slices.unwrap_or(0.0) / f64::from(MOST)
    }

    /// Memory in bytes: all of it, and what is used. Each instance is as full as the scenario says of the whole GPU.
    pub(crate) fn memory(self) -> (u64, u64) {
        let gigabytes = self.profile.split(['.', 'g']).nth(2).and_then(|size| size.parse::<u64>().ok());
        let total = gigabytes.unwrap_or(0) << 30;
        (total, whole(self.gpu.share_of_memory_used() * total as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use std::path::Path;

    #[test]
    fn a_layout_lasts_as_long_as_its_incident() {
        let text = "description: x\ngpus: [{ model: h100-sxm, mig: true, mig_instances: [3g.40gb, 1g.10gb], memory_used: { constant: 0.5 } }]\n\
            incidents: [{ gpu: 0, at: 10s, until: 20s, kind: mig_layout, instances: [7g.80gb] }]\n";
        let scenario = Scenario::parse(text, Path::new("test")).expect("a good scenario");
        let gpu = |t| Gpu::at(&scenario, 0, t).expect("a GPU");
        let shown =
            |t, place| Instance::at(gpu(t), place).map(|instance| (instance.number(), instance.profile));
        assert_eq!(shown(5.0, 0), Ok((1, "3g.40gb")));
        assert_eq!(shown(5.0, 1), Ok((2, "1g.10gb")));
        assert_eq!(shown(5.0, 2), Err(NOT_FOUND));
        assert_eq!(shown(15.0, 0), Ok((8, "7g.80gb")));
        assert_eq!(shown(15.0, 1), Err(NOT_FOUND));
        let instance = Instance::numbered(gpu(5.0), 2).unwrap_or_else(|code| panic!("{code}"));
        assert_eq!(instance.memory(), (10 << 30, 5 << 30));
        assert!((instance.share() - 1.0 / 7.0).abs() < 1e-9);
        assert_eq!(Instance::numbered(gpu(15.0), 2).err(), Some(NOT_FOUND));
    }
}

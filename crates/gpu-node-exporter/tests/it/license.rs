//! The licence of a virtual GPU: there, missing, or not needed.

use crate::exporter::Exporter;

#[test]
fn a_missing_licence_is_told_from_one_that_is_not_needed() {
    let scenario = "description: test\n\
        gpus: [{ model: l40s, vgpu_licensed: true }, { model: l40s, vgpu_licensed: false }, { model: l40s }]\n";
    let exporter = Exporter::on_scenario(scenario, &[]);
    let page = exporter.wait_until("all are read", |page| {
        ["0", "1", "2"].iter().all(|gpu| page.says("gpu_up", &[&format!("gpu=\"{gpu}\"")], 1.0))
    });
    let active =
        ["0", "1", "2"].map(|gpu| page.value("gpu_vgpu_license_active", &[&format!("gpu=\"{gpu}\"")]));
    assert_eq!(active, [Some(1.0), Some(0.0), None]);
}

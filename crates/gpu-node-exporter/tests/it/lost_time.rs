//! A GPU that is off the bus is not busy, whatever the driver's samples say once it is back.

use crate::exporter::{Exporter, Page, Trigger};

const FIRST: &str = r#"gpu="0""#;
const SECOND: &str = r#"gpu="1""#;

fn busy(page: &Page, gpu: &str) -> f64 {
    page.value("gpu_busy_seconds_total", &[gpu]).unwrap_or_default()
}

#[test]
fn a_lost_gpu_is_not_busy_while_it_is_away() {
    let trigger = Trigger::new();
    let scenario = format!(
        "description: test\ngpus: [{{ model: h100-sxm, count: 2, utilization: {{ constant: 0.9 }} }}]\n\
         incidents: [{{ gpu: 1, trigger: {}, kind: lost }}]\n",
        trigger.path().display()
    );
    let exporter = Exporter::on_scenario(&scenario, &[]);
    exporter.wait_until("both are busy", |page| busy(page, FIRST) > 0.5 && busy(page, SECOND) > 0.5);
    trigger.begin();
    let lost = exporter.wait_until("the loss is told", |page| {
        page.says("gpu_up", &[SECOND], 0.0) && page.says("gpu_up", &[FIRST], 1.0)
    });
    exporter
        .wait_until("the other works on for seconds", |page| busy(page, FIRST) > busy(&lost, FIRST) + 8.0);
    trigger.end();
    // On a busy machine the two may have been read some time apart.
    exporter.wait_until("it is back and busy, and has missed seconds", |page| {
        page.says("gpu_up", &[SECOND], 1.0)
            && busy(page, FIRST) > busy(&lost, FIRST) + 10.0
            && busy(page, FIRST) - busy(page, SECOND) > 3.9
    });
}

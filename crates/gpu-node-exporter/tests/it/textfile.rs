//! What a text file cannot do to the exporter's own series.

use crate::exporter::Exporter;

#[test]
fn a_text_file_takes_the_place_of_no_gpu_series() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let text = "# TYPE gpu_up counter\ngpu_up 7\n";
    std::fs::write(directory.path().join("gpu.prom"), text).expect("writable");
    let flag = format!("--collector.textfile.directory={}", directory.path().display());
    let exporter =
        Exporter::on_scenario("description: test\ngpus: [{ model: h100-sxm }]\n", &[flag.as_str()]);
    let page = exporter.wait_until("the GPU is up", |page| page.says("gpu_up", &["uuid="], 1.0));
    assert!(page.0.contains("# TYPE gpu_up gauge\n"), "{}", page.0);
    exporter.wait_until("the refusal is counted on the next page", |page| {
        page.value("gpu_node_exporter_refused_series_total", &[]) >= Some(1.0)
    });
    exporter.wait_for_log("left out of the page: a second family `gpu_up` of another type");
}

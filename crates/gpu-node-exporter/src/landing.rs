//! The page under `/`: what this is, and where to go on.

/// The page's HTML; `metrics` is the path of the metrics page.
pub(crate) fn page(metrics: &str) -> String {
    let metrics = metrics.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>gpu-node-exporter</title></head>\n<body>\n\
         <h1>gpu-node-exporter</h1>\n<p>NVIDIA GPU and host metrics for Prometheus. Version {version}.</p>\n<ul>\n\
         <li><a href=\"{metrics}\">Metrics</a></li>\n<li><a href=\"/-/healthy\">Health</a></li>\n\
         <li><a href=\"/-/ready\">Readiness</a></li>\n</ul>\n</body>\n</html>\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

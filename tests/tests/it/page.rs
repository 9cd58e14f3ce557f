//! What the end-to-end tests ask an exporter's page.

use test_peers::page::Page;

/// Questions about GPUs and the host.
pub(crate) trait ExporterPage {
    /// The indices of all GPUs that `gpu_up` knows.
    fn gpus(&self) -> Vec<String>;

    /// Which names any GPU with this index has samples of.
    fn names_of_gpu(&self, index: &str) -> Vec<String>;

    /// The names of all host series, each once, in order.
    fn host_names(&self) -> Vec<String>;
}

impl ExporterPage for Page {
    fn gpus(&self) -> Vec<String> {
        self.samples()
            .filter(|sample| sample.name == "gpu_up")
            .map(|sample| sample.labels["gpu"].clone())
            .collect()
    }

    fn names_of_gpu(&self, index: &str) -> Vec<String> {
        let mut names: Vec<String> = self
            .samples()
            .filter(|sample| {
                sample.name.starts_with("gpu_") && sample.labels.get("gpu").is_some_and(|gpu| gpu == index)
            })
            .map(|sample| sample.name)
            .collect();
        names.dedup();
        names
    }

    fn host_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.samples().map(|sample| sample.name).filter(|name| name.starts_with("node_")).collect();
        names.sort();
        names.dedup();
        names
    }
}

//! A scraped page, read just well enough to ask it questions. Whether it is valid is the real parsers' business
//! (`exposition`).

use std::collections::BTreeMap;

/// One page.
#[derive(Clone, Debug)]
pub(crate) struct Page(pub(crate) String);

/// One sample of a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Page {
    /// The samples in order.
    pub(crate) fn samples(&self) -> impl Iterator<Item = Sample> {
        self.0.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(sample)
    }

    /// The value of the one sample with this name and at least these labels; `None` when there is none.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|given| given == value))
        };
        let found: Vec<f64> = self.samples().filter(has).map(|sample| sample.value).collect();
        assert!(found.len() <= 1, "{name} {labels:?} is not one sample but {found:?}");
        found.first().copied()
    }

    /// The indices of all GPUs that `gpu_up` knows.
    pub(crate) fn gpus(&self) -> Vec<String> {
        self.samples()
            .filter(|sample| sample.name == "gpu_up")
            .map(|sample| sample.labels["gpu"].clone())
            .collect()
    }

    /// Which names any GPU with this index has samples of.
    pub(crate) fn names_of_gpu(&self, index: &str) -> Vec<String> {
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

    /// The names of all host series, each once, in order.
    pub(crate) fn host_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.samples().map(|sample| sample.name).filter(|name| name.starts_with("node_")).collect();
        names.sort();
        names.dedup();
        names
    }
}

fn sample(line: &str) -> Sample {
    let (name, rest) = match line.find('{') {
        Some(brace) => (&line[..brace], &line[brace + 1..]),
        None => line.split_once(' ').unwrap(),
    };
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    if line.contains('{') {
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").unwrap();
            let mut value = String::new();
            let mut symbols = after.char_indices();
            let end = loop {
                match symbols.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => value.push(symbols.next().unwrap().1),
                    (_, symbol) => value.push(symbol),
                }
            };
            labels.insert(label.to_owned(), value);
            rest = after[end + 1..].trim_start_matches(',');
        }
        rest = rest[1..].trim_start();
    }
    // A timestamp or an exemplar may follow.
    let value = rest.split(' ').next().unwrap();
    let value = if value.ends_with("Inf") { value.replace("Inf", "inf") } else { value.to_owned() };
    Sample { name: name.to_owned(), labels, value: value.parse().unwrap() }
}

#[test]
fn samples_are_read_with_their_labels() {
    let page = Page("# HELP a b\na{x=\"1\",y=\"q\\\"}\"} 2.5 1700000000\nb 3\nc{} +Inf\n# EOF\n".to_owned());
    assert_eq!(page.value("a", &[("y", "q\"}")]), Some(2.5));
    assert_eq!(page.value("a", &[("x", "2")]), None);
    assert_eq!(page.value("b", &[]), Some(3.0));
    assert_eq!(page.value("c", &[]), Some(f64::INFINITY));
}

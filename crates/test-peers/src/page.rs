//! A scraped page, read just well enough to ask it questions. Whether it is valid is for real parsers to say.

use std::collections::BTreeMap;

/// One page.
#[derive(Clone, Debug)]
pub struct Page(pub String);

/// One sample of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its metric's name.
    pub name: String,
    /// Its labels, without escapes.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Page {
    /// The samples in order.
    pub fn samples(&self) -> impl Iterator<Item = Sample> {
        self.0.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(sample)
    }

    /// The value of the one sample with this name and at least these labels; `None` when there is none. A label is
    /// given as the page writes it or by its beginning: `gpu="0"`, `name="NVIDIA`.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let found: Vec<f64> = self
            .samples()
            .filter(|sample| sample.name == name && sample.has(labels))
            .map(|sample| sample.value)
            .collect();
        assert!(found.len() <= 1, "{name} {labels:?} is not one sample but {found:?}");
        found.first().copied()
    }

    /// Whether that sample has this value.
    #[track_caller]
    pub fn says(&self, name: &str, labels: &[&str], value: f64) -> bool {
        self.value(name, labels).is_some_and(|found| (found - value).abs() < f64::EPSILON)
    }
}

impl Sample {
    fn has(&self, labels: &[&str]) -> bool {
        let own: Vec<_> = self.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        labels.iter().all(|label| own.iter().any(|own| own.starts_with(label)))
    }
}

fn sample(line: &str) -> Sample {
    let (name, rest) = match line.find('{') {
        Some(brace) => (&line[..brace], &line[brace + 1..]),
        None => line.split_once(' ').expect("a value follows"),
    };
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    if line.contains('{') {
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").expect("a label has a value");
            let mut value = String::new();
            let mut symbols = after.char_indices();
            let end = loop {
                match symbols.next().expect("a value ends") {
                    (at, '"') => break at,
                    (_, '\\') => value.push(symbols.next().expect("something is escaped").1),
                    (_, symbol) => value.push(symbol),
                }
            };
            labels.insert(label.to_owned(), value);
            rest = after[end + 1..].trim_start_matches(',');
        }
        rest = rest[1..].trim_start();
    }
    // A timestamp or an exemplar may follow.
    let value = rest.split(' ').next().unwrap_or_default();
    let value = if value.ends_with("Inf") { value.replace("Inf", "inf") } else { value.to_owned() };
    Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().unwrap_or_else(|_| panic!("no number: {line}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_their_labels() {
        let page =
            Page("# HELP a b\na{x=\"1\",y=\"q\\\"}\"} 2.5 1700000000\nb 3\nc{} +Inf\n# EOF\n".to_owned());
        assert_eq!(page.value("a", &["y=\"q\"}\""]), Some(2.5));
        assert_eq!(page.value("a", &["x=\"1", "y="]), Some(2.5));
        assert_eq!(page.value("a", &["x=\"2\""]), None);
        assert_eq!(page.value("b", &[]), Some(3.0));
        assert_eq!(page.value("c", &[]), Some(f64::INFINITY));
        assert!(page.says("b", &[], 3.0) && !page.says("b", &[], 4.0) && !page.says("d", &[], 0.0));
    }
}

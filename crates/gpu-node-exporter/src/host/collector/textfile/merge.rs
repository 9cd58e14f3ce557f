//! The families of all files as one list.
//!
//! Owns what becomes of families of one name from several files. Done here, on the collector's thread, so that the thread
//! that serves has nothing to compare.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::directory::TextFile;
use super::limits::Limits;
use super::series::{Series, is_common, series_of};
use crate::family::{Family, Labels, Sample};
use crate::host::excerpt::excerpt;

/// The page's part, and what was left out of it.
pub(super) struct Merged {
    pub(super) families: Vec<Family>,
    pub(super) mistakes: Vec<String>,
}

/// Merges the files' families; of what disagrees or is there twice, the first stays.
pub(super) fn merge(files: Vec<TextFile>, limits: &Limits) -> Merged {
    let mut mistakes = Vec::new();
    let mut by_name: BTreeMap<String, Known> = BTreeMap::new();
    let mut paths = Vec::with_capacity(files.len());
    for TextFile { path, families, .. } in files {
        paths.push(path);
        for family in families {
            let known = by_name.entry(family.name.to_string()).or_insert_with(|| Known::new(&family));
            if let Err(mistake) = known.add(family, &paths, limits) {
                mistakes.push(format!("{}: {mistake}", paths[paths.len() - 1]));
            }
        }
    }
    let mut room = limits.page_bytes;
    let mut families = Vec::new();
    for Known { mut family, files, names, .. } in by_name.into_values() {
        if family.help.is_empty() {
            family.help = read_from(files.iter().map(|file| paths[*file].as_str())).into();
        }
        match room.checked_sub(size_on_page(&family, &names)) {
            Some(left) => {
                room = left;
                same_labels(&mut family.samples, &names);
                families.push(family);
            }
            None => mistakes.push(format!(
                "{}: `{}` is left out, since the text files would take more than {} bytes of the page",
                paths[files[0]],
                excerpt(&family.name),
                limits.page_bytes
            )),
        }
    }
    Merged { families, mistakes }
}

/// A family of one or more files.
struct Known {
    family: Family,
    /// Places in the list of files.
    files: Vec<usize>,
    series: HashSet<Series>,
    /// The names of the labels that all samples are shown with.
    names: BTreeSet<String>,
}

impl Known {
    fn new(first: &Family) -> Self {
        let family =
            Family { samples: Vec::new(), ..Family::unknown(first.name.clone(), first.help.clone()) };
        let family = Family { kind: first.kind, ..family };
        Self { family, files: Vec::new(), series: HashSet::new(), names: BTreeSet::new() }
    }

    /// Adds what the last of the files has of this family.
    fn add(&mut self, family: Family, paths: &[String], limits: &Limits) -> Result<(), String> {
        let name = || excerpt(&family.name);
        let differs = if family.kind != self.family.kind {
            "another type"
        } else if !family.help.is_empty() && !self.family.help.is_empty() && family.help != self.family.help {
            "another help text"
        } else {
            ""
        };
        if !differs.is_empty() {
            return Err(format!("`{}` has {differs} than in {}", name(), paths[self.files[0]]));
        }
        let labels = family.samples.iter().flat_map(|sample| sample.labels.escaped());
        let new: BTreeSet<&str> = (labels.map(|(label, _)| label))
            .filter(|label| is_common(label) && !self.names.contains(*label))
            .collect();
        if self.names.len() + new.len() > limits.label_names {
            let most = limits.label_names;
            return Err(format!("`{}` has more than {most} label names with those in other files", name()));
        }
        self.names.extend(new.into_iter().map(str::to_owned));
        self.files.push(paths.len() - 1);
        let repeated = format!("of `{}` there are series that another file has too", name());
        if self.family.help.is_empty() {
            self.family.help = family.help;
        }
        let expected = self.family.samples.len() + family.samples.len();
        let series = &mut self.series;
        self.family
            .samples
            .extend(family.samples.into_iter().filter(|sample| series.insert(series_of(sample))));
        if self.family.samples.len() == expected { Ok(()) } else { Err(repeated) }
    }
}

/// As `node_exporter` says it, for a family without a help text.
fn read_from<'a>(mut paths: impl Iterator<Item = &'a str>) -> String {
    const MOST_NAMED: usize = 8;
    let named: Vec<_> = paths.by_ref().take(MOST_NAMED).collect();
    let more = match paths.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("Metric read from {}{more}", named.join(", "))
}

/// At most so many bytes.
fn size_on_page(family: &Family, names: &BTreeSet<String>) -> usize {
    // Braces, a value, and the ends of the lines.
    const REST: usize = 32;
    let missing: usize = names.iter().map(|name| name.len() + "=\"\",".len()).sum();
    let samples =
        family.samples.iter().map(|sample| sample.labels.text().len() + family.name.len() + missing + REST);
    samples.sum::<usize>() + 2 * (family.name.len() + REST) + family.help.len()
}

/// Series of one family get the same label names, empty where they had none, as `node_exporter` shows them.
fn same_labels(samples: &mut [Sample], names: &BTreeSet<String>) {
    for sample in samples {
        let own: BTreeMap<&str, _> = sample.labels.iter().collect();
        let missing = names.iter().filter(|name| !own.contains_key(name.as_str()));
        let mut all: Vec<(&str, &str)> = missing.map(|name| (name.as_str(), "")).collect();
        if !all.is_empty() {
            all.extend(own.iter().map(|(name, value)| (*name, &**value)));
            // All in the same order, so that equal sets are equal texts.
            all.sort_unstable();
            sample.labels = Labels::new(all);
        }
    }
}

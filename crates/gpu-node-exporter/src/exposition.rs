//! From families to the bytes of a page.
//!
//! Owns the page as a whole: families of the same name merged, in order, nothing twice; which format a scraper gets.
//! The two formats are children: [`openmetrics`] and [`classic`]. Leaves out HTTP.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::family::{Family, Kind, Sample};

mod classic;
mod lines;
mod negotiation;
mod openmetrics;
#[cfg(test)]
mod oracle;

pub(crate) use negotiation::{Format, accepts_gzip};

/// What one page shows: every family once, ordered by name.
#[derive(Debug)]
pub(crate) struct Page {
    sources: Vec<Arc<Vec<Family>>>,
    groups: Vec<Group>,
    /// What was left out because something of the same name was there first, one text each.
    pub(crate) refused: Vec<String>,
}

/// All samples that go under one name, from one or more sources.
#[derive(Debug)]
struct Group {
    /// The first decides about help and kind.
    places: Vec<Place>,
    /// (index into `places`, index of the sample) of the samples that repeat an earlier one.
    repeated: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    source: usize,
    family: usize,
}

impl Page {
    /// Puts the sources' families in order. Of two series with the same name and labels the first source's stays, and
    /// so it is with families of the same name that disagree about their kind.
    pub(crate) fn new(sources: Vec<Arc<Vec<Family>>>) -> Self {
        let mut places: Vec<Place> = Vec::new();
        for (source, families) in sources.iter().enumerate() {
            let filled = families.iter().enumerate().filter(|(_, family)| !family.samples.is_empty());
            places.extend(filled.map(|(family, _)| Place { source, family }));
        }
        let at = |place: Place| &sources[place.source][place.family];
        places.sort_by(|left, right| at(*left).name.cmp(&at(*right).name));

        let mut refused = Vec::new();
        let mut groups: Vec<Group> = Vec::with_capacity(places.len());
        for place in places {
            match groups.last_mut().filter(|group| at(group.places[0]).name == at(place).name) {
                None => groups.push(Group { places: vec![place], repeated: Vec::new() }),
                Some(group) if at(group.places[0]).kind == at(place).kind => group.places.push(place),
                Some(_) => refused.push(format!("a second family `{}` of another type", at(place).name)),
            }
        }
        let mut page = Self { sources, groups, refused };
        page.refuse_repeated_samples();
        page
    }

    fn refuse_repeated_samples(&mut self) {
        // Not the same in every process, so that nobody can choose labels that collide everywhere.
        let key = RandomState::new().hash_one(0_u8);
        let mut seen = Vec::new();
        for group in &mut self.groups {
            let families = group.places.iter().map(|place| &self.sources[place.source][place.family]);
            let samples = families.flat_map(|family| &family.samples);
            seen.clear();
            if group.places.len() == 1 {
                // One collector writes the labels of a family in one order, so that equal sets are equal texts.
                seen.extend(samples.map(|sample| fingerprint_of_text(key, sample)));
            } else {
                seen.extend(samples.map(|sample| fingerprint(key, sample)));
            }
            if has_repeats(&mut seen) {
                group.repeated = repeated(key, &self.sources, &group.places, &mut self.refused);
            }
        }
    }

    fn family(&self, place: Place) -> &Family {
        &self.sources[place.source][place.family]
    }

    /// The page's families in order.
    fn families(&self) -> impl Iterator<Item = Merged<'_>> {
        self.groups.iter().map(|group| Merged { page: self, group, head: self.family(group.places[0]) })
    }

    /// The bytes of the page. `expected` is about how many there will be.
    pub(crate) fn encode(&self, format: Format, expected: usize) -> String {
        match format {
            Format::OpenMetrics => openmetrics::encode(self, expected),
            Format::Classic => classic::encode(self, expected),
        }
    }
}

/// One family of the page, with all its samples.
struct Merged<'page> {
    page: &'page Page,
    group: &'page Group,
    head: &'page Family,
}

impl<'page> Merged<'page> {
    fn name(&self) -> &'page str {
        &self.head.name
    }

    fn help(&self) -> &'page str {
        &self.head.help
    }

    fn kind(&self) -> Kind {
        self.head.kind
    }

    fn samples(&self) -> impl Iterator<Item = &'page Sample> {
        let (page, group) = (self.page, self.group);
        group.places.iter().enumerate().flat_map(move |(place_index, place)| {
            let samples = page.family(*place).samples.iter().enumerate();
            samples
                .filter(move |(sample_index, _)| {
                    group.repeated.is_empty() || !group.repeated.contains(&(place_index, *sample_index))
                })
                .map(|(_, sample)| sample)
        })
    }
}

/// One number for a label set, whatever the order of its labels. Two different sets share one in 10^13 pages of a
/// thousand series. A page has some ten thousand texts to look at, so the hash is a plain multiplying one.
fn fingerprint(key: u64, sample: &Sample) -> u64 {
    let label = |(name, value): (&str, &str)| mixed(mixed(key, name), value);
    let labels = sample.labels.escaped().map(label).fold(0, u64::wrapping_add);
    if sample.suffix.is_empty() { labels } else { labels.wrapping_add(mixed(key, sample.suffix)) }
}

fn fingerprint_of_text(key: u64, sample: &Sample) -> u64 {
    mixed(mixed(key, sample.suffix), sample.labels.text())
}

fn mixed(key: u64, text: &str) -> u64 {
    // An odd number without a pattern: 2^64 divided by the golden ratio.
    let mix = |state: u64, word: u64| (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let state =
        words.iter().fold(mix(key, text.len() as u64), |state, word| mix(state, u64::from_le_bytes(*word)));
    let last = rest.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    mix(mix(state, last), key)
}

fn has_repeats(fingerprints: &mut [u64]) -> bool {
    fingerprints.sort_unstable();
    fingerprints.windows(2).any(|pair| pair[0] == pair[1])
}

/// Which samples of a family repeat an earlier one, and a text for each.
fn repeated(
    key: u64,
    sources: &[Arc<Vec<Family>>],
    places: &[Place],
    refused: &mut Vec<String>,
) -> Vec<(usize, usize)> {
    let mut seen = HashSet::new();
    let mut repeated = Vec::new();
    for (place_index, place) in places.iter().enumerate() {
        let family = &sources[place.source][place.family];
        for (sample_index, sample) in family.samples.iter().enumerate() {
            if !seen.insert(fingerprint(key, sample)) {
                repeated.push((place_index, sample_index));
                let labels = sample.labels.iter().map(|(name, value)| format!("{name}={value:?}"));
                let labels = labels.collect::<Vec<_>>().join(",");
                refused.push(format!("a second series `{}{}{{{labels}}}`", family.name, sample.suffix));
            }
        }
    }
    repeated
}

#[cfg(test)]
mod tests;

//! From families to the bytes of a page.
//!
//! Owns the page as a whole: families of the same name merged, in order, nothing twice; which format a scraper gets.
//! The two formats are children: [`openmetrics`] and [`classic`]. Leaves out HTTP.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::family::{Family, Kind, Labels, Sample};

mod classic;
mod negotiation;
mod openmetrics;

pub(crate) use negotiation::{Format, accepts_gzip};

/// What one page shows: every family once, ordered by name. It owns its families so that the encoders can be handed it
/// whole.
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
        let mut repeats = Repeats::default();
        for group in &mut self.groups {
            repeats.seen.clear();
            for (place_index, place) in group.places.iter().enumerate() {
                let family = &self.sources[place.source][place.family];
                for (sample_index, sample) in family.samples.iter().enumerate() {
                    if !repeats.is_new(sample) {
                        group.repeated.push((place_index, sample_index));
                        let labels = sample.labels.iter().map(|(name, value)| format!("{name}={value:?}"));
                        let labels = labels.collect::<Vec<_>>().join(",");
                        self.refused
                            .push(format!("a second series `{}{}{{{labels}}}`", family.name, sample.suffix));
                    }
                }
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
    pub(crate) fn encode(self: &Arc<Self>, format: Format, expected: usize) -> String {
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

/// Tells whether a label set was seen before, whatever the order of its labels.
#[derive(Default)]
struct Repeats {
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl Repeats {
    /// Two different sets share a 64-bit fingerprint once in 10^13 pages of a thousand series; the hash is keyed, so
    /// nobody can choose labels that collide.
    fn is_new(&mut self, sample: &Sample) -> bool {
        let fingerprint = self.fingerprint(&sample.labels).wrapping_add(self.hasher.hash_one(sample.suffix));
        self.seen.insert(fingerprint)
    }

    fn fingerprint(&self, labels: &Labels) -> u64 {
        labels.iter().map(|label| self.hasher.hash_one(label)).fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests;

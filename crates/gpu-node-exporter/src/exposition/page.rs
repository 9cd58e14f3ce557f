//! What one page shows: families of the same name merged, in order, nothing twice.
//!
//! Owns what becomes of two equal series and of two families that disagree. Leaves out how a page is written.

use std::sync::Arc;

use super::repeats::{has_equal, hash_of_set, hash_of_text, key, repeated};
use crate::family::{Family, Kind, Sample};

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
        let key = key();
        let mut hashes = Vec::new();
        for group in &mut self.groups {
            let families = || group.places.iter().map(|place| &self.sources[place.source][place.family]);
            let samples = families().flat_map(|family| &family.samples);
            hashes.clear();
            if group.places.len() == 1 {
                // One collector writes the labels of a family in one order, so that equal sets are equal texts.
                hashes.extend(samples.map(|sample| hash_of_text(key, sample)));
            } else {
                hashes.extend(samples.map(|sample| hash_of_set(key, sample)));
            }
            if has_equal(&mut hashes) {
                let families: Vec<_> = families().collect();
                let repeated = repeated(&families, |sample| hash_of_set(key, sample));
                self.refused
                    .extend(repeated.iter().map(|(family, sample)| refused(families[*family], *sample)));
                group.repeated = repeated;
            }
        }
    }

    fn family(&self, place: Place) -> &Family {
        &self.sources[place.source][place.family]
    }

    /// The page's families in order.
    pub(super) fn families(&self) -> impl Iterator<Item = Merged<'_>> {
        self.groups.iter().map(|group| Merged { page: self, group, head: self.family(group.places[0]) })
    }
}

/// The text for a sample that was left out.
fn refused(family: &Family, sample: usize) -> String {
    let sample = &family.samples[sample];
    let labels = sample.labels.iter().map(|(name, value)| format!("{name}={value:?}"));
    let labels = labels.collect::<Vec<_>>().join(",");
    format!("a second series `{}{}{{{labels}}}`", family.name, sample.suffix)
}

/// One family of the page, with all its samples.
pub(super) struct Merged<'page> {
    page: &'page Page,
    group: &'page Group,
    head: &'page Family,
}

impl<'page> Merged<'page> {
    pub(super) fn name(&self) -> &'page str {
        &self.head.name
    }

    pub(super) fn help(&self) -> &'page str {
        &self.head.help
    }

    pub(super) fn kind(&self) -> Kind {
        self.head.kind
    }

    pub(super) fn samples(&self) -> impl Iterator<Item = &'page Sample> {
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

//! What one page shows: families of the same name merged, in order, nothing twice, and nothing that a reader refuses.
//!
//! Owns what becomes of two equal series, of two families that disagree, and of a name that no page may hold: Prometheus
//! refuses a whole page for one of those, so each costs itself here. Leaves out how a page is written.

use std::sync::Arc;

use super::repeats::{has_equal, hash_of_set, hash_of_text, key, repeated};
use super::shape::{Shape, Taken};
use crate::family::{Family, Kind, Labels, Sample, is_metric_name, wrong_label};

/// What one page shows: every family once, ordered by name.
#[derive(Debug)]
pub(crate) struct Page {
    sources: Vec<Arc<Vec<Family>>>,
    groups: Vec<Group>,
    /// What was left out.
    pub(crate) refused: Refused,
}

/// What a page leaves out.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// How many series, each family that was left out whole counted once.
    pub(crate) count: usize,
    /// What some of them are, and why, one text each: text files can hold any number of them.
    pub(crate) told: Vec<String>,
}

/// So many are told.
const MOST_TOLD: usize = 64;

/// A series is named with so many characters.
const LONGEST_NAME: usize = 200;

impl Refused {
    fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push(text());
        }
    }
}

/// Label sets of this page that were found good. The families of a device share its set, so most need no second look. A set's
/// address chooses its place; one that takes the place of another costs a look more, nothing else.
struct GoodSets<'page>([Option<&'page Labels>; 256]);

impl Default for GoodSets<'_> {
    fn default() -> Self {
        Self([None; 256])
    }
}

impl<'page> GoodSets<'page> {
    fn has(&self, labels: &Labels) -> bool {
        self.0[Self::place(labels)].is_some_and(|good| good.is_shared_with(labels))
    }

    fn add(&mut self, labels: &'page Labels) {
        self.0[Self::place(labels)] = Some(labels);
    }

    /// Allocations lie at multiples of 16 bytes.
    fn place(labels: &Labels) -> usize {
        (labels.text().as_ptr().addr() >> 4) % 256
    }
}

/// All samples that go under one name, from one or more sources.
#[derive(Debug)]
struct Group {
    /// The first decides about help and kind.
    places: Vec<Place>,
    /// (index into `places`, index of the sample) of the samples that are left out, in order.
    left_out: Vec<(usize, usize)>,
    /// Decided when all samples are known.
    shape: Shape,
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

        let mut refused = Refused::default();
        let mut groups: Vec<Group> = Vec::with_capacity(places.len());
        for place in places {
            let Family { name, kind, .. } = at(place);
            match groups.last_mut().filter(|group| at(group.places[0]).name == *name) {
                None if !is_metric_name(name) => {
                    refused.add(|| format!("the family `{}`: this is not a valid name", shortened(name)));
                }
                None => {
                    groups.push(Group { places: vec![place], left_out: Vec::new(), shape: Shape::UNKNOWN });
                }
                Some(group) if at(group.places[0]).kind == *kind => group.places.push(place),
                Some(_) => refused.add(|| {
                    format!("a second family `{}` of another type; the first one is shown", shortened(name))
                }),
            }
        }
        let mut page = Self { sources, groups, refused };
        page.refuse_wrong_labels();
        page.refuse_repeated_samples();
        page.decide_shapes();
        page
    }

    fn refuse_wrong_labels(&mut self) {
        let mut names = Vec::new();
        let mut good = GoodSets::default();
        for group in &mut self.groups {
            for (index, place) in group.places.iter().enumerate() {
                let family = &self.sources[place.source][place.family];
                for (sample_index, sample) in family.samples.iter().enumerate() {
                    if good.has(&sample.labels) {
                        continue;
                    }
                    match wrong_label(&sample.labels, &mut names) {
                        None => good.add(&sample.labels),
                        Some(wrong) => {
                            group.left_out.push((index, sample_index));
                            self.refused.add(|| format!("{}: it has {wrong}", series(family, sample)));
                        }
                    }
                }
            }
        }
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
                for (family, sample) in &repeated {
                    let family = families[*family];
                    self.refused.add(|| {
                        let series = series(family, &family.samples[*sample]);
                        format!("a second series {series}; the first one is shown")
                    });
                }
                group.left_out.extend(repeated);
                group.left_out.sort_unstable();
                group.left_out.dedup();
            }
        }
    }

    /// In both formats, so that a family is on the page whatever a scraper asks for, or is not.
    fn decide_shapes(&mut self) {
        let mut taken = Taken::default();
        let shapes: Vec<Option<Shape>> = (self.groups.iter())
            .map(|group| {
                let merged = self.merged(group);
                taken.shape(merged.name(), Shape::own(merged.name(), merged.kind(), merged.samples()))
            })
            .collect();
        let mut shapes = shapes.into_iter();
        let (sources, refused) = (&self.sources, &mut self.refused);
        self.groups.retain_mut(|group| {
            let shape = shapes.next().flatten();
            if let Some(shape) = shape {
                group.shape = shape;
            } else {
                let Place { source, family } = group.places[0];
                let name = shortened(&sources[source][family].name);
                refused.add(|| format!("the family `{name}`: another family's samples have this name"));
            }
            shape.is_some()
        });
    }

    fn family(&self, place: Place) -> &Family {
        &self.sources[place.source][place.family]
    }

    fn merged<'page>(&'page self, group: &'page Group) -> Merged<'page> {
        Merged { page: self, group, head: self.family(group.places[0]) }
    }

    /// The page's families in order.
    pub(super) fn families(&self) -> impl Iterator<Item = Merged<'_>> {
        self.groups.iter().map(|group| self.merged(group))
    }

    /// How many samples it has, those that are left out among them.
    pub(crate) fn size_of(sources: &[Arc<Vec<Family>>]) -> usize {
        sources.iter().flat_map(|families| families.iter()).map(|family| family.samples.len()).sum()
    }
}

/// A series by name.
fn series(family: &Family, sample: &Sample) -> String {
    format!("`{}`", shortened(&format!("{}{}{{{}}}", family.name, sample.suffix, sample.labels.text())))
}

/// On one line, whatever it holds.
fn shortened(name: &str) -> String {
    let mut text: String =
        name.chars().take(LONGEST_NAME).filter(|character| !character.is_control()).collect();
    if name.chars().nth(LONGEST_NAME).is_some() {
        text.push('…');
    }
    text
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

    pub(super) fn shape(&self) -> Shape {
        self.group.shape
    }

    pub(super) fn samples(&self) -> impl Iterator<Item = &'page Sample> {
        let (page, group) = (self.page, self.group);
        let samples = group.places.iter().enumerate().flat_map(move |(place_index, place)| {
            let samples = page.family(*place).samples.iter().enumerate();
            samples.map(move |(sample_index, sample)| ((place_index, sample_index), sample))
        });
        let mut left_out = group.left_out.iter().peekable();
        samples.filter_map(move |(place, sample)| {
            left_out.next_if(|out| **out == place).is_none().then_some(sample)
        })
    }
}

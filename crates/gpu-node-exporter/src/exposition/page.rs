//! What one page shows: families of the same name merged, in order, nothing twice, and nothing that a reader refuses.
//!
//! Owns what becomes of two equal series and of a name that no page may hold: Prometheus refuses a whole page for one of those, so each
//! costs itself here. Nearly all series of a page were on the page before, where they were found good: only what is new is checked. Leaves
//! out how a page is written.

use std::sync::Arc;

use super::layout::{Layout, Place, Sources, are_alike};
use super::refused::{Refused, series, shortened};
use super::repeats::{has_equal, hash_of_set, hash_of_text, key, repeated};
use super::shape::{Shape, Taken};
use crate::family::{Family, Kind, Number, Sample, wrong_label};

/// What one page shows: every family once, ordered by name.
#[derive(Debug)]
pub(crate) struct Page {
    sources: Vec<Arc<Vec<Family>>>,
    layout: Arc<Layout>,
    /// By the layout's.
    groups: Vec<Group>,
}

/// What was found out about the samples that go under one name, from one or more sources.
#[derive(Clone, Debug)]
struct Group {
    /// `None` where none is, as nearly always.
    left_out: Option<Arc<LeftOut>>,
    /// The shape that its own type demands, if it has it.
    own: Option<Shape>,
    /// The shape it has beside the others; `None` for a family that is left out.
    shape: Option<Shape>,
    likeness: Likeness,
}

/// Samples that are left out.
#[derive(Debug)]
struct LeftOut {
    /// (index into the places, index of the sample), in order.
    samples: Vec<(usize, usize)>,
    refused: Refused,
}

/// How a family is like the one on the page before, where it has the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// In nothing that is known.
    None,
    /// The same series have other values, and all else is written alike.
    Series,
    /// It is written alike.
    Text,
}

/// How a family differs from the one on the page before.
enum Change {
    Nothing,
    /// The same series have other values.
    Values,
    /// The same series have another help.
    Help,
    Series,
}

impl Page {
    /// Puts the sources' families in order. Of two series with the same name and labels the first source's stays, and
    /// so it is with families of the same name that disagree about their kind. `before` is the page before, if there is one.
    pub(crate) fn new(sources: Vec<Arc<Vec<Family>>>, before: Option<&Self>) -> Self {
        let before = before.filter(|before| are_alike(&before.sources, &sources));
        let layout =
            before.map_or_else(|| Arc::new(Layout::new(&sources)), |before| Arc::clone(&before.layout));
        let key = key();
        let groups = layout.groups().enumerate().map(|(index, places)| {
            let known =
                before.and_then(|before| before.groups[index].next(places, &before.sources, &sources));
            known.unwrap_or_else(|| Group::new(key, places, &sources))
        });
        let groups = groups.collect();
        let mut page = Self { sources, layout, groups };
        page.decide_shapes(before);
        page
    }

    /// In both formats, so that a family is on the page whatever a scraper asks for, or is not.
    fn decide_shapes(&mut self, before: Option<&Self>) {
        let own = |group: &Group| group.own;
        if let Some(before) = before
            && before.groups.iter().map(own).eq(self.groups.iter().map(own))
        {
            for (group, before) in self.groups.iter_mut().zip(&before.groups) {
                group.shape = before.shape;
            }
            return;
        }
        let mut taken = Taken::default();
        for (group, places) in self.groups.iter_mut().zip(self.layout.groups()) {
            let name = &places[0].of(&self.sources).name;
            let shape = taken.shape(name, group.own);
            if shape != group.shape {
                (group.shape, group.likeness) = (shape, Likeness::None);
            }
        }
    }

    /// What was left out.
    pub(crate) fn refused(&self) -> Refused {
        let mut refused = self.layout.refused.clone();
        for (group, places) in self.groups.iter().zip(self.layout.groups()) {
            if let Some(left_out) = &group.left_out {
                refused.extend(&left_out.refused);
            }
            if group.shape.is_none() {
                let name = shortened(&places[0].of(&self.sources).name);
                refused.add(|| format!("the family `{name}`: another family's samples have this name"));
            }
        }
        refused
    }

    /// The layout's families in order; `None` for one that is left out.
    pub(super) fn families(&self) -> impl Iterator<Item = Option<Merged<'_>>> {
        self.groups.iter().zip(self.layout.groups()).map(|(group, places)| {
            let head = places[0].of(&self.sources);
            Some(Merged { sources: &self.sources, places, group, head, shape: group.shape? })
        })
    }

    /// How many samples it has, those that are left out among them.
    pub(crate) fn size_of(sources: &Sources) -> usize {
        sources.iter().flat_map(|families| families.iter()).map(|family| family.samples.len()).sum()
    }
}

impl Group {
    /// Looks at every sample.
    fn new(key: u64, places: &[Place], sources: &Sources) -> Self {
        let families: Vec<&Family> = places.iter().map(|place| place.of(sources)).collect();
        let (mut left_out, mut refused, mut names) = (Vec::new(), Refused::default(), Vec::new());
        for (index, family) in families.iter().enumerate() {
            for (sample_index, sample) in family.samples.iter().enumerate() {
                if let Some(wrong) = wrong_label(&sample.labels, &mut names) {
                    left_out.push((index, sample_index));
                    refused.add(|| format!("{}: it has {wrong}", series(family, sample)));
                }
            }
        }
        let samples = families.iter().flat_map(|family| &family.samples);
        let mut hashes: Vec<u64> = if families.len() == 1 {
            // One collector writes the labels of a family in one order, so that equal sets are equal texts.
            samples.map(|sample| hash_of_text(key, sample)).collect()
        } else {
            samples.map(|sample| hash_of_set(key, sample)).collect()
        };
        if has_equal(&mut hashes) {
            let repeated = repeated(&families, |sample| hash_of_set(key, sample));
            for (family, sample) in &repeated {
                let family = families[*family];
                refused.add(|| {
                    let series = series(family, &family.samples[*sample]);
                    format!("a second series {series}; the first one is shown")
                });
            }
            left_out.extend(repeated);
            left_out.sort_unstable();
            left_out.dedup();
        }
        let left_out = Some(LeftOut { samples: left_out, refused }).filter(|out| !out.samples.is_empty());
        let left_out = left_out.map(Arc::new);
        let mut group = Self { left_out, own: None, shape: None, likeness: Likeness::None };
        group.own = group.own_shape(places, sources);
        group
    }

    /// The same group on the next page; `None` when it has other series there.
    fn next(&self, places: &[Place], then: &Sources, now: &Sources) -> Option<Self> {
        let mut group = Self { likeness: Likeness::Text, ..self.clone() };
        for place in places {
            group.likeness = match (place.change(then, now), group.likeness) {
                (Change::Nothing, likeness) => likeness,
                (Change::Help, _) | (Change::Values, Likeness::None) => Likeness::None,
                (Change::Values, _) => Likeness::Series,
                (Change::Series, _) => return None,
            };
        }
        if group.likeness != Likeness::Text {
            group.own = group.own_shape(places, now);
            if group.own != self.own {
                group.likeness = Likeness::None;
            }
        }
        Some(group)
    }

    fn own_shape(&self, places: &[Place], sources: &Sources) -> Option<Shape> {
        let Family { name, kind, .. } = places[0].of(sources);
        Shape::own(name, *kind, shown(places, sources, self.left_out()))
    }

    fn left_out(&self) -> &[(usize, usize)] {
        self.left_out.as_deref().map_or(&[], |left_out| &left_out.samples)
    }
}

impl Place {
    /// What has become of the family here since the page before.
    fn change(self, then: &Sources, now: &Sources) -> Change {
        if Arc::ptr_eq(&then[self.source], &now[self.source]) {
            return Change::Nothing;
        }
        let (then, now) = (self.of(then), self.of(now));
        if then.samples.len() != now.samples.len() {
            return Change::Series;
        }
        let mut is_written_alike = true;
        for (then, now) in then.samples.iter().zip(&now.samples) {
            // Nearly all have the same empty suffix, which needs no look at its letters.
            let is_same_suffix = std::ptr::eq(then.suffix, now.suffix) || then.suffix == now.suffix;
            if !is_same_suffix || then.labels != now.labels {
                return Change::Series;
            }
            is_written_alike &= then.value.is_written_as(now.value);
        }
        match (then.help == now.help, is_written_alike) {
            (false, _) => Change::Help,
            (true, false) => Change::Values,
            (true, true) => Change::Nothing,
        }
    }
}

/// The samples of these families but those that are left out.
fn shown<'page>(
    places: &'page [Place],
    sources: &'page Sources,
    left_out: &'page [(usize, usize)],
) -> impl Iterator<Item = &'page Sample> {
    let samples = places.iter().enumerate().flat_map(move |(place_index, place)| {
        let samples = place.of(sources).samples.iter().enumerate();
        samples.map(move |(sample_index, sample)| ((place_index, sample_index), sample))
    });
    let mut left_out = left_out.iter().peekable();
    samples
        .filter_map(move |(place, sample)| left_out.next_if(|out| **out == place).is_none().then_some(sample))
}

/// One family of the page, with all its samples.
pub(super) struct Merged<'page> {
    sources: &'page Sources,
    places: &'page [Place],
    group: &'page Group,
    head: &'page Family,
    shape: Shape,
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
        self.shape
    }

    /// How it is like the one on the page before.
    pub(super) fn likeness(&self) -> Likeness {
        self.group.likeness
    }

    /// Gives `each` the value of every sample, and the one it had on the page before, which had the same series.
    pub(super) fn values(&self, before: &Page, mut each: impl FnMut(Number, Number)) {
        let mut left_out = self.group.left_out().iter().peekable();
        for (place_index, place) in self.places.iter().enumerate() {
            let (now, then) = (&place.of(self.sources).samples, &place.of(&before.sources).samples);
            for (sample_index, (now, then)) in now.iter().zip(then).enumerate() {
                if left_out.next_if(|out| **out == (place_index, sample_index)).is_none() {
                    each(now.value, then.value);
                }
            }
        }
    }

    pub(super) fn samples(&self) -> impl Iterator<Item = &'page Sample> {
        shown(self.places, self.sources, self.group.left_out())
    }
}

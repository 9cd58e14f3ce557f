//! In which order a page shows families, by their names and types alone: that is the same from page to page, as long as no family comes
//! or goes.
//!
//! Owns which families are one, and what becomes of two that disagree about their type. Leaves out their series.

use std::sync::Arc;

use super::refused::{Refused, shortened};
use crate::family::{Family, is_metric_name};

/// Families by source: parts of what was read. A part that is the same as on the page before has not changed.
pub(super) type Sources = [Arc<Vec<Family>>];

/// Where the families of a page are, in the order of their names.
#[derive(Debug)]
pub(super) struct Layout {
    /// Those of one name stand together, in the order of the sources; the first decides about help and type.
    places: Vec<Place>,
    /// Where the places of each name end.
    ends: Vec<usize>,
    /// What was left out.
    pub(super) refused: Refused,
}

/// Where a family is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) source: usize,
    pub(super) family: usize,
}

impl Place {
    pub(super) fn of(self, sources: &Sources) -> &Family {
        &sources[self.source][self.family]
    }
}

impl Layout {
    /// Puts the families in order that have samples. Of two of one name that disagree about their type, the first source's stays.
    pub(super) fn new(sources: &Sources) -> Self {
        let mut places: Vec<Place> = Vec::new();
        for (source, families) in sources.iter().enumerate() {
            let filled = families.iter().enumerate().filter(|(_, family)| !family.samples.is_empty());
            places.extend(filled.map(|(family, _)| Place { source, family }));
        }
        places.sort_by(|left, right| left.of(sources).name.cmp(&right.of(sources).name));

        let (mut groups, mut refused): (Vec<Vec<Place>>, _) = (Vec::new(), Refused::default());
        for place in places {
            let Family { name, kind, .. } = place.of(sources);
            match groups.last_mut().filter(|group| group[0].of(sources).name == *name) {
                None if !is_metric_name(name) => {
                    refused.add(|| format!("the family `{}`: this is not a valid name", shortened(name)));
                }
                None => groups.push(vec![place]),
                Some(group) if group[0].of(sources).kind == *kind => group.push(place),
                Some(_) => refused.add(|| {
                    format!("a second family `{}` of another type; the first one is shown", shortened(name))
                }),
            }
        }
        let mut end = 0;
        let ends = groups.iter().map(|group| {
            end += group.len();
            end
        });
        Self { ends: ends.collect(), places: groups.concat(), refused }
    }

    /// The places of the families of each name.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[Place]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.places[begin..*end])
    }
}

/// Whether the families of both have the same layout.
pub(super) fn are_alike(before: &Sources, now: &Sources) -> bool {
    let is_same = |one: &Family, other: &Family| {
        (&one.name, one.kind, one.samples.is_empty()) == (&other.name, other.kind, other.samples.is_empty())
    };
    before.len() == now.len()
        && before.iter().zip(now).all(|(before, now)| {
            Arc::ptr_eq(before, now)
                || (before.len() == now.len()
                    && before.iter().zip(&**now).all(|(before, now)| is_same(before, now)))
        })
}

//! The label sets of a device, which each page makes anew in the same order as the page before.
//!
//! A set that is the same is a clone of the one before: it costs no allocation, and whoever compares the two pages finds at once that it
//! has not changed.

use std::cell::RefCell;

use super::Labels;
use super::labels::{needs_escape, write_label};

/// A device's labels, and what makes others of them.
#[derive(Debug)]
pub(crate) struct LabelSets<'a> {
    own: &'a Labels,
    made: RefCell<MadeSets>,
}

/// The sets that were made of one device's labels, in order.
#[derive(Debug, Default)]
pub(crate) struct MadeSets {
    /// The device's labels, which each of them begins with.
    own: Labels,
    sets: Vec<Labels>,
    /// How many of them this page has so far.
    count: usize,
}

impl<'a> LabelSets<'a> {
    /// `made` are the sets of the page before.
    pub(crate) fn new(own: &'a Labels, mut made: MadeSets) -> Self {
        if made.own != *own {
            made = MadeSets { own: own.clone(), ..MadeSets::default() };
        }
        Self { own, made: RefCell::new(made) }
    }

    /// The device's own labels.
    pub(crate) fn own(&self) -> Labels {
        self.own.clone()
    }

    /// The device's labels with more after them.
    #[must_use]
    pub(crate) fn and<N: AsRef<str>, V: AsRef<str>>(
        &self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Labels {
        let MadeSets { own, sets, count } = &mut *self.made.borrow_mut();
        let at = *count;
        *count += 1;
        if at == sets.len() {
            sets.push(own.clone());
        }
        let set = &mut sets[at];
        if let Some(other) = spelled_otherwise(set.text(), own.text().len(), pairs) {
            *set = Labels::of_text(&other);
        }
        set.clone()
    }

    /// The sets that this page has, for the next.
    pub(crate) fn made(self) -> MadeSets {
        let mut made = self.made.into_inner();
        made.sets.truncate(made.count);
        made.count = 0;
        made
    }
}

/// The set with these labels after the first `begin` bytes of one that is known; `None` where that is the one that is known.
fn spelled_otherwise<N: AsRef<str>, V: AsRef<str>>(
    known: &str,
    begin: usize,
    pairs: impl IntoIterator<Item = (N, V)>,
) -> Option<String> {
    // What of the known set is spelled the same; and the set, once something is not.
    let (mut same, mut other) = (begin, None::<String>);
    for (name, value) in pairs {
        let (name, value) = (name.as_ref(), value.as_ref());
        if other.is_none()
            && let Some(end) = end_of_label(known.as_bytes(), same, name, value)
        {
            same = end;
        } else {
            write_label(other.get_or_insert_with(|| known[..same].to_owned()), name, value);
        }
    }
    let is_longer = other.is_none() && same < known.len();
    if is_longer { Some(known[..same].to_owned()) } else { other.filter(|other| other != known) }
}

/// Where this label ends in a set that has it at `begin`. `None` also for a value that is written otherwise than it is.
fn end_of_label(known: &[u8], begin: usize, name: &str, value: &str) -> Option<usize> {
    // Where its parts are follows from their lengths, so that each is looked at once.
    let is_first = begin == 0;
    let name_at = begin + usize::from(!is_first);
    let value_at = name_at + name.len() + "=\"".len();
    let end = value_at + value.len();
    let is_here = known.get(end) == Some(&b'"')
        && (is_first || known[begin] == b',')
        && known[value_at - 2..value_at] == *b"=\""
        && known[value_at..end] == *value.as_bytes()
        && known[name_at..value_at - 2] == *name.as_bytes()
        && !needs_escape(value);
    is_here.then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sets of a page, and those it leaves for the next.
    fn page(own: &Labels, values: &[&str], before: MadeSets) -> (Vec<Labels>, MadeSets) {
        let sets = LabelSets::new(own, before);
        let shown = values.iter().map(|value| sets.and([("link", *value)])).collect();
        (shown, sets.made())
    }

    proptest! {
        /// Whatever was at its place before, a set is what it would be alone.
        #[test]
        fn a_set_is_as_if_made_alone(sets in prop::collection::vec(
            (prop::sample::select(vec!["", "0", "1"]), prop::collection::vec(("[ab]", "[1\"\\\\,=]{0,2}"), 0..3)), 1..8)
        ) {
            let mut before = MadeSets::default();
            for (gpu, pairs) in sets {
                let own = Labels::new(Some(("gpu", gpu)).filter(|_| !gpu.is_empty()));
                let sets = LabelSets::new(&own, before);
                let pairs = || pairs.iter().map(|(name, value)| (name, value));
                prop_assert_eq!(sets.and(pairs()), own.and(pairs()));
                before = sets.made();
            }
        }
    }

    #[test]
    fn a_set_that_was_there_is_the_same_and_any_other_is_made() {
        let gpu = |index: &str| Labels::new([("gpu", index)]);
        let mut before = (Vec::new(), MadeSets::default());
        for (own, values) in [
            ("0", vec!["0", "1", "2"]),
            ("0", vec!["0", "1", "2"]),
            ("0", vec!["0", "2"]),
            ("0", vec!["0", "2", "3"]),
            ("1", vec!["0", "2", "3"]),
            ("1", vec![]),
        ] {
            let now = page(&gpu(own), &values, before.1);
            let expected: Vec<_> = values.iter().map(|value| gpu(own).and([("link", *value)])).collect();
            assert_eq!(now.0, expected);
            for (now, then) in now.0.iter().zip(&before.0) {
                assert_eq!(now.shares_text_with(then), now == then, "{now:?}");
            }
            assert_eq!(now.1.sets.len(), values.len());
            before = now;
        }
    }
}

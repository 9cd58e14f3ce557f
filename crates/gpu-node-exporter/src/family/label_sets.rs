//! The label sets of a device, which each page makes anew in the same order as the page before.
//!
//! A set that is the same is a clone of the one before: it costs no allocation, and whoever compares the two pages finds at once that it
//! has not changed.

use std::cell::RefCell;

use super::Labels;

/// A device's labels, and what makes others of them.
#[derive(Debug)]
pub(crate) struct LabelSets<'a> {
    own: &'a Labels,
    made: RefCell<MadeSets>,
}

/// The sets that were made of one device's labels, in order.
#[derive(Debug, Default)]
pub(crate) struct MadeSets {
    sets: Vec<Labels>,
    /// How many of them this page has so far.
    count: usize,
    /// Where a set is written before it is known whether it is new.
    text: String,
}

impl<'a> LabelSets<'a> {
    /// `made` are the sets of the page before.
    pub(crate) fn new(own: &'a Labels, made: MadeSets) -> Self {
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
        let MadeSets { sets, count, text } = &mut *self.made.borrow_mut();
        text.clear();
        self.own.write_with(pairs, text);
        let at = *count;
        *count += 1;
        match sets.get_mut(at) {
            Some(known) if known.text() == text => known.clone(),
            Some(known) => {
                *known = Labels::of_text(text);
                known.clone()
            }
            None => {
                sets.push(Labels::of_text(text));
                sets[at].clone()
            }
        }
    }

    /// The sets that this page has, for the next.
    pub(crate) fn made(self) -> MadeSets {
        let MadeSets { mut sets, count, text } = self.made.into_inner();
        sets.truncate(count);
        MadeSets { sets, count: 0, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sets of a page, and those it leaves for the next.
    fn page(own: &Labels, values: &[&str], before: MadeSets) -> (Vec<Labels>, MadeSets) {
        let sets = LabelSets::new(own, before);
        let shown = values.iter().map(|value| sets.and([("link", *value)])).collect();
        (shown, sets.made())
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

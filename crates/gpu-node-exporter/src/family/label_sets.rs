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
        let at = *count;
        *count += 1;
        let known = sets.get(at).map(Labels::text);
        match spelled(known.unwrap_or_default(), self.own.text(), pairs, text) {
            Spelled::AsKnown if known.is_some() => {}
            Spelled::AsKnown | Spelled::Anew => {
                let set = Labels::of_text(text);
                match sets.get_mut(at) {
                    Some(known) => *known = set,
                    None => sets.push(set),
                }
            }
        }
        sets[at].clone()
    }

    /// The sets that this page has, for the next.
    pub(crate) fn made(self) -> MadeSets {
        let MadeSets { mut sets, count, text } = self.made.into_inner();
        sets.truncate(count);
        MadeSets { sets, count: 0, text }
    }
}

/// How a set is spelled beside one that is known.
enum Spelled {
    AsKnown,
    /// It is in the text.
    Anew,
}

/// Holds a set against one that is known, and writes it to `text` where it is another.
fn spelled<N: AsRef<str>, V: AsRef<str>>(
    known: &str,
    own: &str,
    pairs: impl IntoIterator<Item = (N, V)>,
    text: &mut String,
) -> Spelled {
    text.clear();
    // What of the known set is spelled the same; `None` once something is not.
    let mut same = known.starts_with(own).then_some(own.len());
    if same.is_none() {
        text.push_str(own);
    }
    for (name, value) in pairs {
        let (name, value) = (name.as_ref(), value.as_ref());
        if let Some(begin) = same {
            same = after(&known[begin..], begin == 0, name, value).map(|rest| known.len() - rest.len());
            if same.is_none() {
                text.push_str(&known[..begin]);
            }
        }
        if same.is_none() {
            write_label(text, name, value);
        }
    }
    match same {
        Some(end) if end == known.len() => Spelled::AsKnown,
        Some(end) => {
            text.push_str(&known[..end]);
            Spelled::Anew
        }
        None if text == known => Spelled::AsKnown,
        None => Spelled::Anew,
    }
}

/// What follows this label where `text` begins with it. `None` also for a value that is written otherwise than it is.
fn after<'t>(text: &'t str, is_first: bool, name: &str, value: &str) -> Option<&'t str> {
    let text = if is_first { text } else { text.strip_prefix(',')? };
    let text = text.strip_prefix(name)?.strip_prefix("=\"")?;
    (!needs_escape(value)).then_some(())?;
    text.strip_prefix(value)?.strip_prefix('"')
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

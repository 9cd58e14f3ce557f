//! Finding series that a family has twice.
//!
//! A page has some ten thousand series and almost never a repeated one, so each is hashed first, and label sets are only
//! compared where two hashes are equal.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::family::{Family, Sample};

/// A start for the hashes. Not the same in every process, so that nobody can choose labels that collide everywhere.
pub(super) fn key() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// One number for a sample's suffix and label set, whatever the order of its labels.
pub(super) fn hash_of_set(key: u64, sample: &Sample) -> u64 {
    let label = |(name, value): (&str, &str)| mixed(mixed(key, name), value);
    let labels = sample.labels.escaped().map(label).fold(0, u64::wrapping_add);
    if sample.suffix.is_empty() { labels } else { labels.wrapping_add(mixed(key, sample.suffix)) }
}

/// One number for a sample's suffix and labels in their order, which costs less.
pub(super) fn hash_of_text(key: u64, sample: &Sample) -> u64 {
    mixed(mixed(key, sample.suffix), sample.labels.text())
}

/// A plain multiplying hash: it is taken of every text of a page.
fn mixed(key: u64, text: &str) -> u64 {
    // An odd number without a pattern: 2^64 divided by the golden ratio.
    let mix = |state: u64, word: u64| (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let state =
        words.iter().fold(mix(key, text.len() as u64), |state, word| mix(state, u64::from_le_bytes(*word)));
    let last = rest.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    mix(mix(state, last), key)
}

/// Whether a number is there twice. Puts them in order.
pub(super) fn has_equal(hashes: &mut [u64]) -> bool {
    hashes.sort_unstable();
    hashes.windows(2).any(|pair| pair[0] == pair[1])
}

/// The samples that repeat an earlier one of these families: the places of the family and of the sample in it.
pub(super) fn repeated(families: &[&Family], hash: impl Fn(&Sample) -> u64) -> Vec<(usize, usize)> {
    let mut seen: HashMap<u64, Vec<&Sample>> = HashMap::new();
    let mut repeated = Vec::new();
    for (family_place, family) in families.iter().enumerate() {
        for (sample_place, sample) in family.samples.iter().enumerate() {
            let same_hash = seen.entry(hash(sample)).or_default();
            if same_hash.iter().any(|earlier| is_same_series(earlier, sample)) {
                repeated.push((family_place, sample_place));
            } else {
                same_hash.push(sample);
            }
        }
    }
    repeated
}

fn is_same_series(left: &Sample, right: &Sample) -> bool {
    left.suffix == right.suffix && in_order(left) == in_order(right)
}

/// The sample's labels by name.
fn in_order(sample: &Sample) -> Vec<(&str, &str)> {
    let mut labels: Vec<_> = sample.labels.escaped().collect();
    labels.sort_unstable();
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{Labels, Number};

    fn family(sets: &[&[(&str, &str)]]) -> Family {
        let labels = sets.iter().map(|pairs| Labels::new(pairs.iter().copied()));
        labels.fold(Family::gauge("g", "G."), |family, labels| family.with(labels, 1_u64))
    }

    #[test]
    fn series_whose_hashes_collide_are_told_apart() {
        let first = family(&[&[("a", "1"), ("b", "2")], &[("a", "2")], &[("a", "1")]]);
        let second = family(&[&[("b", "2"), ("a", "1")], &[("a", "3")], &[("b", "1")], &[("a", "3")]]);
        let everything_collides = |_: &Sample| 7;
        assert_eq!(repeated(&[&first, &second], everything_collides), [(1, 0), (1, 3)]);
        assert_eq!(repeated(&[&first, &second], |sample| hash_of_set(1, sample)), [(1, 0), (1, 3)]);
    }

    #[test]
    fn a_suffix_is_part_of_the_name() {
        let sample = |suffix| Sample { suffix, labels: Labels::NONE, value: Number::Whole(1) };
        let mut family = family(&[]);
        family.samples = vec![sample("_sum"), sample("_count"), sample("_sum")];
        assert_eq!(repeated(&[&family], |_| 7), [(0, 2)]);
    }

    #[test]
    fn hashes_differ_when_labels_do() {
        let mut seen = std::collections::HashSet::new();
        for a in 0..100 {
            for b in 0..100 {
                let pairs = [("gpu", a.to_string()), ("name", format!("device-{b}"))];
                let sample =
                    Sample { suffix: "", labels: Labels::new(pairs.clone()), value: Number::Whole(0) };
                assert!(seen.insert(hash_of_set(7, &sample)), "{a} {b}");
                let turned = Sample { labels: Labels::new(pairs.into_iter().rev()), ..sample };
                assert!(!seen.insert(hash_of_set(7, &turned)), "{a} {b} in another order");
            }
        }
    }
}

//! Observations counted by size, so that a scraper sees how they were distributed however seldom it looks.

use crate::family::{Family, LabelSets, Sample};

/// Counts of shares by these bounds, each with what is below the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    counts: [u64; SHARES.len()],
    sum: f64,
}

/// Upper bounds of the buckets for shares: nothing at all, and finer towards all.
pub(crate) const SHARES: [f64; 9] = [0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0];

/// The same as a label has them.
const BOUNDS: [&str; SHARES.len()] = ["0.0", "0.05", "0.25", "0.5", "0.75", "0.9", "0.95", "0.99", "1.0"];

/// How many samples show one: the buckets, one for all, the sum and the count.
pub(crate) const SAMPLES: usize = SHARES.len() + 3;

/// The bucket of a share; none holds more than all.
pub(crate) fn bucket(share: f64) -> usize {
    SHARES.iter().position(|bound| share <= *bound).unwrap_or(SHARES.len() - 1)
}

impl Histogram {
    /// Counts one share.
    pub(crate) fn add(&mut self, share: f64) {
        self.counts[bucket(share)] += 1;
        self.sum += share;
    }

    /// Counts many, by their buckets, with their sum.
    pub(crate) fn add_all(&mut self, counts: [u32; SHARES.len()], sum: f64) {
        for (own, more) in self.counts.iter_mut().zip(counts) {
            *own += u64::from(more);
        }
        self.sum += sum;
    }

    /// Whether anything was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Adds its samples to a family of its kind.
    pub(crate) fn write_to(&self, family: &mut Family, labels: &LabelSets<'_>) {
        let mut total: u64 = 0;
        for (count, bound) in self.counts.iter().zip(BOUNDS) {
            total += count;
            let labels = labels.and([("le", bound)]);
            family.samples.push(Sample { suffix: "_bucket", labels, value: total.into() });
        }
        let all = labels.and([("le", "+Inf")]);
        family.samples.push(Sample { suffix: "_bucket", labels: all, value: total.into() });
        family.samples.push(Sample { suffix: "_sum", labels: labels.own(), value: self.sum.into() });
        family.samples.push(Sample { suffix: "_count", labels: labels.own(), value: total.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::{Labels, MadeSets};

    #[test]
    fn labels_say_the_bounds() {
        assert_eq!(SHARES.map(|bound| format!("{bound:?}")), BOUNDS);
    }

    #[test]
    fn buckets_hold_what_is_not_above_them() {
        for (share, expected) in [(0.0, 0), (0.001, 1), (0.05, 1), (0.5, 3), (0.9, 5), (0.991, 8), (1.0, 8)] {
            assert_eq!(bucket(share), expected, "{share}");
        }
    }

    #[test]
    fn counts_are_of_all_that_is_below() {
        let mut histogram = Histogram::default();
        assert!(histogram.is_empty());
        histogram.add(0.0);
        histogram.add(0.6);
        histogram.add_all([1, 0, 0, 0, 0, 0, 0, 0, 2], 2.0);
        let mut family = Family::histogram("x_ratio", "X.");
        histogram.write_to(&mut family, &LabelSets::new(&Labels::NONE, MadeSets::default()));
        let page: Vec<_> = family
            .samples
            .iter()
            .map(|sample| format!("{}{} {:?}", sample.suffix, sample.labels.text(), sample.value))
            .collect();
        assert_eq!(
            page,
            [
                r#"_bucketle="0.0" Whole(2)"#,
                r#"_bucketle="0.05" Whole(2)"#,
                r#"_bucketle="0.25" Whole(2)"#,
                r#"_bucketle="0.5" Whole(2)"#,
                r#"_bucketle="0.75" Whole(3)"#,
                r#"_bucketle="0.9" Whole(3)"#,
                r#"_bucketle="0.95" Whole(3)"#,
                r#"_bucketle="0.99" Whole(3)"#,
                r#"_bucketle="1.0" Whole(5)"#,
                r#"_bucketle="+Inf" Whole(5)"#,
                "_sum Real(2.6)",
                "_count Whole(5)",
            ]
        );
    }
}

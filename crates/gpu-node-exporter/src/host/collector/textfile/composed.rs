//! Histograms and summaries in the order and completeness that strict readers ask for.
//!
//! Owns that order: one label set's buckets together, by bound. A histogram without its last bucket, or that counts
//! something else than its last bucket, is a mistake; nothing is made up for it.

use std::collections::HashMap;

use crate::family::{Family, Kind, Labels, Number, Sample};
use crate::host::excerpt::excerpt;

/// Puts the family's samples in order, or says what is wrong with them. Other families stay as they are.
pub(super) fn arrange(family: &mut Family) -> Result<(), String> {
    let bound = match family.kind {
        Kind::Histogram => "le",
        Kind::Summary => "quantile",
        Kind::Counter | Kind::Gauge | Kind::Info | Kind::Unknown => return Ok(()),
    };
    let mut sets: Vec<Bounded> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    for sample in family.samples.drain(..) {
        let at = if matches!(sample.suffix, "" | "_bucket") {
            let text = sample.labels.iter().find(|(name, _)| *name == bound).map(|(_, value)| value);
            let number = text.unwrap_or_default().parse::<f64>().ok().filter(|number| !number.is_nan());
            number.ok_or_else(|| {
                format!("a sample of `{}` has no number in the label `{bound}`", excerpt(&family.name))
            })?
        } else {
            f64::INFINITY
        };
        let set = Labels::new(sample.labels.iter().filter(|(name, _)| *name != bound));
        let place = *places.entry(set).or_insert(sets.len());
        if place == sets.len() {
            sets.push(Vec::new());
        }
        sets[place].push((at, sample));
    }
    for samples in &mut sets {
        // Sum and count follow the buckets; the sort is stable, so that they stay in the order of the file.
        samples.sort_by(|(left, a), (right, b)| left.total_cmp(right).then(is_total(a).cmp(&is_total(b))));
        let name = || excerpt(&family.name);
        let bounds = || samples.iter().filter(|(_, sample)| !is_total(sample)).map(|(bound, _)| bound);
        // Written differently, `1` and `1.0`, they are one series in OpenMetrics.
        if bounds().zip(bounds().skip(1)).any(|(one, next)| one.total_cmp(next).is_eq()) {
            return Err(format!("`{}` has two samples with the same number in the label `{bound}`", name()));
        }
        if family.kind == Kind::Histogram {
            check(samples).map_err(|mistake| format!("the histogram `{}` {mistake}", name()))?;
        }
    }
    family.samples = sets.into_iter().flatten().map(|(_, sample)| sample).collect();
    Ok(())
}

/// Samples with their bounds; sum and count stand behind all.
type Bounded = Vec<(f64, Sample)>;

fn is_total(sample: &Sample) -> bool {
    matches!(sample.suffix, "_sum" | "_count")
}

/// One label set of a histogram, in order.
fn check(samples: &[(f64, Sample)]) -> Result<(), &'static str> {
    let value = |sample: &Sample| match sample.value {
        Number::Whole(whole) => whole as f64,
        Number::Real(real) => real,
    };
    let buckets: Vec<_> = samples.iter().filter(|(_, sample)| sample.suffix == "_bucket").collect();
    let Some((bound, last)) = buckets.last() else { return Err("has no bucket") };
    if bound.is_finite() {
        return Err("has no bucket le=\"+Inf\"");
    }
    if buckets.windows(2).any(|pair| value(&pair[0].1) > value(&pair[1].1)) {
        return Err(
            "has a bucket that counts less than a smaller one (hint: buckets include the smaller ones)",
        );
    }
    let count = samples.iter().find(|(_, sample)| sample.suffix == "_count");
    if count.is_some_and(|(_, count)| value(count).total_cmp(&value(last)).is_ne()) {
        return Err("has another _count than its last bucket");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::limits::Limits;
    use super::super::parse;
    use crate::family::Family;
    use crate::host::testing::values;

    fn parse(samples: &str) -> Result<Vec<Family>, String> {
        parse::parse(&format!("# TYPE h histogram\n{samples}"), &Limits::DEFAULT, usize::MAX)
    }

    fn check(samples: &str, expected: &[&str]) {
        let families = parse(samples).unwrap();
        assert_eq!(values(&families), expected, "{samples}");
    }

    fn check_refused(samples: &str, reason: &str) {
        let mistake = parse(samples).unwrap_err();
        assert!(mistake.contains(reason), "{samples}: {mistake}");
    }

    #[test]
    fn buckets_stand_together_by_bound() {
        check(
            "h_count{a=\"1\"} 3\nh_bucket{a=\"1\",le=\"+Inf\"} 3\nh_bucket{a=\"2\",le=\"+Inf\"} 1\nh_bucket{a=\"1\",le=\"10\"} 2\nh_bucket{a=\"1\",le=\"9\"} 1\nh_sum{a=\"1\"} 4\n",
            &[
                "h_bucket{a=\"1\",le=\"9\"} 1",
                "h_bucket{a=\"1\",le=\"10\"} 2",
                "h_bucket{a=\"1\",le=\"+Inf\"} 3",
                "h_count{a=\"1\"} 3",
                "h_sum{a=\"1\"} 4",
                "h_bucket{a=\"2\",le=\"+Inf\"} 1",
            ],
        );
    }

    #[test]
    fn an_impossible_histogram_is_a_mistake() {
        check_refused("h_bucket{le=\"1\"} 1\n", "has no bucket le=\"+Inf\"");
        check_refused("h_sum 1\nh_count 1\n", "has no bucket");
        check_refused("h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\n", "counts less");
        check_refused("h_bucket{le=\"+Inf\"} 1\nh_count 2\n", "another _count");
        check_refused(
            "h_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\n",
            "the same number in the label `le`",
        );
        check_refused("h_bucket{le=\"NaN\"} 1\n", "no number in the label `le`");
    }
}

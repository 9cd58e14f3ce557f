//! A page made beside the one before is the page that would be made alone, whatever has changed.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Format, Page, Written};
use crate::family::{Family, Kind, Labels, Number, Sample};

const LONG: &str = {
    const LETTERS: [u8; 5_000] = [b'a'; 5_000];
    match str::from_utf8(&LETTERS) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    }
};

/// Few names, labels and values, so that pages clash in every way and have much in common.
fn family() -> impl Strategy<Value = Family> {
    let number = prop_oneof![
        (0..3_u64).prop_map(Number::Whole),
        prop_oneof![Just(0.0), Just(-0.0), Just(1.5), Just(f64::NAN)].prop_map(Number::Real),
    ];
    let labels = prop::collection::vec(
        (
            prop_oneof![Just("a"), Just("b"), Just("__c"), Just("le")],
            prop_oneof![Just("1"), Just("2 3"), Just("1.00")],
        ),
        0..3,
    );
    let suffix = prop_oneof![Just(""), Just("_total"), Just("_count")];
    let sample =
        (suffix.clone(), labels.prop_map(Labels::new), number).prop_map(|(suffix, labels, value)| Sample {
            suffix: if suffix == "_count" { suffix } else { "" },
            labels,
            value,
        });
    let kind =
        prop_oneof![Just(Kind::Counter), Just(Kind::Gauge), Just(Kind::Unknown), Just(Kind::Histogram)];
    // Long ones make a family's lines so many that pages share them.
    let help = prop_oneof![Just("One."), Just("Other."), Just(LONG), Just(&LONG[1..])];
    (prop_oneof![Just("x"), Just("y"), Just("9")], suffix, help, kind, prop::collection::vec(sample, 0..4))
        .prop_map(|(name, suffix, help, kind, samples)| {
            let mut family = Family::unknown(format!("{name}{suffix}"), help);
            (family.kind, family.samples) = (kind, samples);
            family
        })
}

type Source = Arc<Vec<Family>>;

/// The sources of one page, and which of them the next page has as well.
fn sources() -> impl Strategy<Value = Vec<(Source, bool)>> {
    let source = prop::collection::vec(family(), 0..4).prop_map(Arc::new);
    prop::collection::vec((source, any::<bool>()), 1..4)
}

/// The next page's sources: each that it has as well, else one that was made anew, with other values or altogether.
fn after(before: &[(Source, bool)], fresh: &[(Source, bool)], value: Number) -> Vec<Source> {
    let next = before.iter().zip(fresh.iter().cycle()).map(|((source, is_same), (other, is_other))| {
        let mut families = source.to_vec();
        match (is_same, is_other) {
            (true, _) => return Arc::clone(source),
            (false, true) => return Arc::clone(other),
            (false, false) => {}
        }
        if let Some(sample) = families.iter_mut().find_map(|family| family.samples.last_mut()) {
            sample.value = value;
        }
        Arc::new(families)
    });
    next.collect()
}

/// Its text in a format, and what it leaves out.
fn page(sources: &[Source], format: Format, before: Option<&(Page, Written)>) -> (Page, Written) {
    let page = Page::new(sources.to_vec(), before.map(|(page, _)| page));
    let memory = String::from("of another page");
    let written = page.write(format, before.map(|(page, written)| (page, written)), memory);
    (page, written)
}

proptest! {
    #[test]
    fn what_was_before_does_not_show(first in sources(), others in prop::collection::vec((sources(), 0..3_u64), 1..4)) {
        for format in [Format::Classic, Format::OpenMetrics] {
            let mut before = page(&first.iter().map(|(source, _)| Arc::clone(source)).collect::<Vec<_>>(), format, None);
            let mut sources = first.clone();
            for (fresh, value) in &others {
                let next = after(&sources, fresh, Number::Whole(*value));
                let (beside, alone) = (page(&next, format, Some(&before)), page(&next, format, None));
                prop_assert_eq!(beside.1.text(), alone.1.text());
                prop_assert_eq!(beside.0.refused(), alone.0.refused());
                sources = next.into_iter().zip(fresh.iter().map(|(_, is_same)| !is_same).chain([true; 3])).collect();
                before = beside;
            }
        }
    }
}

//! Bytes that no parser expects, for tests: noise, and what is in order but for a few bytes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;

/// How many cases of noise and how many of damage a parser is given, where `CAPTURES_CASES` does not say another number.
const CASES: usize = 50_000;

pub(super) fn cases() -> usize {
    std::env::var("CAPTURES_CASES").map_or(CASES, |cases| cases.parse().expect("a number"))
}

pub(super) fn noise(random: &mut Rng) -> Vec<u8> {
    (0..random.usize(0..300)).map(|_| random.u8(..)).collect()
}

/// `good`, with some of its bytes replaced by others of `alphabet`, as many or fewer.
pub(super) fn damaged(random: &mut Rng, good: &[u8], alphabet: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let from = random.usize(0..bytes.len().max(1));
    let other: Vec<u8> = (0..random.usize(0..12)).filter_map(|_| random.choice(alphabet)).copied().collect();
    let until = (from + other.len()).min(bytes.len());
    bytes.splice(from.min(until)..until, other);
    bytes
}

/// Gives `take` noise, and messages like these with damage and cut short: it may make of them what it likes, but not panic.
pub(super) fn messages(good: &[&[u8]], take: impl Fn(&[u8])) {
    let mut random = Rng::with_seed(good.len() as u64);
    let any: Vec<u8> = (0..=u8::MAX).collect();
    for case in 0..cases() {
        let mut broken = damaged(&mut random, good[case % good.len()], &any);
        if case % 4 == 0 {
            broken.truncate(random.usize(0..=broken.len()));
        }
        for bytes in [noise(&mut random), broken] {
            let end = catch_unwind(AssertUnwindSafe(|| take(&bytes)));
            assert!(end.is_ok(), "panics on {}", bytes.escape_ascii());
        }
    }
}

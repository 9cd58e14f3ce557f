//! Places in the order in which people count them, and those that are numbered one after the other as one (pure): `n001–n312`.

use std::collections::BTreeMap;

/// As many in a row are named by the first and the last.
const LEAST: usize = 3;

/// One place, or several that are numbered without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: String,
    pub(super) last: String,
    /// How many places.
    pub(super) places: usize,
    /// How many alerts.
    pub(super) alerts: usize,
}

/// The places with their numbers of alerts, put together where each has one.
pub(super) fn runs(places: BTreeMap<String, usize>) -> Vec<Run> {
    let mut places: Vec<(String, usize)> = places.into_iter().collect();
    places.sort_by(|(one, _), (other, _)| sort_key(one).cmp(&sort_key(other)));
    let mut runs: Vec<Vec<(String, usize)>> = Vec::new();
    for (place, alerts) in places {
        let goes_on = runs.last().and_then(|run| run.last()).is_some_and(|(before, before_alerts)| {
            alerts == 1 && *before_alerts == 1 && is_next(before, &place)
        });
        match runs.last_mut().filter(|_| goes_on) {
            Some(run) => run.push((place, alerts)),
            None => runs.push(vec![(place, alerts)]),
        }
    }
    runs.into_iter().flat_map(named).collect()
}

/// A run by its ends, or a short one place by place.
fn named(run: Vec<(String, usize)>) -> Vec<Run> {
    match run.as_slice() {
        [(first, _), .., (last, _)] if run.len() >= LEAST => {
            vec![Run { first: first.clone(), last: last.clone(), places: run.len(), alerts: run.len() }]
        }
        _ => run
            .into_iter()
            .map(|(place, alerts)| Run { first: place.clone(), last: place, places: 1, alerts })
            .collect(),
    }
}

/// What stands before the number at the end, and that number's digits.
fn split(place: &str) -> (&str, &str) {
    let name = place.trim_end_matches(|symbol: char| symbol.is_ascii_digit());
    (name, &place[name.len()..])
}

/// `n9` before `n10`.
fn sort_key(place: &str) -> (&str, usize, &str) {
    let (name, digits) = split(place);
    (name, digits.len(), digits)
}

fn is_next(before: &str, place: &str) -> bool {
    let ((name, digits), (next_name, next_digits)) = (split(before), split(place));
    let next = digits.parse::<u64>().ok().and_then(|number| number.checked_add(1));
    name == next_name
        && digits.len() == next_digits.len()
        && next.is_some()
        && next_digits.parse().ok() == next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_numbered_without_a_gap_is_named_by_its_ends() {
        let check = |given: &str, expected: &str| {
            let places = given.split_whitespace().map(|place| match place.split_once('*') {
                Some((place, alerts)) => (place.to_owned(), alerts.parse().expect("a number")),
                None => (place.to_owned(), 1),
            });
            let said: Vec<String> = runs(places.collect())
                .into_iter()
                .map(|Run { first, last, places, alerts }| match places {
                    1 => format!("{first}*{alerts}"),
                    _ => format!("{first}..{last}*{alerts}"),
                })
                .collect();
            assert_eq!(said.join(" "), expected, "{given}");
        };
        check("", "");
        check("a", "a*1");
        check("n1 n2", "n1*1 n2*1");
        check("n1 n2 n3", "n1..n3*3");
        check("n08 n09 n10 n12", "n08..n10*3 n12*1");
        check("n10 n9 n8 n11", "n8*1 n9*1 n10*1 n11*1");
        // Another number of alerts ends a run, and so does another name.
        check("n1 n2 n3*2 n4 n5 n6", "n1*1 n2*1 n3*2 n4..n6*3");
        check("a1 a2 a3 b4 b5 b6", "a1..a3*3 b4..b6*3");
        check(
            "99999999999999999999 99999999999999999998 x",
            "99999999999999999998*1 99999999999999999999*1 x*1",
        );
    }
}

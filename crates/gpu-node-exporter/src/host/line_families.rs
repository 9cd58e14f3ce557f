//! The families of a file whose lines name them, as `/proc/meminfo` and `/proc/vmstat` do.
//!
//! Owns that a family's name and help are made once while the kernel writes its lines in the same order, which it does as long as it runs.
//! Leaves out what a line means.

use crate::family::Family;

/// What each line became, in order: by what it was recognised, and its empty family; `None` for one that is not shown.
#[derive(Debug)]
pub(crate) struct LineFamilies<K>(Vec<(K, Option<Family>)>);

impl<K> Default for LineFamilies<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K> LineFamilies<K> {
    /// The empty family of the line at this place, if it is shown. `make` is asked when another line stood there before.
    pub(crate) fn of(
        &mut self,
        place: usize,
        is_it: impl FnOnce(&K) -> bool,
        make: impl FnOnce() -> (K, Option<Family>),
    ) -> Option<Family> {
        if self.0.get(place).is_none_or(|(known, _)| !is_it(known)) {
            self.0.truncate(place);
            self.0.push(make());
        }
        self.0.get(place)?.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_made_when_its_line_is_new() {
        let mut families = LineFamilies::default();
        let mut read = |lines: &[&str]| {
            let mut made = Vec::new();
            let shown = lines.iter().enumerate().filter_map(|(place, line)| {
                let family = || Some(Family::gauge((*line).to_owned(), "")).filter(|_| *line != "hidden");
                let new = || {
                    made.push((*line).to_owned());
                    ((*line).to_owned(), family())
                };
                families.of(place, |known| known == line, new)
            });
            let shown: Vec<_> = shown.map(|family| family.name.to_string()).collect();
            (shown.join(" "), made.join(" "))
        };
        assert_eq!(read(&["a", "hidden", "b"]), ("a b".to_owned(), "a hidden b".to_owned()));
        assert_eq!(read(&["a", "hidden", "b"]), ("a b".to_owned(), String::new()));
        assert_eq!(read(&["a", "b"]), ("a b".to_owned(), "b".to_owned()));
        assert_eq!(read(&["a", "b", "c"]), ("a b c".to_owned(), "c".to_owned()));
    }
}

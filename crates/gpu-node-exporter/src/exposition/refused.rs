//! What a page leaves out, and in which words that is told.

use crate::family::{Family, Sample};

/// What a page leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refused {
    /// How many series, each family that was left out whole counted once.
    pub(crate) count: usize,
    /// What some of them are, and why, one text each: text files can hold any number of them.
    pub(crate) told: Vec<String>,
}

/// So many are told.
const MOST_TOLD: usize = 64;

/// A series is named with so many characters.
const LONGEST_NAME: usize = 200;

impl Refused {
    pub(super) fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push(text());
        }
    }

    /// Adds what another part of the page leaves out.
    pub(super) fn extend(&mut self, other: &Self) {
        self.count += other.count;
        let room = MOST_TOLD - self.told.len();
        self.told.extend(other.told.iter().take(room).cloned());
    }
}

/// A series by name.
pub(super) fn series(family: &Family, sample: &Sample) -> String {
    format!("`{}`", shortened(&format!("{}{}{{{}}}", family.name, sample.suffix, sample.labels.text())))
}

/// On one line, whatever it holds.
pub(super) fn shortened(name: &str) -> String {
    let mut text: String =
        name.chars().take(LONGEST_NAME).filter(|character| !character.is_control()).collect();
    if name.chars().nth(LONGEST_NAME).is_some() {
        text.push('…');
    }
    text
}

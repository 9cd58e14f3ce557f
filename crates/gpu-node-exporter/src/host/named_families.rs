//! Families whose names come from the files that are read.
//!
//! Owns finding a family by its name, and what a name may be. Leaves out which families there are: that is the kernel's.

use std::collections::HashMap;

use crate::collector::Fault;
use crate::family::{Family, Labels, Number, is_metric_name};
use crate::host::excerpt::excerpt;

/// The families of one reading, each once, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct NamedFamilies {
    families: Vec<Family>,
    places: HashMap<String, usize>,
}

/// No kernel module has half as many statistics.
const MOST: usize = 2048;

impl NamedFamilies {
    /// Adds one sample; `new` makes the family when it is the first of its name.
    pub(crate) fn push(
        &mut self,
        name: String,
        new: impl FnOnce(String) -> Family,
        labels: Labels,
        value: impl Into<Number>,
    ) -> Result<(), Fault> {
        if let Some(place) = self.places.get(&name) {
            self.families[*place].push(labels, value);
            return Ok(());
        }
        if !is_metric_name(&name) {
            return Err(Fault::with_excerpt("cannot be the name of a series", excerpt(&name)));
        }
        if self.families.len() == MOST {
            return Err(Fault::new(format!("there are more than {MOST} kinds of statistics")));
        }
        self.places.insert(name.clone(), self.families.len());
        self.families.push(new(name).with(labels, value));
        Ok(())
    }

    /// All of them.
    pub(crate) fn into_vec(self) -> Vec<Family> {
        self.families
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    #[test]
    fn a_family_is_made_once() {
        let mut families = NamedFamilies::default();
        for (pool, hits) in [("a", 1_u64), ("b", 2)] {
            let labels = Labels::new([("pool", pool)]);
            families.push("hits".to_owned(), |name| Family::unknown(name, "H."), labels, hits).unwrap();
        }
        assert_eq!(values(&families.into_vec()), [r#"hits{pool="a"} 1"#, r#"hits{pool="b"} 2"#]);
    }

    #[test]
    fn what_is_no_name_and_what_is_beyond_the_bound_is_a_fault() {
        let mut families = NamedFamilies::default();
        let mut push = |name: &str| {
            let pushed =
                families.push(name.to_owned(), |name| Family::unknown(name, "H."), Labels::NONE, 1_u64);
            pushed.err().map(|fault| fault.to_string())
        };
        assert_eq!(push("a b").as_deref(), Some("cannot be the name of a series: `a b`"));
        assert_eq!(push("").as_deref(), Some("cannot be the name of a series: ``"));
        for number in 0..MOST {
            assert_eq!(push(&format!("hits_{number}")), None);
        }
        assert_eq!(push("one_more").as_deref(), Some("there are more than 2048 kinds of statistics"));
        assert_eq!(push("hits_0"), None);
    }
}

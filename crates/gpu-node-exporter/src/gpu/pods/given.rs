//! Which containers were given a GPU, or a part of one, looked up by any name that a device plugin may give it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::table::Pods;

/// What was given to whom.
#[derive(Debug, Default)]
pub(in crate::gpu) struct Given<'a>(BTreeMap<&'a str, BTreeSet<Holder<'a>>>);

/// A container that has a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::gpu) struct Holder<'a> {
    pub(in crate::gpu) namespace: &'a str,
    pub(in crate::gpu) pod: &'a str,
    pub(in crate::gpu) container: &'a str,
    /// The number of its share of a GPU that is shared by time.
    pub(in crate::gpu) share: Option<&'a str>,
}

impl Pods {
    /// What is known at `now` of who was given what.
    pub(in crate::gpu) fn given(&self, now: Instant) -> Given<'_> {
        let mut given = Given::default();
        for (assignment, share) in self.known(now) {
            given.0.entry(assignment.device.name()).or_default().insert(Holder {
                namespace: &assignment.namespace,
                pod: &assignment.pod,
                container: &assignment.container,
                share,
            });
        }
        given
    }
}

impl<'a> Given<'a> {
    /// The containers that have the device with these names, in order of theirs.
    pub(in crate::gpu) fn holders(&self, names: &[String]) -> BTreeSet<Holder<'a>> {
        names.iter().filter_map(|name| self.0.get(name.as_str())).flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::assignments::assignments;
    use super::super::assignments::tests::list;
    use super::*;

    #[test]
    fn a_device_is_found_by_any_of_its_names() {
        let list = list(&[
            ("b", "nvidia.com/gpu", &["GPU-1::7"]),
            ("a", "nvidia.com/gpu", &["nvidia0", "GPU-1"]),
            ("c", "nvidia.com/gpu", &["1"]),
        ]);
        let (mut pods, now) = (Pods::default(), Instant::now());
        pods.heard(Path::new("k"), Ok(assignments(&list)), now);
        let given = pods.given(now);
        let check = |names: &[&str], expected: &[(&str, Option<&str>)]| {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            let found: Vec<_> =
                given.holders(&names).iter().map(|holder| (holder.pod, holder.share)).collect();
            assert_eq!(found, expected, "{names:?}");
        };
        // One that is given by two names is there once.
        check(&["GPU-1", "nvidia0", "0"], &[("a", None), ("b", Some("7"))]);
        check(&["GPU-2", "nvidia1", "1"], &[("c", None)]);
        check(&["GPU-3"], &[]);
    }
}

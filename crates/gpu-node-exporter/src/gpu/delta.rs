//! What of a reading has changed.
//!
//! Most of what a GPU says stays the same for seconds or for good, so a reading crosses the pipe as the fields that differ from
//! the reading before. Owns comparing and applying. Leaves out who remembers the reading before: that is `frame`'s.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

/// A reading that can travel as what has changed of it.
pub(crate) trait Diff {
    /// The fields that changed, each with its new value; a field that is not there is as it was.
    type Delta: Serialize + DeserializeOwned;

    /// What leads from `before` to this reading; `None` when they are equal.
    fn diff(&self, before: &Self) -> Option<Self::Delta>;

    /// Takes the changes in.
    fn apply(&mut self, delta: Self::Delta);
}

/// Declares readings: structs of which every field may be unknown. `None` is "can't say" or "failed", never zero. On the pipe a
/// field that became unknown is `null`.
macro_rules! readings {
    ($($(#[$doc:meta])* struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: Option<$type>,)*
        }

        const _: () = {
            #[derive(Default, serde::Serialize, serde::Deserialize)]
            #[serde(default)]
            pub(crate) struct Delta {
                $(
                    #[serde(skip_serializing_if = "Option::is_none")]
                    #[serde(deserialize_with = "crate::gpu::delta::present")]
                    $field: Option<Option<$type>>,
                )*
            }

            impl crate::gpu::delta::Diff for $name {
                type Delta = Delta;

                fn diff(&self, before: &Self) -> Option<Delta> {
                    (self != before).then(|| Delta {
                        $($field: (self.$field != before.$field).then(|| self.$field.clone()),)*
                    })
                }

                fn apply(&mut self, delta: Delta) {
                    $(if let Some(value) = delta.$field { self.$field = value; })*
                }
            }
        };
    )*};
}
pub(in crate::gpu) use readings;

/// Reads a field that may be `null` (it became unknown) or missing (it is unchanged).
#[expect(
    clippy::option_option,
    reason = "unchanged, unknown and a value are three things, and serde knows them in this form"
)]
pub(in crate::gpu) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    input: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(input).map(Some)
}

/// More equal parts than any GPU has: what a frame may make the exporter allocate.
const MOST_PARTS: usize = 64;

/// Equal parts of a GPU, such as fans, by their number. One that is gone is unknown.
impl<T: Diff + Default> Diff for Vec<T> {
    type Delta = BTreeMap<usize, T::Delta>;

    fn diff(&self, before: &Self) -> Option<Self::Delta> {
        let unknown = T::default();
        let changes: BTreeMap<_, _> = (0..self.len().max(before.len()))
            .filter_map(|number| {
                let now = self.get(number).unwrap_or(&unknown);
                let then = before.get(number).unwrap_or(&unknown);
                Some((number, now.diff(then)?))
            })
            .collect();
        (!changes.is_empty()).then_some(changes)
    }

    fn apply(&mut self, delta: Self::Delta) {
        for (number, change) in delta.into_iter().filter(|(number, _)| *number < MOST_PARTS) {
            if number >= self.len() {
                self.resize_with(number + 1, T::default);
            }
            self[number].apply(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    readings! {
        struct Fan {
            speed: u32,
            target: u32,
        }
    }

    fn fan(speed: Option<u32>, target: Option<u32>) -> Fan {
        Fan { speed, target }
    }

    /// What crosses the pipe, and that it leads from one to the other.
    fn check<T: Diff + Clone + std::fmt::Debug + PartialEq>(before: &T, now: &T, json: &str) {
        let text = serde_json::to_string(&now.diff(before)).expect("plain data");
        assert_eq!(text, json);
        let mut applied = before.clone();
        if let Some(delta) = serde_json::from_str::<Option<T::Delta>>(&text).expect("as it was written") {
            applied.apply(delta);
        }
        assert_eq!(&applied, now, "{json}");
    }

    #[test]
    fn only_what_changed_travels() {
        let before = fan(Some(40), Some(50));
        check(&before, &before, "null");
        check(&before, &fan(Some(41), Some(50)), r#"{"speed":41}"#);
        check(&before, &fan(None, Some(50)), r#"{"speed":null}"#);
        check(&fan(None, None), &before, r#"{"speed":40,"target":50}"#);
    }

    #[test]
    fn parts_travel_by_their_number() {
        let fans = |speeds: &[u32]| speeds.iter().map(|speed| fan(Some(*speed), None)).collect::<Vec<_>>();
        check(&fans(&[]), &fans(&[]), "null");
        check(&fans(&[]), &fans(&[40, 50]), r#"{"0":{"speed":40},"1":{"speed":50}}"#);
        check(&fans(&[40, 50]), &fans(&[40, 55]), r#"{"1":{"speed":55}}"#);
        check(&fans(&[40, 50]), &vec![fan(Some(40), None), fan(None, None)], r#"{"1":{"speed":null}}"#);
    }

    #[test]
    fn a_number_beyond_reason_allocates_nothing() {
        let mut fans: Vec<Fan> = Vec::new();
        fans.apply(serde_json::from_str(r#"{"4000000000":{"speed":1}}"#).expect("a delta"));
        assert_eq!(fans, []);
    }
}

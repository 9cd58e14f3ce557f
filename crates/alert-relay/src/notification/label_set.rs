//! A set of labels or annotations: texts under names, in the order of their names.
//!
//! Owns how they lie in memory. A webhook of 10,000 alerts has 100,000 of them: as a map of strings they take four times the bytes of
//! the JSON they came in. Here each set is one piece of text and one of numbers, which its clones share.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Label and annotation sets, sorted by name; a name stands once.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSet {
    /// Name, value, name, value…
    text: Arc<str>,
    /// Where each name and each value ends in `text`.
    ends: Arc<[u32]>,
}

impl LabelSet {
    /// Labels of one set that are read. Prometheus' own users keep below a hundred; an alert with more than this is no alert.
    pub(crate) const MOST: usize = 1_024;

    /// An empty set.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len() / 2
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The value under a name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let (found, value) = self.pair(middle);
            match found.cmp(name) {
                std::cmp::Ordering::Equal => return Some(value),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Names with their values.
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter { set: self, places: 0..self.len() }
    }

    fn pair(&self, place: usize) -> (&str, &str) {
        (self.piece(2 * place), self.piece(2 * place + 1))
    }

    fn piece(&self, place: usize) -> &str {
        let end = |place: usize| self.ends.get(place).map_or(0, |end| *end as usize);
        let start = place.checked_sub(1).map_or(0, end);
        self.text.get(start..end(place)).unwrap_or_default()
    }

    /// Of two values under a name the later one counts, as in every reader of JSON.
    fn of(mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)>) -> Self {
        // Stable: equal names keep their order.
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        pairs.reverse();
        pairs.dedup_by(|(earlier, _), (later, _)| earlier == later);
        pairs.reverse();
        let length = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let mut text = String::with_capacity(length);
        let mut ends = Vec::with_capacity(2 * pairs.len());
        for piece in pairs.iter().flat_map(|(name, value)| [name, value]) {
            text.push_str(piece);
            // A body has a gibibyte at most.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { text: text.into(), ends: ends.into() }
    }
}

/// See [`LabelSet::iter`].
pub(crate) struct Iter<'a> {
    set: &'a LabelSet,
    places: Range<usize>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.places.next().map(|place| self.set.pair(place))
    }
}

impl<'a> IntoIterator for &'a LabelSet {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
impl LabelSet {
    /// Puts one more into it, which makes it anew.
    pub(crate) fn insert(&mut self, name: String, value: String) {
        self.extend([(name, value)]);
    }
}

#[cfg(test)]
impl Extend<(String, String)> for LabelSet {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, more: I) {
        let own = self.iter().map(|(name, value)| (Cow::from(name), Cow::from(value)));
        let more = more.into_iter().map(|(name, value)| (Cow::from(name), Cow::from(value)));
        *self = Self::of(own.chain(more).collect());
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs: Vec<(N, V)> = pairs.into_iter().collect();
        Self::of(pairs.iter().map(|(name, value)| (name.as_ref().into(), value.as_ref().into())).collect())
    }
}

impl<const COUNT: usize> From<[(String, String); COUNT]> for LabelSet {
    fn from(pairs: [(String, String); COUNT]) -> Self {
        Self::from_iter(pairs)
    }
}

#[cfg(test)]
impl std::ops::Index<&str> for LabelSet {
    type Output = str;

    fn index(&self, name: &str) -> &str {
        self.get(name).expect("a set is asked only for a name that it has")
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for LabelSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for LabelSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = LabelSet;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelSet, A::Error> {
        let mut pairs = Vec::new();
        while let Some((Text(name), Text(value))) = map.next_entry()? {
            if pairs.len() == LabelSet::MOST {
                return Err(A::Error::custom(format!("more than {} labels", LabelSet::MOST)));
            }
            pairs.push((name, value));
        }
        Ok(LabelSet::of(pairs))
    }
}

/// Borrowed from the body where it stands there as it is, without escapes.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;
        impl<'de> Visitor<'de> for AnyText {
            type Value = Text<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(AnyText)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_map_of_texts(pairs in prop::collection::vec(("[a-dé]{0,2}", ".{0,5}"), 0..12), asked in "[a-dé]{0,2}") {
            let map: BTreeMap<String, String> = pairs.iter().cloned().collect();
            let json = serde_json::to_string(&map).unwrap();
            for set in [pairs.into_iter().collect::<LabelSet>(), serde_json::from_str(&json).unwrap()] {
                let shown: Vec<_> = set.iter().collect();
                let expected: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                prop_assert_eq!(shown, expected);
                prop_assert_eq!(set.len(), map.len());
                prop_assert_eq!(set.is_empty(), map.is_empty());
                prop_assert_eq!(set.get(&asked), map.get(&asked).map(String::as_str));
                prop_assert_eq!(serde_json::to_string(&set).unwrap(), json.clone());
                prop_assert_eq!(format!("{set:?}"), format!("{map:?}"));
            }
        }
    }

    #[test]
    fn of_equal_names_the_last_counts_and_an_alert_has_not_thousands() {
        let set: LabelSet = serde_json::from_str(r#"{"b":"1","a":"2","b":"3"}"#).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);

        let of = |count: usize| {
            let map: BTreeMap<String, &str> = (0..count).map(|number| (number.to_string(), "")).collect();
            serde_json::from_value::<LabelSet>(serde_json::to_value(map).unwrap())
        };
        assert_eq!(of(LabelSet::MOST).unwrap().len(), LabelSet::MOST);
        assert_eq!(of(LabelSet::MOST + 1).unwrap_err().to_string(), "more than 1024 labels");
    }
}

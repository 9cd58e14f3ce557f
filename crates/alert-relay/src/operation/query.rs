//! What somebody asks for, as names and values: behind the `?` of a URL, or as the arguments of a tool.
//!
//! Owns reading them: every key is known or refused by its name, every value is what its key takes or refused with what was expected.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;

use crate::clock::Millis;
use crate::operation::dead_letters::Selection;
use crate::operation::deliveries::{DeliveryFilter, DeliveryState, LONGEST_PAGE, PageRequest, USUAL_PAGE};

/// Characters of a text that is looked for.
const LONGEST_TEXT: usize = 200;

/// What was given and is not read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    given: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

/// Why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    /// A value is none that its key takes.
    #[error("`{key}`: {wrong}")]
    Value { key: &'static str, wrong: String },
    /// Keys are unknown, given twice, missing, or do not go together.
    #[error("{0}")]
    Keys(String),
}

impl QueryError {
    fn value(key: &'static str, wrong: impl Display) -> Self {
        Self::Value { key, wrong: wrong.to_string() }
    }
}

impl Query {
    /// From pairs. A value that is empty is as good as none; a key that is given twice is refused.
    pub(crate) fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, QueryError> {
        let mut given = BTreeMap::new();
        for (key, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            if given.insert(key.clone(), value).is_some() {
                return Err(QueryError::Keys(format!("`{}` is given twice", key.escape_debug())));
            }
        }
        Ok(Self { given, known: Vec::new() })
    }

    /// With one that was said in another way.
    pub(crate) fn with(mut self, key: &str, value: String) -> Result<Self, QueryError> {
        if self.given.insert(key.to_owned(), value).is_some() {
            return Err(QueryError::Keys(format!("`{key}` is given twice")));
        }
        Ok(self)
    }

    /// The value of a key.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        self.given.remove(key)
    }

    /// The value of a key, read.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, QueryError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|error| QueryError::value(key, error))
    }

    /// `true` or `false`; `false` if it is not there.
    pub(crate) fn flag(&mut self, key: &'static str) -> Result<bool, QueryError> {
        match self.text(key).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(QueryError::value(key, "expected `true` or `false`")),
        }
    }

    /// A whole number from 1 to `most`.
    pub(crate) fn count(&mut self, key: &'static str, usual: u32, most: u32) -> Result<u32, QueryError> {
        match self.text(key).map(|text| text.parse()) {
            None => Ok(usual),
            Some(Ok(number)) if (1..=most).contains(&number) => Ok(number),
            Some(_) => Err(QueryError::value(key, format_args!("expected a whole number from 1 to {most}"))),
        }
    }

    /// A time: RFC 3339, or a span before now such as `1h`.
    fn time(&mut self, key: &'static str, now: Millis) -> Result<Option<Millis>, QueryError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Some(Millis::from(at)));
        }
        match humantime::parse_duration(&text) {
            Ok(span) => Ok(Some(now.minus(span))),
            Err(_) => Err(QueryError::value(
                key,
                "expected a time such as `2026-11-29T08:00:00Z` or a span before now such as `1h`",
            )),
        }
    }

    /// Refuses what nobody has asked for.
    pub(crate) fn finish(self) -> Result<(), QueryError> {
        let Some(key) = self.given.keys().next() else { return Ok(()) };
        let key = key.escape_debug();
        if self.known.is_empty() {
            return Err(QueryError::Keys(format!("there is no `{key}` here: nothing is taken")));
        }
        Err(QueryError::Keys(format!("there is no `{key}` here (hint: {} are taken)", self.known.join(", "))))
    }
}

impl DeliveryFilter {
    /// Reads `from`, `until`, `target`, `group`, `state` and `text`.
    pub(crate) fn read(query: &mut Query, now: Millis) -> Result<Self, QueryError> {
        let filter = Self {
            from: query.time("from", now)?,
            until: query.time("until", now)?,
            target: query.text("target"),
            group: query.text("group"),
            state: query.parsed("state")?,
            text: query.text("text"),
            only_dead_letters: false,
        };
        if filter.text.as_ref().is_some_and(|text| text.chars().count() > LONGEST_TEXT) {
            return Err(QueryError::value(
                "text",
                format_args!("expected at most {LONGEST_TEXT} characters"),
            ));
        }
        Ok(filter)
    }
}

impl Selection {
    /// Reads `id`, or the keys of a filter but `state`; `all=true` where no filter is meant.
    pub(crate) fn read(query: &mut Query, now: Millis) -> Result<Self, QueryError> {
        let (id, is_all) = (query.parsed("id")?, query.flag("all")?);
        let filter = DeliveryFilter::read(query, now)?;
        if filter.state.is_some() {
            return Err(QueryError::value("state", "all of them are dead"));
        }
        match (id, is_all, filter == DeliveryFilter::default()) {
            (Some(id), false, true) => Ok(Self::One(id)),
            (Some(_), ..) => Err(QueryError::Keys("`id` names one: it goes with nothing else".to_owned())),
            (None, true, true) | (None, false, false) => Ok(Self::All(filter)),
            (None, true, false) => Err(QueryError::Keys("`all` goes with no filter".to_owned())),
            (None, false, true) => {
                Err(QueryError::Keys("which? (hint: `id`, a filter, or `all=true`)".to_owned()))
            }
        }
    }
}

impl PageRequest {
    /// Reads `after` and `limit`.
    pub(crate) fn read(query: &mut Query) -> Result<Self, QueryError> {
        let (after, limit) = (query.parsed("after")?, query.count("limit", USUAL_PAGE, LONGEST_PAGE)?);
        Ok(Self { after, limit, ..Self::default() })
    }
}

impl FromStr for DeliveryState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|state| state.as_str()).collect();
            format!("expected one of {}", words.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::deliveries::Place;

    const NOW: Millis = Millis(1_764_442_800_000);

    fn query(pairs: &[(&str, &str)]) -> Result<Query, QueryError> {
        Query::of(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
    }

    fn read(pairs: &[(&str, &str)]) -> Result<(DeliveryFilter, PageRequest), QueryError> {
        let mut query = query(pairs)?;
        let read = (DeliveryFilter::read(&mut query, NOW)?, PageRequest::read(&mut query)?);
        query.finish()?;
        Ok(read)
    }

    #[test]
    fn what_is_asked_for_is_read_whole() {
        let (filter, page) = read(&[
            ("from", "2h"),
            ("until", "2025-11-29T19:00:00+00:00"),
            ("target", "chat"),
            ("group", ""),
            ("state", "dead"),
            ("text", "GPU 7"),
            ("after", "1764442800000-17"),
            ("limit", "200"),
        ])
        .unwrap();
        let expected = DeliveryFilter {
            from: Some(Millis(NOW.0 - 7_200_000)),
            until: Some(NOW),
            target: Some("chat".to_owned()),
            state: Some(DeliveryState::Dead),
            text: Some("GPU 7".to_owned()),
            ..DeliveryFilter::default()
        };
        assert_eq!(filter, expected);
        assert_eq!(
            page,
            PageRequest { after: Some(Place { at: NOW, number: 17 }), limit: 200, ..PageRequest::default() }
        );
        assert_eq!(read(&[]).unwrap(), (DeliveryFilter::default(), PageRequest::default()));
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_name() {
        let long = "x".repeat(LONGEST_TEXT + 1);
        for (pairs, expected) in [
            (&[("from", "yesterday")][..], "`from`: expected a time"),
            (
                &[("state", "lost")],
                "`state`: expected one of pending, delivered, superseded, suppressed, dead",
            ),
            (&[("text", &long)], "`text`: expected at most 200 characters"),
            (&[("limit", "0")], "`limit`: expected a whole number from 1 to 200"),
            (&[("limit", "201")], "`limit`: expected"),
            (&[("after", "17")], "`after`: expected the `next`"),
            (&[("target", "a"), ("target", "b")], "`target` is given twice"),
            (&[("Target", "a")], "there is no `Target` here (hint: from, until, target, "),
            (&[("\u{1b}[2J", "a")], "there is no `\\u{1b}[2J` here"),
        ] {
            let refused = read(pairs).unwrap_err().to_string();
            assert!(refused.starts_with(expected), "{pairs:?}: {refused}");
        }
        assert_eq!(
            query(&[("a", "b")]).unwrap().finish().unwrap_err().to_string(),
            "there is no `a` here: nothing is taken"
        );
        assert!(query(&[("all", "yes")]).unwrap().flag("all").is_err());
        assert!(query(&[("all", "true")]).unwrap().flag("all").unwrap());
    }

    #[test]
    fn nothing_is_changed_unless_it_is_said_which() {
        let read = |pairs| Selection::read(&mut query(pairs).unwrap(), NOW);
        let id = "4f2a91-17".parse().unwrap();
        assert_eq!(read(&[("id", "4f2a91-17")]), Ok(Selection::One(id)));
        assert_eq!(read(&[("all", "true")]), Ok(Selection::All(DeliveryFilter::default())));
        let chat = DeliveryFilter { target: Some("chat".to_owned()), ..DeliveryFilter::default() };
        assert_eq!(read(&[("target", "chat")]), Ok(Selection::All(chat)));
        for pairs in [
            &[][..],
            &[("all", "false")],
            &[("id", "17")],
            &[("id", "4f2a91-17"), ("all", "true")],
            &[("id", "4f2a91-17"), ("target", "chat")],
            &[("all", "true"), ("target", "chat")],
            &[("target", "chat"), ("state", "pending")],
        ] {
            assert!(read(pairs).is_err(), "{pairs:?}");
        }
    }
}

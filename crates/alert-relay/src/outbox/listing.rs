//! A filter on deliveries as a condition in SQL (pure): the text and, apart from it, the values.
//!
//! The text has no value in it and suits every database: placeholders are numbered, rows are compared as rows.

use std::borrow::Cow;

use crate::operation::deliveries::{DeliveryFilter, DeliveryState, Place};
use crate::outbox::search_text;

/// A value for a placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(i64),
}

/// Conditions that all have to be met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions<'a> {
    text: String,
    values: Vec<Value<'a>>,
}

impl<'a> Conditions<'a> {
    /// What a filter asks of a row of `deliveries`, its text left out.
    pub(super) fn of(filter: &'a DeliveryFilter) -> Self {
        let mut all = Self::default();
        if let Some(from) = filter.from {
            all.add("deliveries.accepted_at >= ", Value::Number(from.0), "");
        }
        if let Some(until) = filter.until {
            all.add("deliveries.accepted_at < ", Value::Number(until.0), "");
        }
        if let Some(target) = &filter.target {
            all.add("deliveries.target = ", Value::Text(target.into()), "");
        }
        if let Some(group) = &filter.group {
            all.add("deliveries.group_id = ", Value::Text(group.into()), "");
        }
        if filter.only_dead_letters {
            // Literal: the index of dead letters is one of such rows alone.
            all.add_text("deliveries.state = 'dead' AND deliveries.settled IS NULL");
        }
        match filter.state {
            Some(DeliveryState::Dead) => all.add_text("deliveries.state = 'dead'"),
            Some(state) => all.add("deliveries.state = ", Value::Text(state.as_str().into()), ""),
            None => {}
        }
        all
    }

    /// Only the one with this number.
    pub(super) fn with_number(mut self, number: i64) -> Self {
        self.add("deliveries.id = ", Value::Number(number), "");
        self
    }

    /// Only what stands after this place in the list.
    pub(super) fn after(mut self, place: Option<Place>) -> Self {
        if let Some(place) = place {
            self.compare("<", place);
        }
        self
    }

    /// Only what stands at this place or before it in the list.
    pub(super) fn down_to(mut self, place: Option<Place>) -> Self {
        if let Some(place) = place {
            self.compare(">=", place);
        }
        self
    }

    /// Only those whose webhook (`subjects`) has a text.
    pub(super) fn with_text(mut self, text: &str) -> Self {
        let wanted = search_text::wanted(text).replace('!', "!!").replace('%', "!%").replace('_', "!_");
        self.add(
            "subjects.notification = deliveries.notification AND subjects.text LIKE ",
            Value::Text(format!("%{wanted}%").into()),
            " ESCAPE '!'",
        );
        self
    }

    /// One number more, for a LIMIT: its placeholder and the values with it.
    pub(super) fn limit(&mut self, limit: u32) -> String {
        self.values.push(Value::Number(i64::from(limit)));
        format!("${}", self.values.len())
    }

    /// What follows WHERE.
    pub(super) fn text(&self) -> &str {
        if self.text.is_empty() { "1 = 1" } else { &self.text }
    }

    /// The values of `$1`, `$2`…
    pub(super) fn into_values(self) -> Vec<Value<'a>> {
        self.values
    }

    fn add(&mut self, before: &str, value: Value<'a>, after: &str) {
        self.values.push(value);
        let condition = format!("{before}${}{after}", self.values.len());
        self.add_text(&condition);
    }

    fn compare(&mut self, operator: &str, Place { at, number }: Place) {
        self.values.extend([Value::Number(at.0), Value::Number(number)]);
        let last = self.values.len();
        self.add_text(&format!(
            "(deliveries.accepted_at, deliveries.id) {operator} (${}, ${last})",
            last - 1
        ));
    }

    fn add_text(&mut self, condition: &str) {
        if !self.text.is_empty() {
            self.text.push_str(" AND ");
        }
        self.text.push_str(condition);
    }
}

/// The order of every list.
pub(super) const NEWEST_FIRST: &str = "ORDER BY deliveries.accepted_at DESC, deliveries.id DESC";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;

    #[test]
    fn each_value_has_its_placeholder_and_none_is_part_of_the_text() {
        let check = |filter: &DeliveryFilter, expected: &str, values: usize| {
            let conditions = Conditions::of(filter);
            assert_eq!((conditions.text(), conditions.values.len()), (expected, values));
        };
        check(&DeliveryFilter::default(), "1 = 1", 0);
        let all = DeliveryFilter {
            from: Some(Millis(1)),
            until: Some(Millis(2)),
            target: Some("' OR 1 = 1".to_owned()),
            group: Some("group".to_owned()),
            state: Some(DeliveryState::Pending),
            text: Some("100%_!".to_owned()),
            only_dead_letters: false,
        };
        check(
            &all,
            "deliveries.accepted_at >= $1 AND deliveries.accepted_at < $2 AND deliveries.target = $3 AND deliveries.group_id = $4 \
             AND deliveries.state = $5",
            5,
        );
        let dead = DeliveryFilter { only_dead_letters: true, ..DeliveryFilter::default() };
        check(&dead, "deliveries.state = 'dead' AND deliveries.settled IS NULL", 0);

        let place = Some(Place { at: Millis(7), number: 3 });
        let mut conditions = Conditions::of(&dead).after(place).down_to(place).with_text("A%_!");
        assert_eq!(conditions.limit(9), "$6");
        assert_eq!(
            conditions.text(),
            "deliveries.state = 'dead' AND deliveries.settled IS NULL AND (deliveries.accepted_at, deliveries.id) < ($1, $2) \
             AND (deliveries.accepted_at, deliveries.id) >= ($3, $4) \
             AND subjects.notification = deliveries.notification AND subjects.text LIKE $5 ESCAPE '!'"
        );
        let values = conditions.into_values();
        assert_eq!(values[4..], [Value::Text("%a!%!_!!%".into()), Value::Number(9)]);
    }
}

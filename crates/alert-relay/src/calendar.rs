//! When a route applies: times of day and weekdays in the relay's time zone (pure).

/// `active: { times: ["09:00-21:00"], weekdays: ["monday:friday"] }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calendar {}

//! What each route of a receiver says to one alert, and which of its matchers the alert does not meet (pure).
//!
//! For people who ask why an alert went where it did. Leaves out the plan itself.

use std::fmt;

use serde::Serialize;

use crate::notification::LabelSet;
use crate::routes::{Matcher, ReceiverSettings, RouteSettings, describe};

/// One route, and whether it takes an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RouteVerdict {
    /// The route by its place and its matchers, as [`Planned::routes`](crate::routes::Planned::routes) has it.
    pub(crate) route: String,
    /// Whom it tells.
    pub(crate) targets: Vec<String>,
    /// The matchers that the alert does not meet; none: the route takes it.
    pub(crate) unmet: Vec<Unmet>,
}

/// A matcher that an alert does not meet, and what the alert has instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Unmet {
    /// The matcher as it is written.
    pub(crate) matcher: String,
    /// The label it looks at.
    pub(crate) label: String,
    /// The alert's own value, from outside; `None`: it has no such label.
    pub(crate) value: Option<String>,
}

/// `severity="critical" (the alert has "warning")`
impl fmt::Display for Unmet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(out, "{} (the alert has {value:?})", self.matcher),
            None => write!(out, "{} (the alert has no label `{}`)", self.matcher, self.label),
        }
    }
}

impl RouteVerdict {
    /// Whether the route takes the alert, at any hour.
    pub(crate) fn is_match(&self) -> bool {
        self.unmet.is_empty()
    }
}

/// `routes[1] {severity="critical"}: not severity="critical" (the alert has "warning")`
impl fmt::Display for RouteVerdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.route)?;
        if self.is_match() {
            return out.write_str(": matches");
        }
        for (place, unmet) in self.unmet.iter().enumerate() {
            out.write_str(if place == 0 { ": not " } else { ", not " })?;
            unmet.fmt(out)?;
        }
        Ok(())
    }
}

/// What each route says to an alert with these labels, in the routes' order.
pub(crate) fn verdicts(receiver: &ReceiverSettings, labels: &LabelSet) -> Vec<RouteVerdict> {
    let verdict = |(place, route): (usize, &RouteSettings)| {
        let unmet = route.matchers.iter().filter(|matcher| !matcher.matches(labels));
        RouteVerdict {
            route: describe(place, route),
            targets: route.targets.clone(),
            unmet: unmet.map(|matcher| unmet_by(matcher, labels)).collect(),
        }
    };
    receiver.routes.iter().enumerate().map(verdict).collect()
}

fn unmet_by(matcher: &Matcher, labels: &LabelSet) -> Unmet {
    let value = labels.get(&matcher.label).map(str::to_owned);
    Unmet { matcher: matcher.to_string(), label: matcher.label.clone(), value }
}

/// Routes that a sentence about an alert names.
const NAMED: usize = 3;

/// Why no route of a receiver takes an alert with these labels, in one sentence: the routes that come nearest. `None`: one takes it.
pub(crate) fn why_unrouted(receiver: &ReceiverSettings, labels: &LabelSet) -> Option<String> {
    let mut verdicts = verdicts(receiver, labels);
    if verdicts.iter().any(RouteVerdict::is_match) {
        return None;
    }
    if verdicts.is_empty() {
        return Some("the receiver has no routes".to_owned());
    }
    // Stable: of equally near ones the first.
    verdicts.sort_by_key(|verdict| verdict.unmet.len());
    let more = verdicts.len().saturating_sub(NAMED);
    let mut why: Vec<String> = verdicts.iter().take(NAMED).map(RouteVerdict::to_string).collect();
    if more > 0 {
        why.push(format!("and {more} more routes"));
    }
    Some(why.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(routes: &[&[&str]]) -> ReceiverSettings {
        let route = |matchers: &&[&str]| RouteSettings {
            matchers: matchers.iter().flat_map(|text| Matcher::parse_list(text).unwrap()).collect(),
            active: None,
            targets: vec!["chat".to_owned()],
            mentions: Vec::new(),
        };
        ReceiverSettings { routes: routes.iter().map(route).collect() }
    }

    fn labels(pairs: &[(&str, &str)]) -> LabelSet {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_matcher_that_is_not_met_stands_with_the_alerts_own_value() {
        let alert = labels(&[("severity", "warning"), ("team", "gpu")]);
        let check = |matchers: &[&str], expected: &str| {
            let said = verdicts(&receiver(&[matchers]), &alert);
            assert_eq!(said[0].to_string(), expected);
        };
        check(&[], "routes[0] {}: matches");
        check(
            &["severity=~\"warning|info\"", "team!=\"net\""],
            "routes[0] {severity=~\"warning|info\",team!=\"net\"}: matches",
        );
        check(
            &["severity=\"critical\""],
            "routes[0] {severity=\"critical\"}: not severity=\"critical\" (the alert has \"warning\")",
        );
        check(
            &["team!~\"g.*\"", "node!=\"\"", "severity=\"warning\""],
            "routes[0] {team!~\"g.*\",node!=\"\",severity=\"warning\"}: not team!~\"g.*\" (the alert has \"gpu\"), \
             not node!=\"\" (the alert has no label `node`)",
        );
    }

    #[test]
    fn an_alert_that_nobody_takes_is_told_the_nearest_routes() {
        let alert = labels(&[("severity", "warning"), ("team", "gpu")]);
        let why = |routes: &[&[&str]]| why_unrouted(&receiver(routes), &alert);
        assert_eq!(why(&[&["severity=\"critical\""], &[]]), None);
        assert_eq!(why(&[]).as_deref(), Some("the receiver has no routes"));
        let far: &[&str] = &["severity=\"critical\"", "team=\"net\""];
        let near: &[&str] = &["team=\"net\""];
        let said = why(&[far, near, far, far, far]).unwrap();
        assert!(
            said.starts_with(
                "routes[1] {team=\"net\"}: not team=\"net\" (the alert has \"gpu\"); routes[0] "
            ),
            "{said}"
        );
        assert!(said.ends_with("; and 2 more routes"), "{said}");
    }
}

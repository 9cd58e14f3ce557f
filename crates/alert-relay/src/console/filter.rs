//! The form that filters deliveries: what was filled in, what it asks for, and links that ask for something like it (pure).

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use minijinja::context;
use minijinja::value::Value;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::clock::Millis;
use crate::console::data;
use crate::operation::deliveries::{DeliveryFilter, DeliveryState, PageRequest, Place};

/// The form as it came, in a query or in a body. Nothing filled in is an empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct FilterForm {
    /// Accepted at this time or later, as a browser's field for date and time writes it, in the settings' zone.
    from: String,
    /// Accepted before this time, likewise.
    until: String,
    target: String,
    group: String,
    state: String,
    text: String,
    /// The place after which the page begins.
    after: String,
}

/// What a form asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Which deliveries.
    pub(crate) filter: DeliveryFilter,
    /// Which part of them.
    pub(crate) page: PageRequest,
    /// The fields that say nothing and were left out.
    mistakes: Vec<&'static str>,
}

impl Asked {
    /// Whether every field that is filled in says something.
    pub(crate) fn is_whole(&self) -> bool {
        self.mistakes.is_empty()
    }
}

/// The periods that one link asks for.
const PERIODS: [(&str, Duration); 3] = [
    ("hour", Duration::from_hours(1)),
    ("day", Duration::from_hours(24)),
    ("week", Duration::from_hours(24 * 7)),
];

impl FilterForm {
    /// What it asks for. A field that cannot be read is named and left out, so that its page is shown all the same.
    pub(crate) fn read(&self, zone: &TimeZone) -> Asked {
        let mut mistakes = Vec::new();
        let mut noted = |name: &'static str, is_good: bool| {
            if !is_good {
                mistakes.push(name);
            }
        };
        let from = moment(&self.from, zone);
        noted("from", from.is_some() || self.from.is_empty());
        let until = moment(&self.until, zone);
        noted("until", until.is_some() || self.until.is_empty());
        let state = DeliveryState::ALL.into_iter().find(|state| state.as_str() == self.state);
        noted("state", state.is_some() || self.state.is_empty());
        let after: Option<Place> = self.after.parse().ok();
        noted("after", after.is_some() || self.after.is_empty());
        let filter = DeliveryFilter {
            from,
            until,
            target: given(&self.target),
            group: given(&self.group),
            state,
            text: given(&self.text),
            only_dead_letters: false,
        };
        Asked { filter, page: PageRequest { after, ..PageRequest::default() }, mistakes }
    }

    /// The fields that are filled in, the place of the page aside.
    pub(super) fn fields(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("text", &self.text),
            ("state", &self.state),
            ("target", &self.target),
            ("from", &self.from),
            ("until", &self.until),
            ("group", &self.group),
        ];
        all.into_iter()
            .map(|(name, value)| (name, value.trim()))
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// For the templates `filter.html` and `pager.html`, on the page at `action`.
    pub(super) fn values(
        &self,
        action: &str,
        asked: &Asked,
        next: Option<Place>,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Value {
        let here = link(action, &self.fields());
        let period = |(name, span): (&'static str, Duration)| {
            let begin = now.checked_sub(span).unwrap_or(now).to_zoned(zone.clone());
            let from = begin.strftime("%Y-%m-%dT%H:%M").to_string();
            let mut fields = self.fields();
            fields.retain(|(name, _)| !matches!(*name, "from" | "until"));
            fields.push(("from", &from));
            context! { name, href => link(action, &fields) }
        };
        let next = next.map(|place| {
            let place = place.to_string();
            link(action, &[self.fields(), vec![("after", &place)]].concat())
        });
        // A browser complains about a time that is none.
        let good = |name: &str, text: &str| {
            if asked.mistakes.contains(&name) { String::new() } else { text.to_owned() }
        };
        context! {
            action,
            filter => context! {
                from => good("from", &self.from),
                until => good("until", &self.until),
                target => self.target.as_str(),
                group => self.group.as_str(),
                state => self.state.as_str(),
                text => self.text.as_str(),
            },
            is_filtered => !self.fields().is_empty(),
            mistakes => data(&asked.mistakes),
            states => data(DeliveryState::ALL.map(DeliveryState::as_str)),
            periods => PERIODS.map(period).to_vec(),
            first_page => asked.page.after.map(|_| here),
            next_page => next,
        }
    }
}

/// A path with a query of these fields.
fn link(path: &str, fields: &[(&str, &str)]) -> String {
    let mut link = path.to_owned();
    for (index, (name, value)) in fields.iter().enumerate() {
        let mark = if index == 0 { '?' } else { '&' };
        link.extend([mark.to_string(), format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))]);
    }
    link
}

fn given(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// `2026-11-29T18:00`, with or without seconds. In an hour that the clocks leave out or have twice: the one a clock would show first.
fn moment(text: &str, zone: &TimeZone) -> Option<Millis> {
    let at: DateTime = text.trim().parse().ok()?;
    Some(Millis::from(at.to_zoned(zone.clone()).ok()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shanghai() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    #[test]
    fn a_form_asks_for_what_is_filled_in_and_names_what_says_nothing() {
        let form = FilterForm {
            from: "2026-11-29T18:00".to_owned(),
            target: " chat ".to_owned(),
            state: "dead".to_owned(),
            text: "显存".to_owned(),
            after: "1764442800000-17".to_owned(),
            ..FilterForm::default()
        };
        let asked = form.read(&shanghai());
        let filter = DeliveryFilter {
            from: Some(Millis::from("2026-11-29T10:00:00Z".parse::<Timestamp>().unwrap())),
            target: Some("chat".to_owned()),
            state: Some(DeliveryState::Dead),
            text: Some("显存".to_owned()),
            ..DeliveryFilter::default()
        };
        assert_eq!((asked.filter, asked.mistakes), (filter, Vec::new()));
        assert_eq!(asked.page.after, Some(Place { at: Millis(1_764_442_800_000), number: 17 }));

        let bad = |text: &str| text.to_owned();
        let form = FilterForm {
            from: bad("now"),
            until: bad("2026-13-01T00:00"),
            state: bad("<b>"),
            after: bad("x"),
            ..FilterForm::default()
        };
        let asked = form.read(&shanghai());
        assert_eq!((asked.filter, asked.page), (DeliveryFilter::default(), PageRequest::default()));
        assert_eq!(asked.mistakes, ["from", "until", "state", "after"]);
        assert_eq!(FilterForm::default().read(&shanghai()).mistakes, [""; 0]);
    }

    #[test]
    fn links_ask_for_the_same_and_nothing_leaves_its_field() {
        let form = FilterForm {
            text: "a&b=\"<c".to_owned(),
            group: "x".to_owned(),
            from: "2026-11-29T18:00".to_owned(),
            ..FilterForm::default()
        };
        let asked = form.read(&TimeZone::UTC);
        let next = Some(Place { at: Millis(5), number: 7 });
        let now = "2026-11-29T20:30:00Z".parse().unwrap();
        let values = form.values("/deliveries", &asked, next, now, &shanghai());
        assert_eq!(
            values.get_attr("next_page").unwrap().as_str().unwrap(),
            "/deliveries?text=a%26b%3D%22%3Cc&from=2026%2D11%2D29T18%3A00&group=x&after=5%2D7"
        );
        let hour = values.get_attr("periods").unwrap().get_item(&Value::from(0)).unwrap();
        assert_eq!(
            hour.get_attr("href").unwrap().as_str().unwrap(),
            "/deliveries?text=a%26b%3D%22%3Cc&group=x&from=2026%2D11%2D30T03%3A30"
        );
        assert!(values.get_attr("first_page").unwrap().is_none());
    }
}

//! Points in time and spans, as the pages show them: in the settings' time zone, with how long ago that was.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};

use crate::console::texts::Texts;
use crate::message::Language;
use crate::render::words;

/// What a template calls as `times.…`. A time is the store's milliseconds since 1970, or RFC 3339; a span is seconds.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub(super) zone: TimeZone,
    pub(super) now: Timestamp,
    pub(super) language: Language,
    pub(super) texts: Arc<Texts>,
}

impl Times {
    /// Date and time to the second.
    fn at(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// How long ago, or in how long.
    fn ago(&self, at: Timestamp) -> String {
        let past = self.now.duration_since(at);
        let key = if past.is_negative() { "said.ahead" } else { "said.ago" };
        let span = words::duration(past.abs(), self.language);
        self.texts.say(key, &[("span", span)]).unwrap_or_default()
    }

    /// As short as it is clear, and how long ago: HTML of our own making, of which no part is anybody's text.
    fn tag(&self, at: Timestamp) -> Value {
        let (whole, ago) = (self.at(at), self.ago(at));
        let short = words::moment(at, self.now, &self.zone);
        Value::from_safe_string(format!(
            "<time datetime=\"{at}\" title=\"{whole}\">{short}</time> <span class=\"ago\">{ago}</span>"
        ))
    }
}

impl Object for Times {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        let [given] = arguments else { return Err(Error::from(ErrorKind::MissingArgument)) };
        if method == "span" {
            let span = SignedDuration::try_from_secs_f64(f64::try_from(given.clone())?);
            let span = span.map_err(|_| Error::new(ErrorKind::InvalidOperation, "no span"))?;
            return Ok(Value::from(words::duration(span, self.language)));
        }
        let at = timestamp(given)?;
        match method {
            "at" => Ok(Value::from(self.at(at))),
            "ago" => Ok(Value::from(self.ago(at))),
            "tag" => Ok(self.tag(at)),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

fn timestamp(given: &Value) -> Result<Timestamp, Error> {
    let refused = || Error::new(ErrorKind::InvalidOperation, format!("`{given}` is no time"));
    if let Some(text) = given.as_str() {
        return text.parse().map_err(|_| refused());
    }
    let milliseconds = i64::try_from(given.clone())?;
    Timestamp::from_millisecond(milliseconds).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, context};

    use super::*;

    #[test]
    fn a_time_is_shown_in_the_settings_zone_with_how_long_ago() {
        let check = |language, expression: &str, expected: &str| {
            let times = Times {
                zone: TimeZone::get("Asia/Shanghai").unwrap(),
                now: "2026-11-29T11:00:00Z".parse().unwrap(),
                language,
                texts: Arc::new(Texts::of(language)),
            };
            let source = format!("{{{{ times.{expression} }}}}");
            let shown =
                Environment::new().render_str(&source, context! { times => Value::from_object(times) });
            assert_eq!(shown.unwrap(), expected, "{expression}");
        };
        check(
            Language::En,
            "tag('2026-11-29T10:48:00.5Z')",
            "<time datetime=\"2026-11-29T10:48:00.5Z\" title=\"2026-11-29 18:48:00\">18:48:00</time> <span class=\"ago\">11m ago</span>",
        );
        check(Language::En, "at(0)", "1970-01-01 08:00:00");
        check(Language::ZhCn, "ago('2026-11-29T10:48:00Z')", "12 分钟前");
        check(Language::ZhCn, "ago('2026-11-29T13:00:00Z')", "2 小时后");
        check(Language::En, "span(90)", "1m");
    }

    #[test]
    fn what_is_no_time_is_an_error() {
        let times = Times {
            zone: TimeZone::UTC,
            now: Timestamp::UNIX_EPOCH,
            language: Language::En,
            texts: Arc::new(Texts::of(Language::En)),
        };
        for expression in ["at('<b>')", "at(9223372036854775807)", "at()", "other(0)"] {
            let source = format!("{{{{ times.{expression} }}}}");
            let context = context! { times => Value::from_object(times.clone()) };
            assert!(Environment::new().render_str(&source, context).is_err(), "{expression}");
        }
    }
}

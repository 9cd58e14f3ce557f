//! When a route applies: times of day and weekdays in the relay's time zone (pure).
//!
//! A window that crosses midnight belongs to the day on which it opens: `22:00-06:00` on `friday` covers Saturday until
//! six, as a person on night duty would say it.

use std::fmt::{self, Display};
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

/// `active: { times: ["09:00-21:00"], weekdays: ["monday:friday"] }`. An empty list does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Calendar {
    /// `times`: one of them must hold.
    pub(crate) times: Vec<Times>,
    /// `weekdays`: one of them must hold.
    pub(crate) weekdays: Vec<Weekdays>,
}

impl Calendar {
    /// Whether the route applies at `now`.
    pub(crate) fn is_active(&self, now: Timestamp, time_zone: &TimeZone) -> bool {
        let local = now.to_zoned(time_zone.clone());
        let minute = Minute::of(local.time());
        let today = local.date();
        if self.times.is_empty() {
            return self.includes_day(today);
        }
        self.times.iter().any(|times| match times.opened_on(minute) {
            Some(Opened::Today) => self.includes_day(today),
            Some(Opened::Yesterday) => today.yesterday().is_ok_and(|yesterday| self.includes_day(yesterday)),
            None => false,
        })
    }

    fn includes_day(&self, date: Date) -> bool {
        self.weekdays.is_empty() || self.weekdays.iter().any(|range| range.contains(date.weekday()))
    }
}

/// `09:00-21:00,22:00-24:00 on monday:friday`, as it is written in the settings.
impl Display for Calendar {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times: Vec<String> = self.times.iter().map(Times::to_string).collect();
        let weekdays: Vec<String> = self.weekdays.iter().map(Weekdays::to_string).collect();
        out.write_str(&times.join(","))?;
        if !weekdays.is_empty() {
            let joined = if times.is_empty() { "" } else { " " };
            write!(out, "{joined}on {}", weekdays.join(","))?;
        }
        Ok(())
    }
}

/// `09:00-21:00`: from the first minute to just before the last; `24:00` is the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    from: Minute,
    to: Minute,
}

/// On which day the window that covers a moment opened.
enum Opened {
    Today,
    Yesterday,
}

impl Times {
    fn opened_on(self, minute: Minute) -> Option<Opened> {
        if self.from < self.to {
            return (self.from..self.to).contains(&minute).then_some(Opened::Today);
        }
        if minute >= self.from {
            return Some(Opened::Today);
        }
        (minute < self.to).then_some(Opened::Yesterday)
    }
}

impl Display for Times {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.from, self.to)
    }
}

impl FromStr for Times {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let (from, to) = text.split_once('-').ok_or(CalendarError::NoRange)?;
        let (from, to) = (from.trim().parse::<Minute>()?, to.trim().parse::<Minute>()?);
        if from == to {
            return Err(CalendarError::EmptyRange);
        }
        if from == Minute::END_OF_DAY {
            return Err(CalendarError::NotATime);
        }
        Ok(Self { from, to })
    }
}

/// Minutes since midnight, 0 to 1440.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Minute(u16);

impl Minute {
    const END_OF_DAY: Self = Self(24 * 60);

    fn of(time: Time) -> Self {
        Self(u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs()))
    }
}

impl Display for Minute {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for Minute {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let two_digits = |text: &str| {
            (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
                .then(|| text.parse::<u16>().ok())
                .flatten()
        };
        let (hour, minute) = text.split_once(':').ok_or(CalendarError::NotATime)?;
        match (two_digits(hour), two_digits(minute)) {
            (Some(hour), Some(minute)) if hour < 24 && minute < 60 => Ok(Self(hour * 60 + minute)),
            (Some(24), Some(0)) => Ok(Self::END_OF_DAY),
            _ => Err(CalendarError::NotATime),
        }
    }
}

/// `monday:friday` or `sunday`; a range may go past the end of the week, as `saturday:monday` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weekdays {
    from: Weekday,
    to: Weekday,
}

impl Weekdays {
    fn contains(self, day: Weekday) -> bool {
        self.from.until(day) <= self.from.until(self.to)
    }
}

impl Display for Weekdays {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(name(self.from))?;
        if self.from == self.to { Ok(()) } else { write!(out, ":{}", name(self.to)) }
    }
}

impl FromStr for Weekdays {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let (from, to) = text.split_once(':').unwrap_or((text, text));
        Ok(Self { from: weekday(from)?, to: weekday(to)? })
    }
}

fn weekday(written: &str) -> Result<Weekday, CalendarError> {
    let written = written.trim();
    let mut days = Weekday::Monday.cycle_forward().take(7);
    days.find(|day| name(*day).eq_ignore_ascii_case(written)).ok_or(CalendarError::NotAWeekday)
}

fn name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

/// Why a text is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CalendarError {
    /// No `-`.
    #[error("there is no `-` between two times")]
    NoRange,
    /// Both ends are the same.
    #[error("it begins when it ends (hint: leave `times` out for the whole day)")]
    EmptyRange,
    /// Not `HH:MM`.
    #[error("a time is written `HH:MM`, from 00:00 to 24:00")]
    NotATime,
    /// Not an English weekday.
    #[error("a weekday is one of monday, tuesday, wednesday, thursday, friday, saturday, sunday")]
    NotAWeekday,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(times: &[&str], weekdays: &[&str]) -> Calendar {
        Calendar {
            times: times.iter().map(|text| text.parse().unwrap()).collect(),
            weekdays: weekdays.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    /// `local` is a time in Shanghai; 2026-08-21 is a Friday.
    fn check(calendar: &Calendar, local: &str, expected: bool) {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let now = local.parse::<jiff::civil::DateTime>().unwrap().to_zoned(zone.clone()).unwrap().timestamp();
        assert_eq!(calendar.is_active(now, &zone), expected, "{calendar:?} at {local}");
    }

    #[test]
    fn an_empty_calendar_is_always_active() {
        check(&Calendar::default(), "2026-08-22T03:00", true);
    }

    #[test]
    fn times_hold_from_the_first_minute_to_just_before_the_last() {
        let working_hours = calendar(&["09:00-21:00"], &[]);
        check(&working_hours, "2026-08-21T08:59:59", false);
        check(&working_hours, "2026-08-21T09:00", true);
        check(&working_hours, "2026-08-21T20:59:59", true);
        check(&working_hours, "2026-08-21T21:00", false);
        check(&calendar(&["20:00-24:00"], &[]), "2026-08-21T23:59:59", true);
        check(&calendar(&["01:00-02:00", "04:00-05:00"], &[]), "2026-08-21T04:30", true);
    }

    #[test]
    fn times_across_midnight_belong_to_the_day_they_begin_on() {
        let friday_night = calendar(&["22:00-06:00"], &["friday"]);
        check(&friday_night, "2026-08-21T05:00", false);
        check(&friday_night, "2026-08-21T22:00", true);
        check(&friday_night, "2026-08-22T05:59", true);
        check(&friday_night, "2026-08-22T06:00", false);
        check(&friday_night, "2026-08-22T22:00", false);
    }

    #[test]
    fn a_calendar_is_shown_as_it_is_written() {
        for (times, weekdays, expected) in [
            (&["09:00-21:00"][..], &[][..], "09:00-21:00"),
            (
                &["22:00-06:00", "12:30-24:00"],
                &["monday:friday", "Sunday"],
                "22:00-06:00,12:30-24:00 on monday:friday,sunday",
            ),
            (&[], &["saturday:monday"], "on saturday:monday"),
        ] {
            assert_eq!(calendar(times, weekdays).to_string(), expected);
        }
    }

    #[test]
    fn weekdays_are_single_or_a_range_that_may_wrap() {
        let workdays = calendar(&[], &["monday:friday"]);
        check(&workdays, "2026-08-21T12:00", true);
        check(&workdays, "2026-08-22T12:00", false);
        check(&workdays, "2026-08-24T12:00", true);
        let long_weekend = calendar(&[], &["saturday:monday"]);
        check(&long_weekend, "2026-08-21T12:00", false);
        check(&long_weekend, "2026-08-23T12:00", true);
        check(&long_weekend, "2026-08-24T12:00", true);
        check(&long_weekend, "2026-08-25T12:00", false);
        check(&calendar(&[], &["Sunday"]), "2026-08-23T12:00", true);
    }

    #[test]
    fn the_zone_decides_not_utc() {
        // 16:30 UTC on Friday is Saturday, half past midnight, in Shanghai.
        let now = "2026-08-21T16:30:00Z".parse().unwrap();
        let friday = calendar(&[], &["friday"]);
        assert!(!friday.is_active(now, &TimeZone::get("Asia/Shanghai").unwrap()));
        assert!(friday.is_active(now, &TimeZone::UTC));
    }

    #[test]
    fn what_is_no_window_says_why() {
        let times = |text: &str| text.parse::<Times>().unwrap_err();
        assert_eq!(times("09:00"), CalendarError::NoRange);
        assert_eq!(times("9:00-21:00"), CalendarError::NotATime);
        assert_eq!(times("09:00-21:60"), CalendarError::NotATime);
        assert_eq!(times("09:00-24:01"), CalendarError::NotATime);
        assert_eq!(times("24:00-06:00"), CalendarError::NotATime);
        assert_eq!(times("09:00-09:00"), CalendarError::EmptyRange);
        assert_eq!("mon:fri".parse::<Weekdays>(), Err(CalendarError::NotAWeekday));
    }
}

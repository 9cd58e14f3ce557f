//! What can be wrong with the engine, and when: read from flags, from a timetable, and from calls while it runs.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

/// One way in which engines fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// No step ends any more: what runs stands still, and so do the numbers, while the page answers. Begins when something runs.
    Hang,
    /// The same, begun at a moment when nothing ran: the page says that nothing runs.
    HangIdle,
    /// Each token takes `strength` times as long, those of prompts apart.
    SlowDecode,
    /// A share (`strength`) of the answers breaks off within the stream, whose status is 200.
    StreamError,
    /// A share (`strength`) of the requests is answered 500 at once.
    HttpError,
    /// Out of GPU memory: the engine dies. Nothing listens until the fault is over; then it is a new one.
    Oom,
    /// Images take `strength` times as long to be prepared, one after the other: a queue that no metric shows.
    SlowFrontEnd,
    /// Every client goes away and none comes: nothing runs, and vLLM's numbers stay as they were.
    Aborts,
    /// Stopped and started again: nothing listens until the fault is over.
    Restart,
    /// It loads its model: nothing listens until the fault is over.
    Loading,
    /// `strength` times as many requests: busy, and alive.
    Flood,
}

/// Each kind's name, how strong it is and how long it lasts when neither is said.
const KINDS: [(&str, Kind, f64, Option<Duration>); 11] = [
    ("hang", Kind::Hang, 1.0, None),
    ("hang-idle", Kind::HangIdle, 1.0, None),
    ("slow-decode", Kind::SlowDecode, 8.0, None),
    ("stream-error", Kind::StreamError, 0.3, None),
    ("http-error", Kind::HttpError, 0.3, None),
    ("oom", Kind::Oom, 1.0, Some(Duration::from_secs(30))),
    ("slow-front-end", Kind::SlowFrontEnd, 30.0, None),
    ("aborts", Kind::Aborts, 1.0, None),
    ("restart", Kind::Restart, 1.0, Some(Duration::from_secs(20))),
    ("loading", Kind::Loading, 1.0, Some(Duration::from_mins(1))),
    ("flood", Kind::Flood, 20.0, None),
];

/// More than any fault needs: beyond it a step would last for hours.
const STRONGEST: f64 = 1000.0;

impl Kind {
    /// As flags and calls name it.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind, ..)| *kind == self).map_or("", |(name, ..)| name)
    }

    /// Whether nothing listens while it lasts, and the engine is a new one after it.
    pub(crate) fn is_down(self) -> bool {
        matches!(self, Self::Oom | Self::Restart | Self::Loading)
    }
}

/// A kind of failure at a time, counted from the start of the program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// What fails.
    pub kind: Kind,
    /// How much: a factor, or a share from 0 to 1.
    pub strength: f64,
    /// When it begins.
    pub at: Duration,
    /// When it is over; `None` is never.
    pub until: Option<Duration>,
}

/// A fault as a timetable (`at`, `until`) or a call (`for`) says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: String,
    strength: Option<f64>,
    at: Option<String>,
    until: Option<String>,
    #[serde(rename = "for")]
    lasting: Option<String>,
}

/// A timetable's file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Timetable {
    faults: Vec<Written>,
}

impl Fault {
    /// Of a flag: `hang`, `hang@30s`, `slow-decode=8@30s-2m`.
    pub fn of_flag(text: &str) -> Result<Self> {
        let (what, when) = text.split_once('@').map_or((text, None), |(what, when)| (what, Some(when)));
        let (kind, strength) = what.split_once('=').map_or((what, None), |(kind, much)| (kind, Some(much)));
        let strength = strength.map(|much| much.parse().with_context(|| format!("`{much}` is no number")));
        let (at, until) = match when
            .map(|when| when.split_once('-').map_or((when, None), |(at, until)| (at, Some(until))))
        {
            Some((at, until)) => (Some(at.to_owned()), until.map(str::to_owned)),
            None => (None, None),
        };
        let written =
            Written { kind: kind.to_owned(), strength: strength.transpose()?, at, until, lasting: None };
        written.read(Duration::ZERO).with_context(|| format!("`{text}` is no fault"))
    }

    /// Of a call at a moment: `{"kind": "hang", "for": "60s"}`; `None` for the kind `none`, which ends all.
    pub fn of_call(body: &[u8], now: Duration) -> Result<Option<Self>> {
        let written: Written = serde_json::from_slice(body).context("the body is no fault")?;
        ensure!(
            written.at.is_none() && written.until.is_none(),
            "a call's fault begins at once and has `for`"
        );
        if written.kind == "none" { Ok(None) } else { written.read(now).map(Some) }
    }

    /// Those of a timetable's file.
    pub fn of_timetable(text: &str) -> Result<Vec<Self>> {
        let table: Timetable = yaml_serde::from_str(text)?;
        let read = |written: &Written| {
            ensure!(written.lasting.is_none(), "a timetable's fault has `until`, not `for`");
            written.read(Duration::ZERO)
        };
        table
            .faults
            .iter()
            .enumerate()
            .map(|(number, written)| read(written).with_context(|| format!("faults[{number}]")))
            .collect()
    }

    /// Whether it is in effect.
    pub(crate) fn holds(&self, now: Duration) -> bool {
        self.at <= now && self.until.is_none_or(|until| now < until)
    }
}

impl Written {
    fn read(&self, now: Duration) -> Result<Fault> {
        let Some((_, kind, usual, lasts)) = KINDS.iter().find(|(name, ..)| *name == self.kind) else {
            let names: Vec<&str> = KINDS.iter().map(|(name, ..)| *name).collect();
            bail!("`{}` is no kind of fault (there are {})", self.kind, names.join(", "));
        };
        let strength = self.strength.unwrap_or(*usual);
        let most = if matches!(kind, Kind::StreamError | Kind::HttpError) { 1.0 } else { STRONGEST };
        ensure!(
            (0.0..=most).contains(&strength),
            "a strength of {} is 0 to {most}, not {strength}",
            self.kind
        );
        let time =
            |text: &str| humantime::parse_duration(text).with_context(|| format!("`{text}` is no duration"));
        let at = self.at.as_deref().map(time).transpose()?.map_or(now, |at| at);
        let lasting = self.lasting.as_deref().map(time).transpose()?.or(*lasts);
        let until = match self.until.as_deref().map(time).transpose()? {
            Some(until) => Some(until),
            None => lasting.map(|lasting| at.saturating_add(lasting)),
        };
        ensure!(until.is_none_or(|until| until > at), "it would be over before it begins");
        Ok(Fault { kind: *kind, strength, at, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_flag_says_what_how_much_and_when() {
        let check = |text: &str, kind, strength, at: u32, until: Option<u32>| {
            let expected =
                Fault { kind, strength, at: SECOND * at, until: until.map(|until| SECOND * until) };
            assert_eq!(Fault::of_flag(text).unwrap(), expected, "{text}");
        };
        check("hang", Kind::Hang, 1.0, 0, None);
        check("hang@30s", Kind::Hang, 1.0, 30, None);
        check("hang-idle@30s-2m", Kind::HangIdle, 1.0, 30, Some(120));
        check("slow-decode=4@1m", Kind::SlowDecode, 4.0, 60, None);
        check("oom@10s", Kind::Oom, 1.0, 10, Some(40));
        check("loading@0s-5s", Kind::Loading, 1.0, 0, Some(5));
        for (name, kind, ..) in KINDS {
            assert_eq!(Fault::of_flag(name).unwrap().kind.name(), name);
            assert_eq!(kind.name(), name);
        }
    }

    #[test]
    fn what_is_no_fault_is_said() {
        let check = |text: &str, expected: &str| {
            let error = format!("{:#}", Fault::of_flag(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("hung", "`hung` is no kind of fault (there are hang, hang-idle, ");
        check("flood=many", "`many` is no number");
        check("flood=1001", "0 to 1000, not 1001");
        check("http-error=2", "0 to 1, not 2");
        check("hang@soon", "`soon` is no duration");
        check("hang@2m-1m", "over before it begins");
    }

    #[test]
    fn a_timetable_and_a_call_say_the_same() {
        let table =
            "faults:\n- { kind: hang, at: 30s, until: 90s }\n- { kind: flood, strength: 3, at: 2m }\n";
        let faults = Fault::of_timetable(table).unwrap();
        let called = Fault::of_call(br#"{"kind": "hang", "for": "60s"}"#, SECOND * 30).unwrap();
        assert_eq!((faults.len(), Some(faults[0])), (2, called));
        assert!(
            faults[0].holds(SECOND * 30) && !faults[0].holds(SECOND * 90) && faults[1].holds(SECOND * 9999)
        );
        assert_eq!(Fault::of_call(br#"{"kind": "none"}"#, SECOND).unwrap(), None);
        let error = format!("{:#}", Fault::of_timetable("faults:\n- { kind: hang, for: 3s }\n").unwrap_err());
        assert!(error.contains("faults[0]: a timetable's fault has `until`"), "{error}");
        assert!(Fault::of_call(br#"{"kind": "hang", "at": "3s"}"#, SECOND).is_err());
        assert!(Fault::of_call(b"hang", SECOND).is_err());
    }
}

//! Bursts of XIDs of one GPU. One cause brings many codes, some of them by the thousand: what comes without three quiet minutes between is
//! one incident (NVIDIA Fleet Intelligence, "XID bursts"). It is as bad as its worst XID, and named by the worst that is not only the
//! consequence of another; of several as bad by the one that others name as their cause, else by the first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::occurrence::Occurrence;
use crate::gpu::xid::{FALLEN_OFF_THE_BUS, Severity, is_consequence};

/// Silence that ends an incident.
pub(in crate::gpu) const SILENCE: Duration = Duration::from_mins(3);

/// The incidents of one GPU.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incidents {
    /// Incidents that were at least so bad at some time: one that grows worse counts again under what it became.
    counts: BTreeMap<Severity, u64>,
    /// The one that goes on, or the last.
    latest: Option<Incident>,
}

/// One burst.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    /// The XID that names it.
    pub(crate) leading_code: u32,
    leading_severity: Severity,
    /// Another XID of the burst names the leading one as its cause.
    is_leading_named: bool,
    /// The worst of it.
    pub(crate) severity: Severity,
    last: Instant,
    is_off_the_bus: bool,
}

impl Incidents {
    /// Takes in one report of an XID. What only follows another error begins no incident, unless it is more than a note.
    pub(super) fn note(&mut self, xid: Occurrence) {
        if let Some(incident) = self.going_on(xid.moment.now) {
            let before = incident.severity;
            incident.note(xid);
            let now = incident.severity;
            self.count(Some(before), now);
        } else if !is_consequence(xid.code) || xid.severity > Severity::Info {
            self.count(None, xid.severity);
            self.latest = Some(Incident::new(xid));
        }
    }

    /// The driver asks for something that is so bad. That says how bad the incident is that goes on; without one it is no news of an error.
    pub(super) fn raise(&mut self, severity: Severity, now: Instant) {
        if let Some(incident) = self.going_on(now)
            && incident.severity < severity
        {
            let before = std::mem::replace(&mut incident.severity, severity);
            self.count(Some(before), severity);
        }
    }

    /// Whether the incident that goes on has it that the GPU left the bus.
    pub(super) fn is_off_the_bus(&self, now: Instant) -> bool {
        self.latest.as_ref().is_some_and(|incident| incident.is_off_the_bus && incident.goes_on(now))
    }

    pub(super) fn add(&mut self, earlier: Self) {
        for (severity, count) in earlier.counts {
            *self.counts.entry(severity).or_default() += count;
        }
        self.latest = self.latest.take().or(earlier.latest);
    }

    /// Incidents that had become so bad, since the exporter started.
    pub(crate) fn total(&self, severity: Severity) -> u64 {
        self.counts.get(&severity).copied().unwrap_or_default()
    }

    /// The one that goes on, or the last.
    pub(crate) fn latest(&self) -> Option<&Incident> {
        self.latest.as_ref()
    }

    fn going_on(&mut self, now: Instant) -> Option<&mut Incident> {
        self.latest.as_mut().filter(|incident| incident.goes_on(now))
    }

    /// An incident has become as bad as this, which was as bad as that.
    fn count(&mut self, before: Option<Severity>, now: Severity) {
        if before.is_none_or(|before| before < now) {
            *self.counts.entry(now).or_default() += 1;
        }
    }
}

impl Incident {
    fn new(xid: Occurrence) -> Self {
        let mut incident = Self {
            leading_code: xid.code,
            leading_severity: xid.severity,
            is_leading_named: false,
            severity: xid.severity,
            last: xid.moment.now,
            is_off_the_bus: xid.code == FALLEN_OFF_THE_BUS,
        };
        incident.note_cause(xid);
        incident
    }

    fn note(&mut self, xid: Occurrence) {
        self.last = xid.moment.now;
        self.severity = self.severity.max(xid.severity);
        self.is_off_the_bus |= xid.code == FALLEN_OFF_THE_BUS;
        self.lead(xid.code, xid.severity, false);
        self.note_cause(xid);
    }

    /// The cause that an XID names leads others that are as bad. It may have come before the incident, which is no worse for that.
    fn note_cause(&mut self, xid: Occurrence) {
        let Some((code, severity)) = xid.cause else { return };
        if code == self.leading_code {
            self.is_leading_named = true;
        } else {
            self.lead(code, severity.min(self.severity), true);
        }
    }

    fn lead(&mut self, code: u32, severity: Severity, is_named: bool) {
        let rank = (!is_consequence(code), severity, is_named);
        if rank > (!is_consequence(self.leading_code), self.leading_severity, self.is_leading_named) {
            (self.leading_code, self.leading_severity, self.is_leading_named) = (code, severity, is_named);
        }
    }

    fn goes_on(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::Severity::{Fatal, Info, Warning};
    use super::*;
    use crate::gpu::snapshot::occurrence::{Moment, XidSource};

    /// What became of XIDs: seconds, code and severity of each.
    fn after(xids: &[(u64, u32, Severity)]) -> Incidents {
        let (mut incidents, start) = (Incidents::default(), Instant::now());
        for (seconds, code, severity) in xids {
            let now = start + Duration::from_secs(*seconds);
            incidents.note(Occurrence::new(*code, *severity, XidSource::KernelLog, Moment { at: 0.0, now }));
        }
        incidents
    }

    #[test]
    fn a_burst_is_one_incident_named_by_its_cause() {
        type Case<'a> = (&'a [(u64, u32, Severity)], [u64; 3], Option<(u32, Severity)>);
        let cases: [Case<'_>; 11] = [
            (&[], [0, 0, 0], None),
            (&[(0, 31, Info)], [1, 0, 0], Some((31, Info))),
            // 45 never counts alone, however often it comes, and names nothing.
            (&[(0, 45, Info), (1, 45, Info), (500, 45, Info)], [0, 0, 0], None),
            (&[(0, 45, Info), (1, 31, Info), (2, 45, Info)], [1, 0, 0], Some((31, Info))),
            // Details of 48 are no errors of their own.
            (&[(0, 171, Info), (0, 48, Fatal), (0, 172, Info)], [0, 0, 1], Some((48, Fatal))),
            // The worst names it, of two as bad the first.
            (
                &[(0, 31, Info), (5, 94, Warning), (9, 48, Fatal), (9, 79, Fatal)],
                [1, 1, 1],
                Some((48, Fatal)),
            ),
            // What the driver asks for makes it as bad, and does not name it.
            (&[(0, 109, Warning), (2, 154, Fatal)], [0, 1, 1], Some((109, Fatal))),
            (&[(0, 154, Fatal), (2, 109, Warning)], [0, 0, 1], Some((109, Fatal))),
            (&[(0, 154, Fatal)], [0, 0, 1], Some((154, Fatal))),
            // Three minutes of silence end it, not three minutes of length.
            (&[(0, 31, Info), (179, 31, Info), (358, 31, Info)], [1, 0, 0], Some((31, Info))),
            (&[(0, 79, Fatal), (180, 31, Info)], [1, 0, 1], Some((31, Info))),
        ];
        for (xids, counts, latest) in cases {
            let incidents = after(xids);
            assert_eq!([Info, Warning, Fatal].map(|severity| incidents.total(severity)), counts, "{xids:?}");
            let seen = incidents.latest().map(|incident| (incident.leading_code, incident.severity));
            assert_eq!(seen, latest, "{xids:?}");
        }
    }

    /// XIDs, each with the cause that its record names.
    #[test]
    fn of_several_as_bad_the_one_that_is_named_as_cause_leads() {
        type Case<'a> = (&'a [(u32, Severity, Option<(u32, Severity)>)], Option<(u32, Severity)>);
        let cases: [Case<'_>; 7] = [
            (&[(109, Warning, None), (149, Warning, None)], Some((109, Warning))),
            (
                &[(109, Warning, None), (149, Warning, None), (45, Info, Some((149, Warning)))],
                Some((149, Warning)),
            ),
            // Once it is named, what comes later and is as bad does not take its place.
            (
                &[
                    (149, Warning, None),
                    (45, Info, Some((149, Warning))),
                    (109, Warning, None),
                    (45, Info, Some((109, Warning))),
                ],
                Some((149, Warning)),
            ),
            // The worst leads, whatever is named.
            (&[(48, Fatal, None), (13, Info, None), (45, Info, Some((13, Info)))], Some((48, Fatal))),
            // One that was missed leads what only follows it, and makes nothing worse.
            (&[(154, Fatal, None), (45, Info, Some((119, Fatal)))], Some((119, Fatal))),
            (&[(31, Info, None), (45, Info, Some((48, Fatal)))], Some((48, Info))),
            // It never counts alone.
            (&[(45, Info, Some((149, Warning)))], None),
        ];
        for (xids, expected) in cases {
            let (mut incidents, now) = (Incidents::default(), Instant::now());
            for (code, severity, cause) in xids {
                let moment = Moment { at: 0.0, now };
                let xid = Occurrence::new(*code, *severity, XidSource::KernelLog, moment);
                incidents.note(Occurrence { cause: *cause, ..xid });
            }
            let seen = incidents.latest().map(|incident| (incident.leading_code, incident.severity));
            assert_eq!(seen, expected, "{xids:?}");
        }
    }

    #[test]
    fn what_the_driver_asks_for_counts_while_something_goes_on() {
        let now = Instant::now();
        let mut incidents = Incidents::default();
        incidents.raise(Fatal, now);
        assert_eq!(incidents.total(Fatal), 0);
        incidents.note(Occurrence::new(109, Warning, XidSource::Driver, Moment { at: 0.0, now }));
        incidents.raise(Fatal, now + Duration::from_mins(1));
        incidents.raise(Fatal, now + Duration::from_mins(1));
        assert_eq!((incidents.total(Warning), incidents.total(Fatal)), (1, 1));
        assert_eq!(incidents.latest().map(|incident| incident.leading_code), Some(109));
    }
}

//! Asking one GPU for many readings: what it lacks is not asked for each time, and what fails is noted by name.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::answer::Answer;
use super::support::Support;
use crate::gpu::fault::{FaultReason, ReadingFault};

/// When a GPU is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Instant,
    /// How often the GPU was seen not to answer, or the driver reported an event of it: what was kept from before the last one may hold
    /// no more.
    pub(crate) events: u32,
    /// How often it was seen not to answer.
    pub(crate) losses: u32,
    /// Time without readings beyond this is not filled in.
    pub(crate) longest_gap: Duration,
}

/// Asks a GPU, skipping what it is known not to have and giving up once it is lost.
pub(crate) struct Ask<'a, D = Device<'a>> {
    device: &'a D,
    support: &'a mut Support,
    moment: Moment,
    faults: Vec<ReadingFault>,
    /// Why the GPU as a whole does not answer.
    gone: Option<FaultReason>,
    /// How many of the questions so far the GPU has no answer to.
    refusals: usize,
    /// Whether the present question is asked in each sweep, or now and then only.
    is_of_now: bool,
    /// Whether anything that is asked in each sweep was answered, and why the first of it was not.
    has_answered: bool,
    first_fault: Option<FaultReason>,
}

/// What some questions got no answer to.
pub(super) struct Missing {
    pub(super) faults: Vec<ReadingFault>,
    /// Something was refused.
    pub(super) is_refused: bool,
}

impl<'a, D> Ask<'a, D> {
    pub(crate) fn new(device: &'a D, support: &'a mut Support, moment: Moment) -> Self {
        Self {
            device,
            support,
            moment,
            faults: Vec::new(),
            gone: None,
            refusals: 0,
            is_of_now: true,
            has_answered: false,
            first_fault: None,
        }
    }

    pub(crate) fn moment(&self) -> Moment {
        self.moment
    }

    /// Asks for a reading under its own name: two readings of one name would share what is known of it.
    pub(crate) fn ask<T>(
        &mut self,
        reading: &str,
        call: impl FnOnce(&'a D) -> Result<T, NvmlError>,
    ) -> Option<T> {
        let value = self.batch(reading, call);
        self.has_answered |= self.is_of_now && value.is_some();
        value
    }

    /// Asks for a quantity. A number that it never has is a fault, and the reading is absent: `meaning` knows none for it.
    pub(crate) fn quantity<T: Copy + Debug, Q>(
        &mut self,
        reading: &str,
        call: impl FnOnce(&'a D) -> Result<T, NvmlError>,
        meaning: impl FnOnce(T) -> Option<Q>,
    ) -> Option<Q> {
        let answer = self.ask(reading, call)?;
        self.meaning(reading, answer, meaning)
    }

    /// What a part of an answer means; a fault when that is nothing.
    pub(crate) fn meaning<T: Copy + Debug, Q>(
        &mut self,
        reading: &str,
        answer: T,
        meaning: impl FnOnce(T) -> Option<Q>,
    ) -> Option<Q> {
        let quantity = meaning(answer);
        if quantity.is_none() {
            let (reason, found) = (FaultReason::BadAnswer, Some(format!("{answer:?}")));
            self.faults.push(ReadingFault { reading: reading.to_owned(), reason, found });
        }
        quantity
    }

    /// Asks for what a part of the GPU has that may be off: what it lacks then it may have the next time, and that is no loss.
    pub(crate) fn ask_each_time<T>(
        &mut self,
        reading: &str,
        call: impl FnOnce(&'a D) -> Result<T, NvmlError>,
    ) -> Option<T> {
        let value = self.ask(reading, call);
        self.support.forget(reading);
        value
    }

    /// Asks for several readings with one call, each of which may still have failed: success says nothing of the GPU.
    pub(super) fn batch<T>(
        &mut self,
        reading: &str,
        call: impl FnOnce(&'a D) -> Result<T, NvmlError>,
    ) -> Option<T> {
        if self.gone.is_some() {
            return None;
        }
        if self.lacks(reading) {
            self.refusals += 1;
            return None;
        }
        match Answer::from(call(self.device)) {
            Answer::Value(value) => {
                self.support.answered(reading);
                return Some(value);
            }
            Answer::Unsupported(reason) => {
                if self.support.refused(reading, reason, self.moment.now, self.moment.events) {
                    self.fail(reading, reason);
                } else {
                    self.refusals += 1;
                }
            }
            Answer::Fault(
                reason @ (FaultReason::Lost | FaultReason::ResetRequired | FaultReason::DriverGone),
            ) => {
                self.gone = Some(reason);
            }
            Answer::Fault(reason) => self.fail(reading, reason),
        }
        None
    }

    fn fail(&mut self, reading: &str, reason: FaultReason) {
        if self.is_of_now {
            self.first_fault.get_or_insert(reason);
        }
        self.faults.push(ReadingFault { reading: reading.to_owned(), reason, found: None });
    }

    /// Whether the GPU does not have this reading and never had; one that failed this time may come the next.
    pub(crate) fn lacks(&self, reading: &str) -> bool {
        self.support.is_refused(reading, self.moment.now, self.moment.events)
    }

    /// Whether the GPU has this reading, as far as can be told, and the user may not have it.
    pub(crate) fn is_forbidden(&self, reading: &str) -> bool {
        self.support.is_forbidden(reading)
    }

    /// Notes that the user may not have a reading that matters too much to be absent without a word. However often, it is one fault.
    pub(crate) fn note_forbidden(&mut self, reading: &str) {
        let fault = ReadingFault { reading: reading.to_owned(), reason: FaultReason::Forbidden, found: None };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Whether the GPU is in MIG mode, by what was noted last (of its load, before the other subjects): that the mode cannot be read
    /// changes nothing.
    pub(crate) fn is_divided(&self) -> bool {
        self.support.is_divided
    }

    /// Notes whether the GPU is in MIG mode: what it no longer supports then is a fault for minutes alone.
    pub(crate) fn note_mig_mode(&mut self, is_on: bool) {
        self.support.is_divided = is_on;
    }

    /// The GPU was divided anew (MIG): what it has no longer is no fault.
    pub(crate) fn was_divided_anew(&mut self) {
        self.support.forget_losses();
    }

    /// Runs `read`, which asks now and then only, so that its answers do not show whether the GPU answers in each sweep. Returns what
    /// is missing beside the value; `None` for a GPU that is lost.
    pub(super) fn now_and_then<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> (T, Option<Missing>) {
        let was_of_now = std::mem::replace(&mut self.is_of_now, false);
        let (faults, refusals) = (self.faults.len(), self.refusals);
        let value = read(self);
        self.is_of_now = was_of_now;
        let missing =
            || Missing { faults: self.faults[faults..].to_vec(), is_refused: self.refusals > refusals };
        (value, self.gone.is_none().then(missing))
    }

    /// Notes faults that last until their readings are asked for again.
    pub(super) fn note(&mut self, faults: &[ReadingFault]) {
        self.faults.extend_from_slice(faults);
    }

    /// What failed, or why the GPU as a whole does not answer: it is lost, or failed all that was asked.
    pub(crate) fn into_faults(self) -> Result<Vec<ReadingFault>, FaultReason> {
        match (self.gone, self.first_fault) {
            (Some(reason), _) => Err(reason),
            (None, Some(reason)) if !self.has_answered => Err(reason),
            _ => Ok(self.faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment {
        Moment { now: Instant::now(), events: 0, losses: 0, longest_gap: Duration::from_mins(1) }
    }

    fn fault(reading: &str, reason: FaultReason, found: Option<&str>) -> ReadingFault {
        ReadingFault { reading: reading.to_owned(), reason, found: found.map(str::to_owned) }
    }

    #[test]
    fn a_number_that_a_quantity_never_has_is_a_fault_and_the_gpu_answers() {
        let mut support = Support::default();
        for _ in 0..2 {
            let mut ask = Ask::new(&(), &mut support, moment());
            let percent = |number| (number <= 100).then_some(number);
            assert_eq!(ask.quantity("load", |()| Ok(7), percent), Some(7));
            assert_eq!(ask.quantity("share", |()| Ok(101), percent), None);
            let none = FaultReason::BadAnswer;
            assert_eq!(ask.into_faults(), Ok(vec![fault("share", none, Some("101"))]));
        }
        let mut ask = Ask::new(&(), &mut support, moment());
        assert_eq!(ask.quantity("share", |()| Ok(101), |_| None::<u32>), None);
        assert!(ask.into_faults().is_ok(), "a wrong answer is an answer");
    }

    #[test]
    fn what_is_not_supported_is_asked_once_and_what_fails_each_time() {
        let mut support = Support::default();
        for sweep in 0..3 {
            let mut ask = Ask::new(&(), &mut support, moment());
            let mut asked = Vec::new();
            let mut call = |name: &'static str, answer: Result<u32, NvmlError>| {
                ask.ask(name, |()| {
                    asked.push(name);
                    answer
                })
            };
            assert_eq!(call("power", Ok(7)), Some(7));
            assert_eq!(call("fan", Err(NvmlError::NotSupported)), None);
            assert_eq!(call("clock", Err(NvmlError::UnexpectedVariant(23))), None);
            assert_eq!(
                asked,
                if sweep == 0 { vec!["power", "fan", "clock"] } else { vec!["power", "clock"] }
            );
            let faults = ask.into_faults().expect("it answers");
            assert_eq!(faults, [fault("clock", FaultReason::Unknown, None)]);
        }
    }

    #[test]
    fn what_a_part_lacks_while_it_is_off_is_asked_for_again() {
        let mut support = Support::default();
        for answer in [Ok(3), Err(NvmlError::NotSupported), Ok(5)] {
            let mut ask = Ask::new(&(), &mut support, moment());
            let expected = answer.as_ref().ok().copied();
            assert_eq!(ask.ask_each_time("bytes of a link", |()| answer), expected);
            assert_eq!(ask.into_faults(), Ok(Vec::new()), "and it is no fault");
        }
        assert_eq!(support.refusals().count(), 0);
    }

    #[test]
    fn what_was_there_and_is_refused_is_a_fault_and_asked_for_each_time() {
        let mut support = Support::default();
        for (answer, expected) in [
            (Ok(7), Ok(vec![])),
            (Err(NvmlError::NoPermission), Ok(vec![FaultReason::NoPermission])),
            (Err(NvmlError::NotSupported), Ok(vec![FaultReason::NotSupported])),
            (Ok(8), Ok(vec![])),
        ] {
            let mut ask = Ask::new(&(), &mut support, moment());
            ask.ask("power", |()| Ok(1));
            let value = answer.as_ref().ok().copied();
            assert_eq!(ask.ask("memory", |()| answer), value);
            assert!(!ask.lacks("memory"), "nothing else takes its place");
            let reasons =
                ask.into_faults().map(|faults| faults.into_iter().map(|fault| fault.reason).collect());
            assert_eq!(reasons, expected);
        }
    }

    #[test]
    fn what_is_forbidden_is_told_where_it_matters_and_once() {
        let mut support = Support::default();
        let mut ask = Ask::new(&(), &mut support, moment());
        let refused = |(): &()| Err::<u32, _>(NvmlError::NoPermission);
        ask.ask("memory", refused);
        ask.ask("fan", |()| Err::<u32, _>(NvmlError::NotSupported));
        assert_eq!((ask.is_forbidden("memory"), ask.is_forbidden("fan")), (true, false));
        ask.note_forbidden("memory");
        ask.note_forbidden("memory");
        assert_eq!(ask.into_faults(), Ok(vec![fault("memory", FaultReason::Forbidden, None)]));
        Ask::new(&(), &mut support, moment()).ask("other", |()| Ok(1));
        assert!(support.is_forbidden("memory"), "it is not asked for in each sweep");
    }

    #[test]
    fn a_gpu_that_fails_each_call_does_not_answer() {
        let unknown = |(): &()| Err::<u32, _>(NvmlError::Unknown);
        let mut support = Support::default();
        let mut ask = Ask::new(&(), &mut support, moment());
        ask.ask("power", unknown);
        ask.batch("throttle times", |()| Ok(0));
        ask.now_and_then(|ask| ask.ask("fans", |()| Ok(0)));
        assert_eq!(ask.into_faults(), Err(FaultReason::Unknown));

        let mut ask = Ask::new(&(), &mut support, moment());
        ask.ask("power", unknown);
        ask.ask("clock", |()| Ok(1));
        assert_eq!(ask.into_faults().map(|faults| faults.len()), Ok(1));

        let mut ask = Ask::new(&(), &mut support, moment());
        ask.ask("power", |()| Err::<u32, _>(NvmlError::GpuLost));
        assert_eq!(
            ask.ask("clock", |()| -> Result<u32, _> { unreachable!("a lost GPU is left alone") }),
            None
        );
        assert_eq!(ask.into_faults(), Err(FaultReason::Lost));
    }
}

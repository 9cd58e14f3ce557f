//! Asking one GPU for many readings: what it lacks is not asked again, and what fails is noted by name.

use std::borrow::Cow;
use std::collections::BTreeSet;

use nvml_wrapper::error::NvmlError;

use super::answer::Answer;
use crate::gpu::fault::{FaultReason, ReadingFault};

/// Names of readings that a GPU, its driver or this user does not get.
pub(super) type Unsupported = BTreeSet<Cow<'static, str>>;

/// Asks a GPU, skipping what it is known not to have and giving up once it is lost.
pub(super) struct Asker<'a> {
    unsupported: &'a mut Unsupported,
    faults: Vec<ReadingFault>,
    gone: Option<FaultReason>,
    has_answered: bool,
}

impl<'a> Asker<'a> {
    pub(super) fn new(unsupported: &'a mut Unsupported) -> Self {
        Self { unsupported, faults: Vec::new(), gone: None, has_answered: false }
    }

    /// Asks for a reading under its own name: two readings of one name would share the verdict "not supported".
    pub(super) fn ask<T>(
        &mut self,
        reading: impl Into<Cow<'static, str>>,
        call: impl FnOnce() -> Result<T, NvmlError>,
    ) -> Option<T> {
        let value = self.batch(reading, call);
        self.has_answered |= value.is_some();
        value
    }

    /// Asks for several readings with one call, each of which may still have failed: success says nothing of the GPU.
    pub(super) fn batch<T>(
        &mut self,
        reading: impl Into<Cow<'static, str>>,
        call: impl FnOnce() -> Result<T, NvmlError>,
    ) -> Option<T> {
        let reading = reading.into();
        if self.gone.is_some() || self.lacks(&reading) {
            return None;
        }
        match Answer::from(call()) {
            Answer::Value(value) => return Some(value),
            Answer::Unsupported => {
                self.unsupported.insert(reading);
            }
            Answer::Fault(
                reason @ (FaultReason::Lost | FaultReason::ResetRequired | FaultReason::DriverGone),
            ) => {
                self.gone = Some(reason);
            }
            Answer::Fault(reason) => {
                self.faults.push(ReadingFault { reading: reading.into_owned(), reason });
            }
        }
        None
    }

    /// Whether the GPU is known not to have this reading; one that failed this time may come the next.
    pub(super) fn lacks(&self, reading: &str) -> bool {
        self.unsupported.contains(reading)
    }

    /// What failed, or why the GPU as a whole does not answer.
    pub(super) fn into_faults(self) -> Result<Vec<ReadingFault>, FaultReason> {
        self.gone.map_or(Ok(self.faults), Err)
    }

    /// The same after questions of which the GPU must have answered one: when it failed them all, it does not answer.
    pub(super) fn into_faults_of_one_that_answers(self) -> Result<Vec<ReadingFault>, FaultReason> {
        let (has_answered, faults) = (self.has_answered, self.into_faults()?);
        match faults.first() {
            Some(fault) if !has_answered => Err(fault.reason),
            _ => Ok(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_supported_is_asked_once_and_what_fails_each_time() {
        let mut unsupported = Unsupported::new();
        for round in 0..3 {
            let mut ask = Asker::new(&mut unsupported);
            let mut asked = Vec::new();
            let mut call = |name: &'static str, answer: Result<u32, NvmlError>| {
                ask.ask(name, || {
                    asked.push(name);
                    answer
                })
            };
            assert_eq!(call("power", Ok(7)), Some(7));
            assert_eq!(call("fan", Err(NvmlError::NotSupported)), None);
            assert_eq!(call("clock", Err(NvmlError::UnexpectedVariant(23))), None);
            assert_eq!(
                asked,
                if round == 0 { vec!["power", "fan", "clock"] } else { vec!["power", "clock"] }
            );
            let faults = ask.into_faults().expect("it answers");
            assert_eq!(faults, [ReadingFault { reading: "clock".to_owned(), reason: FaultReason::Unknown }]);
        }
    }

    #[test]
    fn a_gpu_that_fails_each_call_does_not_answer() {
        let unknown = || Err::<u32, _>(NvmlError::Unknown);
        let mut unsupported = Unsupported::new();
        let mut ask = Asker::new(&mut unsupported);
        ask.ask("power", unknown);
        ask.batch("throttle times", || Ok(0));
        assert_eq!(ask.into_faults_of_one_that_answers(), Err(FaultReason::Unknown));

        let mut ask = Asker::new(&mut unsupported);
        ask.ask("power", unknown);
        ask.ask("clock", || Ok(1));
        assert_eq!(ask.into_faults_of_one_that_answers().map(|faults| faults.len()), Ok(1));

        let mut ask = Asker::new(&mut unsupported);
        ask.ask("power", || Err::<u32, _>(NvmlError::GpuLost));
        assert_eq!(ask.ask("clock", || -> Result<u32, _> { unreachable!("a lost GPU is left alone") }), None);
        assert_eq!(ask.into_faults(), Err(FaultReason::Lost));
    }
}

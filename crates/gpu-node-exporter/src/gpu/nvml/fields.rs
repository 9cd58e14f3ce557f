//! Asking for many readings by number with one call.

use nvml_wrapper::error::NvmlError;

use super::ask::Ask;
use super::raw;
use super::value::Value;

/// A field of `nvmlDeviceGetFieldValues`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// The reading's name for people.
    pub(crate) name: &'a str,
    /// Its number in nvml.h (`NVML_FI_…`).
    pub(crate) id: u32,
    /// Of what it is wanted.
    pub(crate) of: Part,
}

/// What a field is about: NVML's `scopeId`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The GPU as a whole.
    Gpu,
    /// A part that is there or not for good, by the number that nvml.h gives it for this field.
    Scope(u32),
    /// A link. One that is down counts nothing, and may return.
    Link(u32),
}

impl<'a> Field<'a> {
    /// A field of the GPU as a whole.
    pub(crate) fn new(name: &'a str, id: u32) -> Self {
        Self { name, id, of: Part::Gpu }
    }

    fn scope(&self) -> u32 {
        match self.of {
            Part::Gpu => 0,
            Part::Scope(scope) | Part::Link(scope) => scope,
        }
    }
}

impl Ask<'_> {
    /// Several whole numbers with one call.
    pub(crate) fn fields<const N: usize>(&mut self, batch: &str, wanted: [Field<'_>; N]) -> [Option<u64>; N] {
        let mut found = [None; N];
        self.read_fields(batch, &wanted, &mut found);
        found
    }

    /// Several whole numbers with one call, each into its place.
    pub(crate) fn read_fields(&mut self, batch: &str, wanted: &[Field<'_>], found: &mut [Option<u64>]) {
        let mut values = vec![None; wanted.len()];
        self.read_values(batch, wanted, &mut values);
        for ((field, value), found) in wanted.iter().zip(values).zip(found) {
            *found = value.and_then(|value| self.meaning(field.name, value, Value::whole));
        }
    }

    /// Several numbers of any type with one call.
    pub(crate) fn values<const N: usize>(
        &mut self,
        batch: &str,
        wanted: [Field<'_>; N],
    ) -> [Option<Value>; N] {
        let mut found = [None; N];
        self.read_values(batch, &wanted, &mut found);
        found
    }

    /// Several numbers with one call, each into its place. Each is its own reading: one that is not supported takes none with it,
    /// and one of a link is asked for each time, since links go down and return. Answers are matched by position, since the driver
    /// may return another number than was asked for.
    pub(crate) fn read_values(&mut self, batch: &str, wanted: &[Field<'_>], found: &mut [Option<Value>]) {
        let asked: Vec<_> = (0..wanted.len()).filter(|at| !self.lacks(wanted[*at].name)).collect();
        if asked.is_empty() {
            return;
        }
        let ids: Vec<_> = asked.iter().map(|at| (wanted[*at].id, wanted[*at].scope())).collect();
        let answers = self.batch(batch, |device| raw::field_values(device, &ids));
        for (at, answer) in asked.into_iter().zip(answers.into_iter().flatten()) {
            let Field { name, of, .. } = wanted[at];
            let answer = |_: &_| -> Result<Value, NvmlError> { answer };
            found[at] = match of {
                Part::Link(_) => self.ask_each_time(name, answer),
                Part::Gpu | Part::Scope(_) => self.ask(name, answer),
            };
        }
    }
}

//! What is known of containers' names, and how it changes with each answer. Pure: the answer and the time are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::name::{ContainerName, Found};
use crate::gpu::runtime_address::RuntimeAddress;
use crate::gpu::socket::Failure;

/// Time from one question to the next, where no other container comes.
const EVERY: Duration = Duration::from_secs(10);

/// More containers than hold GPUs on one machine: 64 GPUs of 7 instances.
const MOST: usize = 448;

/// A container that has just come may be missing in one answer.
const ANSWERS: u32 = 2;

/// The containers whose names are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Their whole ids.
    pub(super) ids: BTreeSet<String>,
    /// How many there are beyond [`MOST`].
    left_out: usize,
}

impl Wanted {
    pub(super) fn of<'a>(ids: impl Iterator<Item = &'a str>) -> Self {
        let mut ids: BTreeSet<String> = ids.map(str::to_owned).collect();
        let left_out = ids.len().saturating_sub(MOST);
        ids = ids.into_iter().take(MOST).collect();
        Self { ids, left_out }
    }
}

/// The names of the containers that hold GPUs.
#[derive(Clone, Debug, Default)]
pub(in crate::gpu) struct ContainerNames {
    /// Whether the last question was answered; `None` before the first.
    pub(super) up: Option<bool>,
    /// By whole ids. An id is never another's, so what is known holds as long as the container holds a GPU.
    known: BTreeMap<String, ContainerName>,
    /// What was last asked for, and when.
    asked: Option<(Instant, BTreeSet<String>)>,
    /// Containers without a name: too many, or without one that can be used.
    left_out: usize,
    /// Answers, one after the other, that had no name for any container.
    in_vain: u32,
    told: Option<Told>,
}

/// What is logged, good or bad.
type Told = Result<String, String>;

impl ContainerNames {
    /// Whether it is time to ask for these at `now`.
    pub(super) fn is_due(&self, wanted: &Wanted, now: Instant) -> bool {
        self.asked.as_ref().is_none_or(|(at, asked)| {
            now.saturating_duration_since(*at) >= EVERY || !wanted.ids.is_subset(asked)
        })
    }

    /// Takes in the answer of this runtime to a question for these, and says what is news.
    pub(super) fn heard(
        &mut self,
        address: &RuntimeAddress,
        wanted: Wanted,
        answer: Result<Found, Failure>,
        now: Instant,
    ) -> Option<Told> {
        self.up = Some(answer.is_ok());
        self.known.retain(|id, _| wanted.ids.contains(id));
        let told = match answer {
            Ok(Found { names, left_out }) => {
                self.known.extend(names);
                let is_in_vain = !wanted.ids.is_empty() && self.known.is_empty();
                self.in_vain = if is_in_vain { self.in_vain.saturating_add(1) } else { 0 };
                self.left_out = left_out + wanted.left_out;
                let found = match (wanted.left_out, left_out) {
                    (1.., _) => Err(format!("is asked for {MOST} containers with GPUs: there are more, which have no names")),
                    (0, 1..) => Err("has containers with GPUs whose names are empty or longer than there are: these have none".to_owned()),
                    (0, 0) if self.in_vain >= ANSWERS => Err(
                        "knows none of the containers with GPUs: they have no names (hint: is it another runtime that runs them?)".to_owned(),
                    ),
                    (0, 0) => Ok("tells what containers are called"),
                };
                match found {
                    Ok(text) => Ok(format!("the container runtime at {address} {text}")),
                    Err(text) => Err(format!("the container runtime at {address} {text}")),
                }
            }
            Err(failure) => Err(format!(
                "the container runtime at {address} {failure}: names of containers that come now are not known"
            )),
        };
        self.asked = Some((now, wanted.ids));
        (self.told.as_ref() != Some(&told)).then(|| self.told.insert(told).clone())
    }

    /// Containers that have no series, by the last answer; `None` before the first question.
    pub(in crate::gpu) fn left_out(&self) -> Option<u64> {
        self.up.map(|_| self.left_out as u64)
    }

    /// The name of the container with this whole id.
    pub(super) fn name(&self, id: &str) -> Option<&ContainerName> {
        self.known.get(id)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn address() -> RuntimeAddress {
        RuntimeAddress::parse("docker:/d.sock").expect("an address")
    }

    fn found(ids: &[&str]) -> Found {
        let name = |id: &str| ContainerName { name: format!("name-of-{id}"), namespace: None, pod: None };
        let names = ids.iter().map(|id| (id.to_string(), name(id))).collect();
        Found { names, left_out: 0 }
    }

    /// What is known once these were asked for and answered.
    pub(in crate::gpu::runtime) fn that_are_named(ids: &[&str], now: Instant) -> ContainerNames {
        let mut names = ContainerNames::default();
        names.heard(&address(), Wanted::of(ids.iter().copied()), Ok(found(ids)), now);
        names
    }

    #[test]
    fn names_stay_as_long_as_their_containers_and_each_change_is_told_once() {
        let (mut names, start) = (ContainerNames::default(), Instant::now());
        let mut check = |wanted: &[&str], answer: Result<Found, Failure>, known: &[&str], told: &str| {
            let up = answer.is_ok();
            let news = names.heard(&address(), Wanted::of(wanted.iter().copied()), answer, start);
            assert_eq!(
                news.map(|told| told.unwrap_or_else(|bad| bad)).unwrap_or_default(),
                told,
                "{wanted:?}"
            );
            let seen: Vec<&str> = names.known.keys().map(String::as_str).collect();
            assert_eq!((names.up, seen.as_slice()), (Some(up), known));
        };
        let late = "the container runtime at docker:/d.sock does not answer within 5s: names of containers that come now are not known";
        let good = "the container runtime at docker:/d.sock tells what containers are called";
        check(&["a"], Err(Failure::Late), &[], late);
        check(&["a"], Err(Failure::Late), &[], "");
        check(&["a", "b"], Ok(found(&["a", "b"])), &["a", "b"], good);
        check(&["b", "c"], Err(Failure::Late), &["b"], late);
        // One that it does not list any more is what it was.
        check(&["b", "c"], Ok(found(&["c"])), &["b", "c"], good);
        check(&[], Ok(found(&[])), &[], "");
        let long = Found { left_out: 1, ..found(&[]) };
        let left_out = "the container runtime at docker:/d.sock has containers with GPUs whose names are empty or longer than there are: these have none";
        check(&["d"], Ok(long), &[], left_out);
        check(&[], Ok(found(&[])), &[], good);
        let many: Vec<String> = (0..449).map(|number| format!("{number:03}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let more = "the container runtime at docker:/d.sock is asked for 448 containers with GPUs: there are more, which have no names";
        check(&many, Ok(found(&many[..1])), &many[..1], more);
        assert_eq!((names.left_out(), ContainerNames::default().left_out()), (Some(1), None));
    }

    #[test]
    fn a_runtime_that_knows_none_of_the_containers_is_told_after_the_second_answer() {
        let (mut names, start) = (ContainerNames::default(), Instant::now());
        let mut hear = |wanted: &[&str], answer| {
            let told = names.heard(&address(), Wanted::of(wanted.iter().copied()), answer, start);
            told.map(|told| told.unwrap_or_else(|bad| bad).contains("knows none"))
        };
        assert_eq!(hear(&[], Ok(found(&[]))), Some(false));
        assert_eq!(hear(&[], Ok(found(&[]))), None, "there is none");
        assert_eq!(hear(&["a"], Ok(found(&[]))), None);
        assert_eq!(hear(&["a"], Ok(found(&[]))), Some(true));
        assert_eq!(hear(&["a", "b"], Ok(found(&[]))), None, "once");
        assert_eq!(hear(&["a", "b"], Ok(found(&["b"]))), Some(false), "another may be another runtime's");
        assert_eq!(hear(&["a"], Ok(found(&[]))), None);
        assert_eq!(hear(&["b", "a"], Ok(found(&["a"]))), None);
    }

    #[test]
    fn it_is_asked_every_ten_seconds_and_at_once_for_another_container() {
        let start = Instant::now();
        let names = that_are_named(&["a", "b"], start);
        let due = |ids: &[&str], seconds| {
            names.is_due(&Wanted::of(ids.iter().copied()), start + Duration::from_secs(seconds))
        };
        assert!(ContainerNames::default().is_due(&Wanted::default(), start));
        assert!(!due(&["a", "b"], 9) && !due(&["a"], 9));
        assert!(due(&["a", "b"], 10) && due(&["b", "c"], 1));
    }

    #[test]
    fn more_containers_than_hold_gpus_are_left_out() {
        let ids: Vec<String> = (0..500).map(|number| format!("{number:03}")).collect();
        let wanted = Wanted::of(ids.iter().map(String::as_str));
        assert_eq!((wanted.ids.len(), wanted.left_out), (448, 52));
    }
}

//! What is known of pods, and how it changes with each answer. Pure: the answer and the time are arguments.

use std::path::Path;
use std::time::{Duration, Instant};

use super::assignments::{Assignment, Assignments};
use crate::gpu::socket::Failure;

/// The pods that have GPUs.
#[derive(Clone, Debug, Default)]
pub(in crate::gpu) struct Pods {
    /// Whether the last question was answered; `None` before the first.
    pub(super) up: Option<bool>,
    /// What was last answered, and when.
    answered: Option<(Instant, Assignments)>,
    told: Option<Told>,
}

/// What is logged, good or bad.
type Told = Result<String, String>;

/// How long names stay while kubelet is started anew: joins with them would else break for that long.
const KEPT: Duration = Duration::from_mins(1);

impl Pods {
    /// Takes in an answer of this socket, and says what is news.
    pub(super) fn heard(
        &mut self,
        socket: &Path,
        answer: Result<Assignments, Failure>,
        now: Instant,
    ) -> Option<Told> {
        self.up = Some(answer.is_ok());
        let socket = socket.display();
        let told = match answer {
            Ok(assignments) => {
                let is_whole = assignments.left_out == 0;
                self.answered = Some((now, assignments));
                if is_whole {
                    Ok(format!("kubelet at {socket} tells which pods have GPUs"))
                } else {
                    Err(format!(
                        "kubelet at {socket} tells of more than 448 GPUs of pods, or of longer names than there are: some are left out"
                    ))
                }
            }
            Err(failure) => Err(format!("kubelet at {socket} {failure}: names of pods are not known")),
        };
        (self.told.as_ref() != Some(&told)).then(|| self.told.insert(told).clone())
    }

    /// Assignments that have no series on a page of `now`; `None` where kubelet was not asked.
    pub(in crate::gpu) fn left_out(&self, now: Instant) -> Option<u64> {
        self.up.map(|_| self.fresh(now).map_or(0, |assignments| assignments.left_out))
    }

    /// The assignments that are known at `now`, with the numbers of their shares.
    pub(super) fn known(&self, now: Instant) -> impl Iterator<Item = (&Assignment, Option<&str>)> {
        let known = self.fresh(now).into_iter().flat_map(|assignments| &assignments.known);
        known.map(|(assignment, share)| (assignment, share.as_deref()))
    }

    fn fresh(&self, now: Instant) -> Option<&Assignments> {
        let answered = self.answered.as_ref();
        let fresh = answered.filter(|(at, _)| now.saturating_duration_since(*at) < KEPT);
        fresh.map(|(_, assignments)| assignments)
    }
}

#[cfg(test)]
impl Pods {
    /// A pod with one container for each of these devices: `pod-0` has the first.
    pub(in crate::gpu) fn that_have(devices: &[String], now: Instant) -> Self {
        use super::assignments::{assignments, tests::list};
        let names: Vec<_> = (0..devices.len()).map(|number| format!("pod-{number}")).collect();
        let ids: Vec<_> = devices.iter().map(|device| [device.as_str()]).collect();
        let given: Vec<_> =
            names.iter().zip(&ids).map(|(pod, ids)| (pod.as_str(), "nvidia.com/gpu", &ids[..])).collect();
        let mut pods = Self::default();
        pods.heard(Path::new("/k.sock"), Ok(assignments(&list(&given))), now);
        pods
    }
}

#[cfg(test)]
mod tests {
    use super::super::assignments::assignments;
    use super::super::assignments::tests::list;
    use super::*;

    #[test]
    fn names_stay_for_a_minute_without_kubelet_and_each_change_is_told_once() {
        let (mut pods, start) = (Pods::default(), Instant::now());
        let found = || Ok(assignments(&list(&[("pod", "nvidia.com/gpu", &["GPU-1"])])));
        let mut check = |second: u64, answer: Result<Assignments, Failure>, known: usize, told: &str| {
            let now = start + Duration::from_secs(second);
            let up = answer.is_ok();
            let news =
                pods.heard(Path::new("/k.sock"), answer, now).map(|told| told.unwrap_or_else(|bad| bad));
            assert_eq!(news.unwrap_or_default(), told, "at {second}");
            assert_eq!((pods.up, pods.known(now).count()), (Some(up), known), "at {second}");
        };
        let late = "kubelet at /k.sock does not answer within 5s: names of pods are not known";
        check(0, Err(Failure::Late), 0, late);
        let good = "kubelet at /k.sock tells which pods have GPUs";
        check(10, found(), 1, good);
        check(20, found(), 1, "");
        check(30, Err(Failure::Late), 1, late);
        check(40, Err(Failure::Late), 1, "");
        check(79, Err(Failure::Late), 1, "");
        check(80, Err(Failure::Late), 0, "");
        check(90, found(), 1, good);
        check(100, Ok(Assignments::default()), 0, "");
        let many = Assignments { left_out: 1, ..Assignments::default() };
        let left_out = "kubelet at /k.sock tells of more than 448 GPUs of pods, or of longer names than there are: some are left out";
        check(110, Ok(many), 0, left_out);
        let left_out = |second| pods.left_out(start + Duration::from_secs(second));
        assert_eq!((left_out(110), left_out(180)), (Some(1), Some(0)));
        assert_eq!(Pods::default().left_out(start), None);
    }
}

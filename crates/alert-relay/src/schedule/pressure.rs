//! When so much waits for a target that it is told in a digest: one message for many groups (pure).
//!
//! Owns the choice of what goes into one. Leaves out what it says (`compose`, `render`) and what becomes of it (`deliver`).
//!
//! - Groups with a critical alert that may not all begin now are told in one message, at once, which the budget has a place for each ten
//!   seconds.
//! - When more groups wait than the budget can tell in two minutes, all of them are told in one message.
//!
//! A message that is partly sent is finished by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Millis;
use crate::delivery::{DeliveryKey, DueDelivery};
use crate::schedule::{Capacity, LATE_AFTER};

/// What cannot be told in this time one by one is told in a digest.
pub(crate) const TOLD_SOON: Duration = Duration::from_mins(2);

/// Groups in one digest; the next one tells the rest.
const MOST_GROUPS: usize = 1_000;

/// How many messages one channel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Urgent ones that may begin now.
    pub(crate) urgent: u32,
    /// All within [`TOLD_SOON`], in the long run.
    pub(crate) soon: u32,
}

/// Groups of one target that are told in one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    /// In the order in which they would be told.
    pub(crate) keys: Vec<DeliveryKey>,
    /// Whose channel is used.
    pub(crate) via: String,
    /// These are critical ones.
    pub(crate) is_urgent: bool,
}

/// Whose channel a target's digest would use now, beside its own while that is only being tried: `None` while nothing may begin.
pub(crate) fn channel<'a>(name: &'a str, capacity: &'a Capacity) -> Option<&'a str> {
    if capacity.own.all > 0 {
        return (!capacity.is_probe).then_some(name);
    }
    if let Some((fallback, starts)) = &capacity.fallback {
        return (starts.all > 0).then_some(fallback);
    }
    capacity.late.as_ref().filter(|late| late.starts > 0).map(|late| late.via.as_str())
}

/// Takes out of `due` what is told in digests, and out of `capacity` what those use. `via` is what [`channel`] says and `room` that
/// channel's.
pub(crate) fn gather(
    via: &str,
    capacity: &mut Capacity,
    room: Room,
    due: &[DueDelivery],
    busy: &BTreeSet<DeliveryKey>,
    now: Millis,
) -> (Vec<Digest>, Vec<DueDelivery>) {
    let of_late = capacity.late.clone().filter(|late| capacity.own.all == 0 && late.via == via);
    let may_go = |due: &DueDelivery| match &of_late {
        _ if due.is_begun || busy.contains(&due.key) => false,
        // Through this channel only what has waited for too long.
        Some(late) if capacity.fallback.is_none() => {
            let is_late = due.urgent_since.is_some_and(|since| now.since(since) >= LATE_AFTER);
            due.is_urgent && (is_late || late.is_certain)
        }
        _ => true,
    };
    let waiting: Vec<&DueDelivery> = due.iter().filter(|due| may_go(due)).collect();
    let urgent = waiting.iter().filter(|due| due.is_urgent).count();
    let is_urgent_digest = urgent > as_len(room.urgent);
    let is_digest = waiting.len() > as_len(room.soon);
    let keys = |is_urgent: bool| -> Vec<DeliveryKey> {
        let of = waiting.iter().filter(|due| due.is_urgent == is_urgent);
        of.take(MOST_GROUPS).map(|due| due.key.clone()).collect()
    };
    let mut digests = Vec::new();
    if is_urgent_digest {
        digests.push(Digest { keys: keys(true), via: via.to_owned(), is_urgent: true });
    }
    if is_digest && capacity.ordinary() > u32::from(is_urgent_digest) {
        digests.push(Digest { keys: keys(false), via: via.to_owned(), is_urgent: false });
    }
    digests.retain(|digest| !digest.keys.is_empty());
    let used = u32::try_from(digests.len()).unwrap_or(u32::MAX);
    let taken: BTreeSet<&DeliveryKey> = digests.iter().flat_map(|digest| &digest.keys).collect();
    // What a digest is for does not begin by itself either, also while none can begin.
    let singly = due
        .iter()
        .filter(|due| {
            let waits = if due.is_urgent { is_urgent_digest } else { is_digest };
            let is_for_digest = waits && may_go(due);
            !is_for_digest && !taken.contains(&due.key)
        })
        .cloned()
        .collect();
    for starts in [Some(&mut capacity.own), capacity.fallback.as_mut().map(|(_, starts)| starts)] {
        let Some(starts) = starts else { continue };
        starts.all = starts.all.saturating_sub(used);
        starts.ordinary = starts.ordinary.saturating_sub(used);
    }
    if let Some(late) = &mut capacity.late {
        late.starts = late.starts.saturating_sub(used);
    }
    (digests, singly)
}

fn as_len(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Late, Starts};

    const NOW: Millis = Millis(5_000_000);

    /// `a` waits, `a!` is critical, `a!90` since 90 s, `a+` is partly sent.
    fn due(groups: &str) -> Vec<DueDelivery> {
        let one = |group: &str| {
            let since = group.split_once('!').map(|(_, waited)| waited.parse().unwrap_or(0));
            DueDelivery {
                key: key(group),
                is_urgent: since.is_some(),
                urgent_since: since.map(|waited| NOW.minus(Duration::from_secs(waited))),
                is_begun: group.ends_with('+'),
            }
        };
        groups.split_whitespace().map(one).collect()
    }

    fn key(group: &str) -> DeliveryKey {
        DeliveryKey { target: "chat".to_owned(), group: group.to_owned() }
    }

    fn own(all: u32, ordinary: u32) -> Capacity {
        Capacity { own: Starts { all, ordinary }, ..Capacity::default() }
    }

    fn check(mut capacity: Capacity, urgent: u32, soon: u32, groups: &str, digests: &[&str], singly: &str) {
        let said = format!("{capacity:?} {urgent} {soon} {groups}");
        let busy = BTreeSet::from([key("busy"), key("busy!")]);
        let via = channel("chat", &capacity).expect("a channel that may be used").to_owned();
        let (gathered, rest) = gather(&via, &mut capacity, Room { urgent, soon }, &due(groups), &busy, NOW);
        let groups = |keys: &mut dyn Iterator<Item = &DeliveryKey>| {
            keys.map(|key| key.group.as_str()).collect::<Vec<_>>().join(" ")
        };
        let gathered: Vec<String> = gathered
            .iter()
            .map(|digest| format!("{}: {}", digest.via, groups(&mut digest.keys.iter())))
            .collect();
        assert_eq!(gathered, digests, "{said}");
        assert_eq!(groups(&mut rest.iter().map(|due| &due.key)), singly, "{said}");
    }

    #[test]
    fn few_are_told_one_by_one_and_many_in_one_message() {
        check(own(4, 4), 5, 3, "a b c", &[], "a b c");
        check(own(4, 4), 5, 3, "a b c d", &["chat: a b c d"], "");
        // Critical ones keep their own messages, and come first.
        check(own(4, 4), 5, 3, "x! y! a b", &["chat: a b"], "x! y!");
        check(own(4, 4), 1, 9, "x! y! a b", &["chat: x! y!"], "a b");
        check(own(4, 4), 1, 3, "x! y! a b", &["chat: x! y!", "chat: a b"], "");
        // What is sent already, or partly sent, is not told a second time.
        check(own(4, 4), 5, 3, "z+ busy a b c d", &["chat: a b c d"], "z+ busy");
        check(own(4, 4), 5, 3, "z+ busy a b c", &[], "z+ busy a b c");
    }

    #[test]
    fn what_waits_for_a_digest_does_not_begin_by_itself() {
        check(own(1, 0), 1, 3, "a b c d", &[], "");
        check(own(1, 0), 1, 3, "x! a b c d", &[], "x!");
        check(own(1, 1), 1, 3, "x! y! a b c d", &["chat: x! y!"], "");
    }

    #[test]
    fn one_digest_tells_so_many_groups_and_the_next_one_the_rest() {
        let groups: Vec<String> = (0..1_500).map(|number| format!("g{number}")).collect();
        let mut capacity = own(4, 4);
        let room = Room { urgent: 1, soon: 32 };
        let (digests, rest) =
            gather("chat", &mut capacity, room, &due(&groups.join(" ")), &BTreeSet::new(), NOW);
        assert_eq!((digests.len(), digests[0].keys.len(), rest.len()), (1, MOST_GROUPS, 0));
        assert_eq!(capacity.own, Starts { all: 3, ordinary: 3 });
    }

    #[test]
    fn a_fallback_tells_it_as_far_as_it_tells_anything() {
        let starts = Starts { all: 4, ordinary: 4 };
        let dead = Capacity { fallback: Some(("other".to_owned(), starts)), ..Capacity::default() };
        check(dead, 5, 3, "a b c d", &["other: a b c d"], "");
        let late = |is_certain| {
            let late = Late { via: "other".to_owned(), starts: 4, is_certain };
            Capacity { late: Some(late), ..Capacity::default() }
        };
        check(late(false), 1, 3, "x!90 y!60 z!10 a b", &["other: x!90 y!60"], "z!10 a b");
        check(late(true), 1, 9, "x!90 y!60 z!10 a b", &["other: x!90 y!60 z!10"], "a b");
    }

    #[test]
    fn a_channel_that_is_only_being_tried_takes_no_digest() {
        let probe = Capacity { is_probe: true, ..own(1, 1) };
        assert_eq!(channel("chat", &probe), None);
        assert_eq!(channel("chat", &Capacity::default()), None);
    }
}

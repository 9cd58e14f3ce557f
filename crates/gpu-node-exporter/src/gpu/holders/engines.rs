//! Inference engines as they are seen from outside: which processes make one up, and whether it starts, runs, is broken or orphaned.
//!
//! An engine is found by a process of it on a GPU, and followed until its first process has ended. Owns the grouping and the rules. Pure:
//! processes and the time are arguments. Leaves out what the engine's own `/metrics` says, which is `engine.rs`'s: nothing here connects to it.

use std::collections::BTreeMap;

use super::cgroup::Owner;
use super::process_files::Process;
use super::title::{Engine, Listens, Role, takes_in_orphans};

/// Processes by their number; those of engines, and the parents of their first processes.
pub(crate) type Processes = BTreeMap<u32, Process>;

/// How an engine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It takes memory, and nobody listens yet.
    Starting,
    /// Its server listens, and nothing of it is gone; or a program of another kind uses it, which need not listen.
    Running,
    /// Some of its processes have ended while others remain, or its server no longer listens.
    Broken,
    /// It holds memory, and its server has ended.
    Orphaned,
}

impl State {
    /// All of them, each as the label `state` has it.
    pub(crate) const ALL: [(Self, &'static str); 4] = [
        (Self::Starting, "starting"),
        (Self::Running, "running"),
        (Self::Broken, "broken"),
        (Self::Orphaned, "orphaned"),
    ];
}

/// The processes that make one engine up.
#[derive(Clone, Debug, PartialEq)]
struct Group {
    engine: Engine,
    /// Its first process, from which the others descend.
    pid: u32,
    start: u64,
    owner: Owner,
    counts: BTreeMap<Role, u64>,
    /// Its processes with their starts.
    members: BTreeMap<(u32, u64), Member>,
    /// Whether a server of it listens; `None` where that may not be seen, and where it is not to listen on TCP.
    listens: Option<bool>,
    /// Whether its server has ended: the parent of its first process only takes in what others left behind, or the server was seen.
    is_left_behind: bool,
}

/// A process of an engine.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Member {
    role: Role,
    /// When it was first seen as that, in seconds since 1970.
    since: f64,
    /// It says what it is. Any other may be a program that helps for a while.
    says_so: bool,
    /// It has been there long enough to be missed.
    has_settled: bool,
}

/// The engines there are at `now`: each process that has a title counts to the first of its ancestors that has one of the same engine.
fn groups(processes: &Processes, now: f64) -> Vec<Group> {
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    for (pid, process) in processes {
        let Some(title) = &process.title else { continue };
        let first = first(processes, *pid, title.engine);
        let Some(root) = processes.get(&first) else { continue };
        let group = groups.entry(first).or_insert_with(|| Group {
            engine: title.engine,
            pid: first,
            start: root.start,
            owner: root.owner.clone(),
            counts: BTreeMap::new(),
            members: BTreeMap::new(),
            listens: None,
            is_left_behind: is_left_behind(processes, root),
        });
        *group.counts.entry(title.role).or_default() += 1;
        let role = title.role;
        // A program that a server forks is called as the server is.
        let is_forked = role == Role::Server && is_called_as_its_parent(processes, process);
        let says_so = !title.is_by_descent && !is_forked;
        group.members.insert((*pid, process.start), Member { role, since: now, says_so, has_settled: false });
        // Servers that the first process has started do not have its arguments, unless they were given some.
        let of_first = root.title.as_ref().map_or(Listens::Somewhere, |title| title.listens);
        let listens = if let Listens::On(_) = title.listens { title.listens } else { of_first };
        if title.role == Role::Server && listens != Listens::NotOnTcp {
            let is_listening = process.ports.as_ref().map(|ports| listens.is_among(ports));
            group.listens = match (group.listens, is_listening) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (before, now) => before.or(now),
            };
        }
    }
    groups.into_values().collect()
}

/// More generations than any engine has.
const MOST_GENERATIONS: usize = 16;

/// The first process of the engine to which this process belongs.
pub(super) fn first(processes: &Processes, pid: u32, engine: Engine) -> u32 {
    let mut first = pid;
    for _ in 0..MOST_GENERATIONS {
        let parent = processes.get(&first).map(|process| process.parent).filter(|parent| *parent != first);
        let is_of_it = |pid: &u32| {
            let title = processes.get(pid).and_then(|process| process.title.as_ref());
            title.is_some_and(|title| title.engine == engine)
        };
        match parent.filter(is_of_it) {
            Some(parent) => first = parent,
            None => break,
        }
    }
    first
}

/// Whether its title is its parent's, as that of a process that was forked.
pub(super) fn is_called_as_its_parent(processes: &Processes, process: &Process) -> bool {
    let parent = processes.get(&process.parent);
    process.title.is_some() && parent.is_some_and(|parent| parent.title == process.title)
}

fn is_left_behind(processes: &Processes, root: &Process) -> bool {
    // 0 is a parent outside of our process numbers.
    root.parent == 1 || processes.get(&root.parent).is_some_and(|parent| takes_in_orphans(&parent.comm))
}

/// An engine over time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeenEngine {
    pub(crate) engine: Engine,
    /// Of its first process.
    pub(crate) pid: u32,
    start: u64,
    pub(crate) owner: Owner,
    /// Its processes now.
    pub(crate) counts: BTreeMap<Role, u64>,
    /// The most processes that had settled: a process that was just forked looks like its parent, for seconds or while it loads a model. One that
    /// has another title since counts to that.
    most: BTreeMap<Role, u64>,
    members: BTreeMap<(u32, u64), Member>,
    has_listened: bool,
    /// Its server has ended before it: also a program that takes in nobody else's orphans may be its parent now, as the first of a container.
    is_left_behind: bool,
    /// `None` where it cannot be told whether its server listens.
    pub(crate) state: Option<State>,
    /// When it was first seen in its state, in seconds since 1970.
    pub(crate) since: f64,
}

/// More engines than are followed.
const MOST_ENGINES: usize = 250;

/// A process that says what it is has settled when it is seen again, any other after these seconds.
const SETTLES_AFTER: f64 = 300.0;

/// The engines that are followed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Engines {
    pub(crate) seen: Vec<SeenEngine>,
    /// Engines there are beyond those that are followed.
    pub(crate) not_followed: usize,
}

impl Engines {
    /// Takes in what is to be seen at `now`, in seconds since 1970.
    pub(crate) fn look(&mut self, processes: &Processes, now: f64) {
        let before = std::mem::take(&mut self.seen);
        let groups = groups(processes, now);
        self.not_followed = groups.len().saturating_sub(MOST_ENGINES);
        for mut group in groups.into_iter().take(MOST_ENGINES) {
            let of_server =
                |seen: &SeenEngine| seen.is_left_behind || seen.counts.contains_key(&Role::Server);
            group.is_left_behind |= before
                .iter()
                .any(|seen| of_server(seen) && seen.members.contains_key(&(group.pid, group.start)));
            let known = before.iter().find(|seen| (seen.pid, seen.start) == (group.pid, group.start));
            self.seen.push(followed(known, group, now));
        }
    }

    /// The state of the engine that this process belongs to.
    pub(super) fn state_of(&self, pid: u32) -> Option<State> {
        let is_its = |engine: &&SeenEngine| engine.members.range((pid, 0)..=(pid, u64::MAX)).next().is_some();
        self.seen.iter().find(is_its)?.state
    }

    /// The first processes of the engines, by which they are found when nothing of them is on a GPU any more.
    pub(crate) fn first_processes(&self) -> impl Iterator<Item = u32> {
        self.seen.iter().map(|engine| engine.pid)
    }
}

/// The engine as it is now, after what was seen of it before.
fn followed(known: Option<&SeenEngine>, mut group: Group, now: f64) -> SeenEngine {
    let mut most = known.map(|known| known.most.clone()).unwrap_or_default();
    for (member, before) in known.iter().flat_map(|known| &known.members) {
        match group.members.get_mut(member) {
            Some(member) if member.role == before.role => {
                member.since = before.since;
                member.has_settled =
                    before.has_settled || member.says_so || now - member.since >= SETTLES_AFTER;
            }
            Some(_) if before.has_settled => {
                most.entry(before.role).and_modify(|most| *most = most.saturating_sub(1));
            }
            _ => {}
        }
    }
    let mut settled = BTreeMap::<Role, u64>::new();
    for member in group.members.values().filter(|member| member.has_settled) {
        *settled.entry(member.role).or_default() += 1;
    }
    for (role, count) in settled {
        let most = most.entry(role).or_default();
        *most = count.max(*most);
    }
    let has_listened = known.is_some_and(|known| known.has_listened) || group.listens == Some(true);
    let state = state(&group, &most, has_listened);
    let since = match known {
        Some(known) if known.state == state => known.since,
        _ => now,
    };
    let Group { engine, pid, start, owner, counts, members, is_left_behind, .. } = group;
    SeenEngine {
        engine,
        pid,
        start,
        owner,
        counts,
        most,
        members,
        has_listened,
        is_left_behind,
        state,
        since,
    }
}

fn state(group: &Group, most: &BTreeMap<Role, u64>, has_listened: bool) -> Option<State> {
    let count = |role| group.counts.get(role).copied().unwrap_or(0);
    let is_incomplete = most.iter().any(|(role, most)| count(role) < *most);
    if count(&Role::Server) == 0 && group.is_left_behind {
        return Some(State::Orphaned);
    }
    if is_incomplete {
        return Some(State::Broken);
    }
    if count(&Role::Server) == 0 {
        return Some(State::Running);
    }
    match group.listens? {
        true => Some(State::Running),
        false if has_listened => Some(State::Broken),
        false => Some(State::Starting),
    }
}

#[cfg(test)]
mod tests;

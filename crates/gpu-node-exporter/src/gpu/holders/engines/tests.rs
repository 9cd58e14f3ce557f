//! The life of an engine, process by process.

use super::*;
use crate::gpu::holders::title::title;

/// A process with this parent and command line; a server listens on its port or not.
fn process(parent: u32, command_line: &str, listens: Option<bool>) -> Process {
    let title = title(command_line);
    let comm: String = command_line.split('\0').next().unwrap_or_default().chars().take(15).collect();
    let ports = listens.map(|listens| [8000, 30_000].into_iter().filter(|_| listens).collect());
    Process { start: 100, parent, comm, owner: Owner::default(), title, children: Vec::new(), ports }
}

fn processes<const N: usize>(listed: [(u32, u32, &str, Option<bool>); N]) -> Processes {
    listed.map(|(pid, parent, command_line, listens)| (pid, process(parent, command_line, listens))).into()
}

const SERVE: &str = "python3\0/usr/bin/vllm\0serve\0m\0";

/// vLLM with two workers, whose server listens or not.
fn vllm(listens: Option<bool>) -> Processes {
    processes([
        (9, 1, "containerd-shim", None),
        (10, 9, SERVE, listens),
        (11, 10, "VLLM::EngineCore", None),
        (12, 11, "VLLM::Worker_TP0", None),
        (13, 11, "VLLM::Worker_TP1", None),
    ])
}

fn without(mut processes: Processes, gone: &[u32], adopted_by: u32) -> Processes {
    processes.retain(|pid, _| !gone.contains(pid));
    for process in processes.values_mut().filter(|process| gone.contains(&process.parent)) {
        process.parent = adopted_by;
    }
    processes
}

/// What is seen at each of these looks, ten seconds apart: first process, state, since when.
fn states(looks: &[Processes]) -> Vec<Vec<(u32, Option<State>, f64)>> {
    let mut engines = Engines::default();
    let mut seen = Vec::new();
    for (look, processes) in looks.iter().enumerate() {
        engines.look(processes, look as f64 * 10.0);
        seen.push(engines.seen.iter().map(|engine| (engine.pid, engine.state, engine.since)).collect());
    }
    seen
}

fn last_state(looks: &[Processes]) -> Vec<(u32, Option<State>)> {
    states(looks).pop().unwrap_or_default().into_iter().map(|(pid, state, _)| (pid, state)).collect()
}

#[test]
fn a_start_lasts_until_the_server_listens() {
    assert_eq!(
        states(&[vllm(Some(false)), vllm(Some(false)), vllm(Some(true)), vllm(Some(true))]),
        [
            vec![(10, Some(State::Starting), 0.0)],
            vec![(10, Some(State::Starting), 0.0)],
            vec![(10, Some(State::Running), 20.0)],
            vec![(10, Some(State::Running), 20.0)],
        ]
    );
}

/// As for the other nodes of an engine on several.
#[test]
fn a_socket_that_is_not_for_requests_is_no_end_of_the_start() {
    let with = |port: u16| {
        let mut processes = vllm(Some(false));
        processes.get_mut(&10).expect("its server").ports = Some([port].into());
        processes
    };
    let looks = [with(13_345), vllm(Some(false)), with(13_345), with(8000)];
    let states = states(&looks).into_iter().map(|engines| engines[0].1);
    let starting = Some(State::Starting);
    assert_eq!(states.collect::<Vec<_>>(), [starting, starting, starting, Some(State::Running)]);
}

#[test]
fn an_engine_is_broken_when_a_part_of_it_is_gone() {
    let whole = || vllm(Some(true));
    let worker_gone = without(whole(), &[13], 1);
    assert_eq!(last_state(&[whole(), whole(), worker_gone.clone()]), [(10, Some(State::Broken))]);
    assert_eq!(last_state(&[whole(), whole(), worker_gone.clone(), whole()]), [(10, Some(State::Running))]);
    let only_server = without(whole(), &[11, 12, 13], 1);
    assert_eq!(last_state(&[whole(), whole(), only_server]), [(10, Some(State::Broken))]);
    assert_eq!(
        last_state(&[whole(), vllm(Some(false))]),
        [(10, Some(State::Broken))],
        "it no longer listens"
    );
    assert_eq!(
        last_state(&[vllm(Some(false)), worker_gone]),
        [(10, Some(State::Running))],
        "seen once it may have been a process that was just forked"
    );
    // The core is gone, its workers were taken in by the machine's init: they are left behind, and the server is broken.
    let core_gone = without(whole(), &[11], 1);
    assert_eq!(
        last_state(&[whole(), whole(), core_gone]),
        [(10, Some(State::Broken)), (12, Some(State::Orphaned)), (13, Some(State::Orphaned))]
    );
}

/// vLLM's workers that are forked have the title of their core while they load.
#[test]
fn a_process_that_changes_its_title_is_not_gone() {
    let of_titles = |titles: [&str; 3]| {
        let [core, first, second] = titles;
        processes([
            (9, 1, "bash", None),
            (10, 9, "python3\0offline.py\0", None),
            (11, 10, core, None),
            (12, 11, first, None),
            (13, 11, second, None),
        ])
    };
    let loading = || of_titles(["VLLM::EngineCore"; 3]);
    let loaded = || of_titles(["VLLM::EngineCore", "VLLM::Worker_TP0", "VLLM::Worker_TP1"]);
    let running = [(11, Some(State::Running))];
    assert_eq!(last_state(&[loading(), loading(), loading(), loaded()]), running);
    assert_eq!(last_state(&[loading(), loading(), loaded(), loaded()]), running);
    assert_eq!(last_state(&[loading(), loaded(), loaded()]), running);
    let broken = [(11, Some(State::Broken))];
    let worker_gone = without(loaded(), &[13], 1);
    assert_eq!(last_state(&[loading(), loading(), loaded(), loaded(), worker_gone]), broken);
    let gone_meanwhile = without(loaded(), &[13], 1);
    assert_eq!(
        last_state(&[loading(), loading(), gone_meanwhile]),
        broken,
        "while the others changed theirs"
    );
}

/// A process on a GPU beside the workers, which does not say what it is, for some seconds: a worker it is not.
#[test]
fn what_helps_an_engine_for_a_while_is_not_missed() {
    let beside = |command_line: &str, is_by_descent: bool| {
        let mut engine = processes([
            (10, 9, SERVE, Some(true)),
            (11, 10, "VLLM::Worker", None),
            (12, 10, "VLLM::Worker", None),
            (20, 10, command_line, None),
        ]);
        for pid in if is_by_descent { vec![11, 12, 20] } else { Vec::new() } {
            let title = engine.get_mut(&pid).and_then(|process| process.title.as_mut());
            title.expect("it has one").is_by_descent = true;
        }
        engine
    };
    let (spawned, forked) = (beside("VLLM::Worker", true), beside(SERVE, false));
    for whole in [spawned.clone(), forked] {
        let gone = without(whole.clone(), &[20], 1);
        let running = [(10, Some(State::Running))];
        assert_eq!(last_state(&[whole.clone(), whole.clone(), whole.clone(), gone.clone()]), running);
        // After five minutes, of which each look is ten seconds, it is one of them.
        let looks = |count| [vec![whole.clone(); count], vec![gone.clone()]].concat();
        assert_eq!(last_state(&looks(30)), running);
        assert_eq!(last_state(&looks(31)), [(10, Some(State::Broken))]);
    }
    let worker_gone = without(spawned.clone(), &[12], 1);
    let looks = [vec![spawned; 31], vec![worker_gone]].concat();
    assert_eq!(last_state(&looks), [(10, Some(State::Broken))]);
}

#[test]
fn an_engine_is_orphaned_when_its_server_is_gone() {
    for adopted_by in [1, 9] {
        let orphan = without(vllm(Some(true)), &[10], adopted_by);
        assert_eq!(last_state(&[orphan]), [(11, Some(State::Orphaned))], "taken in by {adopted_by}");
    }
    let of_sglang = processes([(21, 1, "sglang::scheduler_TP0", None), (22, 1, "sglang::detokenizer", None)]);
    assert_eq!(last_state(&[of_sglang]), [(21, Some(State::Orphaned)), (22, Some(State::Orphaned))]);
}

/// The first program of a container takes in orphans, whatever it is.
#[test]
fn whose_server_was_seen_is_an_orphan_under_any_parent() {
    let mut whole = vllm(Some(true));
    whole.insert(9, process(1, "python3\0entrypoint.py\0", None));
    let orphan = without(whole.clone(), &[10], 9);
    assert_eq!(
        last_state(std::slice::from_ref(&orphan)),
        [(11, Some(State::Running))],
        "as far as can be told"
    );
    let orphaned = [(11, Some(State::Orphaned))];
    assert_eq!(last_state(&[whole.clone(), orphan.clone()]), orphaned);
    assert_eq!(last_state(&[whole, orphan.clone(), orphan]), orphaned, "it stays one");
}

#[test]
fn a_program_of_its_own_that_uses_an_engine_is_no_orphan() {
    let offline = processes([(30, 9, "python3\0offline.py\0", None), (31, 30, "VLLM::EngineCore", None)]);
    assert_eq!(last_state(&[offline]), [(31, Some(State::Running))]);
}

#[test]
fn where_sockets_cannot_be_seen_a_start_is_not_told_from_a_run() {
    assert_eq!(last_state(&[vllm(None), vllm(None)]), [(10, None)]);
    let worker_gone = without(vllm(None), &[13], 1);
    assert_eq!(last_state(&[vllm(None), vllm(None), worker_gone]), [(10, Some(State::Broken))]);
}

/// A further node of an engine on several, and one that listens on a Unix socket.
#[test]
fn an_engine_that_is_not_to_listen_on_tcp_is_never_starting() {
    const HEADLESS: &str = "python3\0/usr/local/bin/vllm\0serve\0m\0--headless\0";
    let headless = || processes([(10, 9, HEADLESS, Some(false)), (11, 10, "VLLM::EngineCore_DP8", None)]);
    assert_eq!(last_state(&[headless(), headless()]), [(10, None)]);
    let core_gone = without(headless(), &[11], 1);
    assert_eq!(last_state(&[headless(), headless(), core_gone]), [(10, Some(State::Broken))]);
    let server_gone = without(headless(), &[10], 1);
    assert_eq!(last_state(&[headless(), server_gone]), [(11, Some(State::Orphaned))]);
    let unix = processes([
        (10, 9, "python3\0/usr/local/bin/vllm\0serve\0m\0--uds\0/run/vllm.sock\0", Some(false)),
        (11, 10, "VLLM::APIServer_0", Some(false)),
        (12, 10, "VLLM::EngineCore", None),
    ]);
    assert_eq!(last_state(&[unix.clone(), unix]), [(10, None)]);
}

#[test]
fn servers_of_one_engine_are_one_and_two_engines_are_two() {
    let with_two_servers = processes([
        (10, 1, SERVE, Some(false)),
        (11, 10, "VLLM::APIServer_0", Some(true)),
        (12, 10, "VLLM::APIServer_1", Some(false)),
        (13, 10, "VLLM::EngineCore_DP0", None),
        (40, 1, "python3\0-m\0sglang.launch_server\0", Some(true)),
        (41, 40, "sglang::scheduler_TP0", None),
        (42, 40, "sglang::detokenizer", None),
    ]);
    let mut engines = Engines::default();
    engines.look(&with_two_servers, 0.0);
    let told: Vec<_> =
        engines.seen.iter().map(|seen| (seen.engine, seen.pid, seen.state, seen.counts.clone())).collect();
    assert_eq!(
        told,
        [
            (Engine::Vllm, 10, Some(State::Running), BTreeMap::from([(Role::Server, 3), (Role::Core, 1)])),
            (
                Engine::Sglang,
                40,
                Some(State::Running),
                BTreeMap::from([(Role::Server, 1), (Role::Worker, 1), (Role::Detokenizer, 1)])
            ),
        ]
    );
}

#[test]
fn a_process_number_that_is_used_again_is_another_engine() {
    let mut again = vllm(Some(false));
    for process in again.values_mut() {
        process.start = 200;
    }
    assert_eq!(states(&[vllm(Some(true)), again]).pop(), Some(vec![(10, Some(State::Starting), 10.0)]));
}

#[test]
fn parents_in_a_circle_end() {
    let circle = processes([
        (10, 11, "VLLM::EngineCore", None),
        (11, 10, "VLLM::Worker_TP0", None),
        (12, 12, "VLLM::Worker_TP1", None),
    ]);
    let mut engines = Engines::default();
    engines.look(&circle, 0.0);
    assert!(!engines.seen.is_empty());
}

#[test]
fn more_engines_than_are_followed_are_counted() {
    let many = (1000..1300).map(|pid| (pid, process(1, "VLLM::EngineCore", None))).collect();
    let mut engines = Engines::default();
    engines.look(&many, 0.0);
    assert_eq!((engines.seen.len(), engines.not_followed), (250, 50));
}

//! Inference engines by the titles of their processes, and by how their servers are started.
//!
//! vLLM (0.10.0 has none yet) and `SGLang` (since 0.4) write titles over the command lines of their processes with `setproctitle`; the first
//! process of a server keeps the command line it was started with, by which an engine without titles is found (`descent`). As of 2026-11-29, by vLLM's `vllm/utils/system_utils.py` (`set_process_title`: a
//! prefix, which is `VLLM` or what `VLLM_PROCESS_NAME_PREFIX` says, `::`, a name, and mostly `_` and a rank) and by the calls of
//! `setproctitle` in `SGLang`'s `sglang/srt/managers` (scheduler, detokenizer, data-parallel controller, tokenizer workers). Pure.

use std::collections::BTreeSet;

/// An engine whose processes are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Engine {
    Vllm,
    Sglang,
}

impl Engine {
    /// As the label `engine` has it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
        }
    }
}

/// What a process is in its engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// Listens for requests.
    Server,
    /// Leads the workers.
    Core,
    /// Computes on a GPU.
    Worker,
    /// Shares requests out among several cores.
    Coordinator,
    /// Makes text of tokens.
    Detokenizer,
}

impl Role {
    /// As the label `role` has it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Core => "core",
            Self::Worker => "worker",
            Self::Coordinator => "coordinator",
            Self::Detokenizer => "detokenizer",
        }
    }
}

/// What a process says that it is, or counts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Title {
    pub(crate) engine: Engine,
    pub(crate) role: Role,
    /// The title as it was written: `VLLM::Worker_TP0`; of a server without one, how it is usually called.
    pub(crate) name: String,
    /// Where a server that was started so is to listen.
    pub(crate) listens: Listens,
    /// It does not say so itself (`descent`).
    pub(crate) is_by_descent: bool,
}

/// Where a server takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listens {
    /// It does not, or not on TCP.
    NotOnTcp,
    /// On this TCP port; others may be for the nodes of an engine on several, and are open while it still loads.
    On(u16),
    /// On a TCP port that its command line does not tell.
    Somewhere,
}

impl Listens {
    /// Whether a process with sockets that listen on these ports takes requests.
    pub(crate) fn is_among(self, ports: &BTreeSet<u16>) -> bool {
        match self {
            Self::NotOnTcp => false,
            Self::On(port) => ports.contains(&port),
            Self::Somewhere => !ports.is_empty(),
        }
    }
}

/// How titles begin: behind the prefix stands what is in the list, then the rank.
const TITLES: [(&str, Engine, Role); 8] = [
    ("VLLM::APIServer", Engine::Vllm, Role::Server),
    ("VLLM::EngineCore", Engine::Vllm, Role::Core),
    // One core without workers of its own: it computes itself, and NVML lists it.
    ("VLLM::Worker", Engine::Vllm, Role::Worker),
    ("VLLM::DPCoordinator", Engine::Vllm, Role::Coordinator),
    ("sglang::scheduler", Engine::Sglang, Role::Worker),
    ("sglang::detokenizer", Engine::Sglang, Role::Detokenizer),
    ("sglang::tokenizer_worker", Engine::Sglang, Role::Server),
    ("sglang::data_parallel_controller", Engine::Sglang, Role::Coordinator),
];

/// Titles that no other program has, behind a prefix that the user chose.
const UNMISTAKABLE: [(&str, Role); 3] =
    [("EngineCore", Role::Core), ("APIServer", Role::Server), ("DPCoordinator", Role::Coordinator)];

/// Bytes of a command line that are looked at.
pub(crate) const MOST_COMMAND_LINE: u16 = 4 << 10;

/// More characters of a title than any of these has.
const LONGEST_NAME: usize = 64;

/// What `/proc/PID/cmdline` says the process is; arguments end with zeros.
pub(crate) fn title(command_line: &str) -> Option<Title> {
    let arguments: Vec<&str> =
        command_line.split('\0').map(str::trim).filter(|argument| !argument.is_empty()).collect();
    let first = *arguments.first()?;
    let found =
        TITLES.iter().find(|(title, ..)| is_titled(first, title)).map(|(_, engine, role)| (*engine, *role));
    let found = found.or_else(|| {
        let (_, behind) = first.split_once("::")?;
        let (_, role) = UNMISTAKABLE.iter().find(|(title, _)| is_titled(behind, title))?;
        Some((Engine::Vllm, *role))
    });
    if let Some((engine, role)) = found {
        let name = first.chars().take(LONGEST_NAME).collect();
        return Some(Title { engine, role, name, listens: Listens::Somewhere, is_by_descent: false });
    }
    let (engine, name) = server(&arguments)?;
    let listens = if is_without_tcp(&arguments) {
        Listens::NotOnTcp
    } else {
        port(engine, &arguments, is_whole(command_line)).map_or(Listens::Somewhere, Listens::On)
    };
    Some(Title { engine, role: Role::Server, name: name.to_owned(), listens, is_by_descent: false })
}

/// Whether nothing of a command line was cut off.
fn is_whole(command_line: &str) -> bool {
    command_line.len() < usize::from(MOST_COMMAND_LINE)
}

/// The port that a server with these arguments takes requests on, as far as they tell: the last `--port` holds (`argparse`), also where a file
/// names another. Without one it is the engine's own, unless a file may name it: 8000 (`vllm/entrypoints/openai/cli_args.py`) and 30000
/// (`sglang/srt/server_args.py`).
fn port(engine: Engine, arguments: &[&str], is_whole: bool) -> Option<u16> {
    let is_given = |flag| value(arguments, flag).is_some();
    // `sglang serve` may be a server of pictures, which takes another port where its own is taken (`sglang/multimodal_gen/server_args.py`).
    let may_move = engine == Engine::Sglang && arguments.contains(&"serve");
    // One server for each rank, on a port of its own (`vllm/entrypoints/cli/serve.py`).
    let are_many = is_given("--data-parallel-multi-port-external-lb") || is_given("-dpm");
    if !is_whole || may_move || are_many {
        return None;
    }
    match value(arguments, "--port") {
        // 0 is one that the kernel chooses.
        Some(port) => port.parse().ok().filter(|port| *port != 0),
        None if is_given("--config") => None,
        None => Some(match engine {
            Engine::Vllm => 8000,
            Engine::Sglang => 30_000,
        }),
    }
}

/// vLLM's `--headless` (every further node of an engine on several: the first one serves for all), which it takes `--api-server-count 0` for,
/// too (`vllm/entrypoints/cli/serve.py`), and `--uds PATH`, a Unix socket.
fn is_without_tcp(arguments: &[&str]) -> bool {
    ["--headless", "--uds"].iter().any(|flag| value(arguments, flag).is_some())
        || value(arguments, "--api-server-count") == Some("0")
}

/// What stands behind the last such flag, or behind its `=`: its value, if it is to have one.
fn value<'a>(arguments: &[&'a str], flag: &str) -> Option<&'a str> {
    arguments.iter().enumerate().rev().find_map(|(at, argument)| match argument.strip_prefix(flag)? {
        "" => Some(arguments.get(at + 1).copied().unwrap_or_default()),
        rest => rest.strip_prefix('='),
    })
}

/// Whether the text is this title, with or without a rank (`_TP0`) or a number (`:3`) behind it.
fn is_titled(text: &str, title: &str) -> bool {
    text.strip_prefix(title).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

/// The engine whose server is started so: `vllm serve`, `python -m sglang.launch_server` and the like.
fn server(arguments: &[&str]) -> Option<(Engine, &'static str)> {
    let program = base_name(arguments.first()?);
    // `python3 -u -m MODULE` and `python3 /usr/local/bin/vllm serve`: what is run stands behind the interpreter's flags.
    let run = match program {
        _ if program.starts_with("python") => {
            let flags =
                arguments[1..].iter().take_while(|flag| flag.starts_with('-') && **flag != "-m").count();
            &arguments[1 + flags..]
        }
        _ => arguments,
    };
    match run {
        ["-m", module, rest @ ..] => match (*module, rest.first()) {
            ("vllm.entrypoints.openai.api_server" | "vllm.entrypoints.api_server", _)
            | ("vllm" | "vllm.entrypoints.cli.main", Some(&"serve")) => Some((Engine::Vllm, "vllm serve")),
            ("sglang.launch_server", _) | ("sglang" | "sglang.cli.main", Some(&"serve")) => {
                Some((Engine::Sglang, "sglang.launch_server"))
            }
            _ => None,
        },
        [script, "serve", ..] if base_name(script) == "vllm" => Some((Engine::Vllm, "vllm serve")),
        [script, "serve", ..] if base_name(script) == "sglang" => {
            Some((Engine::Sglang, "sglang.launch_server"))
        }
        _ => None,
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a program of this name (`comm`) takes in processes whose parents have ended, and starts no engine's inner processes itself: inits,
/// the shims of containers, and shells.
pub(crate) fn takes_in_orphans(name: &str) -> bool {
    const PROGRAMS: [&str; 19] = [
        "systemd",
        "init",
        "tini",
        "docker-init",
        "dumb-init",
        "catatonit",
        "podman-init",
        "s6-svscan",
        "supervisord",
        "runit",
        "runsvdir",
        "containerd-shim",
        "conmon",
        "crun",
        "slurmstepd",
        "sh",
        "bash",
        "dash",
        "zsh",
    ];
    // A name holds 15 characters: `containerd-shim-runc-v2` is cut.
    PROGRAMS.contains(&name) || name.starts_with("containerd-shim")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_servers_are_known() {
        use Engine::{Sglang, Vllm};
        use Role::{Coordinator, Core, Detokenizer, Server, Worker};
        for (command_line, expected) in [
            ("VLLM::EngineCore\0\0\0", Some((Vllm, Core))),
            ("VLLM::EngineCore_DP0", Some((Vllm, Core))),
            ("VLLM::Worker_TP0", Some((Vllm, Worker))),
            ("VLLM::Worker_PP1_TP3_EP3", Some((Vllm, Worker))),
            ("VLLM::Worker", Some((Vllm, Worker))),
            ("VLLM::Workers", None),
            ("VLLM::APIServer_1", Some((Vllm, Server))),
            ("VLLM::DPCoordinator", Some((Vllm, Coordinator))),
            ("mine::EngineCore_DP1", Some((Vllm, Core))),
            ("mine::Worker_TP0", None),
            ("sglang::scheduler_TP1", Some((Sglang, Worker))),
            ("sglang::scheduler", Some((Sglang, Worker))),
            ("sglang::detokenizer", Some((Sglang, Detokenizer))),
            ("sglang::tokenizer_worker:12", Some((Sglang, Server))),
            (
                "/usr/bin/python3\0/usr/local/bin/vllm\0serve\0meta-llama/Llama-3.1-8B\0--port\08000\0",
                Some((Vllm, Server)),
            ),
            ("/opt/venv/bin/vllm\0serve\0m\0", Some((Vllm, Server))),
            ("python3\0-u\0-m\0vllm.entrypoints.openai.api_server\0--model\0m\0", Some((Vllm, Server))),
            ("python\0-m\0sglang.launch_server\0--model-path\0m\0", Some((Sglang, Server))),
            ("python3.12\0/usr/local/bin/sglang\0serve\0m\0", Some((Sglang, Server))),
            ("bash\0-c\0vllm serve m\0", None),
            ("python3\0-m\0vllm\0bench\0", None),
            ("python3\0offline.py\0vllm\0serve\0", None),
            ("vim\0vllm.py\0", None),
            ("python3\0", None),
            ("", None),
        ] {
            let found = title(command_line).map(|title| (title.engine, title.role));
            assert_eq!(found, expected, "{command_line:?}");
        }
    }

    #[test]
    fn a_name_is_short_and_the_same_for_each_command_line_of_a_server() {
        let name = |command_line: &str| title(command_line).expect("an engine").name;
        assert_eq!(name("VLLM::Worker_TP0\0\0"), "VLLM::Worker_TP0");
        assert_eq!(name(&format!("VLLM::Worker_{}", "x".repeat(500))).len(), 64);
        assert_eq!(name("python3\0/usr/local/bin/vllm\0serve\0--api-key\0secret\0"), "vllm serve");
    }

    #[test]
    fn where_a_server_listens_is_known_by_its_arguments() {
        use Listens::{NotOnTcp, On, Somewhere};
        for (arguments, expected) in [
            ("", On(8000)),
            ("--headless\0", NotOnTcp),
            ("--data-parallel-start-rank\08\0--headless\0--port\08000\0", NotOnTcp),
            ("--uds\0/run/vllm.sock\0", NotOnTcp),
            ("--uds=/run/vllm.sock\0", NotOnTcp),
            ("--udsx\0", On(8000)),
            ("--api-server-count\x000\0", NotOnTcp),
            ("--api-server-count=0\0", NotOnTcp),
            ("--api-server-count\x004\0", On(8000)),
            ("--port\08001\0", On(8001)),
            ("--port=8001\0--data-parallel-rpc-port\x0013345\0", On(8001)),
            ("--port=8001\0--port\08002\0", On(8002)),
            ("--port\x000\0", Somewhere),
            ("--port\0x\0", Somewhere),
            ("--port", Somewhere),
            ("--config\0vllm.yaml\0", Somewhere),
            ("--config=vllm.yaml\0", Somewhere),
            ("--config=vllm.yaml\0--port=8001\0", On(8001)),
            ("-dpm\0--port=8001\0", Somewhere),
            ("--data-parallel-multi-port-external-lb\0", Somewhere),
        ] {
            let found = title(&format!("python3\0/usr/local/bin/vllm\0serve\0m\0{arguments}"));
            assert_eq!(found.map(|title| title.listens), Some(expected), "{arguments:?}");
        }
        let sglang = |arguments: &str| {
            title(&format!("python3\0-m\0sglang.launch_server\0{arguments}")).map(|title| title.listens)
        };
        assert_eq!(sglang("--model-path\0m\0"), Some(On(30_000)));
        assert_eq!(sglang(&"x".repeat(5000)), Some(Somewhere), "what was cut off may name a port");
        let of_pictures = title("python3\0/usr/local/bin/sglang\0serve\0Qwen/Qwen-Image\0--port=30000\0");
        assert_eq!(of_pictures.map(|title| title.listens), Some(Somewhere), "it may move");
        assert_eq!(title("VLLM::APIServer\0").map(|title| title.listens), Some(Somewhere));
    }

    #[test]
    fn inits_shims_and_shells_take_in_orphans() {
        for name in ["systemd", "tini", "containerd-shim", "containerd-shim", "bash", "conmon"] {
            assert!(takes_in_orphans(name), "{name}");
        }
        for name in ["python3", "vllm", "ray::IDLE", ""] {
            assert!(!takes_in_orphans(name), "{name}");
        }
    }
}

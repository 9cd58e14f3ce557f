//! The engine's processes: titled as real ones are, so that who looks at the machine's processes sees an engine.
//!
//! The server's is this program under another name; the others are its children, which do nothing and end with it.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::release::Kind;

/// This program.
const OWN_FILE: &str = "/proc/self/exe";

impl Kind {
    /// The title of the process that listens.
    fn server(self) -> &'static str {
        match self {
            Self::Vllm => "VLLM::APIServer",
            Self::Sglang => "sglang::tokenizer_worker:0",
        }
    }

    /// The titles of the others; the first is the one that is on the GPU.
    fn others(self) -> &'static [&'static str] {
        match self {
            Self::Vllm => &["VLLM::EngineCore_0"],
            Self::Sglang => &["sglang::scheduler_TP0", "sglang::detokenizer"],
        }
    }
}

/// Whether this process is one of those that do nothing; it has waited for the end of its parent then.
pub fn was_a_child() -> bool {
    let title = std::env::args_os().next().unwrap_or_default();
    let is_child =
        [Kind::Vllm, Kind::Sglang].iter().flat_map(|kind| kind.others()).any(|other| title == *other);
    if is_child {
        // The parent never writes; that there is no more to read is its end.
        let _ = io::stdin().read(&mut [0]);
    }
    is_child
}

/// Starts this program once more under the server's title, in its own place. It returns when it has the title, and with an
/// error when that cannot be had.
pub fn take_title(kind: Kind) -> io::Result<()> {
    let mut arguments = std::env::args_os();
    if arguments.next() == Some(OsString::from(kind.server())) {
        return Ok(());
    }
    Err(Command::new(OWN_FILE).arg0(kind.server()).args(arguments).exec())
}

/// The processes of one life of an engine. They end with this value.
#[derive(Debug)]
pub struct Processes {
    children: Vec<(&'static str, Child)>,
}

impl Processes {
    /// Starts those of an engine that is not alone in one process.
    pub fn start(kind: Kind) -> io::Result<Self> {
        let start = |title: &&'static str| {
            let mut command = Command::new(OWN_FILE);
            Ok((*title, command.arg0(title).stdin(Stdio::piped()).spawn()?))
        };
        Ok(Self { children: kind.others().iter().map(start).collect::<io::Result<_>>()? })
    }

    /// Their titles and numbers, the one that is on the GPU first.
    pub fn listing(&self) -> Value {
        self.children.iter().map(|(title, child)| json!({ "title": title, "pid": child.id() })).collect()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

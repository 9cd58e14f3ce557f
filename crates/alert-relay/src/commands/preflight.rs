//! Mistakes in the settings that only the machine can tell: a port that is taken, a store that cannot be written.
//!
//! Leaves nothing behind: no socket stays open and no store is made, so that a check as root cannot spoil a file for the
//! relay's own user.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use http_serve::{ListenAddress, Server, ServerConfig};

use crate::commands::runtime;
use crate::commands::settings_file::refuse_settings;
use crate::outbox::Outbox;
use crate::settings::{Problem, Settings};

/// The settings for the commands that open the port and the store: what is wrong with those is a mistake like the others, and
/// is named with them. The inner error is the exit code after every mistake was printed.
pub(super) fn load(file: &Path) -> anyhow::Result<Result<Settings, ExitCode>> {
    let loaded = Settings::load(file);
    let (listen, store) = match &loaded {
        Ok(settings) => (&settings.server.listen, Some(&settings.store.path)),
        Err(rejected) => (&rejected.listen, rejected.store.as_ref()),
    };
    let outside = problems(file, listen, store.map(PathBuf::as_path))?;
    Ok(match loaded {
        Ok(settings) if outside.is_empty() => Ok(settings),
        Ok(_) => Err(refuse_settings(&outside)),
        Err(rejected) => Err(refuse_settings(&[rejected.problems, outside].concat())),
    })
}

/// What is wrong outside of the file, as far as the file says where to look.
///
/// A relay that runs with this store holds it and the port, so neither is tried then: checking a changed file before a
/// reload is what most checks are for.
fn problems(file: &Path, listen: &[ListenAddress], store: Option<&Path>) -> anyhow::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    if store.is_some_and(Outbox::is_in_use) {
        return Ok(problems);
    }
    if let Some(store) = store
        && let Err(error) = try_to_write(store)
    {
        let message = format!(
            "store.url: cannot write `{}`: {error} (hint: its directory must exist and be writable for the relay's user)",
            store.display()
        );
        problems.push(Problem::of_file(file, None, message));
    }
    if !listen.is_empty() {
        let runtime = runtime::on_this_thread()?;
        if let Err(error) = runtime.block_on(Server::bind(ServerConfig::listening_on(listen.to_vec()))) {
            let lines = error.to_string();
            problems.extend(
                lines.lines().map(|line| Problem::of_file(file, None, format!("server.listen: {line}"))),
            );
        }
    }
    Ok(problems)
}

/// Opens the file for writing, or, where there is none yet, another one beside it, which is removed again.
fn try_to_write(store: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut beside = store.as_os_str().to_owned();
            beside.push(format!(".check-{}", std::process::id()));
            let beside = PathBuf::from(beside);
            File::create_new(&beside)?;
            std::fs::remove_file(&beside)
        }
        opened => opened.map(drop),
    }
}

//! `alert-relay store move FROM TO`: a store in a file becomes one in a PostgreSQL database, on which several relays can work.

use std::path::PathBuf;
use std::process::ExitCode;

use settings_document::Secret;

use crate::commands::output;
use crate::commands::runtime;
use crate::outbox::move_store;

/// `store`
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, clap::Subcommand)]
enum StoreCommand {
    /// Copy the store in an SQLite file into an empty PostgreSQL database; the relay has to be stopped, and nothing is deleted
    Move(MoveArgs),
}

/// `store move`
#[derive(Debug, clap::Args)]
struct MoveArgs {
    /// The file, as in `store.url`: `sqlite:///var/lib/alert-relay/relay.db`
    #[arg(value_name = "SQLITE-URL")]
    from: String,

    /// The database: `postgres://USER@HOST/DATABASE`; a password is best in PGPASSWORD or in a file that PGPASSFILE names
    #[arg(value_name = "POSTGRES-URL")]
    to: String,
}

/// Exit code 0 when all of it was moved, 1 when nothing was, 2 when an address is of another kind.
#[expect(clippy::print_stderr, reason = "what is wrong with its arguments")]
pub(crate) fn run(args: &StoreArgs) -> anyhow::Result<ExitCode> {
    let StoreCommand::Move(MoveArgs { from, to }) = &args.command;
    let path = from.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    let is_database = to.starts_with("postgres://") || to.starts_with("postgresql://");
    let (Some(path), true) = (path.filter(|path| !path.is_empty()), is_database) else {
        eprintln!(
            "expected `alert-relay store move sqlite:///path/to/relay.db postgres://USER@HOST/DATABASE`"
        );
        return Ok(ExitCode::from(2));
    };
    let path = PathBuf::from(path);
    let runtime = runtime::on_this_thread()?;
    let moved = runtime.block_on(move_store(&path, &Secret::new(to.as_str())))?;
    for (table, rows) in &moved {
        output::line(&format!("{table}: {rows} rows"))?;
    }
    output::line(&format!(
        "all of `{}` is in the database now, and in the file as it was. Next: put the address under `store.url` (or into the file of \
         `store.url_file`) and start the relay; the file is of no more use then",
        path.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

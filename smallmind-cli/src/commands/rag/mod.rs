//! `smallmind rag`: search in documents, and answers from them.

mod add;
mod ask;
mod embedder;
mod eval;
mod search;
mod status;

use crate::error::Error;
use crate::interrupt;

/// Searches in documents, answers from them, and measures how well.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Add(add::Args),
    Ask(ask::Args),
    Search(search::Args),
    Status(status::Args),
    Eval(eval::Args),
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let cancel = interrupt::token();
    match &args.command {
        Command::Add(args) => add::run(args, &cancel),
        Command::Ask(args) => ask::run(args, &cancel),
        Command::Search(args) => search::run(args, &cancel),
        Command::Status(args) => status::run(args, &cancel),
        Command::Eval(args) => eval::run(args, &cancel),
    }
}

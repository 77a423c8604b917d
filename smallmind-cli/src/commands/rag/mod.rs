//! `smallmind rag`: search in documents.

mod eval;

use crate::error::Error;
use crate::interrupt;

/// Searches in documents, and measures how well.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Eval(eval::Args),
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let cancel = interrupt::token();
    match &args.command {
        Command::Eval(args) => eval::run(args, &cancel),
    }
}

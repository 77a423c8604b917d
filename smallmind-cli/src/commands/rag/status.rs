//! `smallmind rag status`.

use crate::error::Error;
use smallmind_abstractions::{Access, CancellationToken};
use smallmind_rag::Store;
use std::io::{Write, stdout};
use std::path::PathBuf;

/// Says how much a store holds.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file of the store.
    #[arg(long)]
    store: PathBuf,
}

pub(crate) fn run(args: &Args, cancel: &CancellationToken) -> Result<(), Error> {
    let store = Store::open_existing(&args.store, cancel)?;
    let status = store.status(&Access::Everything, cancel)?;
    let language = store.analyzer().language();
    writeln!(
        stdout(),
        "{} documents, {} chunks, language {language}",
        status.documents,
        status.chunks
    )?;
    Ok(())
}

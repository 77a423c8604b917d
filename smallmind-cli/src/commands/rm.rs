//! `smallmind rm`.

use crate::error::Error;
use smallmind_engine::hub::{ModelReference, ModelStore};
use std::io::{Write, stdout};

/// Removes the files of models that were pulled.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The models.
    #[arg(required = true)]
    models: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let store = ModelStore::open_default()?;
    for name in &args.models {
        let model = ModelReference::parse(name)?;
        let path = store.path_of(&model);
        let what = if store.remove(&model)? { "removed" } else { "was not here:" };
        writeln!(stdout(), "{what} {}", path.display())?;
    }
    Ok(())
}

//! `smallmind pull`.

use crate::error::Error;
use crate::{interrupt, models};
use smallmind_engine::hub::{ModelReference, ModelStore};
use std::io::Write;

/// Brings models here, and prints where their files are.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  smallmind pull smollm2-135m gemma3-270m
  smallmind pull hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf

A pull that was stopped goes on where it was. Sources are tried in turn, and
every file is checked by its SHA-256.")]
pub(crate) struct Args {
    /// The models.
    #[arg(required = true)]
    models: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let (cancel, store) = (interrupt::token(), ModelStore::open_default()?);
    let parse = |m: &String| ModelReference::parse(m);
    let wanted: Vec<_> = args.models.iter().map(parse).collect::<Result<_, _>>()?;
    for model in &wanted {
        let file = models::pull(&store, model, &cancel)?;
        writeln!(std::io::stdout(), "{}", file.display())?;
    }
    Ok(())
}

//! `smallmind convert` and `smallmind verify`.

use crate::error::Error;
use crate::{interrupt, models, output};
use smallmind_runtime::container::{ModelFile, convert};
use std::io::{Write, stdout};
use std::path::PathBuf;

/// Writes a model as .smq, which loads without being repacked.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  smallmind convert model.gguf model.smq
  smallmind run model.smq \"The capital of France is\"")]
pub(crate) struct ConvertArgs {
    /// The model: a file, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    model: String,
    /// The file to write, replaced where it is there.
    out: PathBuf,
}

pub(crate) fn run(args: &ConvertArgs) -> Result<(), Error> {
    let cancel = interrupt::token();
    let file = ModelFile::open(&models::file(&args.model, &cancel)?)?;
    let bar = output::bar(file.tensors().map(|t| t.byte_len).sum());
    convert(&file, &args.out, &mut |tensor| bar.inc(tensor.byte_len), &cancel)?;
    bar.finish_and_clear();
    let size = output::size(ModelFile::open(&args.out)?.file_size());
    writeln!(stdout(), "{}: {size}", args.out.display())?;
    Ok(())
}

/// Checks a file: its structure, and checksums where it has them (.smq).
#[derive(clap::Args)]
pub(crate) struct VerifyArgs {
    /// The model: a file, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    model: String,
}

pub(crate) fn verify(args: &VerifyArgs) -> Result<(), Error> {
    let cancel = interrupt::token();
    let path = models::file(&args.model, &cancel)?;
    let file = ModelFile::open(&path)?;
    let (mut tensors, mut checked) = (0, 0);
    for info in file.tensors() {
        cancel.check().map_err(smallmind_runtime::Error::from)?;
        tensors += 1;
        checked += usize::from(file.verify(&file.tensor(&info.name)?)?);
    }
    let path = path.display();
    writeln!(stdout(), "{path}: {tensors} tensors in their places, {checked} checksums met")?;
    Ok(())
}

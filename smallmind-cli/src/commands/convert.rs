//! `smallmind convert` and `smallmind verify`.

use crate::error::Error;
use crate::{interrupt, models, output};
use smallmind_abstractions::CancellationToken;
use smallmind_engine::import;
use smallmind_runtime::container::{ModelFile, convert};
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

/// Writes a model as .smq, which loads without being repacked, or an encoder
/// of sentence-transformers as GGUF.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  smallmind convert model.gguf model.smq
  smallmind run model.smq \"The capital of France is\"
  smallmind convert ./all-MiniLM-L6-v2 all-MiniLM-L6-v2.gguf

A folder holds config.json, tokenizer.json and model.safetensors of a BERT.")]
pub(crate) struct ConvertArgs {
    /// The model: a file, a folder, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    model: String,
    /// The file to write, replaced where it is there: .smq by that name, GGUF,
    /// which folders become, by any other.
    out: PathBuf,
}

pub(crate) fn run(args: &ConvertArgs) -> Result<(), Error> {
    let cancel = interrupt::token();
    let smq = output::is_smq(&args.out);
    let from = Path::new(&args.model);
    if from.is_dir() {
        let temporary = output::beside(&args.out)?;
        let gguf = temporary.path().join("model.gguf");
        import::sentence_transformer(from, &gguf, &cancel)?;
        match smq {
            true => panels(&gguf, &args.out, &cancel)?,
            false => fs::rename(&gguf, &args.out)?,
        }
    } else if smq {
        panels(&models::file(&args.model, &cancel)?, &args.out, &cancel)?;
    } else {
        let what = "a file is converted to .smq; for other types of GGUF, see quantize";
        return Err(Error::Usage(what.to_owned()));
    }
    let size = output::size(ModelFile::open(&args.out)?.file_size());
    writeln!(stdout(), "{}: {size}", args.out.display())?;
    Ok(())
}

fn panels(from: &Path, to: &Path, cancel: &CancellationToken) -> Result<(), Error> {
    let file = ModelFile::open(from)?;
    let bar = output::bar(file.tensors().map(|t| t.byte_len).sum());
    convert(&file, to, &mut |tensor| bar.inc(tensor.byte_len), cancel)?;
    bar.finish_and_clear();
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
        tensors += 1;
        checked += usize::from(file.verify(&file.tensor(&info.name)?, &cancel)?);
    }
    let path = path.display();
    writeln!(stdout(), "{path}: {tensors} tensors in their places, {checked} checksums met")?;
    Ok(())
}

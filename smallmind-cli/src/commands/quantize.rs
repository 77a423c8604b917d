//! `smallmind quantize`.

use crate::error::Error;
use crate::{interrupt, models, output};
use smallmind_runtime::container::{ModelFile, convert};
use smallmind_runtime::quantization::{Recipe, TensorReport, quantize_model};
use std::fs;
use std::io::{Write, stdout};
use std::path::PathBuf;

/// Writes a model with its weights in other types.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  smallmind quantize model-f16.gguf model-q4.gguf --type Q4_K_M
  smallmind quantize smollm2-135m small.gguf -t Q3_K_M
  smallmind quantize model-f16.gguf model.smq -t Q4_K_M

A type names a mix, as in llama.cpp: _S, _M and _L hold more and more tensors
finer. Best from F32, F16 or BF16: the errors of weights that are quantized
already add up. The table shows the relative error of each tensor, the root of
its mean squared error over that of its weights.")]
pub(crate) struct Args {
    /// The model: a file, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    model: String,
    /// The file to write, replaced where it is there: .smq by that name, GGUF
    /// by any other.
    out: PathBuf,
    /// The type: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0 and so on.
    #[arg(long = "type", short = 't', value_parser = recipe)]
    recipe: Recipe,
}

fn recipe(name: &str) -> Result<Recipe, String> {
    Recipe::named(name).ok_or_else(|| {
        let names: Vec<_> = Recipe::ALL.iter().map(Recipe::name).collect();
        format!("types are {}", names.join(", "))
    })
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let cancel = interrupt::token();
    let path = models::file(&args.model, &cancel)?;
    if fs::canonicalize(&path).ok() == fs::canonicalize(&args.out).ok() && args.out.exists() {
        return Err(Error::Usage("the model cannot be written over itself".to_owned()));
    }
    let file = ModelFile::open(&path)?;
    let bar = output::bar(file.tensors().map(|t| t.byte_len).sum());
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let mut lens = file.tensors().map(|t| t.byte_len);
    let mut progress = |tensor: TensorReport<'_>| {
        bar.set_message(tensor.name.to_owned());
        bar.inc(lens.next().unwrap_or_default());
        bytes += tensor.byte_len;
        rows.push(row(&tensor));
    };
    if output::is_smq(&args.out) {
        // Panels are made of the blocks, which lie beside them meanwhile.
        let folder = output::beside(&args.out)?;
        let blocks = folder.path().join("blocks.gguf");
        quantize_model(&file, args.recipe, &blocks, &mut progress, &cancel)?;
        convert(&ModelFile::open(&blocks)?, &args.out, &mut |_| {}, &cancel)?;
    } else {
        quantize_model(&file, args.recipe, &args.out, &mut progress, &cancel)?;
    }
    bar.finish_and_clear();
    let mut out = stdout().lock();
    output::table(&mut out, &["tensor", "shape", "from", "to", "size", "error"], &rows)?;
    let size = output::size(bytes);
    writeln!(out, "{}: {} tensors, {size}", args.out.display(), rows.len())?;
    Ok(())
}

fn row(tensor: &TensorReport<'_>) -> Vec<String> {
    vec![
        tensor.name.to_owned(),
        tensor.shape.to_string(),
        tensor.from.to_string(),
        tensor.to.to_string(),
        output::size(tensor.byte_len),
        format!("{:.5}", tensor.error),
    ]
}

//! `smallmind inspect`.

use crate::error::Error;
use crate::tokenizer::TokenizerArgs;
use crate::{interrupt, models, output};
use serde_json::{Map, Value, json};
use smallmind_abstractions::{MetadataArray, MetadataValue, TokenizerDiagnostics};
use smallmind_runtime::container::ModelFile;
use std::io::{Write, stdout};

/// Shows the metadata, the tensors and the tokenizer of a model.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  smallmind inspect smollm2-135m
  smallmind inspect model.gguf --json | jq '.tensors[].type' | sort | uniq -c")]
pub(crate) struct Args {
    /// The model: a file, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    model: String,
    /// Print one JSON object, arrays in full.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let path = models::file(&args.model, &interrupt::token())?;
    let file = ModelFile::open(&path)?;
    // A file without a usable tokenizer is still worth a look.
    let tokenizer = args.tokenizer.factory().build(file.metadata());
    let tokenizer = tokenizer.as_ref().map(|t| t.diagnostics()).map_err(ToString::to_string);
    if args.json {
        writeln!(stdout(), "{:#}", to_json(&file, tokenizer))?;
        return Ok(());
    }
    show(&file, tokenizer)
}

fn show(file: &ModelFile, tokenizer: Result<&TokenizerDiagnostics, String>) -> Result<(), Error> {
    let mut out = stdout().lock();
    let elements = file.tensors().filter_map(|t| t.shape.elements()).sum();
    writeln!(
        out,
        "{}: GGUF version {}, {}, {} tensors, {} parameters\n",
        file.path().display(),
        file.version(),
        output::size(file.file_size()),
        file.tensors().len(),
        output::count(elements),
    )?;
    let rows: Vec<_> = file
        .metadata()
        .iter()
        .map(|(key, value)| vec![key.to_owned(), value.value_type().to_string(), brief(value)])
        .collect();
    output::table(&mut out, &["key", "type", "value"], &rows)?;
    writeln!(out)?;
    let rows: Vec<_> = file
        .tensors()
        .map(|t| {
            let (kind, size) = (t.tensor_type.to_string(), output::size(t.byte_len));
            vec![t.name.clone(), t.shape.to_string(), kind, size, t.offset.to_string()]
        })
        .collect();
    output::table(&mut out, &["tensor", "shape", "type", "size", "offset"], &rows)?;
    writeln!(out)?;
    match tokenizer {
        Err(error) => writeln!(out, "tokenizer: {error}")?,
        Ok(t) => {
            let pre = t.pre_tokenizer.as_deref().unwrap_or("none");
            writeln!(
                out,
                "tokenizer: {}, pre-tokenizer {pre}, {} tokens, {} merges",
                t.tokenizer_type, t.vocab_size, t.merge_count
            )?;
            writeln!(out, "  {}", specials(t))?;
            t.issues.iter().try_for_each(|issue| writeln!(out, "  {issue}"))?;
        }
    }
    Ok(())
}

/// The ids that frame a text and end a generation.
fn specials(t: &TokenizerDiagnostics) -> String {
    let id = |id: Option<u32>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let added = |add: bool| if add { " (added)" } else { "" };
    let s = &t.special;
    format!(
        "BOS {}{}, EOS {}{}, ends of generation {:?}",
        id(s.bos),
        added(s.add_bos),
        id(s.eos),
        added(s.add_eos),
        s.end_of_generation
    )
}

/// A value in a few words.
fn brief(value: &MetadataValue) -> String {
    const MOST: usize = 72;
    let text = match value {
        MetadataValue::Array(a) => return format!("{} × {}", a.len(), a.element_type()),
        other => scalar(other).to_string(),
    };
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn scalar(value: &MetadataValue) -> Value {
    match value {
        MetadataValue::U8(v) => json!(v),
        MetadataValue::I8(v) => json!(v),
        MetadataValue::U16(v) => json!(v),
        MetadataValue::I16(v) => json!(v),
        MetadataValue::U32(v) => json!(v),
        MetadataValue::I32(v) => json!(v),
        MetadataValue::F32(v) => json!(v),
        MetadataValue::Bool(v) => json!(v),
        MetadataValue::String(v) => json!(v),
        MetadataValue::U64(v) => json!(v),
        MetadataValue::I64(v) => json!(v),
        MetadataValue::F64(v) => json!(v),
        MetadataValue::Array(v) => array(v),
    }
}

fn array(values: &MetadataArray) -> Value {
    match values {
        MetadataArray::U8(v) => json!(v),
        MetadataArray::I8(v) => json!(v),
        MetadataArray::U16(v) => json!(v),
        MetadataArray::I16(v) => json!(v),
        MetadataArray::U32(v) => json!(v),
        MetadataArray::I32(v) => json!(v),
        MetadataArray::F32(v) => json!(v),
        MetadataArray::Bool(v) => json!(v),
        MetadataArray::String(v) => v.iter().map(String::from_utf8_lossy).collect(),
        MetadataArray::Array(v) => v.iter().map(array).collect(),
        MetadataArray::U64(v) => json!(v),
        MetadataArray::I64(v) => json!(v),
        MetadataArray::F64(v) => json!(v),
    }
}

fn to_json(file: &ModelFile, tokenizer: Result<&TokenizerDiagnostics, String>) -> Value {
    let metadata: Map<_, _> =
        file.metadata().iter().map(|(k, v)| (k.to_owned(), scalar(v))).collect();
    let tensors = file.tensors().map(|t| {
        json!({
            "name": t.name,
            "shape": t.shape.dims(),
            "type": t.tensor_type.name(),
            "bytes": t.byte_len,
            "offset": t.offset,
            "split": t.split,
        })
    });
    let tokenizer = match tokenizer {
        Err(error) => json!({ "error": error }),
        Ok(t) => json!({
            "type": t.tokenizer_type,
            "pre_tokenizer": t.pre_tokenizer,
            "vocab_size": t.vocab_size,
            "merge_count": t.merge_count,
            "bos": t.special.bos,
            "eos": t.special.eos,
            "end_of_generation": t.special.end_of_generation,
            "add_bos": t.special.add_bos,
            "add_eos": t.special.add_eos,
            "issues": t.issues.iter().map(|i| json!({
                "code": i.code.as_str(),
                "severity": i.severity.as_str(),
                "message": i.message,
            })).collect::<Vec<_>>(),
        }),
    };
    json!({
        "file": file.path().display().to_string(),
        "version": file.version(),
        "alignment": file.alignment(),
        "size": file.file_size(),
        "metadata": metadata,
        "tensors": tensors.collect::<Vec<_>>(),
        "tokenizer": tokenizer,
    })
}

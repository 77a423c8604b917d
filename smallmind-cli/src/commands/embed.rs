//! `smallmind embed`.

use crate::error::Error;
use crate::{interrupt, models};
use serde_json::json;
use smallmind_abstractions::{Embedder, EmbeddingRole};
use smallmind_engine::{EmbeddingModel, EmbeddingOptions};
use std::io::{Write, stdin, stdout};

/// Texts that are embedded together; what is read from a pipe is answered in
/// such portions.
const PORTION: usize = 256;

/// Turns texts into vectors that lie close where texts mean alike.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  smallmind embed all-minilm-l6-v2 \"The cat sat.\" \"A cat was sitting.\"
  smallmind embed all-minilm-l6-v2 --json < lines.txt

Each vector is a line of numbers of length 1, so that the sum of products of
two is their cosine. A text longer than the model was trained for is cut.")]
pub(crate) struct Args {
    /// A model: a file, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    model: String,
    /// The texts; the lines of standard input where there are none.
    texts: Vec<String>,
    /// Embed questions, not passages, for models that tell them apart.
    #[arg(long)]
    query: bool,
    /// Threads; the physical cores where not given.
    #[arg(long, short)]
    threads: Option<usize>,
    /// A line of JSON for each text: the text, its tokens and its vector.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let cancel = interrupt::token();
    let path = models::file(&args.model, &cancel)?;
    let options = EmbeddingOptions { threads: args.threads, ..Default::default() };
    let model = EmbeddingModel::load(path, options, &cancel)?;
    let role = if args.query { EmbeddingRole::Query } else { EmbeddingRole::Document };
    let write = |texts: &[String]| -> Result<(), Error> {
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let vectors = model.embed(&texts, role, &cancel).map_err(smallmind_engine::Error::from)?;
        let mut out = stdout().lock();
        for (text, vector) in texts.iter().zip(vectors.chunks_exact(model.dimensions())) {
            if args.json {
                let tokens = model.count(text, role).map_err(smallmind_engine::Error::from)?;
                writeln!(out, "{}", json!({ "text": text, "tokens": tokens, "vector": vector }))?;
            } else {
                let numbers: Vec<_> = vector.iter().map(f32::to_string).collect();
                writeln!(out, "{}", numbers.join(" "))?;
            }
        }
        Ok(())
    };
    if !args.texts.is_empty() {
        return write(&args.texts);
    }
    let mut portion = Vec::with_capacity(PORTION);
    for line in stdin().lines() {
        portion.push(line?);
        if portion.len() == PORTION {
            write(&portion)?;
            portion.clear();
        }
    }
    write(&portion)
}

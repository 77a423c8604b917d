//! `smallmind tokenize`.

use crate::error::Error;
use crate::tokenizer::TokenizerArgs;
use crate::{interrupt, models, output};
use smallmind_abstractions::{DecodeOptions, EncodeOptions, TokenId, Tokenizer};
use smallmind_runtime::container::ModelFile;
use std::io::{Read, Write, stdin, stdout};

/// Turns standard input, byte for byte, into token ids, or ids into text.
#[derive(clap::Args)]
#[command(after_help = "\
Prints the number of tokens and a line for each unless --ids or --decode say
otherwise. Files that hold a vocabulary and no model work too.

Examples:
  printf 'Hello world' | smallmind tokenize --model smollm2-135m
  printf 'Hello world' | smallmind tokenize --model smollm2-135m --ids
  echo '[28120, 905]' | smallmind tokenize --model smollm2-135m --decode")]
pub(crate) struct Args {
    /// The model: a file, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    #[arg(long)]
    model: String,
    /// Print a JSON array of ids.
    #[arg(long, conflicts_with_all = ["decode", "show"])]
    ids: bool,
    /// Print a line for each token: its id and its text.
    #[arg(long, conflicts_with = "decode")]
    show: bool,
    /// Take control tokens written in the text as such.
    #[arg(long)]
    special: bool,
    /// Add BOS and EOS where the model asks for them.
    #[arg(long, conflicts_with = "decode")]
    bos: bool,
    /// Read ids (a JSON array, or numbers with spaces or commas between) and
    /// print their text; with --special control tokens too.
    #[arg(long)]
    decode: bool,
    #[command(flatten)]
    tokenizer: TokenizerArgs,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let path = models::file(&args.model, &interrupt::token())?;
    let file = ModelFile::open(&path)?;
    let tokenizer = args.tokenizer.factory().build(file.metadata())?;
    let mut input = Vec::new();
    stdin().read_to_end(&mut input)?;
    let mut out = stdout().lock();
    if args.decode {
        let options = DecodeOptions { show_special: args.special, ..Default::default() };
        out.write_all(&tokenizer.decode(&parse_ids(&input)?, options)?)?;
        out.flush()?;
        return Ok(());
    }
    let options = EncodeOptions { add_special: args.bos, parse_special: args.special };
    let mut ids = Vec::new();
    tokenizer.encode_into(&input, options, &mut ids)?;
    if args.ids {
        writeln!(out, "{}", serde_json::json!(ids))?;
        return Ok(());
    }
    if !args.show {
        output::note(&format!("{} tokens", ids.len()));
    }
    ids.iter().try_for_each(|id| writeln!(out, "{id:>8}  {}", piece(&*tokenizer, *id)))?;
    Ok(())
}

/// A token's bytes in quotes, with what cannot be shown escaped.
fn piece(tokenizer: &dyn Tokenizer, id: TokenId) -> String {
    let mut bytes = Vec::new();
    let options = DecodeOptions { show_special: true, continuation: true };
    match tokenizer.token_bytes_into(id, options, &mut bytes) {
        Ok(()) => match std::str::from_utf8(&bytes) {
            Ok(text) => format!("{text:?}"),
            Err(_) => format!("\"{}\"", bytes.escape_ascii()),
        },
        Err(error) => error.to_string(),
    }
}

fn parse_ids(input: &[u8]) -> Result<Vec<TokenId>, Error> {
    let text = String::from_utf8_lossy(input);
    let numbers = text.split(|c: char| c.is_whitespace() || "[],".contains(c));
    numbers
        .filter(|n| !n.is_empty())
        .map(|n| n.parse().map_err(|e| Error::Usage(format!("'{n}' is not a token id: {e}"))))
        .collect()
}

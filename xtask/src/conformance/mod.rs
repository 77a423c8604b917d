//! `cargo xtask conformance`: the tokenizers against llama.cpp's, and chat
//! templates against Jinja.
//!
//! Every vocabulary of the reference encodes the reference's own test texts,
//! texts in many languages, and generated strings; so does one of them under
//! every name that a pre-tokenizer has. Where the reference comes
//! with ids, those are compared; everything else is compared by digests of ids
//! that the reference was asked for once (`--bless`, with its Python package at
//! hand). A case is one text; cases that differ are found by block.

mod digests;
mod peer;
mod reference;
mod strings;
mod templates;

use crate::command::say;
use digests::{BLOCK, Digests};
use reference::Vocabulary;
use smallmind_abstractions::{EncodeOptions, Tokenizer};
use std::error::Error;
use strings::Case;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Generated strings for each vocabulary.
const STRINGS: usize = 20_000;
/// Generated strings for each pre-tokenizer's name.
const RULE_STRINGS: usize = 1_000;

const HELP: &str = "\
usage: cargo xtask conformance [--peer PYTHON] [--bless] [--only NAME]
  --peer PYTHON  ask llama_cpp of this Python for ids, too, and compare with them
  --bless        write the digests of the peer's ids
  --only NAME    one vocabulary, or all chat 'templates'";

#[derive(Debug, Default)]
struct Options {
    peer: Option<String>,
    bless: bool,
    only: Option<String>,
}

fn options(arguments: &[&str]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().map(|v| (*v).to_owned()).ok_or(HELP);
        match *argument {
            "--peer" => options.peer = Some(value()?),
            "--only" => options.only = Some(value()?),
            "--bless" => options.bless = true,
            _ => return Err(HELP.into()),
        }
    }
    if options.bless && options.peer.is_none() {
        return Err("--bless needs --peer".into());
    }
    Ok(options)
}

/// What one vocabulary came to.
#[derive(Debug, Default)]
struct Outcome {
    cases: usize,
    differences: usize,
}

pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let options = options(arguments)?;
    let mut digests = Digests::read()?;
    let mut total = 0;
    say("| vocabulary | tokens | cases | differences |\n|---|---:|---:|---:|");
    for vocabulary in reference::vocabularies()?.into_iter().chain(reference::rules()?) {
        if options.only.as_ref().is_some_and(|only| *only != vocabulary.name) {
            continue;
        }
        let tokenizer = vocabulary.tokenizer()?;
        let mut outcome = listed(&vocabulary, &*tokenizer)?;
        let count = if vocabulary.is_rule { RULE_STRINGS } else { STRINGS };
        let cases = cases(&vocabulary.name, &*tokenizer, count)?;
        let ours: Vec<_> = cases.iter().map(|case| encode(&*tokenizer, case)).collect();
        if let Some(python) = &options.peer {
            let theirs = peer::ask(python, &vocabulary.path, &cases)?;
            compare(&vocabulary.name, &cases, &ours, &theirs);
            if options.bless {
                digests.set(&vocabulary.name, &theirs);
            }
        }
        outcome.cases += cases.len();
        outcome.differences += digests.differences(&vocabulary.name, &ours);
        let Outcome { cases, differences } = outcome;
        let tokens = tokenizer.vocab_size();
        say(&format!("| {} | {tokens} | {cases} | {differences} |", vocabulary.name));
        total += differences;
    }
    if options.only.as_ref().is_none_or(|only| only == "templates") {
        let folder = reference::directory()?.join("templates");
        total += templates::compare(&folder, options.peer.as_deref(), options.bless)?;
    }
    if options.bless {
        digests.write()?;
    }
    if total > 0 {
        return Err(format!("{total} differences (of generated strings: blocks of {BLOCK})").into());
    }
    Ok(())
}

/// The texts that the reference comes with ids for.
fn listed(vocabulary: &Vocabulary, tokenizer: &dyn Tokenizer) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (text, expected) in vocabulary.listed()? {
        let case = Case { text, parse_special: false, add_special: false };
        let found = encode(tokenizer, &case);
        outcome.cases += 1;
        if found != expected {
            outcome.differences += 1;
            say(&format!("{}: {case}: {found:?}, expected {expected:?}", vocabulary.name));
        }
    }
    Ok(outcome)
}

/// The reference's texts, texts in many languages, generated strings.
fn cases(name: &str, tokenizer: &dyn Tokenizer, count: usize) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for text in reference::texts()?.into_iter().chain(strings::languages()) {
        for flag in [false, true] {
            cases.push(Case { text: text.clone(), parse_special: flag, add_special: flag });
        }
    }
    cases.extend(strings::generate(name, tokenizer, count));
    Ok(cases)
}

fn encode(tokenizer: &dyn Tokenizer, case: &Case) -> Vec<u32> {
    let options =
        EncodeOptions { add_special: case.add_special, parse_special: case.parse_special };
    let mut ids = Vec::new();
    // Vocabularies of the reference all encode.
    let encoded = tokenizer.encode_into(&case.text, options, &mut ids);
    debug_assert!(encoded.is_ok());
    ids
}

/// Shows the first cases that differ from the peer's.
fn compare(name: &str, cases: &[Case], ours: &[Vec<u32>], theirs: &[Vec<u32>]) {
    let different = cases.iter().zip(ours).zip(theirs).filter(|((_, a), b)| a != b);
    let count = different.clone().count();
    for ((case, ours), theirs) in different.take(5) {
        say(&format!("{name}: {case}\n  ours   {ours:?}\n  theirs {theirs:?}"));
    }
    say(&format!("{name}: {count} of {} cases differ from the peer's", cases.len()));
}

//! The tokenizers, by criterion, beside llama.cpp's and the crate `tokenizers`.

use super::kernels::number;
use super::markdown::table;
use crate::command::{cargo, root, run, say, target};
use crate::endtoend::{self, MODELS};
use crate::peer::Peer;
use serde_json::Value;
use std::path::PathBuf;

/// What criterion calls the encoding of prose and code.
const MIXED: &str = "mixed";
const MIXED_BY_TOKENIZERS: &str = "mixed by the crate tokenizers";
const WORST: [&str; 6] =
    ["one letter", "spaces", "digits", "one emoji", "base64", "no white space"];

/// Measures, and writes `reports/TOKENIZERS.md`.
pub(super) fn write(peer: Option<&Peer>) -> Result<(), String> {
    run(&mut cargo("bench -p smallmind-benches --bench tokenizers -- --quick"))?;
    let peers = MODELS.map(|model| {
        let text = target().join("tmp/mixed.txt");
        peer.map(|peer| peer.measure_tokenizer(model, &text)).transpose()
    });
    let mut rows = Vec::new();
    for (model, peer) in MODELS.iter().zip(peers) {
        rows.extend(against_others(model, peer?.as_ref())?);
    }
    let head = ["model", "work", "SmallMind", "llama.cpp", "ratio", "`tokenizers`", "ratio"];
    let mut worst = Vec::new();
    for text in WORST {
        worst.push(worst_row(text)?);
    }
    let sections = [
        "# Speed of the tokenizers".to_owned(),
        "Written by `cargo xtask report`. The text is a megabyte of this workspace's own documents \
         and sources, encoded by one thread with a new tokenizer each time, which remembers \
         nothing. A build begins at parsed metadata; llama.cpp's also maps the file and parses it. \
         The crate `tokenizers` reads what `smallmind_tokenizers::hf` saves."
            .to_owned(),
        table(&head, rows.into_iter()),
        "## Worst cases".to_owned(),
        "A megabyte of each (of the text without white space, what is left of it), and the time \
         per byte as a multiple of that of the text above."
            .to_owned(),
        table(&[&["text"], &MODELS[..]].concat(), worst.into_iter()),
        "`cargo xtask conformance` holds the ids to llama.cpp's.".to_owned(),
    ];
    endtoend::write(&root().join("reports/TOKENIZERS.md"), &(sections.join("\n\n") + "\n"))?;
    say("wrote reports/TOKENIZERS.md");
    Ok(())
}

fn folder(model: &str, work: &str) -> PathBuf {
    // Criterion makes one name of a group with a slash in it.
    target().join("criterion").join(format!("tokenizer_{model}")).join(work)
}

fn milliseconds(model: &str, work: &str) -> Result<f64, String> {
    Ok(number(&folder(model, work), "estimates.json", "/median/point_estimate")? / 1e6)
}

fn per_byte(model: &str, work: &str) -> Result<f64, String> {
    let bytes = number(&folder(model, work), "benchmark.json", "/throughput/Bytes")?;
    Ok(milliseconds(model, work)? / bytes)
}

fn against_others(model: &str, peer: Option<&Value>) -> Result<[Vec<String>; 2], String> {
    let theirs = |name: &str| peer.and_then(|p| p[name].as_f64()).map(|seconds| 1e3 * seconds);
    let row = |work: &str, ours: f64, peer: Option<f64>, crates: Option<f64>| {
        let time = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1} ms"));
        let ratio =
            |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), |ms| format!("{:.1}", ms / ours));
        let names = [model.to_owned(), work.to_owned(), time(Some(ours))];
        names.into_iter().chain([time(peer), ratio(peer), time(crates), ratio(crates)]).collect()
    };
    let mixed = milliseconds(model, MIXED)?;
    let crates = milliseconds(model, MIXED_BY_TOKENIZERS)?;
    Ok([
        row("encode", mixed, theirs("encode"), Some(crates)),
        row("build", milliseconds(model, "build")?, theirs("build"), None),
    ])
}

fn worst_row(text: &str) -> Result<Vec<String>, String> {
    let mut row = vec![text.to_owned()];
    for model in MODELS {
        let times = per_byte(model, text)? / per_byte(model, MIXED)?;
        row.push(format!("{:.1} ms, {times:.1}", milliseconds(model, text)?));
    }
    Ok(row)
}

//! What requests gain and wait that share one model, beside llama.cpp.

use super::markdown::table;
use crate::command::{cargo, output, root, say};
use crate::endtoend::{self, MODELS, Row, json};
use crate::options::Options;
use serde::Deserialize;
use serde_json::Value;
use smallmind_testkit::model_path;
use std::path::Path;

/// Decodes of one sequence and of several at once, on two threads.
const TEST: &str = "-n 64 -t 2 -r 3 --sequences 1,2,4,8";

/// What the program `sharing` says of a model.
#[derive(Debug, Deserialize)]
struct Sharing {
    newcomers: Vec<Newcomer>,
    prefix: Prefix,
}

/// Seconds to the first token, alone and beside seven decodes.
#[derive(Debug, Deserialize)]
struct Newcomer {
    prompt: usize,
    alone: f64,
    beside: f64,
}

/// Seconds to the first token of prompts that begin alike.
#[derive(Debug, Deserialize)]
struct Prefix {
    prompt: usize,
    requests: usize,
    first: f64,
    later: f64,
    hit_rate: f64,
    bytes: f64,
}

/// Measures, and writes `reports/SHARING.md`.
pub(super) fn write(options: &Options<'_>) -> Result<(), String> {
    let binary = endtoend::binary()?;
    let (mut batches, mut waits, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    for model in MODELS {
        batches.extend(batching(&binary, model, options)?);
        let run = "run --quiet --release -p smallmind-benches --bin sharing --";
        let text = output(cargo(run).arg(model_path(model)))?;
        let sharing: Sharing = serde_json::from_str(&text).map_err(|e| format!("sharing: {e}"))?;
        waits.extend(sharing.newcomers.iter().map(|n| n.row(model)));
        prefixes.push(sharing.prefix.row(model));
    }
    let heads = [
        &["model", "sequences", "tokens/s in all", "of one alone", "llama.cpp", "ratio"][..],
        &["model", "prompt", "alone", "beside seven decodes", "ratio"],
        &["model", "prompt", "first", "the later ones", "ratio", "hit rate", "kept"],
    ];
    let [batches, waits, prefixes] = [batches, waits, prefixes].map(Vec::into_iter);
    let sections = [
        "# One model, many requests".to_owned(),
        "Written by `cargo xtask report`, on two threads.".to_owned(),
        "## Batching".to_owned(),
        "Sequences that are decoded together for 64 tokens, one forward pass a token; the median \
         of 3 rounds, in turn with llama.cpp's `llama_decode` of a batch with as many sequences."
            .to_owned(),
        table(heads[0], batches),
        "## Newcomers".to_owned(),
        "The time to the first token of a prompt, by itself and while seven others decode; the \
         median of 5."
            .to_owned(),
        table(heads[1], waits),
        "## Prefix cache".to_owned(),
        "Eight prompts, one after another, that share all tokens but the last 32: the time to the \
         first token of the first one, and of the others on average."
            .to_owned(),
        table(heads[2], prefixes),
    ];
    endtoend::write(&root().join("reports/SHARING.md"), &(sections.join("\n\n") + "\n"))?;
    say("wrote reports/SHARING.md");
    Ok(())
}

/// A row for each number of sequences.
fn batching(binary: &Path, model: &str, options: &Options<'_>) -> Result<Vec<Vec<String>>, String> {
    let (mut ours, mut peers) = (Vec::<Row>::new(), Vec::<Value>::new());
    for _ in 0..options.effort.rounds {
        ours.extend(json::<Vec<Row>>(binary, &format!("bench {model} -p 0 {TEST} --json"))?);
        let peer = options.peer.as_ref();
        peers.extend(peer.map(|peer| peer.measure_sequences(model, TEST)).transpose()?);
    }
    let ours_of = |test: &str| {
        let rows = ours.iter().filter(|row| row.test == test);
        median(rows.map(|row| row.tokens_per_second.median))
    };
    let one = ours_of("tg64 x1");
    let row = |sequences: usize| {
        let test = format!("tg64 x{sequences}");
        let rate = ours_of(&test);
        let peer = median(peers.iter().filter_map(|peer| peer[&test].as_f64()));
        let against = |text: String| if peers.is_empty() { "–".to_owned() } else { text };
        vec![
            model.to_owned(),
            sequences.to_string(),
            format!("{rate:.1}"),
            format!("{:.2}", rate / one),
            against(format!("{peer:.1}")),
            against(format!("{:.2}", rate / peer)),
        ]
    };
    Ok([1, 2, 4, 8].map(row).into())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    endtoend::Spread::of(&values.collect::<Vec<_>>()).median
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}

impl Newcomer {
    fn row(&self, model: &str) -> Vec<String> {
        let Self { prompt, alone, beside } = self;
        let ratio = format!("{:.2}", beside / alone);
        vec![
            model.to_owned(),
            prompt.to_string(),
            milliseconds(*alone),
            milliseconds(*beside),
            ratio,
        ]
    }
}

impl Prefix {
    fn row(&self, model: &str) -> Vec<String> {
        let Self { prompt, requests, first, later, hit_rate, bytes } = self;
        vec![
            model.to_owned(),
            format!("{requests} × {prompt}"),
            milliseconds(*first),
            milliseconds(*later),
            format!("{:.1}", first / later),
            format!("{:.0}%", hit_rate * 100.0),
            format!("{:.1} MB", bytes / 1e6),
        ]
    }
}

//! Tokens a second, ours and the peer's in turn.

use super::{Options, Peaks};
use crate::command::{output, root, say};
use crate::endtoend::{Row, Spread, json};
use serde::Serialize;
use serde_json::Value;
use smallmind_testkit::model_path;
use std::path::Path;
use std::process::Command;

/// A speed and what it is held against.
#[derive(Debug, Serialize)]
pub(super) struct Speed {
    pub(super) model: String,
    pub(super) threads: usize,
    /// As `smallmind bench` names it: pp512, tg128, tg64 @ d4096.
    pub(super) test: String,
    pub(super) ours: Spread,
    pub(super) peer: Option<Spread>,
    /// Ours to the peer's, of the medians.
    pub(super) ratio: Option<f64>,
    /// The baseline's median.
    pub(super) before: Option<f64>,
    /// GOP/s in prefill, GB/s in decode, of the weights alone.
    pub(super) rate: Option<f64>,
    /// The rate to what the machine does at most.
    pub(super) of_peak: Option<f64>,
}

/// The arguments of a run, which are the peer's too.
struct Run {
    args: &'static str,
    /// Long runs need fewer repetitions.
    most_repetitions: usize,
}

const RUNS: [Run; 3] = [
    Run { args: "-p 512 -n 128", most_repetitions: usize::MAX },
    Run { args: "-p 4096 -n 0", most_repetitions: 1 },
    Run { args: "-p 0 -n 64 -d 4096", most_repetitions: 1 },
];

/// Every speed of a model.
pub(super) fn measure(
    binary: &Path,
    model: &str,
    options: &Options<'_>,
) -> Result<Vec<Speed>, String> {
    let mut speeds = Vec::new();
    for threads in [1, 2] {
        for run in &RUNS {
            say(&format!("{model}, threads {threads}: {}", run.args));
            speeds.extend(rounds(binary, model, threads, run, options)?);
        }
    }
    Ok(speeds)
}

fn rounds(
    binary: &Path,
    model: &str,
    threads: usize,
    run: &Run,
    options: &Options<'_>,
) -> Result<Vec<Speed>, String> {
    let repetitions = options.repetitions.min(run.most_repetitions);
    let (mut ours, mut peers) = (Vec::<Vec<Row>>::new(), Vec::<Value>::new());
    for _ in 0..options.rounds {
        let args = format!("bench {model} {} -t {threads} -r {repetitions} --json", run.args);
        ours.push(json(binary, &args)?);
        if let Some(peer) = options.peer {
            let args = format!("{} -t {threads} -r {repetitions}", run.args);
            peers.push(ask_peer(peer, model, &args)?);
        }
    }
    let tests = ours.first().into_iter().flatten().map(|r| r.test.clone());
    Ok(tests
        .map(|test| {
            let rows = ours.iter().flatten().filter(|r| r.test == test);
            let ours: Vec<_> = rows.map(|r| r.tokens_per_second.median).collect();
            let peer: Vec<_> = peers.iter().filter_map(|p| p[&test].as_f64()).collect();
            let (ours, peer) = (Spread::of(&ours), (!peer.is_empty()).then(|| Spread::of(&peer)));
            let ratio = peer.map(|p| ours.median / p.median);
            let model = model.to_owned();
            let (before, rate, of_peak) = (None, None, None);
            Speed { model, threads, test, ours, peer, ratio, before, rate, of_peak }
        })
        .collect())
}

/// The one line of JSON that the peer prints last.
fn ask_peer(python: &str, model: &str, args: &str) -> Result<Value, String> {
    let mut command = Command::new(python);
    command.arg(root().join("smallmind-testkit/reference/speed.py"));
    command.arg(model_path(model)).args(args.split_whitespace());
    let text = output(&mut command)?;
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|e| format!("the peer does not print JSON: {e}: {line}"))
}

/// What a model's matrices cost.
pub(super) struct Work {
    /// Multiplications and additions a token of prefill, in all layers.
    operations: f64,
    /// Bytes that the decode of a token reads.
    bytes: f64,
}

impl Work {
    pub(super) fn of(binary: &Path, model: &str) -> Result<Self, String> {
        let file: Value = json(binary, &format!("inspect {model} --json"))?;
        let all = file["tensors"].as_array().ok_or("inspect shows no tensors")?;
        let name = |t: &Value| t["name"].as_str().unwrap_or_default().to_owned();
        let dims = |t: &Value| -> Vec<f64> {
            t["shape"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
        };
        let has_output = all.iter().any(|t| name(t) == "output.weight");
        let head = if has_output { "output.weight" } else { "token_embd.weight" };
        let mut work = Self { operations: 0.0, bytes: 0.0 };
        for tensor in all.iter().filter(|t| dims(t).len() == 2) {
            let in_layer = name(tensor).starts_with("blk.");
            if in_layer {
                work.operations += 2.0 * dims(tensor).iter().product::<f64>();
            }
            if in_layer || name(tensor) == head {
                work.bytes += tensor["bytes"].as_f64().ok_or("inspect shows no sizes")?;
            }
        }
        Ok(work)
    }
}

impl Speed {
    /// Holds a speed against the machine's peaks and the baseline.
    pub(super) fn relate(&mut self, work: &Work, peaks: &[Peaks], before: &[Row]) {
        let same =
            |r: &&Row| r.model == self.model && r.threads == self.threads && r.test == self.test;
        self.before = before.iter().find(same).map(|r| r.tokens_per_second.median);
        let Some(peaks) = peaks.iter().find(|p| p.threads == self.threads) else { return };
        // At a depth the cache is read too, so weights alone would say little.
        let (each, peak) = match &self.test {
            t if t.starts_with("pp") => (work.operations, peaks.int8_gop_s),
            t if !t.contains('@') => (work.bytes, peaks.read_gb_s),
            _ => return,
        };
        let rate = each * self.ours.median / 1e9;
        (self.rate, self.of_peak) = (Some(rate), Some(rate / peak));
    }
}

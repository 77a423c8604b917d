//! What it takes to start: time and memory.

use crate::Outcome;
use crate::command::{output, run, target};
use crate::endtoend::Spread;
use crate::peer::Peer;
use serde::Serialize;
use serde_json::Value;
use smallmind_testkit::{model_path, peak_rss};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const RUNS: usize = 5;
const PROMPT: &str = "The capital of France is";

/// A whole process that makes one token.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Start {
    pub(super) model: String,
    pub(super) container: &'static str,
    /// From start to exit.
    pub(super) seconds: Spread,
    /// llama.cpp's, without what Python takes to start.
    pub(super) peer: Option<Spread>,
    /// The part of it that loads the model, the median.
    pub(super) load_seconds: f64,
    /// The file's pages that it maps, included; `None` where the system does
    /// not say.
    pub(super) peak_rss_bytes: Option<u64>,
    pub(super) file_bytes: u64,
}

/// One of the files that a model starts from.
struct Contender {
    container: &'static str,
    file: PathBuf,
    seconds: Vec<f64>,
    loads: Vec<f64>,
}

impl Contender {
    fn new(container: &'static str, file: PathBuf) -> Self {
        Self { container, file, seconds: Vec::new(), loads: Vec::new() }
    }

    fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command.arg("run").arg(&self.file).args([PROMPT, "-n", "1", "--json"]);
        command
    }

    fn start(&mut self, binary: &Path) -> Outcome {
        let start = Instant::now();
        let text = output(&mut self.command(binary))?;
        self.seconds.push(start.elapsed().as_secs_f64());
        let result: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        let load = result["timings"]["load_seconds"].as_f64();
        self.loads.push(load.ok_or("smallmind run shows no load time")?);
        Ok(())
    }

    fn result(self, binary: &Path, model: &str, peers: &[f64]) -> Result<Start, String> {
        Ok(Start {
            model: model.to_owned(),
            container: self.container,
            seconds: Spread::of(&self.seconds),
            peer: (!peers.is_empty()).then(|| Spread::of(peers)),
            load_seconds: Spread::of(&self.loads).median,
            peak_rss_bytes: peak_rss(&mut self.command(binary)).map_err(|e| e.to_string())?,
            file_bytes: fs::metadata(&self.file).map_err(|e| e.to_string())?.len(),
        })
    }
}

/// Starts from GGUF, from `.smq` and llama.cpp's, in turn.
pub(super) fn measure(
    binary: &Path,
    model: &str,
    peer: Option<&Peer>,
) -> Result<Vec<Start>, String> {
    let (gguf, smq) = (model_path(model), target().join(format!("{model}.smq")));
    run(Command::new(binary).arg("convert").args([&gguf, &smq]))?;
    let mut contenders = [Contender::new("GGUF", gguf), Contender::new(".smq", smq)];
    let mut peers = Vec::new();
    for _ in 0..RUNS {
        for contender in &mut contenders {
            contender.start(binary)?;
        }
        peers.extend(peer.map(|peer| peer.measure_start(model)).transpose()?);
    }
    contenders.into_iter().map(|c| c.result(binary, model, &peers)).collect()
}

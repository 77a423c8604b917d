//! What it takes to start: time and memory.

use crate::command::output;
use crate::endtoend::Spread;
use crate::peer::Peer;
use serde::Serialize;
use serde_json::Value;
use smallmind_testkit::model_path;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const RUNS: usize = 5;
const PROMPT: &str = "The capital of France is";

/// A whole process that makes one token.
#[derive(Debug, Serialize)]
pub(super) struct Start {
    pub(super) model: String,
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

impl Start {
    pub(super) fn measure(binary: &Path, model: &str, peer: Option<&Peer>) -> Result<Self, String> {
        let file = model_path(model);
        let command = || {
            let mut command = Command::new(binary);
            command.arg("run").arg(&file).args([PROMPT, "-n", "1", "--json"]);
            command
        };
        let (mut seconds, mut loads, mut peers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let start = Instant::now();
            let text = output(&mut command())?;
            seconds.push(start.elapsed().as_secs_f64());
            let result: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
            let load = result["timings"]["load_seconds"].as_f64();
            loads.push(load.ok_or("smallmind run shows no load time")?);
            peers.extend(peer.map(|peer| peer.measure_start(model)).transpose()?);
        }
        let file_bytes = fs::metadata(&file).map_err(|e| e.to_string())?.len();
        let peak_rss_bytes = peak_rss(&mut command())?;
        let (seconds, load_seconds) = (Spread::of(&seconds), Spread::of(&loads).median);
        let peer = (!peers.is_empty()).then(|| Spread::of(&peers));
        let model = model.to_owned();
        Ok(Self { model, seconds, peer, load_seconds, peak_rss_bytes, file_bytes })
    }
}

/// The most memory a program holds, read every millisecond while it runs.
fn peak_rss(command: &mut Command) -> Result<Option<u64>, String> {
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|e| e.to_string())?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    while child.try_wait().map_err(|e| e.to_string())?.is_none() {
        let now = fs::read_to_string(&status).ok().and_then(|text| {
            let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        });
        peak = now.map(|kb| kb * 1024).or(peak);
        sleep(Duration::from_millis(1));
    }
    Ok(peak)
}

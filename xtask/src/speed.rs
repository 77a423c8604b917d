//! Tokens a second of whole models, ours and the peer's in turn.

use crate::command::say;
use crate::endtoend::{MODELS, Peaks, Row, Spread, json};
use crate::peer::Peer;
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::path::Path;

/// How often to measure.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Effort {
    /// In each, we and the peer run in turn.
    pub(crate) rounds: usize,
    /// Of each test in a round.
    pub(crate) repetitions: usize,
}

/// A speed and what it is held against.
#[derive(Debug, Serialize)]
pub(crate) struct Speed {
    pub(crate) model: String,
    pub(crate) threads: usize,
    /// As `smallmind bench` names it: pp512, tg128, tg64 @ d4096.
    pub(crate) test: String,
    pub(crate) ours: Spread,
    pub(crate) peer: Option<Spread>,
    /// Ours to the peer's in the same round.
    pub(crate) ratio: Option<Spread>,
    /// What the machine did at most in these rounds, which may vary.
    pub(crate) peaks: Peaks,
}

/// Tests that are measured together.
struct Run {
    ours: &'static [&'static str],
    /// It shows the prefill of a depth by itself.
    peer: &'static str,
    /// One round of one repetition has tokens enough.
    long: bool,
}

const RUNS: [Run; 2] = [
    Run { ours: &["-p 512 -n 128"], peer: "-p 512 -n 128", long: false },
    Run { ours: &["-p 4096 -n 0", "-p 0 -n 64 -d 4096"], peer: "-p 0 -n 64 -d 4096", long: true },
];

/// Every speed of both models, on one thread and on two.
pub(crate) fn measure(
    binary: &Path,
    peer: Option<&Peer>,
    effort: Effort,
) -> Result<Vec<Speed>, String> {
    let mut speeds = Vec::new();
    for model in MODELS {
        for threads in [1, 2] {
            for run in &RUNS {
                let new = speeds.len();
                speeds.extend(run.measure(binary, peer, effort, model, threads)?);
                speeds[new..].iter().for_each(|s| say(&s.to_string()));
            }
        }
    }
    Ok(speeds)
}

impl Run {
    fn measure(
        &self,
        binary: &Path,
        peer: Option<&Peer>,
        effort: Effort,
        model: &str,
        threads: usize,
    ) -> Result<Vec<Speed>, String> {
        let once = Effort { rounds: 1, repetitions: 1 };
        let effort = if self.long { once } else { effort };
        let common = format!("-t {threads} -r {}", effort.repetitions);
        let mut peaks = Peaks::measure(binary, threads)?;
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..effort.rounds {
            let mut rows = Vec::<Row>::new();
            for test in self.ours {
                let args = format!("bench {model} {test} {common} --json");
                rows.extend(json::<Vec<Row>>(binary, &args)?);
            }
            ours.push(rows);
            let args = format!("{} {common}", self.peer);
            peers.extend(peer.map(|p| p.measure(model, &args)).transpose()?);
            peaks = peaks.max(Peaks::measure(binary, threads)?);
        }
        Ok(join(&ours, &peers, peaks))
    }
}

/// The speeds of all rounds, a test each.
fn join(ours: &[Vec<Row>], peers: &[Value], peaks: Peaks) -> Vec<Speed> {
    let first = ours.first().into_iter().flatten();
    let speed = |Row { model, test, threads, .. }: &Row| {
        let rows = ours.iter().flatten().filter(|r| r.test == *test);
        let ours: Vec<_> = rows.map(|r| r.tokens_per_second.median).collect();
        let peers: Vec<_> = peers.iter().filter_map(|p| p[test].as_f64()).collect();
        let ratios: Vec<_> = ours.iter().zip(&peers).map(|(o, p)| o / p).collect();
        let some = |values: &[f64]| (!values.is_empty()).then(|| Spread::of(values));
        let (model, test, threads) = (model.clone(), test.clone(), *threads);
        let (ours, peer, ratio) = (Spread::of(&ours), some(&peers), some(&ratios));
        Speed { model, threads, test, ours, peer, ratio, peaks }
    };
    first.map(speed).collect()
}

impl Speed {
    /// Ours alone, as it is kept in a baseline.
    pub(crate) fn row(&self) -> Row {
        let (model, test) = (self.model.clone(), self.test.clone());
        Row { model, test, threads: self.threads, tokens_per_second: self.ours }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, threads, test, ours, peer, ratio, .. } = self;
        write!(f, "{model} {test} threads {threads}: {ours:.1} tokens/s")?;
        let (Some(peer), Some(ratio)) = (peer, ratio) else { return Ok(()) };
        write!(f, ", the peer {peer:.1}: {ratio:.2}")
    }
}

//! `cargo xtask report`: measures, and writes `reports/`.

mod chart;
mod dense;
mod kernels;
mod machine;
mod markdown;
mod memory;
mod retrieval;
mod share;
mod sharing;
mod start;
mod tokenizers;

use crate::Outcome;
use crate::command::{root, say};
use crate::endtoend::{self, MODELS, Row, binary};
use crate::options::Options;
use crate::speed::{self, Effort, Speed};
use dense::Dense;
use kernels::Products;
use machine::Machine;
use memory::Memory;
use serde::Serialize;
use share::{Share, Work};
use start::Start;
use std::collections::HashMap;
use std::path::Path;

/// A speed and what it is held against.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    speed: Speed,
    share: Option<Share>,
    /// The baseline's median.
    before: Option<f64>,
}

/// Everything the report says.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    #[serde(flatten)]
    effort: Effort,
    speeds: Vec<Line>,
    kernels: Vec<Products>,
    dense: Vec<Dense>,
    starts: Vec<Start>,
    memory: Vec<Memory>,
}

pub(crate) fn run(args: &[&str]) -> Outcome {
    let options = Options::parse(args)?;
    match options.others[..] {
        [] => {}
        ["tokenizers"] => return tokenizers::write(options.peer.as_ref()),
        ["sharing"] => return sharing::write(&options),
        ["retrieval", dataset] => return retrieval::write(dataset),
        ["retrieval"] => return Err("report retrieval takes a folder in BEIR's layout".to_owned()),
        [other, ..] => return Err(format!("report has no option {other}")),
    }
    let before = options.baseline.map_or_else(|| Ok(Vec::new()), endtoend::load)?;
    let report = measure(&options, &before)?;
    let folder = root().join("reports");
    let data = serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?;
    endtoend::write(&folder.join("benchmarks.json"), &(data + "\n"))?;
    for (name, svg) in chart::charts(&report.speeds) {
        endtoend::write(&folder.join(name), &svg)?;
    }
    endtoend::write(&folder.join("BENCHMARKS.md"), &markdown::write(&report))?;
    say("wrote reports/BENCHMARKS.md");
    sharing::write(&options)?;
    tokenizers::write(options.peer.as_ref())
}

fn measure(options: &Options<'_>, before: &[Row]) -> Result<Report, String> {
    let (binary, effort) = (binary()?, options.effort);
    let speeds = speed::measure(&binary, options.peer.as_ref(), effort)?;
    let speeds = lines(speeds, &binary, before)?;
    let kernels = kernels::measure(&binary)?;
    let dense = dense::measure(&binary, options.peer.as_ref())?;
    let peer = options.peer.as_ref();
    let start = |model: &&str| start::measure(&binary, model, peer);
    let starts = MODELS.iter().map(start).collect::<Result<Vec<_>, _>>()?.concat();
    let memory = memory::measure(&MODELS)?;
    Ok(Report { machine: Machine::this()?, effort, speeds, kernels, dense, starts, memory })
}

/// Holds speeds against the peaks and the baseline.
fn lines(speeds: Vec<Speed>, binary: &Path, before: &[Row]) -> Result<Vec<Line>, String> {
    let work = |model: &str| Ok((model.to_owned(), Work::of(binary, model)?));
    let work: HashMap<_, _> = MODELS.into_iter().map(work).collect::<Result<_, String>>()?;
    let line = |speed: Speed| {
        let same =
            |r: &&Row| r.model == speed.model && r.threads == speed.threads && r.test == speed.test;
        let before = before.iter().find(same).map(|r| r.tokens_per_second.median);
        let share = work.get(&speed.model).and_then(|work| Share::of(&speed, work));
        Line { speed, share, before }
    };
    Ok(speeds.into_iter().map(line).collect())
}

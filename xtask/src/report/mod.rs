//! `cargo xtask report`: measures, and writes `reports/`.

mod chart;
mod machine;
mod markdown;
mod speed;
mod start;

use crate::Outcome;
use crate::command::{root, say};
use crate::endtoend::{self, MODELS, Row, binary, json};
use machine::Machine;
use serde::{Deserialize, Serialize};
use speed::Speed;
use start::Start;

/// What the command line asks for.
struct Options<'a> {
    /// A Python that has llama-cpp-python, to measure llama.cpp in turn.
    peer: Option<&'a str>,
    baseline: Option<&'a str>,
    rounds: usize,
    repetitions: usize,
}

/// A row of `smallmind bench --peaks --json`.
#[derive(Debug, Serialize, Deserialize)]
struct Peaks {
    threads: usize,
    read_gb_s: f64,
    f32_gflop_s: f64,
    int8_gop_s: f64,
}

/// Everything the report says.
#[derive(Debug, Serialize)]
struct Report {
    machine: Machine,
    peaks: Vec<Peaks>,
    rounds: usize,
    repetitions: usize,
    speeds: Vec<Speed>,
    starts: Vec<Start>,
}

pub(crate) fn run(args: &[&str]) -> Outcome {
    let options = parse(args)?;
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
    Ok(())
}

fn parse<'a>(args: &[&'a str]) -> Result<Options<'a>, String> {
    let mut options = Options { peer: None, baseline: None, rounds: 3, repetitions: 5 };
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        let value = *args.next().ok_or_else(|| format!("{arg} needs a value"))?;
        let count = || match value.parse() {
            Ok(n) if n > 0 => Ok(n),
            _ => Err(format!("{arg} is a number above 0, not {value}")),
        };
        match arg {
            "--peer" => options.peer = Some(value),
            "--baseline" => options.baseline = Some(value),
            "--rounds" => options.rounds = count()?,
            "-r" => options.repetitions = count()?,
            _ => return Err(format!("report has no option {arg}")),
        }
    }
    Ok(options)
}

fn measure(options: &Options<'_>, before: &[Row]) -> Result<Report, String> {
    let binary = binary()?;
    let peaks: Vec<Peaks> = json(&binary, "bench --peaks -t 1,2 --json")?;
    let (mut speeds, mut starts) = (Vec::new(), Vec::new());
    for model in MODELS {
        starts.push(Start::measure(&binary, model)?);
        speeds.extend(speed::measure(&binary, model, options)?);
    }
    let work = MODELS.map(|m| speed::Work::of(&binary, m));
    for (model, work) in MODELS.iter().zip(work) {
        let work = work?;
        for speed in speeds.iter_mut().filter(|s: &&mut Speed| s.model == *model) {
            speed.relate(&work, &peaks, before);
        }
    }
    let (rounds, repetitions) = (options.rounds, options.repetitions);
    Ok(Report { machine: Machine::this()?, peaks, rounds, repetitions, speeds, starts })
}

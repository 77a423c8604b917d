//! `cargo xtask bench`: micro-benchmarks, then whole models.

use crate::Outcome;
use crate::command::{cargo, run, say};
use crate::endtoend::{MODELS, Row, binary, json, save};

/// What a baseline is called where no name is given.
const BASELINE: &str = "baseline";

/// Runs both; arguments but `--baseline [NAME]` are criterion's.
pub(crate) fn run_all(args: &[&str]) -> Outcome {
    let (criterion, baseline) = match args.iter().position(|a| *a == "--baseline") {
        None => (args.to_vec(), None),
        Some(at) => {
            let name = args.get(at + 1).filter(|name| !name.starts_with('-'));
            let rest = at + 1 + usize::from(name.is_some());
            ([&args[..at], &args[rest..]].concat(), Some(*name.unwrap_or(&BASELINE)))
        }
    };
    let mut command = cargo("bench -p smallmind-benches --");
    run(command.args(criterion))?;
    let binary = binary()?;
    let mut rows: Vec<Row> = Vec::new();
    for model in MODELS {
        let args = format!("bench {model} -p 512 -n 128 -t 1,2 -r 5 --json");
        rows.extend(json::<Vec<Row>>(&binary, &args)?);
    }
    for Row { model, test, threads, tokens_per_second: s } in &rows {
        let (median, min, max) = (s.median, s.min, s.max);
        say(&format!("{model} {test} threads {threads}: {median:.1} ({min:.1} .. {max:.1}) tok/s"));
    }
    baseline.map_or(Ok(()), |name| save(name, &rows))
}

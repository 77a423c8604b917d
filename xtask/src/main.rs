//! `cargo xtask …`: everything that is done to the project, in Rust.

mod bench;
mod ci;
mod command;
mod conformance;
mod endtoend;
mod options;
mod peer;
mod report;
mod speed;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  bench        micro-benchmarks and whole models; --baseline [NAME] saves the latter
  ci           everything that must pass: format, house rules, clippy, documentation, tests
  conformance  the tokenizers against llama.cpp's ('conformance --help')
  models       fetches the two models that tests need
  report       measures and writes reports/BENCHMARKS.md, SHARING.md and TOKENIZERS.md
               ('report sharing' and 'report tokenizers' one of them alone);
               'report retrieval DIR', on a collection in BEIR's layout, RETRIEVAL.md;
               --baseline [NAME] shows before and after
  tidy         the house rules alone

Of bench and report:
  --peer [PYTHON]  measures llama.cpp in turn, by a Python that has llama-cpp-python;
                   sets one up under target/ where none is named
  --rounds N       how often the two take turns (3)
  -r N             repetitions of a test in a round (5)";

/// What a command says when it fails.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["bench", ref rest @ ..] => bench::run_all(rest),
        ["ci"] => ci::run_all(),
        ["conformance", ref rest @ ..] => conformance::run(rest).map_err(|e| e.to_string()),
        ["models"] => ci::models(),
        ["report", ref rest @ ..] => report::run(rest),
        ["tidy"] => tidy::run(),
        [] | ["help" | "-h" | "--help"] => {
            command::say(HELP);
            Ok(())
        }
        _ => Err(format!("no such command: {}\n\n{HELP}", args.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::say(&format!("xtask: {error}"));
            ExitCode::FAILURE
        }
    }
}

//! The `smallmind` command: language models on a CPU, from a terminal.

mod commands;
mod constraint;
mod error;
mod interrupt;
mod models;
mod output;
mod sampling;
mod session;
mod tokenizer;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// What `--help` says at the end of the first page.
const AFTER_HELP: &str = "\
MODEL is a GGUF or .smq file, a name that 'smallmind list' shows, or
hf:OWNER/REPOSITORY/FILE.gguf. Models that are missing are pulled first.

Examples:
  smallmind run smollm2-135m \"The capital of France is\"
  smallmind run model.gguf --temp 0.8 --seed 7 < prompt.txt
  smallmind bench smollm2-135m -t 1,2

Exit codes:
  0    done
  1    an error, said in one line on standard error
  2    wrong arguments
  130  interrupted (Ctrl-C)

Environment:
  SMALLMIND_HOME     where models are kept (default: the user's cache folder)
  SMALLMIND_KERNELS  forces kernels: scalar, avx2, avx512, neon, dotprod
  HF_ENDPOINT, HF_TOKEN, HTTPS_PROXY  for downloads";

/// Runs language models on a CPU: generate, inspect, tokenize, measure.
#[derive(Parser)]
#[command(name = "smallmind", version, after_help = AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<commands::run::Args>),
    Chat(Box<commands::chat::Args>),
    Pull(commands::pull::Args),
    List(commands::list::Args),
    Rm(commands::rm::Args),
    Inspect(commands::inspect::Args),
    Tokenize(commands::tokenize::Args),
    Bench(commands::bench::Args),
    Embed(commands::embed::Args),
    Quantize(commands::quantize::Args),
    #[cfg(feature = "rag")]
    Rag(commands::rag::Args),
    Convert(commands::convert::ConvertArgs),
    Verify(commands::convert::VerifyArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Run(args) => commands::run::run(&args),
        Command::Chat(args) => commands::chat::run(&args),
        Command::Pull(args) => commands::pull::run(&args),
        Command::List(args) => commands::list::run(&args),
        Command::Rm(args) => commands::rm::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Tokenize(args) => commands::tokenize::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Embed(args) => commands::embed::run(&args),
        Command::Quantize(args) => commands::quantize::run(&args),
        #[cfg(feature = "rag")]
        Command::Rag(args) => commands::rag::run(&args),
        Command::Convert(args) => commands::convert::run(&args),
        Command::Verify(args) => commands::convert::verify(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(message) = error.message() {
                // Where standard error is closed there is nobody to tell.
                drop(writeln!(std::io::stderr(), "{} {message}", output::error_label()));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

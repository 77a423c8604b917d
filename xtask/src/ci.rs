//! Everything that must pass before a change lands.

use crate::command::{cargo, output, run, say};
use crate::{Outcome, conformance, tidy};
use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A target that kernels must compile for though this machine may not run it.
const ARM: &str = "aarch64-unknown-linux-gnu";

/// Runs every step, and says how long each took.
pub(crate) fn run_all() -> Outcome {
    type Step = fn() -> Outcome;
    let steps: [(&str, Step); 8] = [
        ("format", format),
        ("tidy", tidy::run),
        ("clippy", clippy),
        ("documentation", documentation),
        ("arm", arm),
        ("models", models),
        ("conformance", || conformance::run(&[]).map_err(|e| e.to_string())),
        ("tests", tests),
    ];
    let mut times = Vec::new();
    for (name, step) in steps {
        let start = Instant::now();
        step().map_err(|e| format!("{name}: {e}"))?;
        times.push(format!("{name} {:.0} s", start.elapsed().as_secs_f64()));
    }
    say(&format!("\nxtask: all passed ({})", times.join(", ")));
    Ok(())
}

fn format() -> Outcome {
    run(&mut cargo("fmt --all --check"))
}

fn clippy() -> Outcome {
    run(&mut cargo("clippy --workspace --all-targets --all-features -- -D warnings"))
}

fn documentation() -> Outcome {
    let mut command = cargo("doc --workspace --no-deps --all-features");
    run(command.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Checks the ARM code where the target is installed, and runs the kernels'
/// tests where an emulator is, too (`CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER`).
fn arm() -> Outcome {
    let mut rustc = Command::new("rustc");
    let libraries = output(rustc.args(["--print", "target-libdir", "--target", ARM]));
    if !libraries.is_ok_and(|folder| Path::new(folder.trim()).is_dir()) {
        say(&format!("the target {ARM} is not installed: ARM code is not checked here"));
        return Ok(());
    }
    run(&mut cargo(&format!("check -p smallmind-engine --target {ARM}")))?;
    if env::var_os("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER").is_none() {
        say("no emulator is named: ARM code is checked, but not run");
        return Ok(());
    }
    run(&mut cargo(&format!("test -p smallmind-runtime --lib --test tiny_models --target {ARM}")))
}

/// Fetches the models that tests need.
pub(crate) fn models() -> Outcome {
    let names = "smollm2-135m gemma3-270m all-minilm-l6-v2";
    run(&mut cargo(&format!("run --release --quiet -p smallmind-cli -- pull {names}")))
}

fn tests() -> Outcome {
    run(&mut cargo("test --workspace --all-features"))
}

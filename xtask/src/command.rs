//! Runs other programs, in the root of the workspace.

use crate::Outcome;
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Prints a line on standard error.
pub(crate) fn say(text: &str) {
    // Where standard error is closed there is nobody to tell.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Cargo with some arguments, separated by spaces.
pub(crate) fn cargo(args: &str) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args.split_whitespace()).current_dir(root());
    command
}

/// Says what it runs, and runs it.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let name = name(command);
    say(&format!("\n$ {name}"));
    let status = command.status().map_err(|e| format!("cannot run '{name}': {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("'{name}' failed: {status}")) }
}

/// What a program prints.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = name(command);
    let output = command.output().map_err(|e| format!("cannot run '{name}': {e}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("'{name}' failed: {}\n{stderr}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("'{name}': {e}"))
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

//! House rules that no compiler checks.

use crate::Outcome;
use crate::command::{cargo, output, root};
use serde_json::Value;
use std::fs;
use std::process::Command;

/// Which of our crates each crate may import. `ARCHITECTURE.md` shows the same
/// table.
const LAYERS: &[(&str, &[&str])] = &[
    ("smallmind-abstractions", &[]),
    ("smallmind-tokenizers", &["smallmind-abstractions"]),
    ("smallmind-runtime", &["smallmind-abstractions"]),
    ("smallmind-engine", &["smallmind-abstractions", "smallmind-tokenizers", "smallmind-runtime"]),
    (
        "smallmind-rag",
        &[
            "smallmind-abstractions",
            "smallmind-tokenizers",
            "smallmind-runtime",
            "smallmind-engine",
        ],
    ),
    (
        "smallmind-cli",
        &[
            "smallmind-abstractions",
            "smallmind-tokenizers",
            "smallmind-runtime",
            "smallmind-engine",
            "smallmind-rag",
        ],
    ),
    ("smallmind-testkit", &[]),
];

/// Crates that only tests and automation may use, and so import what they like.
const OUTSIDE: &[&str] = &["xtask", "smallmind-benches"];

/// What a library may never import, features aside: it would bring I/O, HTTP
/// or JSON into layers that know nothing of them.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("smallmind-abstractions", &["memmap2", "rayon", "tracing", "serde_json", "ureq"]),
    ("smallmind-tokenizers", &["memmap2", "rayon", "serde_json", "ureq"]),
    ("smallmind-runtime", &["serde_json", "ureq", "clap", "fancy-regex"]),
    ("smallmind-engine", &["serde_json", "ureq", "clap", "memmap2", "bytemuck"]),
    // Retrieval alone stands without the language model; of the runtime it takes a kernel.
    ("smallmind-rag", &["smallmind-engine", "ureq", "clap"]),
];

/// What a README shows, in its order, is in examples that compile.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("README.md", &["smallmind-engine/examples/minimal.rs"]),
    (
        "smallmind-rag/README.md",
        &["smallmind-rag/examples/retrieval.rs", "smallmind-rag/examples/answers.rs"],
    ),
];

/// The longest source file, tests included: one that is longer does two things.
const MAX_LINES: usize = 500;

pub(crate) fn run() -> Outcome {
    let mut faults = Vec::new();
    layers(&mut faults)?;
    files(&mut faults)?;
    if faults.is_empty() { Ok(()) } else { Err(format!("\n  {}", faults.join("\n  "))) }
}

fn layers(faults: &mut Vec<String>) -> Outcome {
    let metadata = output(&mut cargo("metadata --format-version 1 --no-deps"))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|e| e.to_string())?;
    let architecture = read("ARCHITECTURE.md")?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        if OUTSIDE.contains(&name) {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(n, _)| *n == name) else {
            faults.push(format!("{name} has no place in the layers of xtask/src/tidy.rs"));
            continue;
        };
        let forbidden = FORBIDDEN.iter().find(|(n, _)| *n == name).map_or(&[][..], |(_, f)| f);
        for import in imports(package) {
            let ours = import.starts_with("smallmind-");
            if ours && !allowed.contains(&import) || forbidden.contains(&import) {
                faults.push(format!("{name} must not import {import}"));
            }
        }
        let short = |n: &str| format!("`{}`", n.trim_start_matches("smallmind-"));
        let row: Vec<_> = allowed.iter().map(|n| short(n)).collect();
        let row = if row.is_empty() { "nothing".to_owned() } else { row.join(", ") };
        let row = format!("| `{name}` | {row} |");
        if !architecture.contains(&row) {
            faults.push(format!("ARCHITECTURE.md lacks the row {row}"));
        }
    }
    Ok(())
}

/// What a package imports always: not its tests, nor what a feature adds.
fn imports(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let always = dependencies.filter(|d| d["kind"].is_null() && d["optional"] == false);
    always.filter_map(|d| d["name"].as_str())
}

fn files(faults: &mut Vec<String>) -> Outcome {
    let tracked = output(Command::new("git").args(["ls-files"]).current_dir(root()))?;
    for path in tracked.lines().filter(|p| *p != "Cargo.lock") {
        // What is no text has no rules.
        let Ok(text) = fs::read_to_string(root().join(path)) else { continue };
        for host in hosts() {
            if text.contains(&host) {
                faults.push(format!("{path} names the host {host}"));
            }
        }
        let lines = text.lines().count();
        if path.ends_with(".rs") && lines > MAX_LINES {
            faults.push(format!("{path} has {lines} lines; the most is {MAX_LINES}: divide it"));
        }
    }
    for (readme, examples) in EXAMPLES {
        let text = read(readme)?;
        let shown = text.split("```rust\n").skip(1).filter_map(|r| r.split("```").next());
        let shown: Vec<_> = shown.collect();
        for (i, example) in examples.iter().enumerate() {
            let source = read(example)?;
            if shown.get(i).is_none_or(|shown| !source.contains(shown)) {
                faults.push(format!("{readme}'s example {} is not in {example}", i + 1));
            }
        }
    }
    Ok(())
}

/// Package registries: they are used by package name, through their clients.
fn hosts() -> [String; 4] {
    [("crates", "io"), ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org")]
        .map(|(name, end)| format!("{name}.{end}"))
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|e| format!("cannot read {path}: {e}"))
}

//! Search in documents, as a user meets it.
#![cfg(feature = "rag")]
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use serde_json::Value;
use std::path::Path;
use std::process::Command;

const NOTES: [(&str, &str); 3] = [
    ("cars.md", "# Garage\n\nThe automobile needs new tyres before winter.\n"),
    ("tea.md", "# Kitchen\n\nSteep the leaves for three minutes.\n"),
    ("wings.md", "# Flight\n\nSwept wings delay shock waves.\n"),
];

fn smallmind(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smallmind"));
    let output = command.current_dir(folder).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_means_the_same_is_found_without_its_words() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in NOTES {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let files = NOTES.map(|(name, _)| name);
    // No word of the question is in the note.
    let search = ["rag", "search", "vehicle maintenance", "--json", "--limit", "1", "--store"];
    let first = |store: &str| -> Value {
        let text = smallmind(folder.path(), &[&search[..], &[store]].concat());
        serde_json::from_str::<Value>(&text).unwrap()[0]["source"].clone()
    };
    let add = |more: &[&str]| {
        smallmind(folder.path(), &[&["rag", "add"], &files[..], more].concat());
    };
    add(&["--store", "kb"]);
    assert!(first("kb").as_str().unwrap().ends_with("cars.md"), "{}", first("kb"));
    add(&["--store", "words", "--words-only"]);
    assert_eq!(first("words"), Value::Null);
}

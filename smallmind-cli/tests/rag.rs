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

/// A folder with the notes in a store.
fn notes() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in NOTES {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let files = NOTES.map(|(name, _)| name);
    smallmind(folder.path(), &[&["rag", "add"], &files[..], &["--store", "kb"]].concat());
    folder
}

/// What `rag ask` says to a question, in words and as JSON.
fn ask(folder: &Path, question: &str, more: &[&str]) -> (String, Value) {
    let ask =
        [&["rag", "ask", question, "--store", "kb", "-n", "48", "--limit", "2"], more].concat();
    let json = smallmind(folder, &[&ask[..], &["--json"]].concat());
    (smallmind(folder, &ask), serde_json::from_str(&json).unwrap())
}

#[test]
fn answers_cite_passages_that_were_given() {
    let folder = notes();
    for rerank in [&[][..], &["--rerank", "smollm2-135m"]] {
        let question = "For how many minutes should the leaves steep?";
        let (text, json) = ask(folder.path(), question, rerank);
        let answer = json["answer"].as_str().unwrap();
        assert!(answer.contains("3 minutes"), "{json}");
        let sources = json["sources"].as_array().unwrap();
        assert!(sources[0]["source"].as_str().unwrap().ends_with("tea.md"), "{json}");
        assert_eq!(sources[0]["lines"], serde_json::json!([1, 4]));
        // The passage that says so, and no other.
        assert!(answer.contains("[1]") && !answer.contains("[2]"), "{json}");
        assert_eq!((sources.len(), &json["cited"]), (2, &serde_json::json!([1])));
        assert_eq!(json["removed"], serde_json::json!([]));
        // The same in words, sources first.
        assert!(text.starts_with("[1] ") && text.contains("tea.md:1"), "{text}");
        assert!(text.trim_end().ends_with(answer.trim_end()), "{text}");
    }
}

#[test]
fn what_is_not_in_the_documents_is_not_answered() {
    let folder = notes();
    for question in ["What is the capital of France?", "Who wrote the Iliad?", "the of"] {
        let (text, json) = ask(folder.path(), question, &[]);
        assert_eq!(text.trim(), "Not in these documents.", "{question}");
        assert_eq!(json["answer"], Value::Null, "{question}");
        assert_eq!(json["reason"], "insufficient evidence");
    }
}

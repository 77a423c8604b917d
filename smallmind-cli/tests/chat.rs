//! `smallmind chat` on a pipe.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_testkit::model_path;
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn chat(folder: &std::path::Path, lines: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_smallmind"))
        .arg("chat")
        .arg(model_path("smollm2-135m"))
        .args(["-n", "8", "--system", "Be short.", "--chats"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn lines_are_answered_and_chats_go_on_where_they_were_saved() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let whole = chat(folder, "Hello!\n/save monday\nWhat is a cat?\n/exit\nnever said\n");
    let first = chat(folder, "\nHello!\n");
    assert!(stdout(&whole).starts_with(stdout(&first)) && !stdout(&first).trim().is_empty());
    let rest = &stdout(&whole)[stdout(&first).len()..];
    assert!(!rest.trim().is_empty());
    assert_eq!(stdout(&chat(folder, "/load monday\nWhat is a cat?\n")), rest);
    let reset = chat(folder, "What is a cat?\n/reset\nHello!\n/regenerate\n");
    // Greedy, so that the same is said again.
    assert!(stdout(&reset).ends_with(&stdout(&first).repeat(2)));
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let output = chat(folder.path(), "/load tuesday\n/save a/b\n/dance\n/help\n");
    assert_eq!(stdout(&output), "");
    let stderr = String::from_utf8_lossy(&output.stderr);
    for said in ["no chat 'tuesday'", "'a/b' is no name", "no such command", "/regenerate"] {
        assert!(stderr.contains(said), "{said}: {stderr}");
    }
}

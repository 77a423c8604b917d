//! The binary, as a user meets it.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_testkit::{model_path, tiny_model};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PROMPT: &str = "The capital of France is";

fn smallmind(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smallmind"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(args: &[&str], input: &[u8]) -> Output {
    let mut child = smallmind(args).stdin(Stdio::piped()).spawn().unwrap();
    // A command that needs no input may be gone already.
    drop(child.stdin.take().unwrap().write_all(input));
    child.wait_with_output().unwrap()
}

fn stdout(args: &[&str], input: &[u8]) -> String {
    let output = output(args, input);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn smollm2() -> String {
    model_path("smollm2-135m").display().to_string()
}

#[test]
fn the_main_job() {
    let from_argument = output(&["run", &smollm2(), PROMPT, "-n", "8"], b"");
    let text = String::from_utf8(from_argument.stdout).unwrap();
    assert!(text.trim_start().starts_with("Paris."), "{text}");
    let summary = String::from_utf8(from_argument.stderr).unwrap();
    assert!(summary.contains("prefill 5 tokens") && summary.contains("decode 8 tokens"));
    assert_eq!(stdout(&["run", &smollm2(), "-n", "8"], PROMPT.as_bytes()), text);
    let threads = ["run", &smollm2(), PROMPT, "-n", "8", "--threads", "3"];
    assert_eq!(stdout(&threads, b""), text);
}

#[test]
fn json_holds_the_whole_result() {
    let text = stdout(&["run", &smollm2(), PROMPT, "-n", "4", "--json"], b"");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["usage"]["prompt_tokens"], 5);
    assert_eq!(json["tokens"].as_array().unwrap().len(), 4);
    assert_eq!(json["finish_reason"], "max_tokens");
    assert!(json["timings"]["decode_tokens_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn seeds_decide_what_is_sampled() {
    let sample = |seed: &str| {
        let sampling = ["--temp", "1.5", "--top-k", "0", "--top-p", "1", "--min-p", "0"];
        let model = smollm2();
        let mut args = vec!["run", &model, "Once", "-n", "12", "--seed", seed];
        args.extend(sampling);
        stdout(&args, b"")
    };
    assert_eq!(sample("1"), sample("1"));
    assert_ne!(sample("1"), sample("2"));
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let mut child = smallmind(&["run", &smollm2(), PROMPT, "-n", "2000"]).spawn().unwrap();
    let mut first = [0];
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_exact(&mut first).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_it_and_the_summary_is_printed() {
    let mut child =
        smallmind(&["run", &smollm2(), "Once upon a time", "-n", "-1"]).spawn().unwrap();
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let summary = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{summary}");
    assert!(summary.contains("decode") && summary.contains("interrupted"), "{summary}");
}

#[test]
fn tokens_go_there_and_back_byte_for_byte() {
    let text = "Grüße,\n\n  世界 🦀 <|im_end|>\t.".as_bytes();
    for name in ["smollm2-135m", "gemma3-270m"] {
        let model = model_path(name).display().to_string();
        let ids = stdout(&["tokenize", "--model", &model, "--ids"], text);
        let parsed: Vec<u32> = serde_json::from_str(&ids).unwrap();
        assert!(parsed.len() > 8);
        let back = output(&["tokenize", "--model", &model, "--decode"], ids.as_bytes());
        assert_eq!(String::from_utf8_lossy(&back.stdout), String::from_utf8_lossy(text), "{name}");
        let special = stdout(&["tokenize", "--model", &model, "--ids", "--special"], text);
        assert_eq!(special == ids, name == "gemma3-270m", "{name}: {special}");
        let shown = stdout(&["tokenize", "--model", &model, "--show"], text);
        assert_eq!(shown.lines().count(), parsed.len());
    }
}

#[test]
fn inspect_tells_everything() {
    let text = stdout(&["inspect", &smollm2(), "--json"], b"");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["metadata"]["llama.block_count"], 30);
    assert_eq!(json["metadata"]["tokenizer.ggml.tokens"].as_array().unwrap().len(), 49152);
    assert_eq!(json["tensors"].as_array().unwrap().len(), 272);
    assert_eq!(json["tokenizer"]["vocab_size"], 49152);
    let table = stdout(&["inspect", &smollm2()], b"");
    assert!(table.contains("blk.0.attn_q.weight") && table.contains("[576, 576]"));
}

#[test]
fn findings_on_a_tokenizer_are_shown_and_can_be_refused() {
    let mut file = tiny_model("llama");
    file.remove("tokenizer.ggml.pre");
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), file.bytes()).unwrap();
    let model = path.path().display().to_string();
    let code = "TOKENIZER_PRETOKENIZER_MISSING";
    assert!(stdout(&["inspect", &model], b"").contains(code));
    let json: serde_json::Value =
        serde_json::from_str(&stdout(&["inspect", &model, "--json"], b"")).unwrap();
    assert_eq!(json["tokenizer"]["issues"][0]["code"], code);
    assert_eq!(json["tokenizer"]["issues"][0]["severity"], "warning");
    let chosen = stdout(&["inspect", &model, "--pre-tokenizer", "qwen2"], b"");
    assert!(chosen.contains("pre-tokenizer qwen2"), "{chosen}");
    for args in
        [&["tokenize", "--strict", "--model", &model][..], &["run", "--strict", &model, "x"]]
    {
        let refused = output(args, b"x");
        assert_eq!(refused.status.code(), Some(1));
        let stderr = String::from_utf8(refused.stderr).unwrap();
        assert!(stderr.contains("'tokenizer.ggml.pre' is not there"), "{stderr}");
    }
}

#[test]
fn bench_prints_a_row_a_test() {
    let args = ["bench", &smollm2(), "-p", "8", "-n", "2", "-t", "1,2", "-r", "3", "--json"];
    let rows: serde_json::Value = serde_json::from_str(&stdout(&args, b"")).unwrap();
    let tests: Vec<_> = rows.as_array().unwrap().iter().map(|r| &r["test"]).collect();
    assert_eq!(tests, ["pp8", "tg2", "pp8", "tg2"]);
    for row in rows.as_array().unwrap() {
        let rate = |key: &str| row["tokens_per_second"][key].as_f64().unwrap();
        assert!(
            0.0 < rate("min") && rate("min") <= rate("median") && rate("median") <= rate("max")
        );
    }
}

#[test]
fn errors_are_one_line_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.gguf");
    std::fs::write(&junk, b"not a model").unwrap();
    let junk = junk.display().to_string();
    let cases: [(&[&str], &str, i32); 5] = [
        (&["run", "no-such-model", "x"], "smollm2-135m", 1),
        (&["run", "missing.gguf", "x"], "missing.gguf", 1),
        (&["inspect", &junk], "expected 'GGUF'", 1),
        (&["run", "hf:../x.gguf", "x"], "hf:owner/repository/file.gguf", 1),
        (&["run", "model.gguf", "x", "--temp", "warm"], "warm", 2),
    ];
    for (args, expected, code) in cases {
        let output = output(args, b"");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(expected), "{args:?}: {stderr}");
        assert!(code == 2 || stderr.lines().count() == 1, "{args:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn an_empty_store_is_listed_and_nothing_is_removed_from_it() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = smallmind(args).env("SMALLMIND_HOME", home.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let list: serde_json::Value = serde_json::from_str(&run(&["list", "--json"])).unwrap();
    assert!(list.as_array().unwrap().iter().all(|m| m["path"].is_null()));
    assert!(run(&["rm", "smollm2-135m"]).contains("was not here"));
    assert!(!Path::new(home.path()).join("models").exists());
}

#[test]
fn help_has_examples_and_exit_codes() {
    let help = stdout(&["--help"], b"");
    assert!(help.contains("Exit codes") && help.contains("130"));
    for command in ["run", "pull", "inspect", "tokenize", "bench"] {
        assert!(stdout(&[command, "--help"], b"").contains("Examples:"), "{command}");
    }
}

#[test]
fn models_are_quantized() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.gguf").display().to_string();
    let table = stdout(&["quantize", &smollm2(), &out, "--type", "q6_k"], b"");
    assert!(table.contains("| token_embd.weight") && table.contains("272 tensors"), "{table}");
    let text = stdout(&["run", &out, PROMPT, "-n", "8"], b"");
    assert!(text.trim_start().starts_with("Paris."), "{text}");
    let panels = folder.path().join("out.smq").display().to_string();
    stdout(&["quantize", &smollm2(), &panels, "-t", "Q6_K"], b"");
    assert_eq!(stdout(&["run", &panels, PROMPT, "-n", "8"], b""), text);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    let wrong = output(&["quantize", &out, &out, "-t", "Q8_0"], b"");
    assert_eq!(wrong.status.code(), Some(2));
    let unknown = output(&["quantize", &out, "x", "-t", "Q9"], b"");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("Q4_K_M"));
}

#[test]
fn models_are_converted_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.smq").display().to_string();
    stdout(&["convert", &smollm2(), &out], b"");
    let run = |model: &str| stdout(&["run", model, PROMPT, "-n", "8"], b"");
    assert_eq!(run(&out), run(&smollm2()));
    assert!(stdout(&["verify", &out], b"").contains("272 checksums met"));
    assert!(stdout(&["verify", &smollm2()], b"").contains("272 tensors in their places"));
    let mut bytes = std::fs::read(&out).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&out, bytes).unwrap();
    for command in [&["verify", &out][..], &["run", &out, PROMPT, "-n", "1"]] {
        let damaged = output(command, b"");
        assert_eq!(damaged.status.code(), Some(1));
        let stderr = String::from_utf8_lossy(&damaged.stderr);
        assert!(stderr.contains("data of tensor '") && stderr.contains("checksum"), "{stderr}");
    }
}

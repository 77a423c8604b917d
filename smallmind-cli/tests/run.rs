//! What `smallmind run` can be asked for beside a prompt.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_testkit::model_path;
use std::process::{Command, Output};

const PROMPT: &str = "The capital of France is";

fn run(args: &[&str]) -> Output {
    let model = model_path("smollm2-135m");
    let mut command = Command::new(env!("CARGO_BIN_EXE_smallmind"));
    command.arg("run").arg(model).arg(PROMPT).args(args).output().unwrap()
}

fn json(args: &[&str]) -> serde_json::Value {
    let output = run(&[args, &["--json"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_option_reaches_the_sampler() {
    let plain = json(&["-n", "8"]);
    assert_eq!(plain["logprobs"].as_array().unwrap().len(), 0);
    let first = plain["tokens"][0].to_string();
    let told = json(&["-n", "2", "--logprobs", "3"]);
    assert_eq!(told["logprobs"][0]["top"].as_array().unwrap().len(), 3);
    assert_eq!(told["logprobs"][0]["top"][0]["token"].to_string(), first);
    for changed in [
        &["--logit-bias", &format!("{first}-inf")][..],
        &["--repeat-penalty", "3", "--repeat-last-n", "-1"],
        &["--frequency-penalty", "9"],
        &["--presence-penalty", "9"],
        &["--temp", "2", "--seed", "3"],
        &["--temp", "1", "--mirostat", "2", "--mirostat-ent", "9", "--mirostat-lr", "1"],
        &["--temp", "0.1", "--xtc-probability", "1", "--xtc-threshold", "0.001"],
    ] {
        assert_ne!(
            json(&[changed, &["-n", "8"]].concat())["tokens"],
            plain["tokens"],
            "{changed:?}"
        );
    }
    // It takes a while until something is repeated.
    let long = json(&["-n", "64"]);
    let dry = ["-n", "64", "--dry-multiplier", "9", "--dry-sequence-breaker", "none"];
    assert_ne!(json(&dry)["tokens"], long["tokens"]);
    for same in [
        &["--temp", "3", "--top-k", "1"][..],
        &["--temp", "3", "--top-nsigma", "0.0001"],
        &["--temp", "3", "--top-p", "0.000001"],
        &["--temp", "3", "--min-p", "1"],
    ] {
        assert_eq!(json(&[same, &["-n", "8"]].concat())["tokens"], plain["tokens"], "{same:?}");
    }
}

#[test]
fn texts_end_where_asked_and_begin_with_the_prompt() {
    let stopped = json(&["-n", "8", "--stop", "."]);
    assert_eq!(stopped["finish_reason"], "stop_sequence");
    let echoed = json(&["-n", "4", "--echo"]);
    assert!(echoed["text"].as_str().unwrap().starts_with(PROMPT));
    let ended = json(&["-n", "4", "--logit-bias", "2+100000"]);
    assert_eq!(ended["finish_reason"], "end_of_generation");
    let ignored = json(&["-n", "4", "--logit-bias", "2+100000", "--ignore-eos"]);
    assert_eq!(ignored["finish_reason"], "max_tokens");
}

#[test]
fn several_completions_have_a_seed_each() {
    let args = ["-n", "6", "--temp", "1.5", "--json", "--completions", "2", "--seed", "4"];
    let output = run(&args);
    let completions: Vec<serde_json::Value> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(completions.len(), 2);
    for (completion, seed) in completions.iter().zip(["4", "5"]) {
        let alone = json(&["-n", "6", "--temp", "1.5", "--seed", seed]);
        assert_eq!(completion["tokens"], alone["tokens"]);
    }
}

#[test]
fn options_out_of_range_are_refused() {
    for (args, named) in [
        (&["--typical", "2"][..], "typical_p"),
        (&["--mirostat", "1"], "mirostat"),
        (&["--logit-bias", "x"], "logit-bias"),
        (&["--json", "--logprobs", "21"], "logprobs"),
    ] {
        let output = run(args);
        assert!(!output.status.success());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(named), "{stderr}");
    }
}

#[test]
fn texts_follow_schemas_grammars_and_regular_expressions() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let schema = file("schema.json", r#"{"enum": [{"city": "Paris"}, {"city": "Rome"}]}"#);
    let lark = file("grammar.lark", r#"start: "Paris" | "Rome""#);
    let gbnf = file("grammar.gbnf", r#"root ::= "Pa" "ris" | "Rome""#);
    let text = |args: &[&str]| json(args)["text"].as_str().unwrap().to_owned();
    assert_eq!(text(&["--json-schema", &schema]), r#"{"city": "Paris"}"#);
    assert!(["Paris", "Rome"].contains(&text(&["--grammar", &lark]).as_str()));
    assert!(["Paris", "Rome"].contains(&text(&["--grammar", &gbnf]).as_str()));
    assert_eq!(text(&["--regex", "[0-9]{3}"]).len(), 3);
    let unknown = file("unknown.json", r#"{"not": {}}"#);
    let refused = run(&["--json-schema", &unknown]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not supported: [\"not\"]"));
}

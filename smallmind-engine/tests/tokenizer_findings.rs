//! Every reason code, from a file through model loading.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{CancellationToken, ReasonCode};
use smallmind_engine::{Engine, EngineOptions, Error, GgufTokenizerFactory};
use smallmind_runtime::container::{ModelFile, convert};
use smallmind_testkit::{Gguf, Value, tiny_model};
use smallmind_tokenizers::reason;
use std::path::Path;

const TOKENS: &str = "tokenizer.ggml.tokens";
const MERGES: &str = "tokenizer.ggml.merges";
const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";

/// The codes that loading a changed model gives: of findings, or of the error.
/// A file converted to `.smq` gives the same.
fn codes(name: &str, change: impl FnOnce(&mut Gguf)) -> Vec<ReasonCode> {
    codes_with(GgufTokenizerFactory::new(), name, change)
}

fn codes_with(
    tokenizer: GgufTokenizerFactory,
    name: &str,
    change: impl FnOnce(&mut Gguf),
) -> Vec<ReasonCode> {
    let mut file = tiny_model(name);
    change(&mut file);
    let folder = tempfile::tempdir().unwrap();
    let [gguf, smq] = ["model.gguf", "model.smq"].map(|name| folder.path().join(name));
    std::fs::write(&gguf, file.bytes()).unwrap();
    let never = CancellationToken::new();
    convert(&ModelFile::open(&gguf).unwrap(), &smq, &mut |_| {}, &never).unwrap();
    let options = EngineOptions { threads: Some(1), tokenizer, ..Default::default() };
    let codes = codes_of(&gguf, options.clone());
    assert_eq!(codes_of(&smq, options), codes, "from .smq");
    codes
}

fn codes_of(path: &Path, options: EngineOptions) -> Vec<ReasonCode> {
    match Engine::load(path, options, &CancellationToken::new()) {
        Ok(engine) => {
            let issues = &engine.tokenizer().diagnostics().issues;
            assert!(issues.iter().all(|issue| issue.message.len() > 20), "{issues:?}");
            issues.iter().map(|issue| issue.code).collect()
        }
        Err(Error::Tokenizer(error)) => {
            assert!(error.to_string().len() > 20, "{error}");
            vec![error.code()]
        }
        Err(other) => panic!("{other}"),
    }
}

/// As many tokens as the model has, the first of them these.
fn tokens(first: &[&str]) -> Value {
    let rest = (first.len()..283).map(|i| format!("token {i}"));
    let tokens: Vec<_> = first.iter().map(|t| (*t).to_owned()).chain(rest).collect();
    tokens.as_slice().into()
}

#[test]
fn a_sound_file_has_no_findings() {
    assert_eq!(codes("llama", |_| ()), []);
    assert_eq!(codes("gemma3", |_| ()), []);
}

#[test]
fn without_a_name_what_can_be_built_is_built() {
    let found = codes("llama", |f| f.remove(MODEL));
    assert_eq!(found, [reason::METADATA_MISSING, reason::FALLBACK_BYTE_BPE]);
    let found = codes("llama", |f| {
        f.remove(MODEL);
        f.remove(MERGES);
    });
    assert_eq!(found, [reason::METADATA_MISSING, reason::FALLBACK_TOKENTABLE_ONLY]);
    let found = codes("llama", |f| f.remove(MERGES));
    assert_eq!(found, [reason::MERGES_MISSING, reason::FALLBACK_TOKENTABLE_ONLY]);
    let nothing = codes("llama", |f| f.keys.retain(|(key, _)| !key.starts_with("tokenizer.")));
    assert_eq!(nothing, [reason::METADATA_MISSING]);
}

#[test]
fn names_that_are_not_known_are_refused() {
    assert_eq!(codes("llama", |f| f.set(MODEL, "nonesuch".into())), [reason::MODEL_UNSUPPORTED]);
    assert_eq!(codes("llama", |f| f.set(PRE, "nonesuch".into())), [reason::PRETOKENIZER_UNKNOWN]);
    assert_eq!(codes("llama", |f| f.remove(PRE)), [reason::PRETOKENIZER_MISSING]);
}

#[test]
fn partial_vocabularies_are_said() {
    let partial = [reason::VOCAB_PARTIAL];
    assert_eq!(codes("llama", |f| f.remove(TOKENS)), partial);
    assert_eq!(codes("llama", |f| f.set(TOKENS, (&[] as &[String]).into())), partial);
    assert_eq!(codes("llama", |f| f.set(TOKENS, (&[1i32, 2][..]).into())), partial);
    assert_eq!(codes("gemma3", |f| f.set("tokenizer.ggml.scores", (&[0f32][..]).into())), partial);
    let types = "tokenizer.ggml.token_type";
    assert_eq!(codes("llama", |f| f.set(types, (&[1i32][..]).into())), partial);
    assert_eq!(codes("llama", |f| f.set(types, (&[1u8; 283][..]).into())), partial);
    for odd in ["", "token 9"] {
        let found = codes("llama", |f| f.set(TOKENS, tokens(&["a", "b", odd, "c"])));
        assert!(found.contains(&reason::VOCAB_PARTIAL), "{odd:?}: {found:?}");
    }
}

#[test]
fn merges_that_cannot_be_are_said() {
    let merges = |list: &[&str]| -> Value {
        list.iter().map(|m| (*m).to_owned()).collect::<Vec<_>>().as_slice().into()
    };
    let invalid = [reason::MERGES_INVALID];
    assert_eq!(codes("llama", |f| f.set(MERGES, merges(&["t h", "t h"]))), invalid);
    assert_eq!(codes("llama", |f| f.set(MERGES, merges(&["t h", "nonesuch h"]))), invalid);
    assert_eq!(codes("llama", |f| f.set(MERGES, merges(&["th"]))), invalid);
}

#[test]
fn special_tokens_that_are_none_are_said() {
    let id = |name: &str| format!("tokenizer.ggml.{name}_token_id");
    let outside = [reason::SPECIAL_ID_OUT_OF_RANGE];
    assert_eq!(codes("llama", |f| f.set(&id("bos"), 1_000_000u32.into())), outside);
    assert_eq!(codes("llama", |f| f.set(&id("padding"), u64::MAX.into())), outside);
    assert_eq!(codes("llama", |f| f.set(&id("fim_mid"), "three".into())), outside);
    assert_eq!(codes("llama", |f| f.set(&id("mask"), (-1i32).into())), []);
    let missing = codes("llama", |f| {
        f.set(PRE, "glm4".into());
        f.set(&id("bos"), (-1i32).into());
        f.set("tokenizer.ggml.add_bos_token", true.into());
    });
    assert_eq!(missing, [reason::SPECIAL_TOKEN_MISSING]);
}

#[test]
fn tokens_that_are_not_what_they_seem_are_said() {
    let found = codes("llama", |f| f.set(TOKENS, tokens(&["a", "</s>"])));
    assert!(
        found.contains(&reason::TOKEN_TYPE_OVERRIDDEN) || found.contains(&reason::BYTES_MISSING)
    );
    let found = codes("llama", |f| f.set("tokenizer.ggml.token_type", (&[1i32; 283][..]).into()));
    assert_eq!(found, [reason::TOKEN_TYPE_OVERRIDDEN]);
    let found = codes("llama", |f| f.set(TOKENS, tokens(&["a", "b"])));
    assert!(found.contains(&reason::BYTES_MISSING), "{found:?}");
}

#[test]
fn numbers_that_are_none_and_damaged_tables_are_said() {
    let scores = "tokenizer.ggml.scores";
    let found = codes("gemma3", |f| f.set(scores, (&[f32::NAN; 378][..]).into()));
    assert_eq!(found, [reason::SCORES_NOT_NUMBERS]);
    let found = codes("gemma3", |f| {
        f.set(MODEL, "t5".into());
        f.set("tokenizer.ggml.precompiled_charsmap", (&[1u8, 2, 3, 4, 5][..]).into());
    });
    assert_eq!(found, [reason::CHARSMAP_INVALID]);
}

#[test]
fn a_model_without_a_vocabulary_takes_ids() {
    let found = codes("llama", |f| {
        f.keys.retain(|(key, _)| !key.starts_with("tokenizer."));
        f.set(MODEL, "none".into());
        f.set("llama.vocab_size", 283u32.into());
    });
    assert_eq!(found, [reason::NO_VOCABULARY]);
}

#[test]
fn a_strict_engine_refuses_what_would_be_a_warning() {
    let path = tempfile::NamedTempFile::new().unwrap();
    let mut file = tiny_model("llama");
    file.remove(PRE);
    std::fs::write(path.path(), file.bytes()).unwrap();
    let load = |strict| {
        let tokenizer = GgufTokenizerFactory::new().strict(strict);
        let options = EngineOptions { threads: Some(1), tokenizer, ..Default::default() };
        Engine::load(path.path(), options, &CancellationToken::new())
    };
    assert!(load(false).is_ok());
    let Err(Error::Tokenizer(error)) = load(true) else { panic!("a warning was let through") };
    assert_eq!(error.code(), reason::PRETOKENIZER_MISSING);
}

#[test]
fn a_chosen_rule_stands_in_for_one_that_is_not_known() {
    let chosen = GgufTokenizerFactory::new().pre_tokenizer("qwen2");
    let found = codes_with(chosen, "llama", |f| f.set(PRE, "nonesuch".into()));
    assert_eq!(found, [reason::PRETOKENIZER_UNKNOWN]);
    let wrong = GgufTokenizerFactory::new().pre_tokenizer("nonesuch");
    let found = codes_with(wrong, "llama", |f| f.remove(PRE));
    assert_eq!(found, [reason::PRETOKENIZER_UNKNOWN]);
}

//! `tokenizer.json` there and back, with the crate `tokenizers` as the oracle.
#![cfg(feature = "hf")]
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{EncodeOptions, Metadata, Tokenizer};
use smallmind_runtime::container::ModelFile;
use smallmind_testkit::model_path;
use smallmind_tokenizers::{Error, GgufTokenizerFactory, hf};
use std::sync::Arc;
use tokenizers::Tokenizer as Theirs;

const TEXTS: &[&str] = &[
    "Hello, world! It's 2024, isn't it? I'LL see.",
    "fn main() {\n    println!(\"{}\", 1 + 22 + 333);\n}\n\n\n",
    "   leading,  double   and trailing spaces   ",
    "Grüße aus München, 日本語のテキスト, 中文，한국어, Привет мир",
    "🦀🚀 👍🏽 \u{200d} \u{301} tabs\t\tand\r\nlines",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaa 1234567890",
    "",
    " ",
];

fn build(metadata: &Metadata) -> Arc<dyn Tokenizer> {
    GgufTokenizerFactory::new().build(metadata).unwrap()
}

fn check(name: &str) {
    let file = ModelFile::open(&model_path(name)).unwrap();
    let json = hf::save(file.metadata()).unwrap();
    let theirs: Theirs = json.parse().unwrap();
    let (ours, back) = (build(file.metadata()), build(&hf::load(json.as_bytes()).unwrap()));
    assert_eq!(ours.vocab_size(), back.vocab_size());
    let (a, b) = (ours.special(), back.special());
    assert_eq!((a.add_bos, a.add_eos, a.unk), (b.add_bos, b.add_eos, b.unk));
    for text in TEXTS {
        for add_special in [false, true] {
            let options = EncodeOptions { add_special, parse_special: false };
            let expected = ours.encode(text, options).unwrap();
            assert_eq!(back.encode(text, options).unwrap(), expected, "{name} {text:?}");
            let found = theirs.encode(*text, add_special).unwrap();
            assert_eq!(found.get_ids(), expected, "{name} {text:?}");
        }
    }
}

#[test]
fn byte_level_bpe_goes_there_and_back() {
    check("smollm2-135m");
}

#[test]
fn sentencepiece_goes_there_and_back() {
    check("gemma3-270m");
}

/// A small file of each kind, whose ids are those of `tokenizers`.
fn holds_to_the_oracle(json: &str, texts: &[&str]) {
    let (ours, theirs) = (build(&hf::load(json.as_bytes()).unwrap()), json.parse::<Theirs>());
    for text in texts {
        let options = EncodeOptions { add_special: true, parse_special: false };
        let found = ours.encode(text, options).unwrap();
        assert_eq!(
            found,
            theirs.as_ref().unwrap().encode(*text, true).unwrap().get_ids(),
            "{text:?}"
        );
    }
}

#[test]
fn wordpiece_is_loaded() {
    let vocab =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##want", "##ed", "cafe", "!", "the"];
    let added: Vec<_> = (0..5).map(|id| serde_json::json!({
        "id": id, "content": vocab[id], "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true,
    })).collect();
    let ids: serde_json::Map<_, _> =
        vocab.iter().enumerate().map(|(id, text)| ((*text).to_owned(), id.into())).collect();
    let frame = |name: &str| serde_json::json!({"SpecialToken": {"id": name, "type_id": 0}});
    let text = serde_json::json!({"Sequence": {"id": "A", "type_id": 0}});
    let json = serde_json::json!({
        "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [frame("[CLS]"), text, frame("[SEP]")], "pair": [text, text],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": ids},
    });
    holds_to_the_oracle(&json.to_string(), &["Unwanted CAFÉ!", "the  unknown", "the un"]);
}

#[test]
fn unigram_is_loaded() {
    let json = r#"{
        "added_tokens": [
            {"id": 0, "content": "<pad>", "single_word": false, "lstrip": false, "rstrip": false,
             "normalized": false, "special": true},
            {"id": 1, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
             "normalized": false, "special": true}],
        "normalizer": null,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always",
                          "split": true},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always",
                    "split": true},
        "model": {"type": "Unigram", "unk_id": 2, "byte_fallback": false,
                  "vocab": [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0], ["▁", -2.0],
                            ["▁the", -3.0], ["th", -4.0], ["e", -4.5], ["▁cat", -5.0],
                            ["s", -5.5], ["t", -6.0], ["h", -6.5]]}
    }"#;
    holds_to_the_oracle(json, &["the cats", "the the", "het"]);
}

#[test]
fn what_gguf_has_no_word_for_is_refused() {
    for json in [
        "no json",
        r#"{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}"#,
        r#"{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}"#,
    ] {
        let error = hf::load(json.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::TokenizerJson { .. }), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

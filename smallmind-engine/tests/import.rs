//! Folders of sentence-transformers as GGUF.
#![cfg(feature = "import")]
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use serde_json::{Value, json};
use smallmind_abstractions::{CancellationToken, Embedder, EmbeddingRole};
use smallmind_engine::{EmbeddingModel, EmbeddingOptions, import};
use smallmind_testkit::Random;
use std::fs;
use std::path::Path;

const LENGTH: usize = 16;
const WORDS: [&str; 8] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##c"];

fn config() -> Value {
    json!({
        "model_type": "bert", "hidden_act": "gelu", "hidden_size": LENGTH,
        "intermediate_size": 2 * LENGTH, "num_hidden_layers": 1, "num_attention_heads": 2,
        "max_position_embeddings": 8, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
    })
}

fn tokenizer() -> Value {
    let special = |id: usize| json!({"id": id, "content": WORDS[id], "special": true, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false});
    let vocab: serde_json::Map<_, _> =
        (0..).zip(WORDS).map(|(i, word)| (word.to_owned(), json!(i))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": (0..5).map(special).collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}, "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocab},
    })
}

fn tensors() -> Vec<(String, Vec<usize>)> {
    let mut all = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![WORDS.len(), LENGTH]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![8, LENGTH]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, LENGTH]),
        ("pooler.dense.weight".to_owned(), vec![LENGTH, LENGTH]),
    ];
    let layer = "encoder.layer.0";
    let norms = ["embeddings.LayerNorm".to_owned()].into_iter().chain(
        ["attention.output.LayerNorm", "output.LayerNorm"].map(|part| format!("{layer}.{part}")),
    );
    let square = ["self.query", "self.key", "self.value", "output.dense"];
    let products = square.map(|part| (format!("{layer}.attention.{part}"), LENGTH, LENGTH));
    let inner = (format!("{layer}.intermediate.dense"), 2 * LENGTH, LENGTH);
    let outer = (format!("{layer}.output.dense"), LENGTH, 2 * LENGTH);
    for (name, rows, cols) in products.into_iter().chain([inner, outer]) {
        all.push((format!("{name}.weight"), vec![rows, cols]));
        all.push((format!("{name}.bias"), vec![rows]));
    }
    for name in norms {
        all.push((format!("{name}.weight"), vec![LENGTH]));
        all.push((format!("{name}.bias"), vec![LENGTH]));
    }
    all
}

fn write(folder: &Path, config: &Value, more: &[&str]) {
    let mut random = Random::new(5);
    let mut named = tensors();
    named.extend(more.iter().map(|name| ((*name).to_owned(), vec![1])));
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = named
        .into_iter()
        .map(|(name, shape)| {
            let values = (0..shape.iter().product()).map(|_| random.float());
            (name, shape, values.flat_map(|v: f32| v.to_le_bytes()).collect())
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    serialize_to_file(views, None, &folder.join("model.safetensors")).unwrap();
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer().to_string()).unwrap();
}

fn convert(folder: &Path) -> Result<std::path::PathBuf, String> {
    let to = folder.join("model.gguf");
    let never = CancellationToken::new();
    import::sentence_transformer(folder, &to, &never).map(|()| to).map_err(|e| e.to_string())
}

#[test]
fn a_folder_becomes_a_file_that_embeds() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &config(), &[]);
    let never = CancellationToken::new();
    let first = fs::read(convert(folder.path()).unwrap()).unwrap();
    let path = convert(folder.path()).unwrap();
    assert!(fs::read(&path).unwrap() == first);
    let model = EmbeddingModel::load(path, EmbeddingOptions::default(), &never).unwrap();
    // [CLS] A ##C b [SEP]
    assert_eq!(model.count("AC b", EmbeddingRole::Document).unwrap(), 5);
    let vectors = model.embed(&["AC b", "b"], EmbeddingRole::Document, &never).unwrap();
    assert!(vectors[..LENGTH] != vectors[LENGTH..]);
}

#[test]
fn texts_are_cut_where_the_folder_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path, &config(), &[]);
    let never = CancellationToken::new();
    let load = |length: Value| {
        let text = json!({"max_seq_length": length, "do_lower_case": false}).to_string();
        fs::write(path.join("sentence_bert_config.json"), text).unwrap();
        let model = EmbeddingModel::load(convert(path)?, EmbeddingOptions::default(), &never);
        Ok::<_, String>(model.unwrap())
    };
    for (length, expected) in [(json!(6), 6), (Value::Null, 8), (json!(4000), 8)] {
        let model = load(length).unwrap();
        assert_eq!(model.context_length(), expected);
        // [CLS] and [SEP] take two.
        let texts = ["b ".repeat(100), "b ".repeat(expected - 2), "b ".repeat(expected - 3)];
        let texts = texts.each_ref().map(String::as_str);
        let vectors = model.embed(&texts, EmbeddingRole::Document, &never).unwrap();
        assert_eq!(vectors[..LENGTH], vectors[LENGTH..2 * LENGTH]);
        assert_ne!(vectors[..LENGTH], vectors[2 * LENGTH..]);
    }
    assert!(load(json!("six")).unwrap_err().contains("max_seq_length is \"six\""));
}

#[test]
fn what_cannot_be_converted_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert!(convert(path).unwrap_err().contains("tokenizer.json"));
    let mut other = config();
    other["hidden_act"] = json!("relu");
    write(path, &other, &[]);
    assert!(convert(path).unwrap_err().contains("hidden_act is \"relu\""));
    write(path, &config(), &["encoder.layer.0.strange.weight"]);
    assert!(convert(path).unwrap_err().contains("encoder.layer.0.strange.weight"));
    write(path, &config(), &[]);
    let modules = |kind: &str| json!([{"type": format!("x.{kind}"), "path": "1_Pooling"}]);
    fs::write(path.join("modules.json"), modules("Dense").to_string()).unwrap();
    assert!(convert(path).unwrap_err().contains("module 'x.Dense'"));
    fs::write(path.join("modules.json"), modules("Pooling").to_string()).unwrap();
    assert!(convert(path).unwrap_err().contains("1_Pooling/config.json"));
    fs::remove_file(path.join("modules.json")).unwrap();
    let sound = fs::read(path.join("model.safetensors")).unwrap();
    let mut random = Random::new(1);
    for round in 0..300 {
        let mut bytes = sound.clone();
        bytes.truncate(if round % 3 == 0 { random.below(sound.len()) } else { sound.len() });
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len().clamp(1, 2000));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.bits() as u8;
            }
        }
        fs::write(path.join("model.safetensors"), &bytes).unwrap();
        if let Err(error) = convert(path) {
            assert!(error.contains("model.safetensors"), "{round}: {error}");
        }
    }
}

//! Texts to vectors: those of the definition, whatever else is embedded.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{CancellationToken, Embedder, EmbeddingRole, Error as AbstractError};
use smallmind_engine::{EmbeddingModel, EmbeddingOptions, Error};
use smallmind_testkit::{floats_of_hex, model_path, tiny_encoder, tiny_model};

fn minilm(threads: usize) -> EmbeddingModel {
    let options = EmbeddingOptions { threads: Some(threads), ..Default::default() };
    let never = CancellationToken::new();
    EmbeddingModel::load(model_path("all-minilm-l6-v2"), options, &never).unwrap()
}

fn tiny(name: &str) -> Result<EmbeddingModel, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, tiny_encoder(name).bytes()).unwrap();
    EmbeddingModel::load(file.path(), EmbeddingOptions::default(), &CancellationToken::new())
}

fn embed(model: &EmbeddingModel, texts: &[&str]) -> Vec<f32> {
    model.embed(texts, EmbeddingRole::Document, &CancellationToken::new()).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The vectors of `tests/reference/minilm.py`.
#[test]
fn vectors_are_those_of_the_definition() {
    let model = minilm(2);
    for line in include_str!("data/minilm_vectors.txt").lines() {
        let [tokens, hex, text]: [&str; 3] =
            line.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        let text = text.replace("\\n", "\n");
        let expected = floats_of_hex(hex);
        let count = model.count(&text, EmbeddingRole::Document).unwrap();
        assert_eq!(count.to_string(), tokens, "{text}");
        let found = embed(&model, &[&text]);
        let off = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(cosine(&found, &expected) >= 0.9999 && off < 1e-4, "{text}: {off}");
    }
}

#[test]
fn neighbours_and_threads_change_no_bit() {
    let words = "the quick brown fox jumps over the lazy dog and runs away from it ".repeat(20);
    let texts: Vec<_> = (0..120).map(|i| &words[..(i * 37) % words.len()]).collect();
    let model = minilm(1);
    let together = embed(&model, &texts);
    assert!(embed(&minilm(2), &texts) == together);
    let length = model.dimensions();
    for (text, vector) in texts.iter().zip(together.chunks_exact(length)).step_by(7) {
        assert!(embed(&model, &[text]) == vector, "{} bytes", text.len());
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn long_texts_are_cut_and_keep_their_end() {
    let model = tiny("bert").unwrap();
    let most = model.encoder().config().context_length;
    let (long, longer) = ("a b c ".repeat(most), "a b c ".repeat(2 * most));
    assert!(model.count(&long, EmbeddingRole::Document).unwrap() > most);
    let vectors = embed(&model, &[&long, &longer, "a b c"]);
    let vectors: Vec<_> = vectors.chunks_exact(model.dimensions()).collect();
    assert!(vectors[0] == vectors[1] && vectors[0] != vectors[2]);
}

#[test]
fn questions_and_passages_differ_where_the_model_tells_them_apart() {
    let never = CancellationToken::new();
    for (name, differ) in [("bert", false), ("nomic-bert", true)] {
        let model = tiny(name).unwrap();
        let [question, passage] = [EmbeddingRole::Query, EmbeddingRole::Document]
            .map(|role| model.embed(&["a b c"], role, &never).unwrap());
        assert_eq!(question != passage, differ, "{name}");
    }
    assert_ne!(tiny("bert").unwrap().id(), tiny("nomic-bert").unwrap().id());
}

#[test]
fn a_cancelled_call_says_so_and_the_next_is_whole() {
    let model = tiny("bert").unwrap();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let refused = model.embed(&["a b c"], EmbeddingRole::Query, &cancelled);
    assert!(matches!(refused, Err(AbstractError::Cancelled(_))));
    assert_eq!(embed(&model, &["a b c"]).len(), model.dimensions());
    assert!(embed(&model, &[]).is_empty());
}

#[test]
fn a_decoder_is_refused_by_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, tiny_model("llama").bytes()).unwrap();
    let never = CancellationToken::new();
    let error = EmbeddingModel::load(file.path(), EmbeddingOptions::default(), &never).unwrap_err();
    assert!(error.to_string().contains("bert, nomic-bert"), "{error}");
}

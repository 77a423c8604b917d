//! Texts to vectors: those of the definition, whatever else is embedded.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{
    CancellationToken, Embedder, EmbeddingRole, EncodeOptions, Error as AbstractError,
};
use smallmind_engine::{EmbeddingModel, EmbeddingOptions, Error};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{CacheType, LoadOptions, Logits, Model};
use smallmind_testkit::{Gguf, floats_of_hex, model_path, tiny_encoder, tiny_model};

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
    let most = model.context_length();
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

fn decoder(change: impl FnOnce(&mut Gguf)) -> EmbeddingModel {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut gguf = tiny_model("llama");
    change(&mut gguf);
    std::fs::write(&file, gguf.bytes()).unwrap();
    let never = CancellationToken::new();
    EmbeddingModel::load(file.path(), EmbeddingOptions::default(), &never).unwrap()
}

/// Logits are products of hidden states and the rows of the output matrix, and
/// are held to the reference elsewhere: so a decoder's vector must be the one
/// whose products rank all tokens as the logits do.
#[test]
fn a_decoder_gives_the_state_that_its_logits_are_made_of() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut gguf = tiny_model("llama");
    std::fs::write(&file, gguf.bytes()).unwrap();
    let never = CancellationToken::new();
    let open = ModelFile::open(file.path()).unwrap();
    let model = Model::load(&open, &LoadOptions::default(), &never).unwrap();
    let embedder = decoder(|_| ());
    let text = "the quick brown fox";
    let options = EncodeOptions::default();
    let tokens = embedder.tokenizer().encode(text, options).unwrap();
    let mut context = model.new_context_with(64, CacheType::F32).unwrap();
    let logits = model.forward(&mut context, &tokens, Logits::Last, &never).unwrap();
    let vector = embed(&embedder, &[text]);
    let rows: Vec<f32> = gguf
        .tensor("output.weight")
        .data
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let products: Vec<_> =
        rows.chunks_exact(vector.len()).map(|row| cosine(row, &vector)).collect();
    assert_eq!(products.len(), logits.len());
    // The vector has length 1, the state another.
    let length = |v: &[f32]| cosine(v, v).sqrt();
    let scale = length(logits) / length(&products);
    for (product, logit) in products.iter().zip(logits) {
        assert!((product * scale - logit).abs() < 1e-3, "{product} {scale} {logit}");
    }
}

#[test]
fn a_decoder_pools_as_its_file_says_and_forgets_what_it_read() {
    let (mean, last) =
        (decoder(|gguf| gguf.set("llama.pooling_type", 1u32.into())), decoder(|_| ()));
    let texts = ["one text", "and another one", "one text"];
    let [means, lasts] = [&mean, &last].map(|model| embed(model, &texts));
    assert_ne!(means, lasts);
    assert_ne!(mean.id(), last.id());
    let length = last.dimensions();
    assert_eq!(lasts[..length], lasts[2 * length..]);
    assert_eq!(lasts[length..2 * length], embed(&last, &texts[1..2]));
    // The last token has seen the others.
    assert_ne!(embed(&last, &["a text"]), embed(&last, &["no text"]));
}

#[test]
fn what_is_no_model_of_text_is_refused_by_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut gguf = tiny_model("llama");
    gguf.set("general.architecture", "clip".into());
    std::fs::write(&file, gguf.bytes()).unwrap();
    let never = CancellationToken::new();
    let error = EmbeddingModel::load(file.path(), EmbeddingOptions::default(), &never).unwrap_err();
    assert!(error.to_string().contains("clip"), "{error}");
}

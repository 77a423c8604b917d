//! Vectors of tiny random encoders, against those that llama.cpp computes and
//! against the definition (`smallmind-testkit/reference/tiny_encoders.py`); and
//! the same ones to the bit, whatever computes them.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{CancellationToken, TokenId};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{Encoder, Error, Level, LoadOptions, Pooling};
use smallmind_testkit::{Gguf, Random, Value, floats_of_hex, tiny_encoder, tiny_encoder_names};

/// What the two references computed for one encoder.
struct Expected {
    tokens: Vec<TokenId>,
    positions: Vec<usize>,
    peer: Vec<f32>,
    definition: Vec<f32>,
}

fn expected(name: &str) -> Expected {
    let lines = include_str!("data/tiny_vectors.txt").lines();
    let parts: Vec<_> = lines
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|parts| parts[0] == name)
        .expect("a line for every encoder");
    Expected {
        tokens: parts[1].split(',').map(|n| n.parse().unwrap()).collect(),
        positions: parts[2].split(',').map(|n| n.parse().unwrap()).collect(),
        peer: floats_of_hex(parts[3]),
        definition: floats_of_hex(parts[4]),
    }
}

fn load(gguf: &Gguf, options: &LoadOptions) -> Result<Encoder, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, gguf.bytes()).unwrap();
    Encoder::load(&ModelFile::open(file.path())?, options, &CancellationToken::new())
}

fn encode(encoder: &Encoder, sequences: &[&[TokenId]]) -> Vec<f32> {
    let mut workspace = encoder.new_workspace().unwrap();
    encoder.encode(&mut workspace, sequences, &CancellationToken::new()).unwrap().to_vec()
}

/// The largest difference, which NaN is.
fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |worst, d| if d <= worst { worst } else { d })
}

/// The vectors at the positions that the reference wrote, of an encoder that
/// `change` has changed first.
fn found(name: &str, change: impl FnOnce(&mut Gguf)) -> Vec<f32> {
    let mut gguf = tiny_encoder(name);
    change(&mut gguf);
    let encoder = load(&gguf, &LoadOptions::default()).unwrap();
    let (expected, length) = (expected(name), encoder.config().embedding_length);
    let rows = encode(&encoder, &[&expected.tokens]);
    expected.positions.iter().flat_map(|p| &rows[p * length..(p + 1) * length]).copied().collect()
}

#[test]
fn vectors_are_those_of_the_definition_and_of_the_reference() {
    for name in tiny_encoder_names() {
        let (found, expected) = (found(name, |_| {}), expected(name));
        let off = worst(&found, &expected.definition);
        assert!(off <= 2e-5, "{name}: {off} off the definition");
        // The reference rounds what GELU is given to half precision.
        let most = if name.starts_with("nomic") { 2e-5 } else { 3e-3 };
        let off = worst(&found, &expected.peer);
        assert!(off <= most, "{name}: {off} off the reference");
    }
}

/// What each number in the metadata and each tensor that may be missing does is
/// seen in the vectors.
#[test]
fn every_number_of_the_metadata_counts() {
    let numbers: [(&str, &str, Value); 3] = [
        ("bert", "bert.attention.layer_norm_epsilon", 1e-1f32.into()),
        ("bert", "bert.attention.head_count", 8u32.into()),
        ("nomic-bert", "nomic-bert.rope.freq_base", 1e4f32.into()),
    ];
    for (name, key, value) in numbers {
        let off = worst(&found(name, |gguf| gguf.set(key, value)), &expected(name).definition);
        assert!(off > 0.01, "{name}: {key} moves no value by more than {off}");
    }
    let tensors = [
        ("bert", "token_types.weight"),
        ("bert", "blk.0.attn_v.bias"),
        ("bert-narrow-heads", "blk.1.attn_qkv.bias"),
        ("bert", "blk.1.attn_output.bias"),
        ("bert", "blk.2.ffn_up.bias"),
        ("bert", "blk.2.ffn_down.bias"),
        ("nomic-bert", "token_types.weight"),
        ("nomic-bert-parted", "blk.0.attn_q.bias"),
    ];
    for (name, part) in tensors {
        let off = worst(&found(name, |gguf| gguf.remove(part)), &expected(name).definition);
        assert!(off > 0.01, "{name}: {part} moves no value by more than {off}");
    }
}

fn bits(rows: &[f32]) -> Vec<u32> {
    assert!(rows.iter().all(|v| v.is_finite()));
    rows.iter().map(|v| v.to_bits()).collect()
}

/// Sequences of many lengths, an empty one and one of a single token among them.
fn sequences(vocab_size: usize) -> Vec<Vec<TokenId>> {
    let mut random = Random::new(3);
    let lengths = [7, 0, 128, 1, 33, 32, 64, 47, 48, 100];
    let mut token = || random.below(vocab_size) as TokenId;
    lengths.map(|len| (0..len).map(|_| token()).collect()).to_vec()
}

#[test]
fn neighbours_threads_and_kernels_change_no_bit() {
    for name in tiny_encoder_names() {
        let gguf = tiny_encoder(name);
        let one = load(&gguf, &LoadOptions { threads: Some(1), ..Default::default() }).unwrap();
        let sequences = sequences(one.config().vocab_size);
        let all: Vec<&[TokenId]> = sequences.iter().map(Vec::as_slice).collect();
        let alone: Vec<u32> = all.iter().flat_map(|s| bits(&encode(&one, &[s]))).collect();
        let levels = Level::ALL.into_iter().filter(|l| l.is_available()).map(Some);
        for kernels in levels.chain([None]) {
            for threads in [1, 2, 5] {
                let options = LoadOptions { threads: Some(threads), kernels, ..Default::default() };
                let encoder = load(&gguf, &options).unwrap();
                let mut workspace = encoder.new_workspace().unwrap();
                let mut found = Vec::new();
                for batch in [&all[..3], &all[3..4], &all[4..]] {
                    let never = CancellationToken::new();
                    let rows = encoder.encode(&mut workspace, batch, &never).unwrap();
                    found.extend(bits(rows));
                }
                assert!(found == alone, "{name} {kernels:?} {threads}");
                assert!(bits(&encode(&encoder, &all)) == alone, "{name} {kernels:?} {threads}");
            }
        }
    }
}

#[test]
fn what_cannot_be_encoded_is_refused() {
    let encoder = load(&tiny_encoder("bert"), &LoadOptions::default()).unwrap();
    let mut workspace = encoder.new_workspace().unwrap();
    let never = CancellationToken::new();
    let mut error = |tokens: &[TokenId], cancel: &CancellationToken| {
        encoder.encode(&mut workspace, &[tokens], cancel).unwrap_err().to_string()
    };
    assert_eq!(
        error(&[5; 129], &never),
        "a context of 129 tokens is too long: this model was trained for 128"
    );
    assert!(error(&[5, 9999], &never).contains("9999"));
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    assert!(matches!(
        encoder.encode(&mut workspace, &[&[5]], &cancelled),
        Err(Error::Cancelled(_))
    ));
    let other = load(&tiny_encoder("bert"), &LoadOptions::default()).unwrap();
    let refused = other.encode(&mut workspace, &[&[5]], &never);
    assert!(matches!(refused, Err(Error::ContextOfAnotherModel)));
}

#[test]
fn files_that_call_for_more_are_refused() {
    let refused = |name: &str, key: &str, value: Value| {
        let mut gguf = tiny_encoder(name);
        gguf.set(key, value);
        load(&gguf, &LoadOptions::default()).unwrap_err().to_string()
    };
    for (name, key, value) in [
        ("bert", "bert.attention.causal", Value::from(true)),
        ("bert", "bert.attention.head_count", 7u32.into()),
        ("bert", "bert.attention.head_count_kv", 2u32.into()),
        ("bert", "bert.pooling_type", 4u32.into()),
        ("nomic-bert", "nomic-bert.attention.head_count", 64u32.into()),
        ("nomic-bert", "nomic-bert.rope.scaling.factor", 2f32.into()),
        ("nomic-bert", "nomic-bert.moe_every_n_layers", 2u32.into()),
    ] {
        assert!(refused(name, key, value).contains(key), "{key}");
    }
    let found = refused("bert", "general.architecture", "llama".into());
    assert!(found.contains("bert, nomic-bert"), "{found}");
}

#[test]
fn files_say_how_to_pool() {
    let pooling =
        |name| load(&tiny_encoder(name), &LoadOptions::default()).unwrap().config().pooling;
    assert_eq!(pooling("bert"), Some(Pooling::Mean));
    assert_eq!(pooling("bert-narrow-heads"), Some(Pooling::First));
    assert_eq!(pooling("nomic-bert-parted"), Some(Pooling::Last));
    let rows = [1.0, 2.0, 3.0, 5.0, 8.0, 5.0];
    let pooled = |pooling: Pooling, rows: &[f32]| {
        let mut out = [9.0; 2];
        pooling.pool(rows, &mut out);
        out
    };
    assert_eq!(pooled(Pooling::Mean, &rows), [4.0, 4.0]);
    assert_eq!(pooled(Pooling::First, &rows), [1.0, 2.0]);
    assert_eq!(pooled(Pooling::Last, &rows), [8.0, 5.0]);
    for pooling in [Pooling::Mean, Pooling::First, Pooling::Last] {
        assert_eq!(pooled(pooling, &[]), [0.0, 0.0]);
    }
}

//! Building tokenizers and encoding: mixed text and code, and the worst cases.
//!
//! The mixed text is this workspace's own documents and sources. Under
//! `target/tmp`, others can be measured with the same.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use smallmind_abstractions::{EncodeOptions, Metadata, TokenId, Tokenizer};
use smallmind_runtime::container::ModelFile;
use smallmind_testkit::model_path;
use smallmind_tokenizers::{GgufTokenizerFactory, hf};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const MEGABYTE: usize = 1_000_000;

fn build(metadata: &Metadata) -> Arc<dyn Tokenizer> {
    GgufTokenizerFactory::new().build(metadata).expect("the model's tokenizer")
}

/// Documents and sources under `folder`, in the order of their names.
fn collect(folder: &Path, text: &mut Vec<u8>) {
    let entries = fs::read_dir(folder).expect("a folder of the workspace");
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, text);
        } else if [".rs", ".md", ".txt"].iter().any(|end| name.ends_with(end)) {
            text.extend(fs::read(&path).unwrap_or_default());
        }
    }
}

fn mixed() -> Vec<u8> {
    let mut mixed = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut mixed);
    mixed.truncate(MEGABYTE);
    mixed
}

fn texts(mixed: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let repeat = |text: &str| text.repeat(MEGABYTE / text.len()).into_bytes();
    let mut state = 1u64;
    let base64 = std::iter::repeat_with(|| {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize]
    });
    let dense = mixed.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    vec![
        ("one letter", repeat("a")),
        ("spaces", repeat(" ")),
        ("digits", repeat("7305918264")),
        ("one emoji", repeat("🦀")),
        ("base64", base64.take(MEGABYTE).collect()),
        ("no white space", dense),
        ("mixed", mixed.to_vec()),
    ]
}

fn encode(criterion: &mut Criterion) {
    let options = EncodeOptions { add_special: false, parse_special: false };
    let mixed = mixed();
    let (texts, prose) = (texts(&mixed), String::from_utf8_lossy(&mixed));
    for name in ["smollm2-135m", "gemma3-270m"] {
        let file = ModelFile::open(&model_path(name)).expect("a model");
        let mut group = criterion.benchmark_group(format!("tokenizer/{name}"));
        group.sample_size(10);
        group.bench_function("build", |b| b.iter(|| build(file.metadata())));
        for (text_name, text) in &texts {
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(*text_name, |b| {
                // Nothing is remembered from one text to the next.
                b.iter_batched(
                    || (build(file.metadata()), Vec::<TokenId>::with_capacity(text.len())),
                    |(tokenizer, mut ids)| tokenizer.encode_into(text, options, &mut ids),
                    BatchSize::PerIteration,
                );
            });
        }
        let json = hf::save(file.metadata()).expect("a tokenizer of two formats");
        group.throughput(Throughput::Bytes(prose.len() as u64));
        group.bench_function("mixed by the crate tokenizers", |b| {
            // It remembers pieces from one text to the next, too.
            b.iter_batched(
                || json.parse::<tokenizers::Tokenizer>().expect("its own format"),
                |tokenizer| tokenizer.encode(&*prose, false).map(|e| e.len()),
                BatchSize::PerIteration,
            );
        });
    }
    let shared = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mixed.txt");
    fs::write(shared, &mixed).expect("a folder that cargo made");
}

criterion_group!(benches, encode);
criterion_main!(benches);

//! Encoding prose and code with the tokenizers of real models.

use criterion::{BenchmarkId, Throughput};
use smallmind_abstractions::{DecodeOptions, EncodeOptions};
use smallmind_benches::criterion;
use smallmind_runtime::container::GgufFile;
use smallmind_testkit::model_path;
use smallmind_tokenizers::GgufTokenizerFactory;

const PROSE: &str = include_str!("../../LICENSE-APACHE");
const CODE: &str = include_str!("matmul.rs");

fn main() {
    let mut c = criterion();
    let mut group = c.benchmark_group("encode");
    let options = EncodeOptions { add_special: false, ..Default::default() };
    for model in ["smollm2-135m", "gemma3-270m"] {
        let file = GgufFile::open(&model_path(model)).expect("a sound file");
        let tokenizer = GgufTokenizerFactory::new().build(file.metadata()).expect("a tokenizer");
        for (name, text) in [("prose", PROSE), ("code", CODE)] {
            let mut ids = tokenizer.encode(text, options).expect("a vocabulary");
            let back = tokenizer.decode(&ids, DecodeOptions::default()).expect("its own ids");
            assert_eq!(back, text.as_bytes(), "{model} does not give back {name}");
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(BenchmarkId::new(model, name), |b| {
                b.iter(|| {
                    ids.clear();
                    tokenizer.encode_into(text.as_bytes(), options, &mut ids)
                });
            });
        }
    }
    group.finish();
    c.final_summary();
}

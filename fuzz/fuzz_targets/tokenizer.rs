//! Any metadata and any text: a tokenizer is built or refused, text becomes ids
//! that decode, and nothing panics.
//!
//! ```text
//! RUSTC_BOOTSTRAP=1 cargo fuzz run tokenizer
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use smallmind_abstractions::{
    DecodeOptions, EncodeOptions, IncrementalDecoder, Metadata, MetadataArray, MetadataValue,
    StringTable, Tokenizer,
};
use smallmind_tokenizers::GgufTokenizerFactory;

const MODELS: [&str; 9] =
    ["gpt2", "llama", "bert", "t5", "rwkv", "gemma4", "whitespace", "none", "nonesuch"];
const KEYS: [&str; 22] = [
    "bos_token_id",
    "eos_token_id",
    "unknown_token_id",
    "seperator_token_id",
    "padding_token_id",
    "fim_pre_token_id",
    "eot_token_id",
    "add_bos_token",
    "add_eos_token",
    "add_space_prefix",
    "remove_extra_whitespaces",
    "normalizer.lowercase",
    "normalizer.strip_accents",
    "scores",
    "token_type",
    "merges",
    "precompiled_charsmap",
    "pre",
    "tokens",
    "model",
    "mask_token_id",
    "token_type_count",
];

/// Reads a file of the fuzzer.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn short(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte()) % 12;
        self.take(count)
    }

    fn value(&mut self) -> MetadataValue {
        match self.byte() % 10 {
            0 => MetadataValue::U32(self.byte().into()),
            1 => MetadataValue::U64(u64::MAX - u64::from(self.byte())),
            2 => MetadataValue::I32(-i32::from(self.byte())),
            3 => MetadataValue::Bool(self.byte() & 1 == 1),
            4 => MetadataValue::String(String::from_utf8_lossy(self.short()).into_owned()),
            5 => {
                let count = usize::from(self.byte());
                let strings: StringTable = (0..count).map(|_| self.short()).collect();
                MetadataValue::Array(MetadataArray::String(strings))
            }
            6 => {
                let bytes = self.short();
                MetadataValue::Array(MetadataArray::U8(bytes.repeat(8)))
            }
            7 => {
                let scores = self.short().iter().map(|b| f32::from_bits(u32::from(*b) << 24));
                MetadataValue::Array(MetadataArray::F32(scores.collect()))
            }
            8 => {
                let kinds = self.short().iter().map(|b| i32::from(*b % 8));
                MetadataValue::Array(MetadataArray::I32(kinds.collect()))
            }
            _ => MetadataValue::F32(f32::NAN),
        }
    }
}

fn metadata(bytes: &mut Bytes<'_>) -> Metadata {
    let mut metadata = Metadata::new();
    let mut set = |key: &str, value| metadata.insert(format!("tokenizer.ggml.{key}"), value);
    let model = MODELS[usize::from(bytes.byte()) % MODELS.len()];
    set("model", MetadataValue::String(model.to_owned()));
    let rules = GgufTokenizerFactory::pre_tokenizers();
    let pre = rules[usize::from(bytes.byte()) % rules.len()];
    set("pre", MetadataValue::String(pre.to_owned()));
    let count = usize::from(bytes.byte()) + 1;
    let tokens: Vec<&[u8]> = (0..count).map(|_| bytes.short()).collect();
    let scores = (0..count).map(|_| f32::from(bytes.byte() as i8)).collect();
    let kinds = (0..count).map(|_| i32::from(bytes.byte() % 8)).collect();
    let joined = (0..usize::from(bytes.byte())).map(|_| {
        let token = |byte: u8| tokens[usize::from(byte) % count];
        [token(bytes.byte()), token(bytes.byte())].join(&b' ')
    });
    let merges: StringTable = joined.collect();
    let array = MetadataValue::Array;
    set("tokens", array(MetadataArray::String(tokens.iter().collect())));
    set("scores", array(MetadataArray::F32(scores)));
    set("token_type", array(MetadataArray::I32(kinds)));
    set("merges", array(MetadataArray::String(merges)));
    for _ in 0..bytes.byte() % 8 {
        let key = KEYS[usize::from(bytes.byte()) % KEYS.len()];
        let value = bytes.value();
        set(key, value);
    }
    metadata
}

/// Text of what is left: as it is, or again and again.
fn text(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let times = usize::from(bytes.byte());
    if times < 128 { bytes.0.to_vec() } else { bytes.0.repeat(times).into_iter().take(4096).collect() }
}

fn check(tokenizer: &dyn Tokenizer, text: &[u8], options: EncodeOptions) {
    let mut ids = Vec::new();
    if tokenizer.encode_into(text, options, &mut ids).is_err() {
        return;
    }
    let show = DecodeOptions { show_special: true, ..Default::default() };
    let whole = tokenizer.decode(&ids, show).expect("ids of the vocabulary");
    let mut decoder = IncrementalDecoder::new(tokenizer, show);
    let mut pieces = String::new();
    for id in &ids {
        decoder.push(*id, &mut pieces).expect("ids of the vocabulary");
    }
    decoder.finish(&mut pieces);
    assert_eq!(pieces, String::from_utf8_lossy(&whole));
    let mut again = Vec::new();
    tokenizer.encode_into(text, options, &mut again).expect("it was encoded before");
    assert_eq!(ids, again, "what is remembered must not change ids");
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let metadata = metadata(&mut bytes);
    let Ok(tokenizer) = GgufTokenizerFactory::new().build(&metadata) else { return };
    let text = text(&mut bytes);
    for parse_special in [false, true] {
        check(&*tokenizer, &text, EncodeOptions { add_special: parse_special, parse_special });
    }
});

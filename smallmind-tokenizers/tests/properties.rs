//! What holds for every text, on small vocabularies of each algorithm.

use smallmind_abstractions::{
    DecodeOptions, EncodeOptions, IncrementalDecoder, Metadata, MetadataArray, MetadataValue,
    TokenId, Tokenizer,
};
use smallmind_tokenizers::{Error, GgufTokenizerFactory, reason};
use std::num::NonZeroUsize;
use std::sync::Arc;

const PLAIN: EncodeOptions = EncodeOptions { add_special: false, parse_special: false };

fn strings(list: &[String]) -> MetadataValue {
    MetadataValue::Array(MetadataArray::String(list.iter().collect()))
}

/// The character that stands for a byte.
fn character(byte: u8) -> char {
    let plain = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if plain(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|b| !plain(*b)).count() as u32;
    char::from_u32(0x100 + before).expect("a character below U+0200")
}

fn metadata(model: &str, tokens: &[String], kinds: Vec<i32>) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("tokenizer.ggml.model", MetadataValue::String(model.into()));
    metadata.insert("tokenizer.ggml.tokens", strings(tokens));
    let kinds = MetadataValue::Array(MetadataArray::I32(kinds));
    metadata.insert("tokenizer.ggml.token_type", kinds);
    metadata
}

/// Every byte, and merges over all the bytes of some words.
fn byte_level(pre: &str) -> Metadata {
    let mut tokens: Vec<String> = (0..=255).map(|b| character(b).to_string()).collect();
    let mut merges = Vec::new();
    let mut join = |left: &str, right: &str| {
        let joined = format!("{left}{right}");
        if !tokens.contains(&joined) {
            tokens.push(joined);
            merges.push(format!("{left} {right}"));
        }
    };
    for word in [" the", "and", "ing", "世界", "🦀🦀", "aaaaaaaa", "    ", "\n\n"] {
        let letters: Vec<String> = word.bytes().map(|b| character(b).to_string()).collect();
        let mut left = letters[0].clone();
        for letter in &letters[1..] {
            join(&left, letter);
            left.push_str(letter);
        }
    }
    let kinds = vec![1; tokens.len()];
    let mut metadata = metadata("gpt2", &tokens, kinds);
    metadata.insert("tokenizer.ggml.pre", MetadataValue::String(pre.into()));
    metadata.insert("tokenizer.ggml.merges", strings(&merges));
    metadata
}

/// Bytes, letters and some words, each with a score.
fn sentencepiece() -> Metadata {
    let mut tokens = vec!["<unk>".to_owned(), "<s>".to_owned(), "</s>".to_owned()];
    let mut kinds = vec![2, 3, 3];
    tokens.extend((0..=255).map(|b| format!("<0x{b:02X}>")));
    kinds.resize(tokens.len(), 6);
    const WORDS: [&str; 15] =
        ["▁", "a", "b", "c", "t", "h", "e", "th", "▁th", "▁the", "ab", "bc", "▁▁", "aa", "aaaa"];
    tokens.extend(WORDS.map(str::to_owned));
    kinds.resize(tokens.len(), 1);
    let scores = (0..tokens.len()).map(|i| -(i as f32)).collect();
    let mut metadata = metadata("llama", &tokens, kinds);
    metadata.insert("tokenizer.ggml.scores", MetadataValue::Array(MetadataArray::F32(scores)));
    metadata
}

fn build(metadata: &Metadata) -> Arc<dyn Tokenizer> {
    GgufTokenizerFactory::new().build(metadata).expect("a sound vocabulary")
}

/// Texts of what tokenizers find hard.
fn texts() -> impl Iterator<Item = Vec<u8>> {
    const PARTS: [&str; 24] = [
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "the",
        " and",
        "ing",
        "aaaaaaaaaaa",
        "ab",
        "abc",
        "I'm",
        "DON'T",
        "123",
        "4567",
        "...",
        "</s>",
        "世界",
        "🦀🦀",
        "é",
        "e\u{301}",
        "▁",
        "\u{a0}",
        "_x",
    ];
    let mut state = 0x853c_49e6_748f_ea9b_u64;
    (0..600).map(move |i| {
        let mut text = Vec::new();
        for _ in 0..1 + i % 40 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            text.extend(PARTS[(state >> 40) as usize % PARTS.len()].bytes());
        }
        text
    })
}

fn ids(tokenizer: &dyn Tokenizer, text: &[u8]) -> Vec<TokenId> {
    let mut ids = Vec::new();
    tokenizer.encode_into(text, PLAIN, &mut ids).expect("a vocabulary");
    ids
}

#[test]
fn byte_level_text_comes_back_under_every_rule() {
    for pre in GgufTokenizerFactory::pre_tokenizers() {
        // These write tokens as text, not as bytes.
        if ["gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"].contains(&pre) {
            continue;
        }
        let tokenizer = build(&byte_level(pre));
        for text in texts().step_by(7) {
            let decoded = tokenizer.decode(&ids(&*tokenizer, &text), DecodeOptions::default());
            assert_eq!(decoded.unwrap(), text, "{pre}");
        }
    }
}

#[test]
fn sentencepiece_text_comes_back() {
    let tokenizer = build(&sentencepiece());
    for text in texts() {
        let decoded = tokenizer.decode(&ids(&*tokenizer, &text), DecodeOptions::default()).unwrap();
        // A character that is no token comes back byte by byte, the mark of a
        // space as a space.
        let expected = String::from_utf8(text).unwrap().replace('▁', " ");
        assert_eq!(String::from_utf8(decoded).unwrap(), expected);
    }
}

#[test]
fn streams_equal_the_whole_at_every_split() {
    for metadata in [byte_level("llama-bpe"), sentencepiece()] {
        let tokenizer = build(&metadata);
        for text in texts().step_by(5) {
            let ids = ids(&*tokenizer, &text);
            let whole = tokenizer.decode(&ids, DecodeOptions::default()).unwrap();
            let whole = String::from_utf8(whole).unwrap();
            for split in 0..=ids.len() {
                let mut decoder = IncrementalDecoder::new(&*tokenizer, DecodeOptions::default());
                let (mut start, mut end) = (String::new(), String::new());
                ids[..split].iter().for_each(|id| decoder.push(*id, &mut start).unwrap());
                assert!(whole.starts_with(&start));
                ids[split..].iter().for_each(|id| decoder.push(*id, &mut end).unwrap());
                decoder.finish(&mut end);
                assert_eq!(start + &end, whole);
            }
        }
    }
}

#[test]
fn chunks_put_together_at_line_ends_are_the_whole() {
    let tokenizer = build(&byte_level("llama-bpe"));
    let all: Vec<_> = texts().step_by(9).collect();
    for pair in all.windows(2) {
        // A line end and a letter: this rule always cuts between.
        let first = [&pair[0][..], b"a\n"].concat();
        let second = [b"b", &pair[1][..]].concat();
        let apart = [ids(&*tokenizer, &first), ids(&*tokenizer, &second)].concat();
        assert_eq!(ids(&*tokenizer, &[first, second].concat()), apart);
    }
}

#[test]
fn what_was_encoded_before_changes_nothing() {
    for metadata in [byte_level("gpt-2"), byte_level("superbpe"), sentencepiece()] {
        let used = build(&metadata);
        let long = [b"a".repeat(5000), b"ab c".repeat(2000), b" ".repeat(3000)];
        for text in texts().chain(long) {
            assert_eq!(ids(&*used, &text), ids(&*build(&metadata), &text));
        }
    }
}

#[test]
fn threads_change_nothing() {
    let long = texts().collect::<Vec<_>>().concat().repeat(3);
    let broken = [&long[..], b"\xff", &long[..]].concat();
    let rules = GgufTokenizerFactory::pre_tokenizers().into_iter().map(byte_level);
    for metadata in rules.chain([sentencepiece()]) {
        let tokenizer = build(&metadata);
        for text in [&long, &broken] {
            let expected = ids(&*tokenizer, text);
            for threads in [2, 3, 7] {
                let threads = NonZeroUsize::new(threads).unwrap();
                let mut found = Vec::new();
                tokenizer.encode_into_with_threads(text, PLAIN, threads, &mut found).unwrap();
                assert!(found == expected, "{:?}", tokenizer.diagnostics());
            }
        }
    }
}

#[test]
fn control_tokens_are_not_smuggled_in() {
    let tokenizer = build(&sentencepiece());
    let end = tokenizer.token_id(b"</s>").unwrap();
    assert!(!ids(&*tokenizer, b"a</s>b").contains(&end));
    let parsed = EncodeOptions { parse_special: true, add_special: true };
    let found = tokenizer.encode("a</s>b", parsed).unwrap();
    assert_eq!(found.iter().filter(|id| **id == end).count(), 1);
    assert_eq!(Some(found[0]), tokenizer.special().bos);
}

#[test]
fn unknown_rules_are_refused_or_chosen_or_strictly_refused() {
    let metadata = byte_level("nonesuch");
    let factory = GgufTokenizerFactory::new();
    let error = factory.build(&metadata).unwrap_err();
    assert_eq!(error.code(), reason::PRETOKENIZER_UNKNOWN);
    assert!(error.to_string().contains("'nonesuch'") && error.to_string().contains("qwen2"));
    let chosen = factory.clone().pre_tokenizer("qwen2").build(&metadata).unwrap();
    assert_eq!(chosen.diagnostics().pre_tokenizer.as_deref(), Some("qwen2"));
    assert_eq!(chosen.diagnostics().issues[0].code, reason::PRETOKENIZER_UNKNOWN);
    let strict = factory.pre_tokenizer("qwen2").strict(true).build(&metadata).unwrap_err();
    assert!(matches!(strict, Error::Strict(issue) if issue.code == reason::PRETOKENIZER_UNKNOWN));
    let sound = byte_level("qwen2");
    assert!(GgufTokenizerFactory::new().strict(true).build(&sound).is_ok());
}

/// Vocabularies that would take a careless reader forever, or make it panic.
#[test]
fn vocabularies_without_sense_are_built_or_refused() {
    let many: Vec<String> = (0..300_000).map(|i| format!("{}", i % 1000)).collect();
    let mut metadata = metadata("gpt2", &many, vec![4; many.len()]);
    metadata.insert("tokenizer.ggml.pre", MetadataValue::String("gpt-2".into()));
    // Merges come again and again, and make what others are made of.
    let merges: Vec<String> = (0..100_000).map(|i| format!("{} {}", i % 50, i % 7)).collect();
    metadata.insert("tokenizer.ggml.merges", strings(&merges));
    let tokenizer = build(&metadata);
    let codes: Vec<_> = tokenizer.diagnostics().issues.iter().map(|i| i.code).collect();
    assert!(codes.contains(&reason::VOCAB_PARTIAL) && codes.contains(&reason::MERGES_INVALID));
    assert!(!ids(&*tokenizer, &b"1234567890".repeat(10_000)).is_empty());
}

//! Small vocabularies of the two kinds of tokenizer.

use crate::{Gguf, Value};

/// Frequent pieces of English, each the join of two that come before it.
const PIECES: [(&str, &str); 24] = [
    ("t", "h"),
    ("th", "e"),
    ("i", "n"),
    ("a", "n"),
    ("an", "d"),
    ("e", "r"),
    ("o", "n"),
    ("r", "e"),
    ("o", "u"),
    ("in", "g"),
    ("e", "n"),
    ("o", "r"),
    ("i", "s"),
    ("a", "t"),
    ("e", "s"),
    (" ", "t"),
    (" ", "the"),
    (" ", "and"),
    (" ", "a"),
    (" ", "o"),
    (" ", "is"),
    (" ", "w"),
    (" t", "o"),
    (" o", "f"),
];

/// Normal, unknown, control and byte tokens have these numbers.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const BYTE: i32 = 6;

/// Byte-level BPE: three control tokens, the 256 bytes, and [`PIECES`].
pub(crate) fn byte_level(file: &mut Gguf, pre: &str) -> usize {
    let mut tokens: Vec<String> =
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(str::to_owned).to_vec();
    let mut kinds = vec![CONTROL; tokens.len()];
    tokens.extend((0..=255).map(|b| String::from(byte_character(b))));
    let spaced = |text: &str| text.replace(' ', &String::from(byte_character(b' ')));
    tokens.extend(PIECES.map(|(left, right)| spaced(left) + &spaced(right)));
    kinds.resize(tokens.len(), NORMAL);
    let merges = PIECES.map(|(left, right)| format!("{} {}", spaced(left), spaced(right)));
    file.set("tokenizer.ggml.model", "gpt2".into());
    file.set("tokenizer.ggml.pre", pre.into());
    file.set("tokenizer.ggml.tokens", tokens.as_slice().into());
    file.set("tokenizer.ggml.token_type", kinds.as_slice().into());
    file.set("tokenizer.ggml.merges", merges.as_slice().into());
    specials(file, 0, 2);
    tokens.len()
}

/// SentencePiece: three control tokens, the 256 bytes, printable ASCII, and
/// [`PIECES`].
pub(crate) fn sentencepiece(file: &mut Gguf) -> usize {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).to_vec();
    let mut kinds = vec![UNKNOWN, CONTROL, CONTROL];
    tokens.extend((0..=255).map(|b| format!("<0x{b:02X}>")));
    kinds.resize(tokens.len(), BYTE);
    let mut scores = vec![0.0f32; tokens.len()];
    let spaced = |text: &str| text.replace(' ', "▁");
    for (i, (left, right)) in PIECES.iter().enumerate() {
        tokens.push(spaced(left) + &spaced(right));
        scores.push(-(i as f32));
    }
    for character in (b' '..=b'~').map(char::from) {
        tokens.push(spaced(&String::from(character)));
        scores.push(-1000.0 - scores.len() as f32);
    }
    kinds.resize(tokens.len(), NORMAL);
    file.set("tokenizer.ggml.model", "llama".into());
    file.set("tokenizer.ggml.pre", "default".into());
    file.set("tokenizer.ggml.tokens", tokens.as_slice().into());
    file.set("tokenizer.ggml.scores", scores.as_slice().into());
    file.set("tokenizer.ggml.token_type", kinds.as_slice().into());
    specials(file, 1, 2);
    tokens.len()
}

/// The kinds of text that the tokens of [`wordpiece`] can be of.
pub(crate) const TOKEN_TYPES: usize = 2;

/// WordPiece: five control tokens, and printable ASCII and [`PIECES`] without
/// spaces, at the beginning of words and in them.
pub(crate) fn wordpiece(file: &mut Gguf) -> usize {
    let mut tokens: Vec<String> =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).to_vec();
    let mut kinds = vec![CONTROL; tokens.len()];
    kinds[1] = UNKNOWN;
    let pieces = PIECES.iter().map(|(left, right)| format!("{left}{right}"));
    let pieces: Vec<_> = (b'!'..=b'~')
        .filter(|b| !b.is_ascii_uppercase())
        .map(|b| String::from(char::from(b)))
        .chain(pieces.filter(|p| !p.starts_with(' ')))
        .collect();
    tokens.extend(pieces.iter().map(|piece| format!("▁{piece}")));
    tokens.extend(pieces);
    kinds.resize(tokens.len(), NORMAL);
    file.set("tokenizer.ggml.model", "bert".into());
    file.set("tokenizer.ggml.tokens", tokens.as_slice().into());
    file.set("tokenizer.ggml.token_type", kinds.as_slice().into());
    file.set("tokenizer.ggml.token_type_count", Value::from(TOKEN_TYPES as u32));
    for (role, id) in
        [("padding", 0u32), ("unknown", 1), ("cls", 2), ("bos", 2), ("seperator", 3), ("mask", 4)]
    {
        file.set(&format!("tokenizer.ggml.{role}_token_id"), Value::from(id));
    }
    tokens.len()
}

fn specials(file: &mut Gguf, bos: u32, eos: u32) {
    file.set("tokenizer.ggml.bos_token_id", Value::from(bos));
    file.set("tokenizer.ggml.eos_token_id", Value::from(eos));
    file.set("tokenizer.ggml.add_bos_token", Value::from(true));
}

/// The printable character that byte-level BPE writes for a byte
/// (`bytes_to_unicode` of GPT-2).
fn byte_character(byte: u8) -> char {
    let printable = |b: &u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    if printable(&byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|b| !printable(b)).count() as u32;
    char::from_u32(256 + before).expect("below the surrogates")
}

//! What the header claims, and files that end too early.

use super::Damages;
use crate::{Value, tiny_model};

pub(super) fn add(all: &mut Damages) {
    all.files("folder", &["cannot open", "folder", "directory"], Vec::new());
    let file = |bytes: &[u8]| vec![("model.gguf".to_owned(), bytes.to_vec())];
    let empty = &["magic", "byte 0", "expected 4 bytes", "found 0 bytes"];
    all.files("empty file", empty, file(b""));
    all.files("text", &["magic", "expected 'GGUF'", "found 'Once'"], file(b"Once upon a time"));
    all.llama("wrong magic", &["magic", "'GGUF'", "'GGML'"], |f| f.magic = *b"GGML");
    all.llama("version 0", &["GGUF version 0", "2 and 3"], |f| f.version = 0);
    all.llama("version 1", &["GGUF version 1", "convert"], |f| f.version = 1);
    all.llama("version 99", &["GGUF version 99", "2 and 3"], |f| f.version = 99);
    all.llama("big endian", &["big-endian", "convert"], |f| f.version = 3u32.swap_bytes());
    counts(all);
    values(all);
    truncated(all);
}

fn counts(all: &mut Damages) {
    let huge = 1 << 62;
    all.llama("tensors 2^62", &["tensor count", "byte 8", "at most", "4611686018427387904"], |f| {
        f.tensor_count = Some(huge);
    });
    all.llama(
        "keys 2^62",
        &["metadata key count", "byte 16", "at most", "4611686018427387904"],
        |f| {
            f.key_count = Some(huge);
        },
    );
    all.llama(
        "one tensor too many",
        &["name of tensor 30", "at byte", "to the end of the file"],
        |f| {
            f.tensor_count = Some(f.tensors.len() as u64 + 1);
        },
    );
    all.llama("one key too many", &["name of tensor 0", "at byte"], |f| {
        f.key_count = Some(f.keys.len() as u64 + 1);
    });
    all.llama("one key too few", &["'tokenizer.ggml.add_bos_token'", "at byte"], |f| {
        f.key_count = Some(f.keys.len() as u64 - 1);
    });
}

/// A string and an array whose lengths are not true.
fn values(all: &mut Damages) {
    let key = "general.description";
    let says =
        |more: &[&'static str]| [&["metadata key 'general.description'", "at byte"], more].concat();
    let bytes = |n: u64| n.to_le_bytes().to_vec();
    for (name, value, more) in [
        (
            "string of 2^63 bytes",
            Value { kind: 8, bytes: bytes(1 << 63) },
            &["9223372036854775808 bytes"][..],
        ),
        (
            "array of 2^61 floats",
            Value::array(6, 1 << 61, &[]),
            &["at most", "2305843009213693952"],
        ),
        (
            "array of 2^62 strings",
            Value::array(8, 1 << 62, &[]),
            &["at most", "4611686018427387904"],
        ),
        (
            "array of unknown type",
            Value::array(99, 1, &[0; 8]),
            &["element type from 0 to 12", "99"],
        ),
        (
            "unknown value type",
            Value { kind: 13, bytes: bytes(0) },
            &["value type from 0 to 12", "13"],
        ),
        ("nested array bomb", bomb(), &["an array of plain values", "an array of arrays"]),
    ] {
        all.llama(name, &says(more), |f| f.set(key, value));
    }
    all.llama("duplicate key", &["'llama.block_count'", "once", "second"], |f| {
        f.keys.push(("llama.block_count".to_owned(), 3u32.into()));
    });
    // A name must not break the line, nor reach the terminal.
    all.llama("duplicate key of two lines", &[r"'a\nb\u{1b}[31m'", "once"], |f| {
        f.keys.extend(vec![("a\nb\u{1b}[31m".to_owned(), 3u32.into()); 2]);
    });
    for (name, text) in
        [("key not UTF-8", "general.name"), ("tensor name not UTF-8", "output_norm.weight")]
    {
        let mut bytes = tiny_model("llama").bytes();
        let at = bytes.windows(text.len()).position(|w| w == text.as_bytes()).expect("it is there");
        bytes[at] = 0xFF;
        all.files(name, &["at byte", "UTF-8"], vec![("model.gguf".to_owned(), bytes)]);
    }
    for (name, text, what) in [
        ("key of 2^60 bytes", "general.name", "metadata key 1"),
        ("tensor name of 2^60 bytes", "output_norm.weight", "name of tensor"),
    ] {
        let mut bytes = tiny_model("llama").bytes();
        let at = bytes.windows(text.len()).position(|w| w == text.as_bytes()).expect("it is there");
        bytes[at - 1] = 0x10;
        all.files(
            name,
            &[what, "at byte", "115292150460684"],
            vec![("model.gguf".to_owned(), bytes)],
        );
    }
}

/// An array of an array of an array …
fn bomb() -> Value {
    let mut value = Value::array(0, 0, &[]);
    for _ in 0..1000 {
        value = Value::array(9, 1, &value.bytes);
    }
    value
}

/// Ends within and right before every section.
fn truncated(all: &mut Damages) {
    let gguf = tiny_model("llama");
    let (bytes, sections) = (gguf.bytes(), gguf.sections());
    for (i, end) in sections.into_iter().enumerate().skip(1) {
        for len in [end - 1, end] {
            let what = match (i, len == end) {
                (1, false) => "magic",
                (1, true) | (2, false) => "version",
                (2, true) | (3, false) => "tensor count",
                _ => "at byte",
            };
            let name = format!("truncated to {len} bytes");
            all.files(&name, &[what], vec![("model.gguf".to_owned(), bytes[..len].to_vec())]);
        }
    }
    let half = bytes[..bytes.len() / 2].to_vec();
    let says = ["data of tensor", &format!("within the file's {} bytes", half.len())];
    all.files("truncated data", &says, vec![("model.gguf".to_owned(), half)]);
}

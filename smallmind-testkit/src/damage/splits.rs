//! Models in several files that do not fit together.

use super::Damages;
use crate::{Gguf, tiny_model};

/// A sound model in two files.
fn halves() -> [Gguf; 2] {
    let mut first = tiny_model("llama");
    let mut second = Gguf::new();
    second.tensors = first.tensors.split_off(9);
    let tensors = (first.tensors.len() + second.tensors.len()) as i32;
    for (no, file) in [&mut first, &mut second].into_iter().enumerate() {
        file.set("split.no", (no as u32).into());
        file.set("split.count", 2u32.into());
        file.set("split.tensors.count", tensors.into());
    }
    [first, second]
}

pub(super) fn add(all: &mut Damages) {
    let name = |no: usize| format!("model-0000{no}-of-00002.gguf");
    let mut split = |damage: &str, says: &[&str], change: fn(&mut [Gguf; 2]), count: usize| {
        let mut files = halves();
        change(&mut files);
        let files = files.iter().take(count).enumerate();
        all.files(damage, says, files.map(|(i, f)| (name(i + 1), f.bytes())).collect());
    };
    split("part missing", &["cannot open", "model-00002-of-00002.gguf"], |_| {}, 1);
    let says = ["model-00002-of-00002.gguf", "part 1 of 2, not 2 of 2", "own names"];
    split("part twice", &says, |parts| parts[1] = parts[0].clone(), 2);
    let says = ["model-00001-of-00002.gguf", "part 1 of 1, not 1 of 2"];
    split("part that is whole", &says, |parts| parts[0] = tiny_model("llama"), 2);
    let says = ["'split.tensors.count'", "expected 29", "found 30"];
    split("tensor missing in parts", &says, |parts| drop(parts[1].tensors.pop()), 2);
    let says = ["model-00002-of-00002.gguf", "magic", "'GGML'"];
    split("second part damaged", &says, |parts| parts[1].magic = *b"GGML", 2);
    let says = ["'output_norm.weight'", "once", "second"];
    split(
        "tensor in both parts",
        &says,
        |parts| {
            let norm = parts[1].tensor("output_norm.weight").clone();
            parts[0].tensors[0] = norm;
        },
        2,
    );
    let says = ["part 1 of 2, not 1 of 1", "own names"];
    all.files("part renamed", &says, vec![("model.gguf".to_owned(), halves()[0].bytes())]);
}

//! Recipes against the types that llama.cpp's quantizer gives tensors:
//! tests/data/recipes.txt says how it was made.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{Metadata, MetadataValue};
use smallmind_runtime::container::{GgufWriter, ModelFile, Shape, TensorType};
use smallmind_runtime::quantization::Recipe;
use std::fs::File;
use std::path::Path;

const DATA: &str = include_str!("data/recipes.txt");
const COLS: u64 = 256;

/// The tensors that a part stands for, layer by layer.
fn tensor_names(part: &str, layers: usize) -> Vec<String> {
    match part {
        "output" | "token_embd" => vec![format!("{part}.weight")],
        _ => (0..layers).map(|i| format!("blk.{i}.{part}.weight")).collect(),
    }
}

/// A file with the metadata of a `model` line, and tensors of two rows of zeros.
fn write_model(path: &Path, line: &str, parts: &[&str]) -> (ModelFile, usize) {
    let words: Vec<_> = line.split(' ').collect();
    let numbers: Vec<u32> = words[2..].iter().map(|n| n.parse().unwrap()).collect();
    let [architecture, layers, experts] = [words[1], words[2], words[5]];
    let mut keys = Metadata::new();
    keys.insert("general.architecture", MetadataValue::String(architecture.into()));
    let names = ["block_count", "attention.head_count", "attention.head_count_kv", "expert_count"];
    for (name, value) in names.into_iter().zip(numbers) {
        keys.insert(format!("{architecture}.{name}"), MetadataValue::U32(value));
    }
    let (layers, experts) = (layers.parse().unwrap(), experts.parse::<u64>().unwrap());
    let zeros = vec![0; (COLS * 2 * 4 * experts.max(1)) as usize];
    let mut writer = GgufWriter::new(keys);
    for part in parts {
        let dims = [COLS, 2, if part.ends_with("_exps") { experts } else { 1 }];
        let shape = Shape::new(&dims).unwrap();
        let data = &zeros[..TensorType::F32.byte_len(shape).unwrap() as usize];
        for name in tensor_names(part, layers) {
            writer.tensor(&name, shape, TensorType::F32, data);
        }
    }
    writer.write(File::create(path).unwrap()).unwrap();
    (ModelFile::open(path).unwrap(), layers)
}

/// `Q6_K*2 Q4_K*1` to the names of three types.
fn runs(text: &str) -> Vec<&str> {
    text.split(' ')
        .flat_map(|run| {
            let (name, count) = run.split_once('*').unwrap();
            std::iter::repeat_n(name, count.parse().unwrap())
        })
        .collect()
}

#[test]
fn types_are_those_that_llama_cpp_chooses() {
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for section in DATA.split("\nmodel ").skip(1) {
        let (line, recipes) = section.split_once("\nrecipe ").unwrap();
        let mut file = None;
        for recipe in recipes.split("\nrecipe ") {
            let mut lines = recipe.lines();
            let recipe = Recipe::named(lines.next().unwrap()).unwrap();
            let parts: Vec<_> = lines.map(|line| line.split_once(' ').unwrap()).collect();
            let (file, layers) = file.get_or_insert_with(|| {
                let parts: Vec<_> = parts.iter().map(|(part, _)| *part).collect();
                write_model(&folder.path().join("model.gguf"), line, &parts)
            });
            for (part, types) in parts {
                for (name, expected) in tensor_names(part, *layers).iter().zip(runs(types)) {
                    let tensor = file.tensor(name).unwrap().info;
                    let found = recipe.tensor_type(file, tensor).unwrap();
                    let what = format!("{line}: {}: {name}", recipe.name());
                    assert_eq!(found.to_string(), expected, "{what}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}

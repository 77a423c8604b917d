//! Whole models in other types.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::CancellationToken;
use smallmind_runtime::container::{ModelFile, TensorType};
use smallmind_runtime::quantization::{Recipe, quantize_model};
use smallmind_runtime::{Error, LoadOptions, Logits, Model};
use smallmind_testkit::{model_path, tiny_model};
use std::path::Path;

fn logits(path: &Path) -> Vec<f32> {
    let never = CancellationToken::new();
    let options = LoadOptions { threads: Some(1), ..Default::default() };
    let model = Model::load(&ModelFile::open(path).unwrap(), &options, &never).unwrap();
    let mut context = model.new_context(8).unwrap();
    model.forward(&mut context, &[5, 6, 7], Logits::Last, &never).unwrap().to_vec()
}

fn relative_distance(a: &[f32], b: &[f32]) -> f32 {
    let off: f32 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (off / a.iter().map(|a| a.powi(2)).sum::<f32>()).sqrt()
}

#[test]
fn every_recipe_makes_a_model_that_answers_nearly_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, tiny_model("llama").bytes()).unwrap();
    let (file, sound) = (ModelFile::open(&from).unwrap(), logits(&from));
    for recipe in Recipe::ALL {
        let mut reports = 0;
        let mut count = |tensor: smallmind_runtime::quantization::TensorReport<'_>| {
            assert!(tensor.error < 0.2, "{}: {tensor:?}", recipe.name());
            reports += 1;
        };
        quantize_model(&file, recipe, &to, &mut count, &CancellationToken::new()).unwrap();
        assert_eq!(reports, file.tensors().len());
        let written = ModelFile::open(&to).unwrap();
        let file_type: u32 = written.metadata().get("general.file_type").unwrap();
        assert_eq!(file_type, recipe.file_type());
        let off = relative_distance(&sound, &logits(&to));
        assert!(off < 0.3 && (off > 0.0 || recipe.name() == "F32"), "{}: {off}", recipe.name());
    }
}

/// llama.cpp made this file: where our choice of types is its own, every tensor
/// is copied as it is.
#[test]
fn the_mix_is_that_of_llama_cpp() {
    let file = ModelFile::open(&model_path("gemma3-270m")).unwrap();
    let recipe = Recipe::named("Q4_K_M").unwrap();
    let mut types = Vec::new();
    for tensor in file.tensors() {
        assert_eq!(recipe.tensor_type(&file, tensor).unwrap(), tensor.tensor_type, "{tensor:?}");
        types.push(tensor.tensor_type);
    }
    for used in [TensorType::F32, TensorType::Q5_0, TensorType::Q8_0, TensorType::Q6_K] {
        assert!(types.contains(&used), "{used}");
    }
}

#[test]
fn what_fails_leaves_the_file_that_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let recipe = Recipe::named("Q8_0").unwrap();
    let mut model = tiny_model("llama");
    model.tensor("blk.1.ffn_down.weight").data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&from, model.bytes()).unwrap();
    std::fs::write(&to, "precious").unwrap();
    let file = ModelFile::open(&from).unwrap();
    let attempt = |cancel: &CancellationToken| {
        let result = quantize_model(&file, recipe, &to, &mut |_| {}, cancel);
        assert_eq!(std::fs::read(&to).unwrap(), b"precious");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        result.unwrap_err()
    };
    let refused = attempt(&CancellationToken::new()).to_string();
    assert!(refused.contains("'blk.1.ffn_down.weight'") && refused.contains("NaN"), "{refused}");
    let stopped = CancellationToken::new();
    stopped.cancel();
    assert!(matches!(attempt(&stopped), Error::Cancelled(_)));
}

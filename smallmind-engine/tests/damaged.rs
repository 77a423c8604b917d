//! Damaged files: each is refused with one line that names what is wrong, and
//! none makes the loader panic or allocate what only a header claims.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{CancellationToken, GenerationOptions, GenerationRequest};
use smallmind_engine::{Engine, EngineOptions, Error, SessionOptions};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::quantization::{Recipe, quantize_model};
use smallmind_testkit::{Random, Recorder, damages, tiny_model};
use std::fs::File;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: Recorder = Recorder;

/// Beyond the size of the file: tables of the tokenizer and of the threads.
const ALLOWANCE: usize = 1 << 20;

fn load(path: &Path) -> Result<Engine, Error> {
    Engine::load(
        path,
        EngineOptions { threads: Some(1), ..Default::default() },
        &CancellationToken::new(),
    )
}

#[test]
fn damaged_files_are_refused_in_one_line_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let damages = damages();
    assert!(damages.len() >= 100);
    let mut wrong = Vec::new();
    for damage in damages {
        let path = damage.write(folder.path()).unwrap();
        Recorder::take();
        let message = match load(&path) {
            Ok(_) => "it was loaded".to_owned(),
            Err(error) => error.to_string(),
        };
        let largest = Recorder::take().largest;
        let unsaid: Vec<_> = damage.says.iter().filter(|s| !message.contains(*s)).collect();
        if !unsaid.is_empty() || message.contains(char::is_control) {
            wrong.push(format!("{}: {unsaid:?} not in: {message}", damage.name));
        }
        if largest > damage.size() + ALLOWANCE {
            wrong.push(format!("{}: {largest} bytes at once", damage.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_header_cut_anywhere_is_refused() {
    let gguf = tiny_model("llama");
    let header = *gguf.sections().last().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, gguf.bytes()).unwrap();
    load(file.path()).unwrap();
    for len in (0..header).rev() {
        File::options().write(true).open(&file).unwrap().set_len(len as u64).unwrap();
        let message = load(file.path()).unwrap_err().to_string();
        assert!(message.contains("at byte") && !message.contains('\n'), "{len}: {message}");
    }
}

/// What a corrupted file does to the engine, short of a panic, is its own
/// affair; an error is one line.
fn load_and_run(path: &Path) -> Result<(), Error> {
    let never = CancellationToken::new();
    let session = load(path)?.session(SessionOptions { context: Some(8), ..Default::default() })?;
    let options = GenerationOptions { max_tokens: Some(2), ..Default::default() };
    session.generate(&GenerationRequest::new(vec![5, 6]).with_options(options), &never)?;
    Ok(())
}

/// A file of our own quantizer's.
fn quantized() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let [from, to] = ["from.gguf", "to.gguf"].map(|name| folder.path().join(name));
    std::fs::write(&from, tiny_model("llama").bytes()).unwrap();
    let (from, recipe) = (ModelFile::open(&from).unwrap(), Recipe::named("Q8_0").unwrap());
    quantize_model(&from, recipe, &to, &mut |_| (), &CancellationToken::new()).unwrap();
    std::fs::read(to).unwrap()
}

#[test]
fn corrupted_files_never_panic() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let models = ["llama", "gemma3-pattern", "qwen2", "llama-q4_k"];
    let models = models.map(|model| (model, tiny_model(model).bytes()));
    for (seed, (model, sound)) in (1..).zip(models.into_iter().chain([("ours", quantized())])) {
        std::fs::write(&file, &sound).unwrap();
        let header = ModelFile::open(file.path()).unwrap();
        let header = header.tensors().map(|t| t.offset as usize).min().unwrap();
        let mut random = Random::new(seed);
        for round in 0..1000 {
            let mut bytes = sound.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(header);
                match random.below(3) {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes[at] = random.bits() as u8,
                    _ => bytes[at..at + 8].copy_from_slice(&random.bits().to_le_bytes()),
                }
            }
            std::fs::write(&file, &bytes).unwrap();
            Recorder::take();
            if let Err(error) = load_and_run(file.path()) {
                let message = error.to_string();
                assert!(!message.contains(char::is_control), "{model} {round}: {message:?}");
            }
            assert!(Recorder::take().largest <= bytes.len() + ALLOWANCE, "{model} {round}");
        }
    }
}

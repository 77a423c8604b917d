//! `.smq`: the same bits as from GGUF, and no damage that goes unsaid.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::CancellationToken;
use smallmind_runtime::container::{ModelFile, Storage, convert};
use smallmind_runtime::{Error, LoadOptions, Logits, Model};
use smallmind_testkit::{QUANTIZED, Random, Recorder, tiny_model};
use std::fs;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: Recorder = Recorder;

fn logits(path: &Path) -> Result<Vec<f32>, Error> {
    let never = CancellationToken::new();
    let options = LoadOptions { threads: Some(1), ..Default::default() };
    let model = Model::load(&ModelFile::open(path)?, &options, &never)?;
    let mut context = model.new_context(8)?;
    Ok(model.forward(&mut context, &[5, 6, 7], Logits::All, &never)?.to_vec())
}

/// Converts a tiny model within a folder.
fn converted(model: &str, folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (gguf, smq) = (folder.join("model.gguf"), folder.join("model.smq"));
    fs::write(&gguf, tiny_model(model).bytes()).unwrap();
    let file = ModelFile::open(&gguf).unwrap();
    convert(&file, &smq, &mut |_| {}, &CancellationToken::new()).unwrap();
    (gguf, smq)
}

#[test]
fn logits_are_those_of_the_gguf_file_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let quantized = QUANTIZED.iter().map(|t| format!("llama-{t}"));
    for model in quantized.chain(["llama", "qwen2", "gemma3", "qwen3moe"].map(String::from)) {
        let (gguf, smq) = converted(&model, folder.path());
        assert_eq!(logits(&smq).unwrap(), logits(&gguf).unwrap(), "{model}");
        let (gguf, smq) = (ModelFile::open(&gguf).unwrap(), ModelFile::open(&smq).unwrap());
        assert!(gguf.metadata().iter().eq(smq.metadata().iter()), "{model}");
        assert!(smq.tensors().any(|t| t.storage == Storage::Panels));
        assert!(smq.tensors().all(|t| t.offset % 64 == 0));
        let mut experts = smq.tensors().filter(|t| t.name.contains("_exps"));
        assert!(experts.all(|t| t.storage == Storage::Panels), "{model}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (_, smq) = converted("llama", folder.path());
    let sound = fs::read(&smq).unwrap();
    for len in (0..sound.len()).step_by(997).chain(sound.len() - 70..sound.len()) {
        fs::write(&smq, &sound[..len]).unwrap();
        let message = logits(&smq).unwrap_err().to_string();
        assert!(message.contains("model.smq") && message.contains("at byte"), "{len}: {message}");
    }
}

/// Every bit of a file is either padding or watched by something.
#[test]
fn a_flipped_bit_is_refused_by_name_or_means_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_, smq) = converted("llama-q4_k", folder.path());
    let (sound, expected) = (fs::read(&smq).unwrap(), logits(&smq).unwrap());
    let mut random = Random::new(9);
    let mut refused = 0;
    let places = (0..64).chain((0..300).map(|_| random.below(sound.len()))).collect::<Vec<_>>();
    for at in places {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << random.below(8);
        fs::write(&smq, &bytes).unwrap();
        match logits(&smq) {
            Ok(found) => assert_eq!(found, expected, "byte {at}"),
            Err(error) => {
                assert!(error.to_string().contains("model.smq"), "byte {at}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn other_versions_and_layouts_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (_, smq) = converted("llama", folder.path());
    let sound = fs::read(&smq).unwrap();
    for (at, says) in [(4, "version 2 of .smq"), (8, "layout of panels 2 of .smq")] {
        let mut bytes = sound.clone();
        bytes[at] = 2;
        fs::write(&smq, &bytes).unwrap();
        let error = logits(&smq).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// Changes the index of a file, and makes the header vouch for it.
fn lie(sound: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    let index = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    change(&mut bytes[index..]);
    let checksum = crc32fast::hash(&bytes[index..]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// A checksum is no proof: whoever writes the index writes its checksum.
#[test]
fn an_index_that_lies_never_panics_nor_inflates() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, model) in (1..).zip(["llama", "gemma3", "llama-q4_k"]) {
        let (_, smq) = converted(model, folder.path());
        let sound = fs::read(&smq).unwrap();
        let mut random = Random::new(seed);
        for round in 0..500 {
            let bytes = lie(&sound, |index| {
                let at = random.below(index.len() - 8);
                match random.below(3) {
                    0 => index[at] ^= 1 << random.below(8),
                    1 => index[at] = random.bits() as u8,
                    _ => index[at..at + 8].copy_from_slice(&random.bits().to_le_bytes()),
                }
            });
            fs::write(&smq, &bytes).unwrap();
            Recorder::take();
            if let Err(error) = logits(&smq) {
                let message = error.to_string();
                assert!(!message.contains(char::is_control), "{model} {round}: {message:?}");
            }
            assert!(Recorder::take().largest <= bytes.len() + (1 << 20), "{model} {round}");
        }
    }
}

#[test]
fn tensors_that_share_bytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, smq) = converted("llama", folder.path());
    let sound = fs::read(&smq).unwrap();
    let file = ModelFile::open(&smq).unwrap();
    let [first, second] = ["blk.0.attn_k.weight", "blk.1.attn_k.weight"]
        .map(|name| file.find_tensor(name).unwrap().info.offset.to_le_bytes());
    fs::write(
        &smq,
        lie(&sound, |index| {
            let at = index.windows(8).position(|bytes| bytes == second).unwrap();
            index[at..at + 8].copy_from_slice(&first);
        }),
    )
    .unwrap();
    let message = ModelFile::open(&smq).unwrap_err().to_string();
    assert!(message.contains("bytes shared with tensor 'blk.0.attn_k.weight'"), "{message}");
}

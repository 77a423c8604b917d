//! The vocabularies and texts that llama.cpp tests with, from the source
//! distribution of its Python package.

use super::Result;
use crate::command::{root, run};
use smallmind_abstractions::{MetadataValue, Tokenizer};
use smallmind_runtime::container::{GgufWriter, ModelFile};
use smallmind_tokenizers::GgufTokenizerFactory;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

const PACKAGE: &str = "llama-cpp-python==0.3.36";
const SEPARATOR: &str = "\n__ggml_vocab_test__\n";

/// A vocabulary-only file.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Whether it is another vocabulary under the name of a pre-tokenizer.
    pub(super) is_rule: bool,
}

impl Vocabulary {
    pub(super) fn tokenizer(&self) -> Result<Arc<dyn Tokenizer>> {
        let file = ModelFile::open(&self.path)?;
        Ok(GgufTokenizerFactory::new().build(file.metadata())?)
    }

    /// Texts and their ids, where the reference lists them.
    pub(super) fn listed(&self) -> Result<Vec<(Vec<u8>, Vec<u32>)>> {
        let with = |suffix: &str| {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            PathBuf::from(path)
        };
        if !with(".out").exists() {
            return Ok(Vec::new());
        }
        let texts = split(&std::fs::read_to_string(with(".inp"))?);
        let lines = std::fs::read_to_string(with(".out"))?;
        let ids = lines.lines().map(|line| line.split_whitespace().map(str::parse).collect());
        let ids = ids.collect::<std::result::Result<Vec<Vec<u32>>, _>>()?;
        if texts.len() != ids.len() {
            return Err(format!("{}: {} texts, {} lists", self.name, texts.len(), ids.len()).into());
        }
        Ok(texts.into_iter().zip(ids).collect())
    }
}

/// Texts, each ended by the separator.
fn split(text: &str) -> Vec<Vec<u8>> {
    text.strip_suffix(SEPARATOR)
        .unwrap_or(text)
        .split(SEPARATOR)
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// All vocabularies, by name.
pub(super) fn vocabularies() -> Result<Vec<Vocabulary>> {
    let mut vocabularies = Vec::new();
    for entry in std::fs::read_dir(directory()?)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = name.strip_prefix("ggml-vocab-").and_then(|name| name.strip_suffix(".gguf"));
        if let Some(name) = name {
            vocabularies.push(Vocabulary {
                name: name.to_owned(),
                path: path.clone(),
                is_rule: false,
            });
        }
    }
    vocabularies.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(vocabularies)
}

/// One vocabulary under the name of every pre-tokenizer.
pub(super) fn rules() -> Result<Vec<Vocabulary>> {
    let models = directory()?;
    let folder = models.join("conformance");
    std::fs::create_dir_all(&folder)?;
    let file = ModelFile::open(&models.join("ggml-vocab-gpt-2.gguf"))?;
    let mut metadata = file.metadata().clone();
    let mut rules = Vec::new();
    for name in GgufTokenizerFactory::pre_tokenizers() {
        // This rule belongs to a model of its own.
        let model = if name == "whitespace" { name } else { "gpt2" };
        metadata.insert("tokenizer.ggml.model", MetadataValue::String(model.to_owned()));
        metadata.insert("tokenizer.ggml.pre", MetadataValue::String(name.to_owned()));
        let path = folder.join(format!("{name}.gguf"));
        GgufWriter::new(metadata.clone()).write(BufWriter::new(File::create(&path)?))?;
        rules.push(Vocabulary { name: format!("pre:{name}"), path, is_rule: true });
    }
    Ok(rules)
}

/// The texts of the reference's own tests.
pub(super) fn texts() -> Result<Vec<Vec<u8>>> {
    let path = directory()?.join("ggml-vocab-qwen35.gguf.inp");
    Ok(split(&std::fs::read_to_string(path)?))
}

/// Where the vocabularies and templates are; fetches the package the first time.
pub(super) fn directory() -> Result<PathBuf> {
    let target = root().join("target/conformance");
    let models = target.join("llama_cpp_python-0.3.36/vendor/llama.cpp/models");
    if !models.exists() {
        std::fs::create_dir_all(&target)?;
        let pip =
            ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python"];
        run(Command::new("python3").args(pip).arg(PACKAGE).arg("--dest").arg(&target))?;
        let archive = target.join("llama_cpp_python-0.3.36.tar.gz");
        let unpack = ["-m", "tarfile", "--extract"];
        run(Command::new("python3").args(unpack).arg(archive).arg(&target))?;
    }
    Ok(models)
}

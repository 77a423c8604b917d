//! What chats with one model share.

use super::verbatim::Spellings;
use sha2::{Digest, Sha256};
use smallmind_abstractions::Tokenizer;
use smallmind_runtime::container::ModelFile;
use std::sync::OnceLock;

/// Bytes of each tensor that tell models apart.
const SAMPLE: usize = 256;

/// What chats with one model share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Tells the model from others, and from other types of the same.
    fingerprint: String,
    spellings: OnceLock<Spellings>,
}

impl Shared {
    pub(crate) fn of(file: &ModelFile) -> Self {
        Self { fingerprint: fingerprint(file), spellings: OnceLock::new() }
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(super) fn spellings(&self, tokenizer: &dyn Tokenizer) -> &Spellings {
        self.spellings.get_or_init(|| Spellings::of(tokenizer))
    }
}

/// A hash of the tensors' names, types, shapes and first bytes: enough to tell
/// models apart, and of no cost beside loading one.
fn fingerprint(file: &ModelFile) -> String {
    let mut hash = Sha256::new();
    for info in file.tensors() {
        let dims = info.shape.dims();
        hash.update(format!("{}\0{}\0{dims:?}\0", info.name, info.tensor_type));
        if let Some(tensor) = file.find_tensor(&info.name) {
            hash.update(&tensor.data[..tensor.data.len().min(SAMPLE)]);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

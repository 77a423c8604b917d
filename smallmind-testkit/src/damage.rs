//! Damaged files, and what must be said of them.

mod header;
mod metadata;
mod splits;
mod tensors;
mod tokenizer;

use crate::{Gguf, tiny_model};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A model that cannot be loaded.
#[derive(Debug, Clone)]
pub struct Damage {
    /// What is wrong with it.
    pub name: String,
    /// What the error must say: what is wrong, what was expected and found.
    pub says: Vec<String>,
    /// The files by their names; the first is opened. Where there is none, a
    /// folder is.
    files: Vec<(String, Vec<u8>)>,
}

impl Damage {
    /// Writes the files into a new folder and returns what to open.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        let folder = folder.join(&self.name);
        fs::create_dir(&folder)?;
        for (name, bytes) in &self.files {
            fs::write(folder.join(name), bytes)?;
        }
        Ok(self.files.first().map_or(folder.clone(), |(name, _)| folder.join(name)))
    }

    /// Bytes of the files together.
    pub fn size(&self) -> usize {
        self.files.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}

/// All kinds of damage.
pub fn damages() -> Vec<Damage> {
    let mut all = Damages(Vec::new());
    header::add(&mut all);
    metadata::add(&mut all);
    tokenizer::add(&mut all);
    tensors::add(&mut all);
    splits::add(&mut all);
    all.0
}

struct Damages(Vec<Damage>);

impl Damages {
    /// A change to a sound llama model.
    fn llama(&mut self, name: &str, says: &[&str], change: impl FnOnce(&mut Gguf)) {
        self.model("llama", name, says, change);
    }

    /// A change to a sound model.
    fn model(&mut self, of: &str, name: &str, says: &[&str], change: impl FnOnce(&mut Gguf)) {
        let mut gguf = tiny_model(of);
        change(&mut gguf);
        self.files(name, says, vec![("model.gguf".to_owned(), gguf.bytes())]);
    }

    fn files(&mut self, name: &str, says: &[&str], files: Vec<(String, Vec<u8>)>) {
        let says = says.iter().map(|s| (*s).to_owned()).collect();
        self.0.push(Damage { name: name.replace(' ', "-"), says, files });
    }
}

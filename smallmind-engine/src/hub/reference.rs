//! What people write where a model is wanted.

use super::catalogue::{CatalogueEntry, catalogue};
use crate::Error;
use std::path::{Path, PathBuf};

/// A model as people name it: a file, a short name, or a file on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelReference {
    /// A file of the user's own.
    File(PathBuf),
    /// A model of the catalogue.
    Catalogue(&'static CatalogueEntry),
    /// A file of a repository on the Hugging Face hub.
    Hub {
        /// `owner/name`.
        repository: String,
        /// The path of the file in it.
        path: String,
    },
}

impl ModelReference {
    /// Reads `PATH`, `NAME` or `hf:OWNER/REPOSITORY/PATH.gguf`. A file that
    /// exists comes before a name.
    ///
    /// ```
    /// use smallmind_engine::hub::ModelReference;
    ///
    /// let model = ModelReference::parse("hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf")?;
    /// assert!(matches!(model, ModelReference::Hub { repository, .. }
    ///     if repository == "Qwen/Qwen3-0.6B-GGUF"));
    /// # Ok::<(), smallmind_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownModel`] for a name that is none of these.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(rest) = text.strip_prefix("hf:") {
            return hub(rest).ok_or_else(|| unknown(text));
        }
        if let Some(entry) = catalogue().iter().find(|e| e.name == text)
            && !Path::new(text).exists()
        {
            return Ok(Self::Catalogue(entry));
        }
        let path = Path::new(text);
        let looks_like_a_path = path.components().count() > 1
            || path.is_absolute()
            || path
                .extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("gguf") || e.eq_ignore_ascii_case("smq"));
        if path.exists() || looks_like_a_path {
            return Ok(Self::File(path.to_owned()));
        }
        Err(unknown(text))
    }
}

/// `OWNER/REPOSITORY/PATH.gguf`, of names that are safe as parts of a path.
fn hub(text: &str) -> Option<ModelReference> {
    let safe = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(plain)
    };
    let parts: Vec<_> = text.split('/').collect();
    let [owner, name, path @ ..] = &parts[..] else { return None };
    let file = path.last()?;
    if !parts.iter().all(|p| safe(p)) || !file.ends_with(".gguf") {
        return None;
    }
    Some(ModelReference::Hub { repository: format!("{owner}/{name}"), path: path.join("/") })
}

fn unknown(text: &str) -> Error {
    let names: Vec<_> = catalogue().iter().map(|e| e.name).collect();
    Error::UnknownModel { name: text.to_owned(), known: names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_paths_and_hub_files_are_told_apart() {
        let parse = |text: &str| ModelReference::parse(text);
        assert!(matches!(parse("smollm2-135m"), Ok(ModelReference::Catalogue(_))));
        assert!(matches!(parse("missing.gguf"), Ok(ModelReference::File(_))));
        assert!(matches!(parse("missing.smq"), Ok(ModelReference::File(_))));
        assert!(matches!(parse("./smollm2"), Ok(ModelReference::File(_))));
        let hub = ModelReference::Hub { repository: "a/b".into(), path: "c/d.gguf".into() };
        assert_eq!(parse("hf:a/b/c/d.gguf").unwrap(), hub);
        for bad in ["smolm", "hf:a/b", "hf:a/b/c.bin", "hf:a/../b.gguf", "hf:a/b/../../c.gguf"] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains("smollm2-135m"), "{bad}: {error}");
        }
    }
}

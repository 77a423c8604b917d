//! What sessions take from the allocator, and what they took before there was
//! a pool of buffers.

use crate::command::{cargo, output, root};
use serde::{Deserialize, Serialize};
use smallmind_testkit::model_path;
use std::fs;

/// Calls of the allocator, and the bytes they ask for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Requests {
    pub(super) requests: f64,
    pub(super) bytes: f64,
}

/// What the program `allocations` says of a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Allocations {
    /// Of a session's first prompt, 1,024 tokens.
    pub(super) first_prompt: Requests,
    /// Of each chunk of a later one.
    pub(super) warm_chunk: Requests,
    /// Of each token after that.
    pub(super) warm_token: Requests,
}

#[derive(Debug, Serialize)]
pub(super) struct Memory {
    pub(super) model: String,
    pub(super) now: Allocations,
    pub(super) before: Option<Before>,
}

/// A line of `reports/baselines/memory.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Before {
    model: String,
    /// What it was measured of.
    pub(super) commit: String,
    pub(super) peak_rss_bytes: u64,
    #[serde(flatten)]
    pub(super) allocations: Allocations,
}

pub(super) fn measure(models: &[&str]) -> Result<Vec<Memory>, String> {
    let baseline = root().join("reports/baselines/memory.json");
    let text = fs::read_to_string(&baseline).map_err(|e| format!("{}: {e}", baseline.display()))?;
    let before: Vec<Before> = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let memory = |model: &&str| {
        let run = "run --quiet --release -p smallmind-benches --bin allocations --";
        let text = output(cargo(run).arg(model_path(model)))?;
        let now = serde_json::from_str(&text).map_err(|e| format!("allocations: {e}"))?;
        let before = before.iter().find(|b| b.model == **model).cloned();
        Ok(Memory { model: (*model).to_owned(), now, before })
    };
    models.iter().map(memory).collect()
}

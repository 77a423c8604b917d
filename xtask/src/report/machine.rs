//! The machine that results come from.

use crate::command::{output, root};
use serde::Serialize;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

/// CPU features that kernels use or could.
const FLAGS: [&str; 12] = [
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx_vnni",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512dq",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
];

#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) logical_cores: usize,
    pub(super) flags: Vec<&'static str>,
    pub(super) system: String,
    pub(super) rustc: String,
    pub(super) commit: String,
}

impl Machine {
    /// As Linux describes it; elsewhere less is known.
    pub(super) fn this() -> Result<Self, String> {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = info.lines().find(|l| l.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim())
        };
        let has: Vec<_> = field("flags").unwrap_or_default().split(' ').collect();
        let mut git = Command::new("git");
        git.args(["rev-parse", "--short", "HEAD"]).current_dir(root());
        Ok(Self {
            cpu: field("model name").unwrap_or(std::env::consts::ARCH).to_owned(),
            logical_cores: available_parallelism().map_err(|e| e.to_string())?.get(),
            flags: FLAGS.into_iter().filter(|f| has.contains(f)).collect(),
            system: system(),
            rustc: output(Command::new("rustc").arg("--version"))?.trim().to_owned(),
            commit: output(&mut git)?.trim().to_owned(),
        })
    }
}

fn system() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME="));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let name = name.unwrap_or(std::env::consts::OS).trim_matches('"');
    format!("{name}, {} {}", std::env::consts::OS, kernel.trim())
}

//! Whole models, through the binary that users run.

use crate::command::{cargo, output, root, run, target};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt, fs};

/// The models of the catalogue that are measured.
pub(crate) const MODELS: [&str; 2] = ["smollm2-135m", "gemma3-270m"];

/// A median and what it lies between.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of some measurements; zero where there are none.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |i: usize| sorted.get(i).copied().unwrap_or_default();
        let last = sorted.len().saturating_sub(1);
        let median = f64::midpoint(at(last / 2), at(last.div_ceil(2)));
        Self { median, min: at(0), max: at(last) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        let Self { median, min, max } = self;
        write!(f, "{median:.digits$} ({min:.digits$} .. {max:.digits$})")
    }
}

/// A row of `smallmind bench --json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) model: String,
    pub(crate) test: String,
    pub(crate) threads: usize,
    pub(crate) tokens_per_second: Spread,
}

/// A row of `smallmind bench --peaks --json`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Peaks {
    pub(crate) threads: usize,
    pub(crate) read_gb_s: f64,
    pub(crate) f32_gflop_s: f64,
    pub(crate) int8_gop_s: f64,
}

impl Peaks {
    pub(crate) fn measure(binary: &Path, threads: usize) -> Result<Self, String> {
        let rows: Vec<Self> = json(binary, &format!("bench --peaks -t {threads} --json"))?;
        rows.into_iter().next().ok_or_else(|| "smallmind bench shows no peaks".to_owned())
    }

    /// The higher ones of both: what else the machine does only lowers them.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            threads: self.threads,
            read_gb_s: self.read_gb_s.max(other.read_gb_s),
            f32_gflop_s: self.f32_gflop_s.max(other.f32_gflop_s),
            int8_gop_s: self.int8_gop_s.max(other.int8_gop_s),
        }
    }
}

/// Builds the binary as it is released.
pub(crate) fn binary() -> Result<PathBuf, String> {
    run(&mut cargo("build --release -p smallmind-cli"))?;
    Ok(target().join("release").join(format!("smallmind{}", env::consts::EXE_SUFFIX)))
}

/// Runs the binary and reads the JSON that it prints.
pub(crate) fn json<T: DeserializeOwned>(binary: &Path, args: &str) -> Result<T, String> {
    let mut command = Command::new(binary);
    let text = output(command.args(args.split_whitespace()))?;
    serde_json::from_str(&text).map_err(|e| format!("smallmind {args}: {e}"))
}

/// Where a baseline is kept.
fn baseline(name: &str) -> PathBuf {
    root().join("reports/baselines").join(format!("{name}.json"))
}

/// Saves results under a name, to hold later ones against.
pub(crate) fn save(name: &str, rows: &[Row]) -> Result<(), String> {
    let text = serde_json::to_string_pretty(rows).map_err(|e| e.to_string())?;
    write(&baseline(name), &(text + "\n"))
}

/// The results that were saved under a name.
pub(crate) fn load(name: &str) -> Result<Vec<Row>, String> {
    let path = baseline(name);
    let failed = |e: String| format!("cannot read the baseline {}: {e}", path.display());
    let text = fs::read_to_string(&path).map_err(|e| failed(e.to_string()))?;
    serde_json::from_str(&text).map_err(|e| failed(e.to_string()))
}

/// Writes a file, and the folder it is in.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|e| format!("cannot write {}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn medians_of_odd_and_even_counts() {
        let s = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!((s.min, s.median, s.max), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }
}

//! Products of every type of tensor, by criterion.

use crate::command::{cargo, run, target};
use crate::endtoend::Peaks;
use serde::Serialize;
use serde_json::Value;
use smallmind_runtime::Level;
use std::fs;
use std::path::Path;

/// The products of one type, on one thread, at the fastest level.
#[derive(Debug, Serialize)]
pub(super) struct Products {
    pub(super) tensor_type: String,
    /// With 64 tokens, in GOP/s.
    pub(super) gemm: f64,
    /// To the peak of what computes it: int8, or FP32 for floats.
    pub(super) of_peak: f64,
    /// With one token, in GOP/s.
    pub(super) gemv: f64,
}

pub(super) fn measure(binary: &Path) -> Result<Vec<Products>, String> {
    let level = Level::ALL.into_iter().rfind(|l| l.is_available()).unwrap_or(Level::Scalar);
    let filter = format!("^gem[mv]/.*/{level}$");
    let peaks = Peaks::measure(binary, 1)?;
    run(cargo("bench -p smallmind-benches --bench matmul --").arg(filter))?;
    let peaks = peaks.max(Peaks::measure(binary, 1)?);
    let gemm = target().join("criterion/gemm");
    let failed = |e| format!("cannot read {}: {e}", gemm.display());
    let mut types = Vec::new();
    for folder in fs::read_dir(&gemm).map_err(failed)?.flatten() {
        let tensor_type = folder.file_name().to_string_lossy().into_owned();
        let rate =
            |group| rate(&gemm.with_file_name(group).join(&tensor_type).join(level.as_str()));
        // Criterion's own summary has a folder there too.
        if folder.path().join(level.as_str()).is_dir() {
            let (gemm, gemv) = (rate("gemm")?, rate("gemv")?);
            let floats = ["F32", "F16", "BF16"].contains(&tensor_type.as_str());
            let of_peak = gemm / if floats { peaks.f32_gflop_s } else { peaks.int8_gop_s };
            types.push(Products { tensor_type, gemm, of_peak, gemv });
        }
    }
    types.sort_by(|a, b| a.tensor_type.cmp(&b.tensor_type));
    Ok(types)
}

/// Operations a nanosecond, by the median time of the last run.
pub(super) fn rate(folder: &Path) -> Result<f64, String> {
    let operations = number(folder, "benchmark.json", "/throughput/Elements")?;
    Ok(operations / number(folder, "estimates.json", "/median/point_estimate")?)
}

/// A number of criterion's last run.
pub(super) fn number(folder: &Path, file: &str, pointer: &str) -> Result<f64, String> {
    let path = folder.join("new").join(file);
    let text = fs::read_to_string(&path).map_err(|e| e.to_string());
    let value: Result<Value, _> =
        text.and_then(|t| serde_json::from_str(&t).map_err(|e| e.to_string()));
    let value = value.map(|v| v.pointer(pointer).and_then(Value::as_f64));
    value
        .and_then(|v| v.ok_or_else(|| format!("no number at {pointer}")))
        .map_err(|e| format!("{}: {e}", path.display()))
}

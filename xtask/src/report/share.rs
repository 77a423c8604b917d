//! Speeds as a share of what the machine does at most.

use crate::endtoend::json;
use crate::speed::Speed;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// What a model's matrices cost.
pub(super) struct Work {
    /// Multiplications and additions a token of prefill, in all layers.
    operations: f64,
    /// Bytes that the decode of a token reads.
    bytes: f64,
}

impl Work {
    pub(super) fn of(binary: &Path, model: &str) -> Result<Self, String> {
        let file: Value = json(binary, &format!("inspect {model} --json"))?;
        let all = file["tensors"].as_array().ok_or("inspect shows no tensors")?;
        let name = |t: &Value| t["name"].as_str().unwrap_or_default().to_owned();
        let dims = |t: &Value| -> Vec<f64> {
            t["shape"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
        };
        let has_output = all.iter().any(|t| name(t) == "output.weight");
        let head = if has_output { "output.weight" } else { "token_embd.weight" };
        let mut work = Self { operations: 0.0, bytes: 0.0 };
        for tensor in all.iter().filter(|t| dims(t).len() == 2) {
            let in_layer = name(tensor).starts_with("blk.");
            if in_layer {
                work.operations += 2.0 * dims(tensor).iter().product::<f64>();
            }
            if in_layer || name(tensor) == head {
                work.bytes += tensor["bytes"].as_f64().ok_or("inspect shows no sizes")?;
            }
        }
        Ok(work)
    }
}

/// What a speed amounts to, of the matrices alone.
#[derive(Debug, Serialize)]
pub(super) struct Share {
    /// GOP/s in prefill, GB/s in decode.
    pub(super) rate: f64,
    /// Of the int8 peak in prefill, of the bandwidth in decode.
    pub(super) of_peak: f64,
}

impl Share {
    /// At a depth the cache is read too, so weights alone would say little.
    pub(super) fn of(speed: &Speed, work: &Work) -> Option<Self> {
        let (each, peak) = match &speed.test {
            t if t.starts_with("pp") => (work.operations, speed.peaks.int8_gop_s),
            t if !t.contains('@') => (work.bytes, speed.peaks.read_gb_s),
            _ => return None,
        };
        let rate = each * speed.ours.median / 1e9;
        Some(Self { rate, of_peak: rate / peak })
    }
}

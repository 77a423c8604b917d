//! Products of matrices of floats, by criterion, and numpy's OpenBLAS.

use super::kernels::rate;
use crate::command::{cargo, run, target};
use crate::endtoend::Peaks;
use crate::peer::Peer;
use serde::Serialize;
use std::fs;
use std::path::Path;

/// One shape, `MxKxN`.
#[derive(Debug, Serialize)]
pub(super) struct Dense {
    pub(super) shape: String,
    pub(super) threads: usize,
    /// In GFLOP/s, as are all rates.
    pub(super) ours: f64,
    /// To the FP32 peak of as many threads.
    pub(super) of_peak: f64,
    pub(super) peer: Option<f64>,
    pub(super) ratio: Option<f64>,
}

pub(super) fn measure(binary: &Path, peer: Option<&Peer>) -> Result<Vec<Dense>, String> {
    let mut all = Vec::new();
    for threads in [1, 2] {
        let peaks = Peaks::measure(binary, threads)?;
        let filter = format!("^dense/.*/{threads}$");
        run(cargo("bench -p smallmind-benches --bench dense --").arg(filter))?;
        let shapes = shapes()?;
        let peers = peer.map(|peer| peer.measure_dense(threads, &shapes)).transpose()?;
        let peaks = peaks.max(Peaks::measure(binary, threads)?);
        for shape in shapes {
            let ours = rate(&folder().join(&shape).join(threads.to_string()))?;
            let peer = peers.as_ref().and_then(|p| p[&shape].as_f64());
            let (of_peak, ratio) = (ours / peaks.f32_gflop_s, peer.map(|peer| ours / peer));
            all.push(Dense { shape, threads, ours, of_peak, peer, ratio });
        }
    }
    Ok(all)
}

fn folder() -> std::path::PathBuf {
    target().join("criterion/dense")
}

/// The shapes that were measured, the smallest first.
fn shapes() -> Result<Vec<String>, String> {
    let folder = folder();
    let entries = fs::read_dir(&folder);
    let entries = entries.map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let work = |shape: &str| -> Option<u64> {
        shape.split('x').map(|side| side.parse::<u64>().ok()).product()
    };
    // Criterion's own summary has a folder there too.
    let mut shapes: Vec<_> = names.filter_map(|name| Some((work(&name)?, name))).collect();
    shapes.sort();
    Ok(shapes.into_iter().map(|(_, name)| name).collect())
}

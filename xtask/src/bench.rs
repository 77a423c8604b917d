//! `cargo xtask bench`: micro-benchmarks, then whole models.

use crate::command::{cargo, run};
use crate::endtoend::{binary, save};
use crate::options::Options;
use crate::{Outcome, speed};

/// Runs both; what is no argument of ours is criterion's.
pub(crate) fn run_all(args: &[&str]) -> Outcome {
    let Options { peer, baseline, effort, others } = Options::parse(args)?;
    run(cargo("bench -p smallmind-benches --").args(others))?;
    let speeds = speed::measure(&binary()?, peer.as_ref(), effort)?;
    let rows: Vec<_> = speeds.iter().map(speed::Speed::row).collect();
    baseline.map_or(Ok(()), |name| save(name, &rows))
}

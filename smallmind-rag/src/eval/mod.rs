//! Measuring retrievers on collections with judgements.

mod dataset;
mod measure;
mod metrics;

pub use dataset::{Dataset, Query, TestDocument};
pub use measure::{Measurement, measure};
pub use metrics::{Judgements, Metrics};

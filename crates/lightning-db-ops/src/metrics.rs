//! Metrics: the catalog of what a service measures, the recorder behind the `metrics` facade, and
//! the text that Prometheus reads.

mod bounded;
mod catalog;
mod exposition;
mod guard;
mod labelled;
mod lint;
mod recorder;
mod source;
mod upkeep;

pub use catalog::{Kind, Metric, reference};
pub use exposition::Format;
pub use labelled::Labelled;
pub use lint::{Sample, lint, samples};
pub use recorder::{BUCKETS, Keeping, Metrics, MetricsOptions, SourceRegistration};
pub use source::Source;

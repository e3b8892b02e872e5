//! What takes more than one store, and knows no HTTP: keeping a dataset, ordering a job.

pub mod artifacts;
pub mod forecasts;
mod orders;
mod retry;

pub use artifacts::{KeepError, keep_dataset};
pub use orders::{OrderError, order_job};
pub use retry::{RetryError, retry_job};

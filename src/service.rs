//! Operations that involve several stores and are independent of HTTP: storing a dataset, creating a job.

pub mod artifacts;
pub mod forecasts;
mod orders;
mod retry;

pub use artifacts::{KeepError, keep_dataset};
pub use orders::{OrderError, order_job};
pub use retry::{RetryError, retry_job};

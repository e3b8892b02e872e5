//! Classical forecasting methods for one series at a time.
//!
//! They are the baselines of a comparison and members of an automatic forecast. [`Method::fit`] estimates a method on a
//! history; [`Fitted::forecast`] gives the mean and the standard deviation of each step; [`Fitted::refilter`] moves the
//! fitted method to another origin of the same series without estimating it again.
//!
//! # What every method promises
//! - **It never fails.** Where a method cannot be estimated (too few points, a constant series, a model that diverges), the
//!   forecast is the seasonal naive one. The means are finite if one value of the history is; otherwise they are NaN.
//! - **A missing value is NaN** (infinities count as missing). State-space methods carry their state over it without an
//!   update; only seasonal decomposition and initial states interpolate. A missing value at the end counts as a
//!   step of time, so the forecast starts after it.
//! - **The work is bounded.** The parameters are estimated on the latest [`LONGEST`] points, or [`MOST_SEASONS`] seasons where
//!   that is more.
//! - **The season** is 1 for a series without one. A season that is longer than the history counts as 1; methods that
//!   estimate a seasonal pattern ask for two whole seasons.
//! - **Units do not matter.** A series is divided by its mean absolute value first. Multiplicative models are used only for
//!   values greater than zero.
//! - **It is deterministic**, and does no I/O.

mod adjust;
#[cfg(test)]
mod air_passengers;
mod ces;
mod drift;
mod ets;
mod fitted;
mod lbfgs;
mod method;
mod naive;
mod nelder_mead;
mod series;
mod theta;

pub use fitted::{Fitted, Forecast};
pub use method::Method;
pub use series::{LONGEST, MOST_SEASONS};

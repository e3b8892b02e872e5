//! Gatecast: upload time series, train recurrent networks on them as background jobs, and serve
//! forecasts from the models. `docs/architecture.md` walks one order and one forecast through
//! these modules.

pub mod data;
pub mod domain;
pub mod learn;
pub mod nn;

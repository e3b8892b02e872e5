//! How a training runs: rates, limits, warnings, and learning on from a model.

mod finetune;
mod limits;
mod rates;

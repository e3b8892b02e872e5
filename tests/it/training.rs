//! Training runs: learning rates, limits, warnings, and fine-tuning.

mod finetune;
mod limits;
mod rates;

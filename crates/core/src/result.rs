//! The results of jobs other than models.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::backtest::BacktestResult;
use super::leaderboard::{Leaderboard, SearchBoard};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobResult {
    Compare(Leaderboard),
    Search(SearchBoard),
    Backtest(Box<BacktestResult>),
}

//! Forecasting the past and comparing with what came: with a stored model, or with one trained for
//! each fold.

mod folds;
mod next;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::plan::{Candidate, error, read_training, short};
use super::{Checked, Found, JobRequestKind, JobSpecKind, Names, TrainRequest};
use crate::alias::ModelRef;
use crate::composite_job::{CompositeJob, Transition};
use crate::ids::{DatasetId, ModelId};
use crate::model::Model;
use crate::resolve::{FieldError, fields, nearest};

/// Forecast the past from rolling origins, with a stored model or with one trained for each origin,
/// and compare with what came. Either `model` or `order` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BacktestRequest {
    /// For people; the server makes one where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, format = "name", pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub name: Option<String>,
    /// Its id, or `@` and its alias. The job keeps the id that the alias stands for when it is ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelRef>,
    /// A training request without its `kind`, trained anew for each origin on what lies before it. Its
    /// split gives no more than the share of that which validates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TrainRequest>)]
    pub order: Option<Value>,
    /// With `model`. Left out: the newest revision of the dataset that the model was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetId>,
    /// Origins to forecast from. The last one's horizon ends with each series.
    #[serde(default = "default_folds")]
    #[schema(minimum = 1, maximum = 1_000)]
    pub folds: usize,
    /// Points from one origin to the next. Left out: the horizon, so that every point is evaluated once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100_000)]
    pub step: Option<usize>,
    /// Steps right after the origin that are forecast and not evaluated, because it would be too late
    /// to act on them.
    #[serde(default)]
    #[schema(maximum = 10_000)]
    pub gap: usize,
    /// Points ahead. Left out: as many as the model was trained for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub horizon: Option<usize>,
    /// Points after this time are left out.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time_bound::to")]
    #[schema(value_type = Option<String>, format = "date-or-time", example = "2019-05-31")]
    pub until: Option<Timestamp>,
}

fn default_folds() -> usize {
    5
}

/// A backtest with every value settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum BacktestSpec {
    /// Trains a model for each fold, and runs the backtest of each.
    Refit(RefitBacktest),
    /// Runs a stored model.
    Model(ModelBacktest),
}

/// A backtest of a stored model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelBacktest {
    pub name: String,
    pub model: ModelId,
    pub dataset: DatasetId,
    pub folds: usize,
    pub step: usize,
    pub gap: usize,
    pub horizon: usize,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time_bound::to")]
    #[schema(value_type = Option<String>)]
    pub until: Option<Timestamp>,
}

/// A backtest that trains a model for each fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RefitBacktest {
    pub name: String,
    #[schema(value_type = Object)]
    pub order: Value,
    /// `None` where the request names none: the training request names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetId>,
    pub folds: usize,
    pub step: usize,
    pub gap: usize,
    pub horizon: usize,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::time_bound::to")]
    #[schema(value_type = Option<String>)]
    pub until: Option<Timestamp>,
    /// The last point that each fold evaluates; not part of a request.
    #[schema(value_type = Vec<String>, read_only)]
    pub ends: Vec<Timestamp>,
    /// The training of each fold.
    #[serde(skip)]
    pub(super) plan: Vec<Candidate>,
}

/// A backtest whose fields are each valid.
#[derive(Debug, Clone)]
pub struct CheckedBacktest {
    request: BacktestRequest,
    subject: Subject,
}

/// What is evaluated.
#[derive(Debug, Clone)]
enum Subject {
    Model(ModelRef),
    Refit(Box<TrainRequest>),
}

impl JobRequestKind for BacktestRequest {
    type Checked = CheckedBacktest;

    fn check(self) -> Result<CheckedBacktest, Vec<FieldError>> {
        let request = fields::check(self)?;
        let subject = match (&request.model, &request.order) {
            (Some(model), None) => Subject::Model(model.clone()),
            (None, Some(order)) => Subject::Refit(Box::new(read_training(order, "/order")?)),
            (None, None) => {
                let detail = "the field is missing: give `model`, or `order` to train one for each fold";
                return Err(error("/model", detail));
            }
            (Some(_), Some(_)) => return Err(error("/order", "give `model` or `order`, not both")),
        };
        Ok(CheckedBacktest { request, subject })
    }
}

impl Checked for CheckedBacktest {
    type Spec = BacktestSpec;

    fn names(&self) -> Names<'_> {
        match &self.subject {
            Subject::Model(model) => {
                Names { dataset: self.request.dataset.map(|dataset| ("/dataset", dataset)), model: Some(model) }
            }
            Subject::Refit(train) => Names { dataset: Some(("/order/dataset", train.dataset)), model: None },
        }
    }

    fn resolve(self, found: &Found<'_>) -> Result<BacktestSpec, Vec<FieldError>> {
        match (self.subject, found.model) {
            (Subject::Refit(train), _) => folds::resolve(self.request, *train, found.dataset).map(BacktestSpec::Refit),
            (Subject::Model(_), Some(model)) => of_model(self.request, model, found).map(BacktestSpec::Model),
            (Subject::Model(_), None) => Err(error("/model", "the field is missing")),
        }
    }
}

fn of_model(request: BacktestRequest, model: &Model, found: &Found<'_>) -> Result<ModelBacktest, Vec<FieldError>> {
    let (manifest, profile) = (&model.manifest, &found.dataset.profile);
    let data = &manifest.order.data;
    let covariates = data.covariates.past.iter().chain(&data.covariates.future).chain(&data.covariates.fixed);
    for name in data.targets.iter().chain(covariates) {
        if profile.column(name).is_none() {
            let known = profile.columns.iter().map(|column| column.name.as_str());
            let at = if request.dataset.is_some() { "/dataset" } else { "/model" };
            let near = nearest(name, known);
            return Err(error(at, format!("the dataset has no column `{name}`, which the model reads{near}")));
        }
    }
    let horizon = request.horizon.unwrap_or(manifest.horizon);
    if let Some(detail) = manifest.refuses_horizon(horizon) {
        return Err(error("/horizon", detail));
    }
    check_gap(request.gap, horizon)?;
    let step = request.step.unwrap_or(horizon);
    let needed = (request.folds - 1).saturating_mul(step).saturating_add(horizon + manifest.context);
    if needed as u64 > profile.longest {
        let detail = format!(
            "{} origins {step} points apart need series of {needed} points; the longest has {}",
            request.folds, profile.longest
        );
        return Err(error("/folds", detail));
    }
    Ok(ModelBacktest {
        name: request.name.unwrap_or_else(|| short(format!("{}: backtest", model.name))),
        model: model.id,
        dataset: found.dataset.id,
        folds: request.folds,
        step,
        gap: request.gap,
        horizon,
        until: request.until,
    })
}

fn check_gap(gap: usize, horizon: usize) -> Result<(), Vec<FieldError>> {
    let detail = || format!("leaves nothing to evaluate of a horizon of {horizon}");
    if gap < horizon { Ok(()) } else { Err(error("/gap", detail())) }
}

impl JobSpecKind for BacktestSpec {
    fn name(&self) -> &str {
        match self {
            Self::Refit(spec) => &spec.name,
            Self::Model(spec) => &spec.name,
        }
    }

    fn plan(&self) -> &[Candidate] {
        match self {
            Self::Refit(spec) => &spec.plan,
            Self::Model(_) => &[],
        }
    }

    fn set_plan(&mut self, plan: Vec<Candidate>) {
        if let Self::Refit(spec) = self {
            spec.plan = plan;
        }
    }

    fn next(&self, composite: &CompositeJob, transition: &mut Transition) {
        if let Self::Refit(spec) = self {
            next::next(spec, composite, transition);
        }
    }
}

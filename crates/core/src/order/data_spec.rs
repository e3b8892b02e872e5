//! The data part of a training spec, with every value resolved.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::base::Base;
use super::data::{DataRequest, Split};
use super::inputs::{Calendar, Covariates};
use super::scaling::{Scaling, ScalingForm};
use super::values::{Differencing, Missing, Recency, Resample, Transform, TransformForm};

/// Which columns and windows to train on. The fields are documented at [`DataRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "DataRequest")]
pub struct DataSpec {
    /// At least one.
    pub targets: Vec<String>,
    pub covariates: Covariates,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calendar: Vec<Calendar>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lags: Vec<usize>,
    /// 0 if there are no future covariates.
    #[serde(skip_serializing_if = "is_zero")]
    pub future_window: usize,
    pub context: usize,
    pub horizon: usize,
    pub stride: usize,
    pub season: usize,
    pub split: Split,
    #[schema(value_type = ScalingForm)]
    pub scaling: Scaling,
    pub missing: Missing,
    pub base: Base,
    #[serde(skip_serializing_if = "Transform::is_none")]
    #[schema(value_type = TransformForm)]
    pub transform: Transform,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differencing: Option<Differencing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resample: Option<Resample>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recency: Option<Recency>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes by reference")]
fn is_zero(points: &usize) -> bool {
    *points == 0
}

impl DataSpec {
    /// One target, a context and a horizon of these sizes, and defaults for the rest.
    pub fn of(target: &str, context: usize, horizon: usize) -> Self {
        let DataRequest { covariates, calendar, lags, transform, .. } = DataRequest::default();
        Self {
            targets: vec![target.to_owned()],
            covariates,
            calendar,
            lags,
            future_window: 0,
            context,
            horizon,
            stride: 1,
            season: 1,
            split: Split::default(),
            scaling: Scaling::default(),
            missing: Missing::default(),
            base: Base::None,
            transform,
            differencing: None,
            resample: None,
            recency: None,
        }
    }
}

/// Converts a stored request with no omitted fields.
impl TryFrom<DataRequest> for DataSpec {
    type Error = String;

    fn try_from(request: DataRequest) -> Result<Self, String> {
        let open = |field: &str| format!("`data.{field}` is missing");
        let horizon = request.horizon.ok_or_else(|| open("horizon"))?;
        let future_window =
            if request.covariates.future.is_empty() { 0 } else { request.future_window.unwrap_or(horizon) };
        Ok(Self {
            targets: request.targets,
            covariates: request.covariates,
            calendar: request.calendar,
            lags: request.lags,
            future_window,
            context: request.context.ok_or_else(|| open("context"))?,
            horizon,
            stride: request.stride.unwrap_or(1),
            season: request.season.ok_or_else(|| open("season"))?,
            split: request.split.unwrap_or_default(),
            scaling: request.scaling.unwrap_or_default(),
            missing: request.missing.unwrap_or_default(),
            base: request.base.unwrap_or_default(),
            transform: request.transform,
            differencing: request.differencing,
            resample: request.resample,
            recency: request.recency,
        })
    }
}

impl From<DataSpec> for DataRequest {
    fn from(spec: DataSpec) -> Self {
        Self {
            targets: spec.targets,
            covariates: spec.covariates,
            calendar: spec.calendar,
            lags: spec.lags,
            future_window: Some(spec.future_window).filter(|&window| window > 0),
            context: Some(spec.context),
            horizon: Some(spec.horizon),
            stride: Some(spec.stride),
            season: Some(spec.season),
            split: Some(spec.split),
            scaling: Some(spec.scaling),
            missing: Some(spec.missing),
            base: Some(spec.base),
            transform: spec.transform,
            differencing: spec.differencing,
            resample: spec.resample,
            recency: spec.recency,
        }
    }
}

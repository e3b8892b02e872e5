//! A training order: everything a caller may set, by the names the field uses.
//!
//! Reading an order checks each field by itself; [`super::resolve`] checks it against the dataset
//! and fills in what was left open, so that a stored order says all that training depends on.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::DatasetId;
use super::schema::text_schema;

/// What `POST /v1/jobs` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Order {
    /// Train one network.
    Train(#[garde(dive)] TrainOrder),
}

/// Train one network on one dataset. Every field but `dataset` has a default that works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainOrder {
    /// For people; the server makes one from the model and the dataset where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(length(chars, min = 1, max = 200)))]
    pub name: Option<String>,
    #[garde(skip)]
    pub dataset: DatasetId,
    #[serde(default)]
    #[garde(dive)]
    pub data: DataSpec,
    #[serde(default)]
    #[garde(dive)]
    pub model: ModelSpec,
    #[serde(default)]
    #[garde(dive)]
    pub training: TrainingSpec,
}

/// Which columns and windows to learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// The columns to forecast. Left out: the only number column of the dataset.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[garde(length(max = 64))]
    pub targets: Vec<String>,
    #[garde(dive)]
    pub covariates: Covariates,
    /// Points the network reads. Left out: four seasons, at least 32, at most 336, less where the
    /// series are short.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(range(min = 1, max = 100_000)))]
    pub context: Option<usize>,
    /// Points it forecasts. Left out: one season, at least 2, at most 48.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(range(min = 1, max = 10_000)))]
    pub horizon: Option<usize>,
    /// Points from one training window's start to the next.
    #[garde(range(min = 1, max = 100_000))]
    pub stride: usize,
    /// Points to a season, for MASE and the seasonal naive baseline. Left out: the usual one of
    /// the dataset's frequency, else 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(inner(range(min = 1, max = 100_000)))]
    pub season: Option<usize>,
    #[garde(dive)]
    pub split: Split,
    #[garde(skip)]
    pub scaling: Scaling,
    #[garde(skip)]
    pub missing: Missing,
}

impl Default for DataSpec {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            covariates: Covariates::default(),
            context: None,
            horizon: None,
            stride: 1,
            season: None,
            split: Split::default(),
            scaling: Scaling::default(),
            missing: Missing::default(),
        }
    }
}

/// Columns the network reads beside its targets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Covariates {
    /// Number columns known up to the moment of the forecast.
    #[garde(length(max = 256))]
    pub past: Vec<String>,
}

/// Which windows are learnt from, and which judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// Within every series, by time. A window belongs to the part that holds the targets of its
    /// last step; its context may reach back into the part before.
    Time {
        /// Left out: what lies before validation and test.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[garde(dive)]
        training: Option<Part>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[garde(dive)]
        validation: Option<Part>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[garde(dive)]
        test: Option<Part>,
    },
    /// Whole series: shares of all series, drawn without replacement by `seed`.
    Series {
        #[serde(default)]
        #[garde(range(min = 0.0, max = 0.95))]
        validation: f64,
        #[serde(default)]
        #[garde(range(min = 0.0, max = 0.95))]
        test: f64,
        /// Apart from the training's seed, so that trainings that differ in theirs are judged on
        /// the same windows.
        #[serde(default)]
        #[garde(skip)]
        seed: u64,
    },
}

impl Default for Split {
    fn default() -> Self {
        Self::Time { training: None, validation: Some(Part::Fraction(0.15)), test: Some(Part::Fraction(0.15)) }
    }
}

/// A part of the time axis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Validate, ToSchema)]
#[serde(untagged)]
pub enum Part {
    /// A share of each series' points, from 0 up to 0.95; validation and test stand at the end.
    Fraction(#[garde(range(min = 0.0, max = 0.95))] f64),
    /// Times or dates, both ends included; a date alone means its whole day (UTC).
    Range(#[garde(skip)] TimeRange),
}

/// Reads a number or an object, so that a mistake within is named for what it is; the derived
/// reader of an untagged enum would only say that no variant fits.
impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct PartVisitor;

        impl<'de> serde::de::Visitor<'de> for PartVisitor {
            type Value = Part;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a share such as 0.15, or a range {\"from\": \"2019-01-01\", \"to\": \"2019-05-31\"}")
            }

            fn visit_f64<E>(self, share: f64) -> Result<Part, E> {
                Ok(Part::Fraction(share))
            }

            fn visit_u64<E>(self, share: u64) -> Result<Part, E> {
                Ok(Part::Fraction(share as f64))
            }

            fn visit_i64<E>(self, share: i64) -> Result<Part, E> {
                Ok(Part::Fraction(share as f64))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Part, A::Error> {
                TimeRange::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Part::Range)
            }
        }

        from.deserialize_any(PartVisitor)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// Left out: from the series' first point.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::from")]
    #[schema(value_type = Option<String>, example = "2019-01-01")]
    pub from: Option<jiff::Timestamp>,
    /// Left out: to the series' last point.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::moment::to")]
    #[schema(value_type = Option<String>, example = "2019-05-31")]
    pub to: Option<jiff::Timestamp>,
}

/// How numbers are brought to the network's scale. Fitted on the training part alone and kept in
/// the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// As they are.
    None,
    /// Less the mean, over the standard deviation: of each series and column by itself. A series
    /// without training points is scaled by its context.
    #[default]
    Standard,
    /// The same, with one mean and standard deviation a column over all series.
    StandardGlobal,
}

/// What to do with points that have no value, or no row on the series' grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Refuse the order.
    Refuse,
    /// A straight line between the neighbours; the nearest value at the ends.
    #[default]
    Interpolate,
    /// The last known value; the first known one at the start.
    ForwardFill,
}

/// The network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSpec {
    #[garde(skip)]
    pub cell: Cell,
    #[garde(skip)]
    pub layer_norm: bool,
    /// Units of each recurrent layer, first to last.
    #[garde(length(min = 1, max = 32), inner(range(min = 1, max = 8192)))]
    pub layers: Vec<usize>,
    #[garde(skip)]
    pub output: Output,
}

impl Default for ModelSpec {
    fn default() -> Self {
        Self { cell: Cell::Lstm, layer_norm: false, layers: vec![32, 32], output: Output::EveryStep }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    SimpleRnn,
    Lstm,
    Gru,
}

impl Cell {
    pub fn name(self) -> &'static str {
        match self {
            Self::SimpleRnn => "simple_rnn",
            Self::Lstm => "lstm",
            Self::Gru => "gru",
        }
    }
}

/// Where the network forecasts, and so where the loss is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// At every step of the context, the next `horizon` values (sequence to sequence).
    EveryStep,
    /// After the last step alone.
    LastStep,
}

/// How the network learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSpec {
    #[garde(range(min = 1, max = 100_000))]
    pub epochs: u32,
    #[garde(range(min = 1, max = 65_536))]
    pub batch_size: usize,
    #[garde(skip)]
    pub loss: Loss,
    #[garde(dive)]
    pub optimizer: Optimizer,
    /// Left out: gradients are not clipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub clip: Option<Clip>,
    /// Left out: all epochs are run; the best epoch's weights are kept either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[garde(dive)]
    pub early_stopping: Option<EarlyStopping>,
    #[garde(skip)]
    pub seed: u64,
    #[garde(skip)]
    pub device: Device,
    #[garde(skip)]
    pub engine: EngineChoice,
}

impl Default for TrainingSpec {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 32,
            loss: Loss::Mse,
            optimizer: Optimizer::default(),
            clip: None,
            early_stopping: None,
            seed: 42,
            device: Device::Auto,
            engine: EngineChoice::Auto,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    Mae,
}

/// As in Keras, its defaults included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Kingma and Ba 2015.
    Adam {
        #[serde(default = "adam_rate")]
        #[garde(range(min = 1e-12, max = 10.0))]
        learning_rate: f64,
        #[serde(default = "beta_1")]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        beta_1: f64,
        #[serde(default = "beta_2")]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        beta_2: f64,
        #[serde(default = "epsilon")]
        #[garde(range(min = 1e-16, max = 1.0))]
        epsilon: f64,
    },
    /// Dozat 2016: Adam with Nesterov's momentum.
    Nadam {
        #[serde(default = "adam_rate")]
        #[garde(range(min = 1e-12, max = 10.0))]
        learning_rate: f64,
        #[serde(default = "beta_1")]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        beta_1: f64,
        #[serde(default = "beta_2")]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        beta_2: f64,
        #[serde(default = "epsilon")]
        #[garde(range(min = 1e-16, max = 1.0))]
        epsilon: f64,
    },
    /// Hinton 2012: the gradient over the root of its running mean square.
    Rmsprop {
        #[serde(default = "adam_rate")]
        #[garde(range(min = 1e-12, max = 10.0))]
        learning_rate: f64,
        #[serde(default = "rho")]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        rho: f64,
        #[serde(default)]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        momentum: f64,
        #[serde(default = "epsilon")]
        #[garde(range(min = 1e-16, max = 1.0))]
        epsilon: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        #[serde(default = "sgd_rate")]
        #[garde(range(min = 1e-12, max = 10.0))]
        learning_rate: f64,
        #[serde(default)]
        #[garde(range(min = 0.0, max = 0.999_999_9))]
        momentum: f64,
        #[serde(default)]
        #[garde(skip)]
        nesterov: bool,
    },
}

fn adam_rate() -> f64 {
    0.001
}
fn sgd_rate() -> f64 {
    0.01
}
fn rho() -> f64 {
    0.9
}
fn beta_1() -> f64 {
    0.9
}
fn beta_2() -> f64 {
    0.999
}
fn epsilon() -> f64 {
    1e-7
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam { learning_rate: adam_rate(), beta_1: beta_1(), beta_2: beta_2(), epsilon: epsilon() }
    }
}

/// Bounds on the gradient before a step, by Keras's meanings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clip {
    /// Each variable's gradient by its own norm (`clipnorm`).
    Norm(#[garde(range(min = 1e-12, max = 1e12))] f64),
    /// All gradients by their joint norm (`global_clipnorm`).
    GlobalNorm(#[garde(range(min = 1e-12, max = 1e12))] f64),
    /// Each element (`clipvalue`).
    Value(#[garde(range(min = 1e-12, max = 1e12))] f64),
}

/// Stop once the validation loss has not fallen for `patience` epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    #[garde(range(min = 1, max = 100_000))]
    pub patience: u32,
    /// A fall of less than this does not count.
    #[serde(default)]
    #[garde(range(min = 0.0, max = 1e12))]
    pub min_delta: f64,
}

/// `auto`, `cpu`, `cuda` or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// The first card where there is one, else the processor.
    #[default]
    Auto,
    Cpu,
    Cuda(u8),
}

text_schema!(Device, "Device", "auto", "Where the tensor work runs: auto, cpu, cuda or cuda:N.");

impl TryFrom<String> for Device {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "unknown device: expected auto, cpu, cuda or cuda:N".to_owned()),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> String {
        match device {
            Device::Auto => "auto".to_owned(),
            Device::Cpu => "cpu".to_owned(),
            Device::Cuda(index) => format!("cuda:{index}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EngineChoice {
    /// The fastest that can run the order.
    #[default]
    Auto,
    Libtorch,
}

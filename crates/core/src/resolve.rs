//! Resolves training requests: checks a request against the dataset and fills in omitted fields.
//!
//! A spec contains everything that training depends on. Defaults that are derived from the data (targets, context,
//! horizon, season) are determined once, when the job is created, and shown to the caller in the job.

mod automatic;
pub mod fields;
mod inputs;
mod values;

pub use super::validate::nearest;
use inputs::{future_window, resolve_columns};

use super::dataset::{ColumnKind, Profile};
use super::kinds::{TrainRequest, TrainSpec};
use super::order::{
    DataRequest, DataSpec, Device, EngineChoice, Head, HoldoutPart, LayerSpec, Loss, ModelSpec, Part, Schedule, Split,
    WindowLength,
};

/// The maximum number of trainable parameters of a network: 400 MB of weights, and the same again for the gradient
/// and for each moment of the optimiser.
pub const MAX_PARAMETERS: u64 = 100_000_000;

/// An error in one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// A JSON pointer into the request body: `/data/targets/0`.
    pub pointer: String,
    pub detail: String,
}

impl FieldError {
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// Resolves a training request, or returns everything that is wrong with it.
pub(crate) fn train(
    request: TrainRequest,
    dataset_name: &str,
    profile: &Profile,
) -> Result<TrainSpec, Vec<FieldError>> {
    let mut errors = Vec::new();
    let TrainRequest { name, dataset, data, model, training } = request;
    let is_split_open = data.split.is_none();
    let (data, windows) = resolve_data(data, &model, training.loss, profile, &mut errors);
    let defaults = automatic::training(&training, is_split_open, &model.head, windows);
    let training = training.with(defaults);
    let mut spec = TrainSpec { name: name.unwrap_or_default(), dataset, data, model, training };
    check_split(&spec.data.split, profile, &mut errors);
    check_model(&spec, &mut errors);
    check_loss(&spec, profile, &mut errors);
    values::check(&spec, profile, &mut errors);
    check_size(&spec, &mut errors);
    check_training(&spec, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    if spec.name.is_empty() {
        spec.name = default_name(&spec, dataset_name);
    }
    Ok(spec)
}

/// The data, and about how many training windows an epoch has.
fn resolve_data(
    mut data: DataRequest,
    model: &ModelSpec,
    loss: Option<Loss>,
    profile: &Profile,
    errors: &mut Vec<FieldError>,
) -> (DataSpec, u64) {
    resolve_columns(&mut data, profile, errors);
    let usual = || data.resample.map_or_else(|| profile.season(), |resample| resample.every.season());
    let season = data.season.unwrap_or_else(usual);
    let longest = values::longest(data.resample, profile);
    let horizon = data.horizon.unwrap_or_else(|| season.clamp(2, 48).min(longest / 8).max(1));
    let is_open = data.context.is_none();
    let room = longest.saturating_sub(horizon).max(1);
    let context = data.context.unwrap_or_else(|| automatic::context(horizon, season).min(room));
    let future_window = future_window(&data, horizon, errors);
    let windows = automatic::windows(data.resample, profile, horizon);
    let spec = DataSpec {
        future_window,
        context,
        horizon,
        stride: automatic::stride(&data, windows),
        season,
        split: automatic::split(&data, profile, horizon),
        scaling: automatic::scaling(&data, model),
        missing: automatic::missing(&data),
        base: automatic::base(&data, model, loss),
        targets: data.targets,
        covariates: data.covariates,
        calendar: data.calendar,
        lags: data.lags,
        transform: data.transform,
        differencing: data.differencing,
        resample: data.resample,
        recency: data.recency,
    };
    check_windows(&spec, is_open, longest, errors);
    let windows = (windows / spec.stride as u64).max(1);
    (spec, windows)
}

/// Whether a window fits the longest series. Unknown points may stand before the first one for what was not asked for:
/// an open context and the season of a base.
fn check_windows(data: &DataSpec, is_open: bool, longest: usize, errors: &mut Vec<FieldError>) {
    let lookback = if data.pads() { data.requested_lookback() } else { data.lookback() };
    let context = if data.pads() && is_open { 1 } else { data.context };
    let window = WindowLength { context, horizon: data.horizon, lookback };
    if let Some(detail) = window.refuses(longest as u64) {
        let pointer = match lookback {
            0 if is_open => "/data/horizon",
            0 => "/data/context",
            _ if data.lags.is_empty() => "/data/differencing",
            _ => "/data/lags",
        };
        errors.push(FieldError::new(pointer, detail));
    }
}

fn check_training(spec: &TrainSpec, errors: &mut Vec<FieldError>) {
    if let (EngineChoice::Fused, Device::Cuda(_)) = (spec.training.engine, spec.training.device) {
        errors.push(FieldError::new(
            "/training/engine",
            "the fused engine runs on the processor: leave the engine to `auto`",
        ));
    }
    if spec.training.early_stopping.is_some() && !spec.data.split.has(HoldoutPart::Validation) {
        errors.push(FieldError::new(
            "/training/early_stopping",
            "needs a validation part: give /data/split/validation, or leave early stopping out",
        ));
    }
    if let Schedule::Cosine { warmup_epochs, .. } = spec.training.schedule
        && warmup_epochs >= f64::from(spec.training.epochs)
    {
        errors.push(FieldError::new(
            "/training/schedule/warmup_epochs",
            format!("must be fewer than the training's {} epochs", spec.training.epochs),
        ));
    }
}

/// Checks that the loss fits the head, and that a head for counts has counts as its targets.
fn check_loss(spec: &TrainSpec, profile: &Profile, errors: &mut Vec<FieldError>) {
    let head = &spec.model.head;
    if let Some(reason) = head.refuses(spec.training.loss) {
        errors.push(FieldError::new("/training/loss", reason));
    }
    if *head != (Head::NegativeBinomial {}) {
        return;
    }
    for name in &spec.data.targets {
        let numbers = profile.column(name).and_then(|column| column.numbers);
        if let Some(numbers) = numbers.filter(|numbers| numbers.min < 0.0) {
            errors.push(FieldError::new(
                "/model/head",
                format!("a negative_binomial head is for counts, and `{name}` goes down to {}", numbers.min),
            ));
        }
    }
}

fn check_split(split: &Split, profile: &Profile, errors: &mut Vec<FieldError>) {
    match split {
        Split::Series { validation, test, .. } => {
            if validation + test >= 1.0 {
                errors.push(FieldError::new("/data/split", "validation and test leave no series to train on"));
            }
            let held_out = [("validation", *validation), ("test", *test)];
            for (name, share) in held_out.into_iter().filter(|(_, share)| *share > 0.0) {
                if (share * profile.series as f64).round() < 1.0 {
                    errors.push(FieldError::new(
                        format!("/data/split/{name}"),
                        format!("is less than one of the dataset's {} series", profile.series),
                    ));
                }
            }
        }
        Split::Horizons { .. } => {}
        Split::Time { training, validation, test } => {
            let parts = [("training", training), ("validation", validation), ("test", test)];
            let mut shares = 0.0;
            for (name, part) in parts {
                let pointer = format!("/data/split/{name}");
                match part {
                    Some(Part::Fraction(0.0)) if name == "training" => {
                        errors.push(FieldError::new(pointer, "leaves nothing to train on"));
                    }
                    Some(Part::Fraction(share)) => shares += share,
                    Some(Part::Range(_)) if profile.start.is_none() => errors.push(FieldError::new(
                        pointer,
                        "the dataset has no times: split it by shares such as 0.15, or by series",
                    )),
                    Some(Part::Range(range)) => {
                        if let (Some(from), Some(to)) = (range.from, range.to)
                            && from > to
                        {
                            errors.push(FieldError::new(pointer, "ends before it begins"));
                        }
                    }
                    None => {}
                }
            }
            // 0.7 + 0.15 + 0.15 may be slightly above 1.
            if shares > 1.0 + 1e-9 {
                errors.push(FieldError::new("/data/split", "the shares add up to more than all points"));
            } else if shares >= 1.0 && training.is_none() {
                errors.push(FieldError::new("/data/split", "validation and test leave nothing to train on"));
            }
        }
    }
}

fn check_model(spec: &TrainSpec, errors: &mut Vec<FieldError>) {
    errors.extend(spec.model.validate_layers());
    if let Head::Quantile { levels } = &spec.model.head
        && !levels.is_sorted_by(|a, b| a < b)
    {
        errors.push(FieldError::new("/model/head/levels", "must be in ascending order, without repeats"));
    }
    let layers = spec.model.stack();
    let context = spec.data.context;
    if let Some((place, layer)) =
        layers.iter().enumerate().find(|(_, layer)| layer.dilation > context.saturating_sub(1).max(1))
    {
        let own = spec.model.layers.get(place).and_then(LayerSpec::settings).is_some_and(|own| own.dilation.is_some());
        let pointer = if own { format!("/model/layers/{place}/dilation") } else { format!("/model/dilations/{place}") };
        let detail = format!("a state {} steps back lies before the context of {context} points", layer.dilation);
        errors.push(FieldError::new(pointer, detail));
    }
}

fn check_size(spec: &TrainSpec, errors: &mut Vec<FieldError>) {
    let parameters = parameter_count(spec);
    if parameters > MAX_PARAMETERS {
        errors.push(FieldError::new(
            "/model/layers",
            format!("the network would have {parameters} parameters; at most {MAX_PARAMETERS} are allowed"),
        ));
    }
}

/// The number of trainable parameters of the network, without the few of layer norms.
fn parameter_count(spec: &TrainSpec) -> u64 {
    let mut inputs = input_count(&spec.data);
    let mut total: u64 = 0;
    for layer in spec.model.stack() {
        let rows = (layer.gates() * layer.units) as u64;
        let states = if layer.cell.spec().recurrent_kernel { layer.units as u64 } else { 0 };
        total = total.saturating_add(layer.directions() as u64 * rows * (inputs + states + 1));
        inputs = layer.outputs() as u64;
    }
    let points = spec.data.targets.len() as u64 * spec.data.horizon as u64;
    let outputs = points * spec.model.head.width() as u64;
    total.saturating_add(outputs * (inputs + 1))
}

/// The number of inputs per step. A category counts as one.
fn input_count(data: &DataSpec) -> u64 {
    let covariates = &data.covariates;
    let targets = data.targets.len() * (1 + data.lags.len());
    let future = covariates.future.len().saturating_mul(data.future_window);
    let others = covariates.past.len() + covariates.fixed.len() + 2 * data.calendar.len();
    (targets + others).saturating_add(future) as u64
}

fn default_name(spec: &TrainSpec, dataset_name: &str) -> String {
    let model = &spec.model;
    let layer = |spec: &LayerSpec| match spec.settings().and_then(|own| own.cell).filter(|&cell| cell != model.cell) {
        Some(cell) => format!("{} {}", cell.name(), spec.units()),
        None => spec.units().to_string(),
    };
    let layers: Vec<String> = model.layers.iter().map(layer).collect();
    let ways = if model.bidirectional { "bidirectional " } else { "" };
    let norm = if model.layer_norm { " with layer norm" } else { "" };
    let name = format!("{dataset_name}: {ways}{} {}{norm}", model.cell.name(), layers.join("+"));
    name.chars().take(200).collect()
}

fn number_columns(profile: &Profile) -> impl Iterator<Item = &str> {
    profile.columns.iter().filter(|column| column.kind == ColumnKind::Number).map(|column| column.name.as_str())
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.take(20).map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "no number columns".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;

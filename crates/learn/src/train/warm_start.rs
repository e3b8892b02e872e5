//! Fine-tuning: training that starts from a stored model.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use gatecast_core::model::FinetunedFrom;
use gatecast_core::order::{FirstWeights, ScalingChoice, TrainSpec};
use gatecast_core::trainer::BaseModel;
use gatecast_model::bundle::{self, Bundle, BundleError};
use gatecast_model::error::LearnError;
use gatecast_model::features::{Layout, number_columns};
use gatecast_nn::network::Network;

/// The model that a training starts from.
#[derive(Debug)]
pub(super) struct PretrainedModel {
    pub(super) bundle: Bundle,
    /// For the new model's manifest.
    pub(super) from: FinetunedFrom,
    /// Ranges of the flat buffer that training does not change.
    pub(super) frozen: Vec<Range<usize>>,
}

impl PretrainedModel {
    /// Reads the model and checks that the request has the same columns, horizon and scaling.
    pub(super) fn read(base: &BaseModel, order: &TrainSpec) -> Result<Self, LearnError> {
        let bundle = bundle::read(&base.bundle).map_err(unreadable)?;
        let sha256 = hash(&base.bundle)?;
        let manifest = &bundle.manifest;
        let differs = |what: &str, theirs: String, ours: String| {
            Err(LearnError::FinetuneMismatch(format!(
                "the base model has {what} {theirs}, and the request {ours}: fine-tuning cannot change them"
            )))
        };
        if manifest.targets != order.data.targets {
            return differs("the targets", names(&manifest.targets), names(&order.data.targets));
        }
        let inputs = number_columns(&order.data, &manifest.encodings);
        if manifest.inputs != inputs {
            return differs("the inputs", names(&manifest.inputs), names(&inputs));
        }
        let layout = |data| Layout::of(data, &manifest.encodings);
        if layout(&manifest.order.data) != layout(&order.data) {
            return Err(LearnError::FinetuneMismatch(
                "the covariates, lags or calendar differ from those of the base model: fine-tuning cannot change them"
                    .to_owned(),
            ));
        }
        if manifest.horizon != order.data.horizon {
            return differs("a horizon of", manifest.horizon.to_string(), order.data.horizon.to_string());
        }
        if !base.refit_scaling && manifest.order.data.scaling != order.data.scaling {
            return Err(LearnError::FinetuneMismatch(
                "`data.scaling` differs from that of the base model: use the model's scaling, or set `scaling` to `refit`".to_owned(),
            ));
        }
        let frozen = frozen(&bundle.network, &base.freeze)?;
        let from = FinetunedFrom {
            model: base.id,
            sha256,
            frozen: base.freeze.clone(),
            scaling: if base.refit_scaling { ScalingChoice::Refit } else { ScalingChoice::Keep },
            trained_on: manifest.trained_on.clone(),
        };
        Ok(Self { bundle, from, frozen })
    }

    /// The network must be the same as the model's, except for dropout and the initial weights.
    pub(super) fn check_network(&self, network: &Network) -> Result<(), LearnError> {
        if as_it_forecasts(&self.bundle.network) == as_it_forecasts(network) {
            return Ok(());
        }
        Err(LearnError::FinetuneMismatch(
            "`model` differs from the network of the base model: copy it from the model's manifest".to_owned(),
        ))
    }
}

fn as_it_forecasts(network: &Network) -> Network {
    let mut network = network.clone();
    for layer in &mut network.layers {
        (layer.dropout, layer.recurrent_dropout, layer.first) = (0.0, 0.0, FirstWeights::default());
    }
    network
}

/// The ranges of the variables whose names start with one of `names`; adjacent ranges are merged.
fn frozen(network: &Network, names: &[String]) -> Result<Vec<Range<usize>>, LearnError> {
    let matches = |variable: &str, name: &str| {
        variable.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let parameters = network.parameters();
    for name in names {
        if !parameters.iter().any(|parameter| matches(&parameter.name, name)) {
            let known: Vec<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).take(20).collect();
            return Err(LearnError::FinetuneMismatch(format!(
                "`freeze` matches no variable of the network: `{name}`; the variables are {}",
                known.join(", ")
            )));
        }
    }
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for parameter in &parameters {
        if !names.iter().any(|name| matches(&parameter.name, name)) {
            continue;
        }
        let range = parameter.range();
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
    }
    if ranges.iter().map(ExactSizeIterator::len).sum::<usize>() == network.parameter_count() {
        return Err(LearnError::FinetuneMismatch(
            "`freeze` matches every variable: leave at least one to train".to_owned(),
        ));
    }
    Ok(ranges)
}

fn names(columns: &[String]) -> String {
    columns.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn unreadable(error: BundleError) -> LearnError {
    match error {
        BundleError::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            LearnError::FinetuneMismatch("the base model was deleted".to_owned())
        }
        BundleError::Io(error) => LearnError::storage("reading the base model", error),
        other => LearnError::FinetuneMismatch(format!("the base model cannot be used: {other}")),
    }
}

fn hash(path: &Path) -> Result<String, LearnError> {
    let hash = File::open(path).and_then(gatecast_files::hash_reader);
    hash.map(|(sha256, _)| sha256).map_err(|error| LearnError::storage("reading the base model", error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::order::{Cell, Output};

    #[test]
    fn names_freeze_layers_or_single_variables_and_must_match() {
        let network = Network::stack(Cell::SimpleRnn, false, 1, &[1, 1], 1, Output::LastStep);
        let of = |names: &[&str]| frozen(&network, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["recurrent.0"]).unwrap(), std::slice::from_ref(&(0..3)));
        assert_eq!(of(&["recurrent"]).unwrap(), std::slice::from_ref(&(0..6)));
        assert_eq!(of(&["recurrent.1.bias", "head.kernel", "recurrent.0.kernel"]).unwrap(), [0..1, 5..7]);
        assert!(of(&[]).unwrap().is_empty());
        assert!(of(&["recurr"]).unwrap_err().to_string().contains("`recurr`"));
        assert_eq!(of(&["recurrent", "head"]).unwrap_err().code(), "finetune_mismatch");
    }
}

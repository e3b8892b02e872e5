//! A training's state on disk, so that one that was killed goes on as if it had not been.
//!
//! A checkpoint is written after every epoch, before the epoch is reported. It carries a digest of
//! everything in it and of the order and data it belongs to: one that is cut short, damaged or of
//! another training is told apart from a good one, and the training begins again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors, View};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::durable;
use super::error::LearnError;
use super::state::State;
use crate::domain::metrics::{EpochReport, Metrics, TrainingMetrics};
use crate::domain::trainer::Assignment;
use crate::nn::optimizer::OptimizerState;

const FORMAT: u32 = 1;
const METADATA: &str = "gatecast_checkpoint";

/// Numbers of one epoch in the history tensor; NaN where there is none. As tensors and not as
/// text, they come back to the bit.
const REPORT: usize = 9;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    /// Of the order, the data and the engine: [`identity`].
    training: String,
    steps: u64,
    /// Of all tensors, by name.
    digest: String,
}

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("it could not be read: {0}")]
    Unreadable(io::ErrorKind),
    #[error("it is damaged")]
    Damaged,
    #[error("it belongs to another order, dataset, engine or version")]
    Foreign,
}

/// What a checkpoint belongs to: everything that training depends on but the machine.
fn identity(assignment: &Assignment, engine: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(engine);
    hash.update(serde_json::to_vec(&assignment.order).unwrap_or_default());
    hash.update(&assignment.dataset.sha256);
    hex(&hash.finalize())
}

/// Writes the state durably.
pub fn write(path: &Path, assignment: &Assignment, engine: &str, state: &State) -> Result<(), LearnError> {
    let mut tensors: Vec<(String, Numbers)> = vec![
        ("best".to_owned(), Numbers::f32(&state.best)),
        ("history".to_owned(), Numbers::f64(state.history.iter().flat_map(to_row))),
        ("parameters".to_owned(), Numbers::f32(&state.parameters)),
    ];
    tensors.extend(state.optimizer.slots().map(|(name, values)| (format!("optimizer.{name}"), Numbers::f32(values))));
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let header = Header {
        format: FORMAT,
        training: identity(assignment, engine),
        steps: state.optimizer.steps(),
        digest: digest(tensors.iter().map(|(name, numbers)| (name.as_str(), numbers.bytes.as_slice()))),
    };
    let header = serde_json::to_string(&header).map_err(|error| LearnError::Broken(error.to_string()))?;
    let metadata = HashMap::from([(METADATA.to_owned(), header)]);
    let write = |path: &Path| safetensors::serialize_to_file(tensors, Some(metadata), path).map_err(into_io);
    durable::replace(path, write).map_err(|cause| LearnError::storage("writing the checkpoint", &cause))
}

fn into_io(error: SafeTensorError) -> io::Error {
    match error {
        SafeTensorError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// Reads a state back, if it is whole and of this training.
pub fn read(path: &Path, assignment: &Assignment, engine: &str, parameters: usize) -> Result<State, Unusable> {
    let bytes = fs::read(path).map_err(|error| Unusable::Unreadable(error.kind()))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|_| Unusable::Damaged)?;
    let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get(METADATA)).ok_or(Unusable::Damaged)?;
    let header: Header = serde_json::from_str(header).map_err(|_| Unusable::Damaged)?;
    if header.format != FORMAT || header.training != identity(assignment, engine) {
        return Err(Unusable::Foreign);
    }
    let tensors = SafeTensors::deserialize(&bytes).map_err(|_| Unusable::Damaged)?;
    let mut names = tensors.names();
    names.sort_unstable();
    let data = |name: &str| tensors.tensor(name).map(|tensor| tensor.data()).map_err(|_| Unusable::Damaged);
    let all = names.iter().map(|name| Ok((*name, data(name)?))).collect::<Result<Vec<_>, Unusable>>()?;
    if digest(all.into_iter()) != header.digest {
        return Err(Unusable::Damaged);
    }
    let weights = |name: &str| Ok(Some(f32s(data(name)?)).filter(|weights| weights.len() == parameters));
    let optimizer = OptimizerState::restore(assignment.order.training.optimizer, parameters, header.steps, |slot| {
        data(&format!("optimizer.{slot}")).ok().map(f32s)
    });
    Ok(State {
        parameters: weights("parameters")?.ok_or(Unusable::Foreign)?,
        best: weights("best")?.ok_or(Unusable::Foreign)?,
        optimizer: optimizer.map_err(|_| Unusable::Foreign)?,
        history: f64s(data("history")?)
            .chunks_exact(REPORT)
            .zip(1..)
            .map(|(row, epoch)| from_row(epoch, row))
            .collect(),
    })
}

fn to_row(report: &EpochReport) -> [f64; REPORT] {
    let of = |number: fn(&Metrics) -> Option<f64>| report.validation.as_ref().and_then(number).unwrap_or(f64::NAN);
    [
        report.seconds,
        report.training.loss,
        f64::from(u8::from(report.best)),
        of(|metrics| metrics.loss),
        of(|metrics| Some(metrics.last_time_step_mse)),
        of(|metrics| Some(metrics.mae)),
        of(|metrics| Some(metrics.rmse)),
        of(|metrics| Some(metrics.smape)),
        of(|metrics| metrics.mase),
    ]
}

fn from_row(epoch: u32, row: &[f64]) -> EpochReport {
    let at = |place: usize| row.get(place).copied().filter(|number| !number.is_nan());
    let validation = at(4).map(|last_time_step_mse| Metrics {
        loss: at(3),
        last_time_step_mse,
        mae: at(5).unwrap_or_default(),
        rmse: at(6).unwrap_or_default(),
        smape: at(7).unwrap_or_default(),
        mase: at(8),
    });
    EpochReport {
        epoch,
        seconds: at(0).unwrap_or_default(),
        training: TrainingMetrics { loss: at(1).unwrap_or_default() },
        validation,
        best: at(2) == Some(1.0),
    }
}

/// A tensor of one dimension, as bytes.
struct Numbers {
    dtype: Dtype,
    shape: [usize; 1],
    bytes: Vec<u8>,
}

impl Numbers {
    fn f32(values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::F32, shape: [values.len()], bytes }
    }

    fn f64(values: impl Iterator<Item = f64>) -> Self {
        let bytes: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
        Self { dtype: Dtype::F64, shape: [bytes.len() / 8], bytes }
    }
}

impl View for Numbers {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn f64s(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

fn digest<'t>(tensors: impl Iterator<Item = (&'t str, &'t [u8])>) -> String {
    let mut hash = Sha256::new();
    for (name, bytes) in tensors {
        hash.update(name);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    hex(&hash.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! A training's state on disk, so that a killed training can be resumed with the same result.
//!
//! A checkpoint is written after every epoch, before the epoch is reported. It contains a digest of its
//! contents, and one of the spec and data it belongs to. A truncated or damaged checkpoint, or one of another
//! training, is therefore detected, and the training starts from scratch. The reports of the epochs are in a
//! separate file ([`super::history`]), so that a checkpoint does not grow with the number of epochs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors, View};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::history::{self, Mark, StoredHistory};
use super::training_state::TrainingState;
use gatecast_core::metric_values::EpochReport;
use gatecast_core::model::FinetunedFrom;
use gatecast_core::order::Optimizer;
use gatecast_core::trainer::TrainTask;
use gatecast_files::{atomic_write, hex};
use gatecast_model::error::LearnError;
use gatecast_nn::optimizer::OptimizerState;

/// 3: the epochs are in a separate file.
const FORMAT: u32 = 3;
const METADATA: &str = "gatecast_checkpoint";

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    /// [`Identity`].
    training: String,
    steps: u64,
    /// The digest of all tensors, ordered by name.
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

/// Identifies the training that a checkpoint belongs to: everything the result depends on except the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity(String);

impl Identity {
    pub fn new(task: &TrainTask, engine: &str, finetuned_from: Option<&FinetunedFrom>) -> Result<Self, LearnError> {
        let mut hash = Sha256::new();
        hash.update(engine);
        hash.update(to_json(&task.order)?);
        hash.update(&task.dataset.sha256);
        if let Some(from) = finetuned_from {
            hash.update(to_json(from)?);
        }
        Ok(Self(hex(&hash.finalize())))
    }
}

/// A state read from a checkpoint, and its history.
#[derive(Debug)]
pub struct Resumed {
    pub state: TrainingState,
    pub history: StoredHistory,
}

/// Writes the state durably. `history` is the matching part of the history, which is already on disk.
pub fn write(path: &Path, identity: &Identity, state: &TrainingState, history: &Mark) -> Result<(), LearnError> {
    let mut tensors: Vec<(String, Numbers)> = vec![
        ("best".to_owned(), Numbers::f32(&state.best)),
        ("found".to_owned(), Numbers::json(&state.found)?),
        ("history".to_owned(), Numbers::json(history)?),
        ("parameters".to_owned(), Numbers::f32(&state.parameters)),
    ];
    tensors.extend(state.optimizer.slots().map(|(name, values)| (format!("optimizer.{name}"), Numbers::f32(values))));
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    let header = Header {
        format: FORMAT,
        training: identity.0.clone(),
        steps: state.optimizer.steps(),
        digest: digest(tensors.iter().map(|(name, numbers)| (name.as_str(), numbers.bytes.as_slice()))),
    };
    let header = serde_json::to_string(&header).map_err(|error| LearnError::Broken(error.to_string()))?;
    let metadata = HashMap::from([(METADATA.to_owned(), header)]);
    let write = |path: &Path| safetensors::serialize_to_file(tensors, Some(metadata), path).map_err(into_io);
    atomic_write::replace(path, write).map_err(|cause| LearnError::storage("writing the checkpoint", cause))
}

fn into_io(error: SafeTensorError) -> io::Error {
    match error {
        SafeTensorError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// Reads a checkpoint if it and its history are complete and belong to this training. Calls `visit` with each
/// of its epochs, in order.
pub fn read(
    path: &Path,
    identity: &Identity,
    optimizer: Optimizer,
    parameters: usize,
    mut visit: impl FnMut(EpochReport),
) -> Result<Resumed, Unusable> {
    let bytes = fs::read(path).map_err(|error| Unusable::Unreadable(error.kind()))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|_| Unusable::Damaged)?;
    let header = metadata.metadata().as_ref().and_then(|metadata| metadata.get(METADATA)).ok_or(Unusable::Damaged)?;
    let header: Header = serde_json::from_str(header).map_err(|_| Unusable::Damaged)?;
    if header.format != FORMAT || header.training != identity.0 {
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
    let optimizer = OptimizerState::restore(optimizer, parameters, header.steps, |slot| {
        data(&format!("optimizer.{slot}")).ok().map(f32s)
    });
    let mut state = TrainingState::from_weights(
        weights("parameters")?.ok_or(Unusable::Foreign)?,
        weights("best")?.ok_or(Unusable::Foreign)?,
        optimizer.map_err(|_| Unusable::Foreign)?,
        json(data("found")?)?,
    );
    let mark: Mark = json(data("history")?)?;
    let history = StoredHistory::read(&history::path(path), &mark, |report| {
        state.add_epoch(&report);
        visit(report);
    });
    Ok(Resumed { history: history.map_err(unusable)?, state })
}

fn unusable(error: io::Error) -> Unusable {
    match error.kind() {
        io::ErrorKind::InvalidData => Unusable::Damaged,
        kind => Unusable::Unreadable(kind),
    }
}

fn json<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unusable> {
    serde_json::from_slice(text).map_err(|_| Unusable::Damaged)
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>, LearnError> {
    serde_json::to_vec(value).map_err(|error| LearnError::Broken(error.to_string()))
}

/// A one-dimensional tensor, as bytes.
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

    fn json(value: &impl Serialize) -> Result<Self, LearnError> {
        let bytes = to_json(value)?;
        Ok(Self { dtype: Dtype::U8, shape: [bytes.len()], bytes })
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

fn digest<'t>(tensors: impl Iterator<Item = (&'t str, &'t [u8])>) -> String {
    let mut hash = Sha256::new();
    for (name, bytes) in tensors {
        hash.update(name);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::HistoryFile;
    use gatecast_core::order::TrainingSpec;

    #[test]
    fn a_checkpoint_does_not_grow_with_its_epochs_and_a_hundred_thousand_resume() {
        const EPOCHS: u32 = 100_000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint-1.safetensors");
        let (training, identity) = (TrainingSpec::default(), Identity("this".to_owned()));
        let mut state = TrainingState::new(vec![0.5; 3], &training);
        let mut history = HistoryFile::create(&history::path(&path)).unwrap();
        let mut length_after_one = 0;
        for epoch in 1..=EPOCHS {
            let report = EpochReport { epoch, seconds: 0.25, ..EpochReport::default() };
            history.append_unsynced(&state.end_epoch(report)).unwrap();
            if epoch == 1 {
                write(&path, &identity, &state, &history.mark()).unwrap();
                length_after_one = fs::metadata(&path).unwrap().len();
            }
        }
        write(&path, &identity, &state, &history.mark()).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < length_after_one + 100);

        let mut seen = 0;
        let resumed = read(&path, &identity, training.optimizer, 3, |report| {
            seen += 1;
            assert_eq!(report.epoch, seen);
        });
        let resumed = resumed.unwrap();
        assert_eq!((seen, resumed.state.epochs()), (EPOCHS, EPOCHS));
        assert_eq!(resumed.state, state);
        let next = folder.path().join("checkpoint-2.history");
        assert_eq!(resumed.history.continue_at(&next).unwrap().mark(), history.mark());
    }
}

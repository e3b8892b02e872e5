//! Reasons why a training ended without a model.

use std::io;

use gatecast_core::trainer::{Fault, TrainerEvent};
use gatecast_data::ReadError;
use gatecast_nn::engine::EngineError;

/// An error for the user who requested the training. Messages contain no paths and no type names.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    #[error("the dataset was deleted")]
    DatasetGone,
    #[error("the stored dataset is damaged: {0}; upload the data again")]
    DatasetCorrupt(String),
    #[error("{0}")]
    MissingValues(String),
    #[error("{0}")]
    IrregularTimes(String),
    #[error("{0}")]
    GapsTooLarge(String),
    #[error("{0}")]
    ValuesTooLarge(String),
    #[error("{0}")]
    OutsideTransform(String),
    #[error("{0}")]
    SplitOverlaps(String),
    #[error("{0}")]
    Covariates(String),
    #[error("{0}")]
    SeriesTooShort(String),
    #[error("{0}")]
    NoTrainingWindows(String),
    #[error("too many training windows: {0} (limit 4294967295); raise `data.stride`")]
    TooManyWindows(u64),
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    FinetuneMismatch(String),
    #[error("{0}")]
    NotCounts(String),
    #[error("{0}")]
    Diverged(String),
    #[error("the server has no device `{0}`: use `auto` or `cpu`")]
    NoDevice(String),
    #[error("{0}: install `gatecast-libtorch` in the same directory as the server's program")]
    NoEngine(String),
    #[error("out of memory: {0}; reduce `training.batch_size`, the network or the context")]
    OutOfMemory(String),
    #[error("the disk for checkpoints and models is full")]
    DiskFull,
    #[error("{what} failed: {cause}")]
    Storage {
        what: &'static str,
        #[source]
        cause: io::Error,
    },
    #[error("the tensor library failed: {0}")]
    Engine(String),
    #[error("internal trainer error: {0}")]
    Broken(String),
}

impl LearnError {
    /// Whether another attempt could succeed.
    pub fn fault(&self) -> Fault {
        match self {
            Self::DatasetGone
            | Self::DatasetCorrupt(_)
            | Self::MissingValues(_)
            | Self::IrregularTimes(_)
            | Self::GapsTooLarge(_)
            | Self::ValuesTooLarge(_)
            | Self::OutsideTransform(_)
            | Self::SplitOverlaps(_)
            | Self::Covariates(_)
            | Self::SeriesTooShort(_)
            | Self::NoTrainingWindows(_)
            | Self::TooManyWindows(_)
            | Self::TooLarge(_)
            | Self::FinetuneMismatch(_)
            | Self::NotCounts(_)
            | Self::Diverged(_)
            | Self::NoDevice(_)
            | Self::NoEngine(_) => Fault::Order,
            Self::OutOfMemory(_) | Self::DiskFull | Self::Storage { .. } | Self::Engine(_) | Self::Broken(_) => {
                Fault::Machine
            }
        }
    }

    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DatasetGone => "dataset_deleted",
            Self::DatasetCorrupt(_) => "dataset_corrupt",
            Self::MissingValues(_) => "missing_values",
            Self::IrregularTimes(_) => "irregular_times",
            Self::GapsTooLarge(_) => "gaps_too_large",
            Self::ValuesTooLarge(_) => "values_too_large",
            Self::OutsideTransform(_) => "outside_transform",
            Self::SplitOverlaps(_) => "split_overlaps",
            Self::Covariates(_) => "covariates_unusable",
            Self::SeriesTooShort(_) => "series_too_short",
            Self::NoTrainingWindows(_) => "no_training_windows",
            Self::TooManyWindows(_) => "too_many_windows",
            Self::TooLarge(_) => "too_large",
            Self::FinetuneMismatch(_) => "finetune_mismatch",
            Self::NotCounts(_) => "not_counts",
            Self::Diverged(_) => "diverged",
            Self::NoDevice(_) => "no_device",
            Self::NoEngine(_) => "no_engine",
            Self::OutOfMemory(_) => "out_of_memory",
            Self::DiskFull => "disk_full",
            Self::Storage { .. } => "storage_failed",
            Self::Engine(_) => "engine_failed",
            Self::Broken(_) => "trainer_broken",
        }
    }

    /// A failure to read or write a file; `what` names the operation.
    pub fn storage(what: &'static str, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::OutOfMemory => Self::OutOfMemory(what.to_owned()),
            _ => Self::Storage { what, cause },
        }
    }

    /// The event that reports the failure to the server.
    pub fn event(&self) -> TrainerEvent {
        TrainerEvent::Failed { fault: self.fault(), code: self.code().to_owned(), detail: self.to_string() }
    }
}

impl From<EngineError> for LearnError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::OutOfMemory(what) => Self::OutOfMemory(what),
            EngineError::NoDevice(device) => Self::NoDevice(device),
            EngineError::NoLibtorch => Self::NoEngine(error.to_string()),
            EngineError::Shape { .. } | EngineError::Loss(_) => Self::Broken(error.to_string()),
            EngineError::Backend(what) => Self::Engine(what),
        }
    }
}

impl From<ReadError> for LearnError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(cause) if cause.kind() == io::ErrorKind::NotFound => Self::DatasetGone,
            ReadError::Io(cause) => Self::storage("reading the dataset", cause),
            other => Self::DatasetCorrupt(other.to_string()),
        }
    }
}

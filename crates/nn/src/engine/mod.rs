//! The engines: functions from a flat parameter buffer and a batch to numbers.

pub mod fused;

use super::embedding::Embedded;
use super::loss::{Criterion, SCALE_FIELDS, Targets};
use super::network::Network;
use gatecast_core::order::{Device, EngineChoice, Loss, TrainSpec};

/// The inputs of a network: `[batch, step, input]`, row-major.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub batch: usize,
    pub steps: usize,
    pub values: &'a [f32],
}

/// Inputs with targets `[batch, output step, point]`. The output steps are all steps of the inputs or
/// only the last one, as the network has it; the points are horizon × targets.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    pub inputs: Inputs<'a>,
    /// NaN: the value is unknown and adds no loss.
    pub targets: &'a [f32],
    /// The weight of each series' loss, `[batch]`; empty: all 1.
    pub weights: &'a [f32],
    /// What brings a prediction to the data's units, `[batch, target, SCALE_FIELDS]`
    /// ([`crate::loss::SCALE_FIELDS`]). Left empty, the network's scale is the data's.
    pub units: &'a [f32],
    /// What dropout draws from; `None`: nothing is dropped.
    pub draw: Option<DropoutKey>,
}

impl<'a> Batch<'a> {
    /// A batch of weight 1 per series, without dropout.
    pub fn new(inputs: Inputs<'a>, targets: &'a [f32]) -> Self {
        Self { inputs, targets, weights: &[], units: &[], draw: None }
    }

    /// What the predictions are compared with.
    pub fn truth(&self) -> Targets<'a> {
        Targets { targets: self.targets, weights: self.weights, units: self.units }
    }
}

/// Names the random numbers of one training step, so that every engine draws the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutKey {
    pub seed: u64,
    /// Training steps before this one, over all epochs.
    pub step: u64,
}

/// The steps to predict at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// All the network forecasts at: `[batch, output step, output]`.
    Trained,
    /// The last alone: `[batch, 1, output]`.
    Last,
}

/// An engine could not compute.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("{what}: expected {expected} numbers, got {got}")]
    Shape { what: &'static str, expected: usize, got: usize },
    #[error("the device has no memory left: {0}")]
    OutOfMemory(String),
    #[error("the tensor library failed: {0}")]
    Backend(String),
    /// Only the program `gatecast-libtorch` has that engine.
    #[error("this program has no LibTorch engine: run the task with `gatecast-libtorch`")]
    NoLibtorch,
    #[error("no such device: {0}")]
    NoDevice(String),
    #[error("loss {0}")]
    Loss(String),
}

/// Computes one network. Built for one [`super::network::Network`] and loss; holds scratch memory
/// and device handles, never weights.
///
/// Same parameters, batch and thread count give the same bytes.
pub trait Engine: Send {
    /// `libtorch` or `fused`.
    fn name(&self) -> &'static str;

    /// `cpu`, `cuda:0`, …
    fn device(&self) -> String;

    /// The weighted mean of the loss over all known elements of the targets (0 where there is none),
    /// and its gradient by every parameter, written over `gradient` (as long as `parameters`).
    fn loss_and_gradient(
        &mut self,
        parameters: &[f32],
        batch: Batch<'_>,
        gradient: &mut [f32],
    ) -> Result<f32, EngineError>;

    /// The forward pass alone.
    fn predict(
        &mut self,
        parameters: &[f32],
        inputs: Inputs<'_>,
        steps: Steps,
        predictions: &mut Vec<f32>,
    ) -> Result<(), EngineError>;

    /// Bytes of memory that the engine keeps between calls: activations, which grow with
    /// batch × steps, and copies of the parameters in the engine's own layout. 0 where the memory
    /// is not the engine's, as with LibTorch's allocator.
    fn scratch_bytes(&self) -> usize;

    /// Frees the activations and keeps the copies of the parameters. The next call allocates
    /// again and gives the same numbers.
    fn shrink(&mut self);
}

/// What an engine optimises.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    pub criterion: Criterion,
}

impl Objective {
    /// A point head with a loss.
    pub const fn of(loss: Loss) -> Self {
        Self { criterion: Criterion::of_points(loss) }
    }

    /// What an order asks for.
    ///
    /// # Errors
    /// [`EngineError::Loss`] for a loss that its head cannot learn by, which a resolved order never
    /// has.
    pub fn ordered(order: &TrainSpec) -> Result<Self, EngineError> {
        let criterion =
            Criterion::new(order.model.head.clone(), Some(order.training.loss)).map_err(EngineError::Loss)?;
        Ok(Self { criterion })
    }

    /// Checks the lengths of targets, weights and scales, for a network that forecasts at `steps` steps.
    pub fn check(&self, outputs: usize, steps: usize, batch: &Batch<'_>) -> Result<(), EngineError> {
        let series = batch.inputs.batch;
        let points = outputs / self.criterion.width();
        let shape = |what, expected: usize, got: usize| match expected == got {
            true => Ok(()),
            false => Err(EngineError::Shape { what, expected, got }),
        };
        shape("head", points * self.criterion.width(), outputs)?;
        shape("targets", series * steps * points, batch.targets.len())?;
        if !batch.weights.is_empty() {
            shape("weights", series, batch.weights.len())?;
        }
        let targets = batch.units.len() / (series * SCALE_FIELDS).max(1);
        match batch.units.is_empty() || (targets > 0 && points.is_multiple_of(targets)) {
            true => shape("units", series * targets * SCALE_FIELDS, batch.units.len()),
            false => shape("units", series * SCALE_FIELDS, batch.units.len()),
        }
    }
}

/// An engine, and why it was this one.
pub struct Built {
    pub engine: Box<dyn Engine>,
    /// For people: what chose it.
    pub reason: String,
}

impl std::fmt::Debug for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Built").field("engine", &self.engine.name()).field("reason", &self.reason).finish()
    }
}

/// Which engine to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub device: Device,
    pub choice: EngineChoice,
    /// Threads for the tensor work of the whole process. With LibTorch they are part of what the
    /// resulting bytes depend on.
    pub threads: usize,
}

impl Wanted {
    /// The fastest engine of the processor, on one thread.
    pub const PROCESSOR: Self = Self { device: Device::Cpu, choice: EngineChoice::Auto, threads: 1 };
}

/// Builds an engine for a network. The trainer programs differ in this function.
pub type MakeEngine = fn(&Network, Objective, Wanted) -> Result<Built, EngineError>;

/// The engine of this crate: the fused engine, on the processor.
///
/// # Errors
/// [`EngineError::NoDevice`] for a card, [`EngineError::NoLibtorch`] for LibTorch: both need the
/// program `gatecast-libtorch`.
pub fn build(network: &Network, objective: Objective, wanted: Wanted) -> Result<Built, EngineError> {
    if matches!(wanted.device, Device::Cuda(_)) {
        return Err(EngineError::NoDevice(wanted.device.into()));
    }
    let reason = match wanted.choice {
        EngineChoice::Libtorch => {
            return Err(EngineError::NoLibtorch);
        }
        EngineChoice::Fused => ORDERED,
        EngineChoice::Auto => "the fused engine is the faster one on a processor",
    };
    embedded(network, |inner| {
        let engine = Box::new(fused::Fused::new(inner, objective, wanted.threads)?);
        Ok(Built { engine, reason: reason.to_owned() })
    })
}

/// Builds an engine for the network without its embeddings, and wraps it with them.
pub fn embedded(
    network: &Network,
    build: impl FnOnce(&Network) -> Result<Built, EngineError>,
) -> Result<Built, EngineError> {
    if network.embeddings.is_empty() {
        return build(network);
    }
    let Built { engine, reason } = build(&Embedded::inner(network))?;
    Ok(Built { engine: Box::new(Embedded::new(network, engine)), reason })
}

/// The reason of an engine that the order names.
pub const ORDERED: &str = "the order asks for it";

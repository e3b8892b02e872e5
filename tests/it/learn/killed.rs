//! Trainings that are killed after a number of computations and then resumed.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gatecast_core::trainer::{BaseModel, TrainTask};
use gatecast_learn::train::train_with;
use gatecast_nn::engine::{Batch, Built, Engine, EngineError, Inputs, Steps};
use gatecast_nn::network::Network;

use super::{epochs, events_from, finished, fused, sines, task};

/// An engine that fails after a number of computations.
struct Mortal {
    inner: Box<dyn Engine>,
    left: Arc<AtomicU32>,
}

impl Mortal {
    fn breathe(&self) -> Result<(), EngineError> {
        let left = self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| EngineError::Backend("died".into()))
    }
}

impl Engine for Mortal {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn device(&self) -> String {
        self.inner.device()
    }

    fn loss_and_gradient(&mut self, weights: &[f32], batch: Batch<'_>, to: &mut [f32]) -> Result<f32, EngineError> {
        self.breathe()?;
        self.inner.loss_and_gradient(weights, batch, to)
    }

    fn predict(
        &mut self,
        weights: &[f32],
        inputs: Inputs<'_>,
        steps: Steps,
        predictions: &mut Vec<f32>,
    ) -> Result<(), EngineError> {
        self.breathe()?;
        self.inner.predict(weights, inputs, steps, predictions)
    }

    fn scratch_bytes(&self) -> usize {
        self.inner.scratch_bytes()
    }

    fn shrink(&mut self) {
        self.inner.shrink();
    }
}

/// Trains until the engine fails after `computations`; returns the number of computations that were done.
fn train_mortal(task: &TrainTask, base: Option<&BaseModel>, computations: u32) -> u32 {
    let left = Arc::new(AtomicU32::new(computations));
    let maker = |network: &Network, task: &TrainTask| -> Result<Built, EngineError> {
        let Built { engine, reason } = fused(network, task)?;
        Ok(Built { engine: Box::new(Mortal { inner: engine, left: left.clone() }), reason })
    };
    train_with(sines(3, 60), task, base, &maker, &mut |_| ControlFlow::Continue(()));
    computations - left.load(Ordering::Relaxed)
}

/// Kills a training after 0, `every`, 2 × `every`, … computations, resumes it, and compares the result with
/// that of an uninterrupted training.
pub(crate) fn killed_anywhere(change: impl Fn(&mut TrainTask), every: usize) {
    killed_anywhere_from(None, change, every);
}

/// The same for a training that starts from a stored model, if one is given.
pub(crate) fn killed_anywhere_from(base: Option<&BaseModel>, change: impl Fn(&mut TrainTask), every: usize) {
    let changed = |folder: &Path| {
        let mut task = task(folder);
        change(&mut task);
        task
    };
    let folder = tempfile::tempdir().unwrap();
    let whole = changed(folder.path());
    let uninterrupted = events_from(sines(3, 60), &whole, base);
    let metrics = finished(&uninterrupted);
    let bytes = fs::read(&whole.model).unwrap();
    let computations = train_mortal(&whole, base, 1_000_000);
    assert!(computations > 10, "{computations}");
    for killed_after in (0..computations).step_by(every) {
        let folder = tempfile::tempdir().unwrap();
        let first = changed(folder.path());
        train_mortal(&first, base, killed_after);
        assert!(!first.model.exists());
        let second = TrainTask {
            attempt: 2,
            resume: first.checkpoint.exists().then(|| first.checkpoint.clone()),
            checkpoint: folder.path().join("checkpoint-2.safetensors"),
            ..first
        };
        let resumed = events_from(sines(3, 60), &second, base);
        assert_eq!(finished(&resumed), metrics, "killed after {killed_after}");
        assert_eq!(epochs(&resumed), epochs(&uninterrupted), "killed after {killed_after}");
        assert!(fs::read(&second.model).unwrap() == bytes, "killed after {killed_after}");
    }
}

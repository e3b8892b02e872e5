//! The public interface of the fused engine: checks, shards, threads, and the sums over shards.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::engine::{Batch, Engine, EngineError, Inputs, Objective, Steps};
use crate::loss::Targets;
use crate::network::Network;
use gatecast_core::order::Output;

use super::layout::{Shard, shards};
use super::pass::{Pass, Scratch, ShardBatch, predicted_steps};
use super::plan::Plan;
use super::simd::Level;
use super::single_series::Single;
use super::weights::Weights;

/// Up to this many series are forecast one by one, units across the lanes, rather than with
/// series across the lanes.
const FEW: usize = 4;

/// Hand-written forward and backward passes on the CPU.
#[derive(Debug)]
pub struct Fused {
    network: Network,
    objective: Objective,
    plan: Plan,
    level: Level,
    /// `None` for one thread: the caller's thread does the work.
    pool: Option<ThreadPool>,
    weights: Weights,
    single: Single,
    tasks: Vec<Task>,
    /// One for each thread that ever worked at the same time.
    scratch: Mutex<Vec<Scratch>>,
}

/// One shard's work and its results.
#[derive(Debug, Default)]
struct Task {
    shard: Shard,
    loss: f64,
    gradient: Vec<f32>,
}

impl Fused {
    /// An engine on the best instructions this processor has, with at most this many threads.
    pub fn new(network: &Network, objective: Objective, threads: usize) -> Result<Self, EngineError> {
        Self::with_level(network, objective, threads, Level::detect())
    }

    pub(super) fn with_level(
        network: &Network,
        objective: Objective,
        threads: usize,
        level: Level,
    ) -> Result<Self, EngineError> {
        let no_units = network.layers.is_empty() || network.layers.iter().any(|layer| layer.units == 0);
        if no_units || network.inputs == 0 || network.outputs == 0 {
            return Err(EngineError::Backend("a network needs inputs, units and outputs".to_owned()));
        }
        let pool = (threads > 1)
            .then(|| rayon::ThreadPoolBuilder::new().num_threads(threads).build())
            .transpose()
            .map_err(|error| EngineError::Backend(format!("threads could not be started: {error}")))?;
        let plan = Plan::new(network);
        Ok(Fused {
            network: network.clone(),
            objective,
            single: Single::new(level, &plan),
            plan,
            level,
            pool,
            weights: Weights::default(),
            tasks: Vec::new(),
            scratch: Mutex::new(Vec::new()),
        })
    }

    /// The instruction set in use: `avx512`, `avx2`, `neon` or `portable`.
    pub fn instructions(&self) -> &'static str {
        self.level.name()
    }

    fn check(&self, parameters: &[f32], inputs: Inputs<'_>) -> Result<(), EngineError> {
        let shape = |what, expected, got| match expected == got {
            true => Ok(()),
            false => Err(EngineError::Shape { what, expected, got }),
        };
        shape("parameters", self.plan.parameters, parameters.len())?;
        let expected = inputs.batch.checked_mul(inputs.steps).and_then(|n| n.checked_mul(self.network.inputs));
        shape("inputs", expected.unwrap_or(usize::MAX), inputs.values.len())?;
        match inputs.values.is_empty() {
            false => Ok(()),
            true => Err(EngineError::Shape { what: "inputs", expected: self.network.inputs, got: 0 }),
        }
    }
}

impl Engine for Fused {
    fn name(&self) -> &'static str {
        "fused"
    }

    fn device(&self) -> String {
        "cpu".to_owned()
    }

    fn loss_and_gradient(
        &mut self,
        parameters: &[f32],
        batch: Batch<'_>,
        gradient: &mut [f32],
    ) -> Result<f32, EngineError> {
        let Inputs { batch: series, steps, values } = batch.inputs;
        self.check(parameters, batch.inputs)?;
        let output_steps = self.network.output_steps(steps);
        self.objective.check(self.network.outputs, output_steps, &batch)?;
        if gradient.len() != parameters.len() {
            return Err(EngineError::Shape { what: "gradient", expected: parameters.len(), got: gradient.len() });
        }
        let (row, units) = (batch.targets.len() / series, batch.units.len() / series);
        gradient.fill(0.0);
        self.weights.pack(self.level, &self.plan, parameters, true);
        let last_step_only = self.network.output == Output::LastStep;
        let pass =
            Pass { level: self.level, plan: &self.plan, weights: &self.weights, parameters, steps, last_step_only };
        let (weight, all_known) = batch.truth().weight(series);
        let (output, criterion, input_row) =
            (self.network.output, &self.objective.criterion, steps * self.network.inputs);

        let count = shards(series).count();
        if self.tasks.len() < count {
            self.tasks.resize_with(count, Task::default);
        }
        let tasks = &mut self.tasks[..count];
        for (task, shard) in tasks.iter_mut().zip(shards(series)) {
            task.shard = shard;
            task.gradient.resize(parameters.len(), 0.0);
        }
        let work = |task: &mut Task| {
            let rows = task.shard.series.clone();
            let inputs = &values[rows.start * input_row..rows.end * input_row];
            let truth = Targets {
                targets: &batch.targets[rows.start * row..rows.end * row],
                weights: batch.weights.get(rows.clone()).unwrap_or_default(),
                units: &batch.units[rows.start * units..rows.end * units],
            };
            let shard_batch = ShardBatch { inputs, truth, all_known, output, criterion, weight, draw: batch.draw };
            let mut scratch = take(&self.scratch);
            task.loss = pass.train(&task.shard, shard_batch, &mut scratch, &mut task.gradient);
            give(&self.scratch, scratch);
        };
        match &self.pool {
            Some(pool) if count > 1 => pool.install(|| tasks.par_iter_mut().for_each(work)),
            _ => tasks.iter_mut().for_each(work),
        }

        // Always in the order of the shards, whichever thread computed them.
        let mut total = 0.0;
        for task in tasks {
            total += task.loss;
            for (sum, part) in gradient.iter_mut().zip(&task.gradient) {
                *sum += part;
            }
        }
        Ok(if weight > 0.0 { (total / weight) as f32 } else { total as f32 })
    }

    fn predict(
        &mut self,
        parameters: &[f32],
        inputs: Inputs<'_>,
        steps: Steps,
        predictions: &mut Vec<f32>,
    ) -> Result<(), EngineError> {
        self.check(parameters, inputs)?;
        let row = predicted_steps(steps, self.network.output, inputs.steps) * self.network.outputs;
        predictions.clear();
        predictions.resize(inputs.batch * row, 0.0);
        let input_row = inputs.steps * self.network.inputs;
        if inputs.batch <= FEW && self.plan.goes_forward() {
            self.single.load(&self.plan, parameters);
            for (inputs, out) in inputs.values.chunks_exact(input_row).zip(predictions.chunks_exact_mut(row)) {
                self.single.predict(inputs, out);
            }
            return Ok(());
        }
        self.weights.pack(self.level, &self.plan, parameters, false);
        let last_step_only = steps == Steps::Last || self.network.output == Output::LastStep;
        let steps = inputs.steps;
        let pass =
            Pass { level: self.level, plan: &self.plan, weights: &self.weights, parameters, steps, last_step_only };
        let shards: Vec<Shard> = shards(inputs.batch).collect();
        // Every shard but the last is full, so chunks of the first's length are the shards.
        let full = shards.first().map_or(1, |shard| shard.series.len()) * row;
        let work = |(shard, out): (&Shard, &mut [f32])| {
            let rows = shard.series.clone();
            let mut scratch = take(&self.scratch);
            pass.predict(shard, &inputs.values[rows.start * input_row..rows.end * input_row], &mut scratch, out);
            give(&self.scratch, scratch);
        };
        match &self.pool {
            Some(pool) if shards.len() > 1 => {
                pool.install(|| shards.par_iter().zip(predictions.par_chunks_mut(full)).for_each(work));
            }
            _ => shards.iter().zip(predictions.chunks_mut(full)).for_each(work),
        }
        Ok(())
    }

    fn scratch_bytes(&self) -> usize {
        let scratch: usize = locked(&self.scratch).iter().map(Scratch::bytes).sum();
        let gradients: usize = self.tasks.iter().map(|task| task.gradient.capacity() * size_of::<f32>()).sum();
        scratch + gradients + self.weights.bytes() + self.single.bytes()
    }

    fn shrink(&mut self) {
        *locked(&self.scratch) = Vec::new();
        self.tasks = Vec::new();
    }
}

/// Any scratch will do: all of it is written before it is read.
fn take(scratch: &Mutex<Vec<Scratch>>) -> Scratch {
    locked(scratch).pop().unwrap_or_default()
}

fn give(scratch: &Mutex<Vec<Scratch>>, back: Scratch) {
    locked(scratch).push(back);
}

/// A panic under the lock cannot leave the list inconsistent: it is only pushed to and popped.
fn locked(scratch: &Mutex<Vec<Scratch>>) -> MutexGuard<'_, Vec<Scratch>> {
    scratch.lock().unwrap_or_else(PoisonError::into_inner)
}

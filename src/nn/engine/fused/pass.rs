//! A shard through the whole network: turned into lanes, forward, loss, back.

use crate::domain::order::{Loss, Output};
use crate::nn::engine::Steps;

use super::head::{Head, Residuals};
use super::layer::Layer;
use super::layout::{Buffer, Shard, from_lanes, to_lanes};
use super::plan::Plan;
use super::simd::Level;
use super::trace::Trace;
use super::weights::Weights;

/// Memory one thread works in, kept between calls.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    inputs: Buffer,
    targets: Buffer,
    outputs: Buffer,
    mask: Buffer,
    traces: Vec<Trace>,
}

/// A network ready to run: what all shards share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass<'a> {
    pub level: Level,
    pub plan: &'a Plan,
    pub weights: &'a Weights,
    pub parameters: &'a [f32],
    pub steps: usize,
}

/// A shard's share of a training step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lesson<'a> {
    /// The shard's rows of the batch's inputs and targets.
    pub inputs: &'a [f32],
    pub targets: &'a [f32],
    pub output: Output,
    pub loss: Loss,
    /// 1 / the number of target elements in the whole batch.
    pub share: f32,
}

impl Pass<'_> {
    /// The shard's loss, summed over elements, and its part of the gradient.
    pub(super) fn train(&self, shard: &Shard, lesson: Lesson<'_>, scratch: &mut Scratch, gradient: &mut [f32]) -> f64 {
        let lanes = shard.lanes;
        let head = self.head(self.output_steps(lesson.output), lanes);
        self.forward(shard, lesson.inputs, scratch);
        let Scratch { inputs, targets, outputs, mask, traces } = scratch;
        let Some(top) = traces.last_mut() else { return 0.0 };
        let elements = head.steps * self.plan.head.outputs;
        outputs.resize(elements * lanes);
        targets.resize(elements * lanes);
        to_lanes(lesson.targets, elements, lanes, targets);
        mask.resize(lanes);
        for (lane, mask) in mask.iter_mut().enumerate() {
            *mask = if lane < shard.series.len() { 1.0 } else { 0.0 };
        }
        let block = self.plan.head.units * lanes;
        let first = (self.steps - head.steps) * block;
        // The state after step t stands at t + 1.
        let states = &top.states[first + block..];
        head.forward(&self.weights.head, self.parameters, states, outputs);
        let Lesson { loss, share, .. } = lesson;
        let total = self.level.run(Residuals { loss, predictions: outputs, targets, mask, share });
        top.d_states[..first].fill(0.0);
        let d_states = &mut top.d_states[first..];
        head.backward(&self.weights.head_turned, states, outputs, d_states, gradient);
        self.backward(lanes, inputs, traces, gradient);
        total
    }

    /// The shard's predictions, `[series, step, output]`, at as many last steps as fill `out`.
    pub(super) fn predict(&self, shard: &Shard, inputs: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        let (lanes, outputs) = (shard.lanes, self.plan.head.outputs);
        let head = self.head(out.len() / (outputs * shard.series.len()), lanes);
        self.forward(shard, inputs, scratch);
        let Some(top) = scratch.traces.last() else { return };
        let elements = head.steps * outputs;
        scratch.outputs.resize(elements * lanes);
        let first = (self.steps + 1 - head.steps) * self.plan.head.units * lanes;
        head.forward(&self.weights.head, self.parameters, &top.states[first..], &mut scratch.outputs);
        from_lanes(&scratch.outputs, elements, lanes, out);
    }

    fn output_steps(&self, output: Output) -> usize {
        match output {
            Output::EveryStep => self.steps,
            Output::LastStep => 1,
        }
    }

    fn head(&self, steps: usize, lanes: usize) -> Head<'_> {
        Head { level: self.level, plan: &self.plan.head, steps, lanes }
    }

    fn layer(&self, layer: usize, lanes: usize) -> Layer<'_> {
        Layer {
            level: self.level,
            plan: &self.plan.layers[layer],
            weights: &self.weights.layers[layer],
            parameters: self.parameters,
            steps: self.steps,
            lanes,
        }
    }

    fn forward(&self, shard: &Shard, inputs: &[f32], scratch: &mut Scratch) {
        let lanes = shard.lanes;
        let elements = inputs.len() / shard.series.len();
        scratch.inputs.resize(elements * lanes);
        to_lanes(inputs, elements, lanes, &mut scratch.inputs);
        scratch.traces.resize_with(self.plan.layers.len(), Trace::default);
        for layer in 0..self.plan.layers.len() {
            let (below, traces) = scratch.traces.split_at_mut(layer);
            let x = below.last().map_or(&scratch.inputs[..], |below| self.states_of(layer - 1, lanes, below));
            if let Some(trace) = traces.first_mut() {
                self.layer(layer, lanes).forward(x, trace);
            }
        }
    }

    fn backward(&self, lanes: usize, inputs: &[f32], traces: &mut [Trace], gradient: &mut [f32]) {
        for layer in (0..self.plan.layers.len()).rev() {
            let (below, traces) = traces.split_at_mut(layer);
            let Some(trace) = traces.first_mut() else { continue };
            let this = self.layer(layer, lanes);
            match below.last_mut() {
                None => this.backward(inputs, trace, None, gradient),
                Some(Trace { states, d_states, .. }) => {
                    let block = self.plan.layers[layer - 1].units * lanes;
                    this.backward(&states[block..], trace, Some(d_states), gradient);
                }
            }
        }
    }

    /// h after each step: what the layer above reads.
    fn states_of<'t>(&self, layer: usize, lanes: usize, trace: &'t Trace) -> &'t [f32] {
        &trace.states[self.plan.layers[layer].units * lanes..]
    }
}

/// Steps a prediction is wanted at, of `steps` read.
pub(super) fn predicted_steps(wanted: Steps, output: Output, steps: usize) -> usize {
    match (wanted, output) {
        (Steps::Trained, Output::EveryStep) => steps,
        (Steps::Last, _) | (_, Output::LastStep) => 1,
    }
}

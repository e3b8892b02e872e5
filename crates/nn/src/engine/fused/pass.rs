//! A shard through the whole network: transpose into lanes, forward, loss, backward.

use crate::engine::{DropoutKey, Steps};
use crate::loss::{Criterion, Targets};
use gatecast_core::order::Output;

use super::dropout::Masks;
use super::head::Head;
use super::layout::{Buffer, Shard, from_lanes, to_lanes};
use super::plan::Plan;
use super::residuals::LossOutput;
use super::simd::Level;
use super::stacked_layer::{StackedLayer, StackedLayerTrace};
use super::weights::Weights;

/// The working memory of one thread, kept between calls.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    inputs: Buffer,
    targets: Buffer,
    outputs: Buffer,
    mask: Buffer,
    traces: Vec<StackedLayerTrace>,
}

impl Scratch {
    pub(super) fn bytes(&self) -> usize {
        let Scratch { inputs, targets, outputs, mask, traces } = self;
        let buffers: usize = [inputs, targets, outputs, mask].into_iter().map(Buffer::bytes).sum();
        buffers + traces.iter().map(StackedLayerTrace::bytes).sum::<usize>()
    }
}

/// A network ready to run: what all shards share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass<'a> {
    pub level: Level,
    pub plan: &'a Plan,
    pub weights: &'a Weights,
    pub parameters: &'a [f32],
    pub steps: usize,
    /// Predictions are wanted at the end alone.
    pub last_step_only: bool,
}

/// A shard's share of a training step.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShardBatch<'a> {
    /// The shard's rows of the batch's inputs, and of what is known of them.
    pub inputs: &'a [f32],
    pub truth: Targets<'a>,
    /// No target of the whole batch is NaN.
    pub all_known: bool,
    pub output: Output,
    pub criterion: &'a Criterion,
    /// Of all known points of the whole batch, by which the loss is a mean.
    pub weight: f64,
    pub draw: Option<DropoutKey>,
}

impl Pass<'_> {
    /// The shard's loss, summed over elements, and its part of the gradient.
    pub(super) fn train(
        &self,
        shard: &Shard,
        batch: ShardBatch<'_>,
        scratch: &mut Scratch,
        gradient: &mut [f32],
    ) -> f64 {
        let lanes = shard.lanes;
        let head = self.head(self.output_steps(batch.output), lanes);
        let masks = batch.draw.map(|draw| Masks { draw, series: shard.series.start });
        self.forward(shard, batch.inputs, masks, scratch);
        let Scratch { inputs, targets, outputs, mask, traces } = scratch;
        let Some(top) = traces.last_mut() else { return 0.0 };
        outputs.resize(head.steps * self.plan.head.outputs * lanes);
        let block = self.plan.head.units * lanes;
        let first = (self.steps - head.steps) * block;
        let (states, d_states) = self.layer(self.plan.layers.len() - 1, lanes, masks).outputs_and_gradient(top);
        let states = &states[first..];
        head.forward(&self.weights.head, self.parameters, states, outputs);
        let total = LossOutput { level: self.level, batch, lanes, steps: head.steps, targets, weights: mask }
            .backward(outputs, shard.series.len());
        d_states[..first].fill(0.0);
        head.backward(&self.weights.head_transposed, states, outputs, &mut d_states[first..], gradient);
        self.backward(lanes, inputs, masks, traces, gradient);
        total
    }

    /// The shard's predictions, `[series, step, output]`. The length of `out` sets the number of last
    /// steps.
    pub(super) fn predict(&self, shard: &Shard, inputs: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        let (lanes, outputs) = (shard.lanes, self.plan.head.outputs);
        let head = self.head(out.len() / (outputs * shard.series.len()), lanes);
        self.forward(shard, inputs, None, scratch);
        let Some(top) = scratch.traces.last() else { return };
        let elements = head.steps * outputs;
        scratch.outputs.resize(elements * lanes);
        let first = (self.steps - head.steps) * self.plan.head.units * lanes;
        let states = self.layer(self.plan.layers.len() - 1, lanes, None).outputs(top);
        head.forward(&self.weights.head, self.parameters, &states[first..], &mut scratch.outputs);
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

    fn layer(&self, layer: usize, lanes: usize, masks: Option<Masks>) -> StackedLayer<'_> {
        StackedLayer {
            level: self.level,
            plan: &self.plan.layers[layer],
            weights: &self.weights.layers[layer],
            parameters: self.parameters,
            steps: self.steps,
            lanes,
            masks,
            last_step_only: self.last_step_only && layer + 1 == self.plan.layers.len(),
        }
    }

    fn forward(&self, shard: &Shard, inputs: &[f32], masks: Option<Masks>, scratch: &mut Scratch) {
        let lanes = shard.lanes;
        let elements = inputs.len() / shard.series.len();
        scratch.inputs.resize(elements * lanes);
        to_lanes(inputs, elements, lanes, &mut scratch.inputs);
        scratch.traces.resize_with(self.plan.layers.len(), StackedLayerTrace::default);
        for layer in 0..self.plan.layers.len() {
            let (below, traces) = scratch.traces.split_at_mut(layer);
            let x = match below.last() {
                None => &scratch.inputs[..],
                Some(below) => self.layer(layer - 1, lanes, masks).outputs(below),
            };
            if let Some(trace) = traces.first_mut() {
                self.layer(layer, lanes, masks).forward(x, trace);
            }
        }
    }

    fn backward(
        &self,
        lanes: usize,
        inputs: &[f32],
        masks: Option<Masks>,
        traces: &mut [StackedLayerTrace],
        gradient: &mut [f32],
    ) {
        for layer in (0..self.plan.layers.len()).rev() {
            let (below, traces) = traces.split_at_mut(layer);
            let Some(trace) = traces.first_mut() else { continue };
            let this = self.layer(layer, lanes, masks);
            match below.last_mut() {
                None => this.backward(inputs, trace, None, gradient),
                Some(below) => {
                    let (x, d_x) = self.layer(layer - 1, lanes, masks).outputs_and_gradient(below);
                    this.backward(x, trace, Some(d_x), gradient);
                }
            }
        }
    }
}

/// Steps a prediction is wanted at, of `steps` read.
pub(super) fn predicted_steps(wanted: Steps, output: Output, steps: usize) -> usize {
    match (wanted, output) {
        (Steps::Trained, Output::EveryStep) => steps,
        (Steps::Last, _) | (_, Output::LastStep) => 1,
    }
}

//! One layer of the stack: one or two directions, what each reads, and the residual link.
//!
//! The backward direction of a bidirectional layer runs the same code over reversed steps. A
//! unidirectional layer without a residual link returns the states in its trace directly; other
//! layers own an output buffer `[step, output, lane]`.

use super::dropout::Masks;
use super::layer::Layer;
use super::layout::Buffer;
use super::plan::StackedLayerPlan;
use super::simd::{Kernel, Level, Simd};
use super::trace::Trace;
use super::weights::LayerWeights;

/// A layer with its weights and the size of the work.
#[derive(Debug, Clone, Copy)]
pub(super) struct StackedLayer<'a> {
    pub level: Level,
    pub plan: &'a StackedLayerPlan,
    /// By direction.
    pub weights: &'a [LayerWeights],
    pub parameters: &'a [f32],
    pub steps: usize,
    pub lanes: usize,
    pub masks: Option<Masks>,
    /// Only the last step's outputs are needed: each direction's state after its last step, which
    /// for the backward direction is the first step of the data.
    pub last_step_only: bool,
}

/// What the forward pass of a layer keeps for the backward pass.
#[derive(Debug, Default)]
pub(super) struct StackedLayerTrace {
    directions: Vec<DirectionTrace>,
    outputs: Buffer,
    d_outputs: Buffer,
    d_read: Buffer,
}

#[derive(Debug, Default)]
struct DirectionTrace {
    trace: Trace,
    /// What the direction reads, where that is not the layer's input as it is.
    read: Buffer,
}

impl StackedLayerTrace {
    pub(super) fn bytes(&self) -> usize {
        let StackedLayerTrace { directions, outputs, d_outputs, d_read } = self;
        let directions = directions.iter().map(|direction| direction.trace.bytes() + direction.read.bytes());
        directions.sum::<usize>() + [outputs, d_outputs, d_read].into_iter().map(Buffer::bytes).sum::<usize>()
    }
}

impl StackedLayer<'_> {
    fn direction(&self, direction: usize) -> Layer<'_> {
        let StackedLayer { level, plan, weights, parameters, steps, lanes, masks, .. } = *self;
        Layer {
            level,
            plan: &plan.directions[direction],
            weights: &weights[direction],
            parameters,
            steps,
            lanes,
            masks,
        }
    }

    /// Reads `x`, `[step, input, lane]`, from the zero state.
    pub(super) fn forward(&self, x: &[f32], trace: &mut StackedLayerTrace) {
        let StackedLayerTrace { directions, outputs, .. } = trace;
        directions.resize_with(self.plan.directions.len(), DirectionTrace::default);
        for (direction, DirectionTrace { trace, read }) in directions.iter_mut().enumerate() {
            self.read(direction, x, read);
            let layer = self.direction(direction);
            layer.forward(if self.reads_itself(direction) { read } else { x }, trace);
        }
        if self.plan.is_bare() {
            return;
        }
        let wide = self.plan.outputs * self.lanes;
        outputs.resize(self.steps * wide);
        for (direction, DirectionTrace { trace, .. }) in directions.iter().enumerate() {
            let layer = self.direction(direction);
            let (states, block) = (layer.states(trace), layer.block());
            for (step, out) in outputs.chunks_exact_mut(wide).enumerate() {
                let out = &mut out[direction * block..][..block];
                out.copy_from_slice(&states[self.own_step(direction, step) * block..][..block]);
                if self.plan.residual {
                    let values = &x[self.read_step(direction, step) * wide + direction * block..][..block];
                    self.level.run(Add { values, onto: out });
                }
            }
        }
    }

    /// What the layer above reads, `[step, output, lane]`.
    pub(super) fn outputs<'t>(&self, trace: &'t StackedLayerTrace) -> &'t [f32] {
        match trace.directions.first() {
            Some(direction) if self.plan.is_bare() => self.direction(0).states(&direction.trace),
            _ => &trace.outputs,
        }
    }

    /// As [`StackedLayer::outputs`], with the buffer for the gradient by them.
    pub(super) fn outputs_and_gradient<'t>(&self, trace: &'t mut StackedLayerTrace) -> (&'t [f32], &'t mut [f32]) {
        match trace.directions.first_mut() {
            Some(DirectionTrace { trace, .. }) if self.plan.is_bare() => {
                let block = self.direction(0).block();
                trace.d_states.resize(self.steps * block);
                (&trace.states[self.plan.directions[0].dilation * block..], &mut trace.d_states)
            }
            _ => {
                trace.d_outputs.resize(self.steps * self.plan.outputs * self.lanes);
                (&trace.outputs, &mut trace.d_outputs)
            }
        }
    }

    /// Writes this layer's part of `gradient`; `d_x` gets the gradient by the input.
    pub(super) fn backward(
        &self,
        x: &[f32],
        trace: &mut StackedLayerTrace,
        mut d_x: Option<&mut [f32]>,
        gradient: &mut [f32],
    ) {
        let StackedLayerTrace { directions, d_outputs, d_read, .. } = trace;
        let (width, wide) = (self.plan.inputs * self.lanes, self.plan.outputs * self.lanes);
        for (direction, DirectionTrace { trace, read }) in directions.iter_mut().enumerate() {
            let layer = self.direction(direction);
            let block = layer.block();
            if !self.plan.is_bare() {
                trace.d_states.resize(self.steps * block);
                for (step, d_out) in d_outputs.chunks_exact(wide).enumerate() {
                    let d_state = &mut trace.d_states[self.own_step(direction, step) * block..][..block];
                    d_state.copy_from_slice(&d_out[direction * block..][..block]);
                }
            }
            let read = if self.reads_itself(direction) { read } else { x };
            let Some(d_x) = &mut d_x else {
                layer.backward(read, trace, None, gradient);
                continue;
            };
            let d_x = &mut d_x[..self.steps * width];
            if !layer.plan.backwards {
                layer.backward(read, trace, Some(d_x), gradient);
                layer.mask_inputs(d_x);
                continue;
            }
            d_read.resize(self.steps * width);
            layer.backward(read, trace, Some(d_read), gradient);
            reverse(d_read, width);
            layer.mask_inputs(d_read);
            self.level.run(Add { values: d_read, onto: d_x });
        }
        let Some(d_x) = d_x.filter(|_| self.plan.residual) else { return };
        for direction in 0..directions.len() {
            let block = self.direction(direction).block();
            for (step, d_out) in d_outputs.chunks_exact(wide).enumerate() {
                let onto = &mut d_x[self.read_step(direction, step) * wide + direction * block..][..block];
                self.level.run(Add { values: &d_out[direction * block..][..block], onto });
            }
        }
    }

    /// Whether a direction reads something other than the layer's input as it is.
    fn reads_itself(&self, direction: usize) -> bool {
        self.plan.directions[direction].backwards || self.direction(direction).drops_inputs()
    }

    /// Fills `read` with what a direction reads: the input, masked, in the direction's order.
    fn read(&self, direction: usize, x: &[f32], read: &mut Buffer) {
        if self.reads_itself(direction) {
            let width = self.plan.inputs * self.lanes;
            read.resize(self.steps * width);
            read.copy_from_slice(&x[..self.steps * width]);
            self.direction(direction).mask_inputs(read);
            if self.plan.directions[direction].backwards {
                reverse(read, width);
            }
        }
    }

    /// The step, in a direction's own order, that gives its part of a step's outputs.
    fn own_step(&self, direction: usize, step: usize) -> usize {
        if self.plan.directions[direction].backwards && !self.last_step_only { self.steps - 1 - step } else { step }
    }

    /// The step of the input that it has just read then, which a residual link adds.
    fn read_step(&self, direction: usize, step: usize) -> usize {
        if self.plan.directions[direction].backwards && self.last_step_only { self.steps - 1 - step } else { step }
    }
}

/// Reverses the order of the steps, `width` numbers each.
fn reverse(steps: &mut [f32], width: usize) {
    let middle = steps.len() / width / 2 * width;
    let (early, late) = steps.split_at_mut(middle);
    for (early, late) in early.chunks_exact_mut(width).zip(late.rchunks_exact_mut(width)) {
        early.swap_with_slice(late);
    }
}

/// Adds `values` onto as many numbers.
struct Add<'a> {
    values: &'a [f32],
    onto: &'a mut [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for at in (0..self.onto.len()).step_by(S::LANES) {
            let sum = simd.add(simd.load(self.onto, at), simd.load(self.values, at));
            simd.store(self.onto, at, sum);
        }
    }
}

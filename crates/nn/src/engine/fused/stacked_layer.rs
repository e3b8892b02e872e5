//! One layer of the stack: its halves put together, what they read, and its residual link.
//!
//! The half that reads from the end is a layer like the other over the steps in reverse. A layer
//! of one half and no link gives its states as they stand in its trace; only the others have
//! outputs of their own, `[step, output, lane]`.

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
    /// By half.
    pub weights: &'a [LayerWeights],
    pub parameters: &'a [f32],
    pub steps: usize,
    pub lanes: usize,
    pub masks: Option<Masks>,
    /// Only what each half gives at the end of its reading is asked for, as the last outputs: for
    /// the half that reads from the end, what it gives at the first step.
    pub last_step_only: bool,
}

/// What a layer leaves behind for the way back.
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
    /// What the half reads, where it is not the layer's input as it stands.
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
    fn half(&self, half: usize) -> Layer<'_> {
        let StackedLayer { level, plan, weights, parameters, steps, lanes, masks, .. } = *self;
        Layer { level, plan: &plan.directions[half], weights: &weights[half], parameters, steps, lanes, masks }
    }

    /// Reads `x`, `[step, input, lane]`, from the zero state.
    pub(super) fn forward(&self, x: &[f32], trace: &mut StackedLayerTrace) {
        let StackedLayerTrace { directions, outputs, .. } = trace;
        directions.resize_with(self.plan.directions.len(), DirectionTrace::default);
        for (half, DirectionTrace { trace, read }) in directions.iter_mut().enumerate() {
            self.read(half, x, read);
            let layer = self.half(half);
            layer.forward(if self.reads_itself(half) { read } else { x }, trace);
        }
        if self.plan.is_bare() {
            return;
        }
        let wide = self.plan.outputs * self.lanes;
        outputs.resize(self.steps * wide);
        for (half, DirectionTrace { trace, .. }) in directions.iter().enumerate() {
            let layer = self.half(half);
            let (states, block) = (layer.states(trace), layer.block());
            for (step, out) in outputs.chunks_exact_mut(wide).enumerate() {
                let out = &mut out[half * block..][..block];
                out.copy_from_slice(&states[self.own_step(half, step) * block..][..block]);
                if self.plan.residual {
                    let values = &x[self.read_step(half, step) * wide + half * block..][..block];
                    self.level.run(Add { values, onto: out });
                }
            }
        }
    }

    /// `[step, output, lane]`: what the layer above reads.
    pub(super) fn outputs<'t>(&self, trace: &'t StackedLayerTrace) -> &'t [f32] {
        match trace.directions.first() {
            Some(half) if self.plan.is_bare() => self.half(0).states(&half.trace),
            _ => &trace.outputs,
        }
    }

    /// As [`StackedLayer::outputs`], and where the gradient by them goes.
    pub(super) fn outputs_and_gradient<'t>(&self, trace: &'t mut StackedLayerTrace) -> (&'t [f32], &'t mut [f32]) {
        match trace.directions.first_mut() {
            Some(DirectionTrace { trace, .. }) if self.plan.is_bare() => {
                let block = self.half(0).block();
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
        for (half, DirectionTrace { trace, read }) in directions.iter_mut().enumerate() {
            let layer = self.half(half);
            let block = layer.block();
            if !self.plan.is_bare() {
                trace.d_states.resize(self.steps * block);
                for (step, d_out) in d_outputs.chunks_exact(wide).enumerate() {
                    let d_state = &mut trace.d_states[self.own_step(half, step) * block..][..block];
                    d_state.copy_from_slice(&d_out[half * block..][..block]);
                }
            }
            let read = if self.reads_itself(half) { read } else { x };
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
            turn(d_read, width);
            layer.mask_inputs(d_read);
            self.level.run(Add { values: d_read, onto: d_x });
        }
        let Some(d_x) = d_x.filter(|_| self.plan.residual) else { return };
        for half in 0..directions.len() {
            let block = self.half(half).block();
            for (step, d_out) in d_outputs.chunks_exact(wide).enumerate() {
                let onto = &mut d_x[self.read_step(half, step) * wide + half * block..][..block];
                self.level.run(Add { values: &d_out[half * block..][..block], onto });
            }
        }
    }

    /// Whether a half reads something else than the layer's input as it stands.
    fn reads_itself(&self, half: usize) -> bool {
        self.plan.directions[half].backwards || self.half(half).drops_inputs()
    }

    /// Puts there what a half reads: the input, masked, in the half's order.
    fn read(&self, half: usize, x: &[f32], read: &mut Buffer) {
        if self.reads_itself(half) {
            let width = self.plan.inputs * self.lanes;
            read.resize(self.steps * width);
            read.copy_from_slice(&x[..self.steps * width]);
            self.half(half).mask_inputs(read);
            if self.plan.directions[half].backwards {
                turn(read, width);
            }
        }
    }

    /// At which step of its own a half gives its part of a step's outputs.
    fn own_step(&self, half: usize, step: usize) -> usize {
        if self.plan.directions[half].backwards && !self.last_step_only { self.steps - 1 - step } else { step }
    }

    /// Which step of the input it has read by then, which a residual link adds.
    fn read_step(&self, half: usize, step: usize) -> usize {
        if self.plan.directions[half].backwards && self.last_step_only { self.steps - 1 - step } else { step }
    }
}

/// Puts the last step, `width` numbers, first.
fn turn(steps: &mut [f32], width: usize) {
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

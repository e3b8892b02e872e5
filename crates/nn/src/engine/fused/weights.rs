//! The parameters as the products read them: packed when they change, shared by all shards.

use super::plan::{LayerPlan, Plan};
use super::product::{Matrix, Packed};
use super::simd::Level;

#[derive(Debug, Default)]
pub(super) struct LayerWeights {
    pub input: Packed,
    pub recurrent: Packed,
    /// For the gradient by the input and by the state before.
    pub input_transposed: Packed,
    pub recurrent_transposed: Packed,
    /// The value that each gate row starts from: the sum of its biases.
    pub start: Vec<f32>,
    /// Gains of the input's norm in the order of the gate rows.
    pub input_gain: Vec<f32>,
}

impl LayerWeights {
    fn pack(&mut self, level: Level, plan: &LayerPlan, parameters: &[f32], training: bool) {
        let kernel = &parameters[plan.kernel.clone()];
        let input = Matrix { data: kernel, rows: plan.input_rows().len(), columns: plan.inputs, rotate: plan.rotate() };
        let recurrent = Matrix {
            data: &parameters[plan.recurrent_kernel.clone()],
            rows: plan.recurrent_rows().len(),
            columns: plan.units,
            rotate: 0,
        };
        self.input.pack(level, input);
        self.recurrent.pack(level, recurrent);
        if training {
            self.input_transposed.pack_transposed(level, input);
            self.recurrent_transposed.pack_transposed(level, recurrent);
        }
        self.start = gate_starts(plan, parameters);
        self.input_gain = input_gains(plan, parameters);
    }

    fn bytes(&self) -> usize {
        let packed = [&self.input, &self.recurrent, &self.input_transposed, &self.recurrent_transposed];
        let vectors = (self.start.capacity() + self.input_gain.capacity()) * size_of::<f32>();
        packed.into_iter().map(Packed::bytes).sum::<usize>() + vectors
    }
}

/// The value that each gate row starts from: the sum of its biases.
pub(super) fn gate_starts(plan: &LayerPlan, parameters: &[f32]) -> Vec<f32> {
    let mut starts = vec![0.0; plan.gate_rows()];
    let bias = &parameters[plan.bias.clone()];
    for (rows, first) in plan.bias_map() {
        for (start, bias) in starts[rows].iter_mut().zip(&bias[first..]) {
            *start += bias;
        }
    }
    starts
}

/// Gains of the input's norm in the order of the gate rows; empty without such a norm.
pub(super) fn input_gains(plan: &LayerPlan, parameters: &[f32]) -> Vec<f32> {
    let mut gains = parameters[plan.input_gain.clone()].to_vec();
    let turn = plan.rotate().min(gains.len());
    gains.rotate_left(turn);
    gains
}

/// Every layer's, and the head's.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// By layer and direction.
    pub layers: Vec<Vec<LayerWeights>>,
    pub head: Packed,
    pub head_transposed: Packed,
    packed: Kept,
    transposed: bool,
}

impl Weights {
    /// Packs parameters, if they are new; the transposed kernels only for training.
    pub(super) fn pack(&mut self, level: Level, plan: &Plan, parameters: &[f32], training: bool) {
        if self.packed.holds(parameters) && (self.transposed || !training) {
            return;
        }
        self.packed.keep(parameters);
        self.transposed = training;
        self.layers.resize_with(plan.layers.len(), Vec::new);
        for (directions, plan) in self.layers.iter_mut().zip(&plan.layers) {
            directions.resize_with(plan.directions.len(), LayerWeights::default);
            for (weights, plan) in directions.iter_mut().zip(&plan.directions) {
                weights.pack(level, plan, parameters, training);
            }
        }
        let data = &parameters[plan.head.kernel.clone()];
        let head = Matrix { data, rows: plan.head.outputs, columns: plan.head.units, rotate: 0 };
        self.head.pack(level, head);
        if training {
            self.head_transposed.pack_transposed(level, head);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let layers = self.layers.iter().flatten().map(LayerWeights::bytes).sum::<usize>();
        layers + self.head.bytes() + self.head_transposed.bytes() + self.packed.bytes()
    }
}

/// A copy of the parameters that were packed last.
///
/// The engine gets the parameters with every call. Comparing them is far cheaper than packing them
/// again, which a forecast or a pass over the validation set would otherwise do for every batch.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<f32>);

impl Kept {
    /// Whether these are the very same numbers, bit by bit.
    pub(super) fn holds(&self, parameters: &[f32]) -> bool {
        let same = |(kept, given): (&[f32], &[f32])| {
            kept.iter().zip(given).fold(0, |differ, (a, b)| differ | (a.to_bits() ^ b.to_bits())) == 0
        };
        self.0.len() == parameters.len() && self.0.chunks(RUN).zip(parameters.chunks(RUN)).all(same)
    }

    pub(super) fn keep(&mut self, parameters: &[f32]) {
        self.0.clear();
        self.0.extend_from_slice(parameters);
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<f32>()
    }
}

/// Numbers compared before the loop checks for a difference.
const RUN: usize = 1024;

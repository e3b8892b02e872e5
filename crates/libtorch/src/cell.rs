//! The recurrences over `[step, batch, feature]`; `docs/models.md` gives their equations.
//!
//! Plain layers are LibTorch's own (`lstm`, `gru`, `rnn_tanh`, `rnn_relu`). What those lack (layer
//! norm, a state seen in part, other activations) are loops over the steps, with the input's
//! product taken for all steps at once.

use tch::{TchError, Tensor};

use super::zeros;
use gatecast_core::order::{Activation, Cell};
use gatecast_nn::network::{LAYER_NORM_EPSILON, Layer};

/// One direction's variables, as the layout has them.
pub(super) struct Recurrence<'a> {
    pub(super) kernel: &'a Tensor,
    pub(super) recurrent: &'a Tensor,
    pub(super) bias: &'a Tensor,
    pub(super) norms: Norms<'a>,
    /// What the recurrent products see of the state, `[batch, unit]`; `None`: all of it.
    pub(super) seen: Option<Tensor>,
}

/// Gains and offsets of its layer norms.
pub(super) enum Norms<'a> {
    None,
    Rnn { gain: &'a Tensor, offset: &'a Tensor },
    Gru { input: &'a Tensor, recurrent: &'a Tensor },
    Lstm { input: &'a Tensor, recurrent: &'a Tensor, cell: &'a Tensor, cell_offset: &'a Tensor },
}

impl Recurrence<'_> {
    /// The states `[step, batch, unit]`, from a state of zeros on.
    pub(super) fn run(&self, layer: &Layer, inputs: &Tensor) -> Result<Tensor, TchError> {
        let plain = matches!(self.norms, Norms::None) && self.seen.is_none();
        match (layer.cell, layer.activation) {
            (Cell::SimpleRnn, Activation::Tanh | Activation::Relu) | (Cell::Lstm | Cell::Gru, _) if plain => {
                self.whole(layer, inputs)
            }
            (Cell::SimpleRnn, activation) => self.simple_rnn(activation, inputs),
            (Cell::Lstm, _) => self.lstm(inputs),
            (Cell::Gru, _) => self.gru(inputs),
        }
    }

    /// By LibTorch's layer.
    fn whole(&self, layer: &Layer, inputs: &Tensor) -> Result<Tensor, TchError> {
        let state = self.state(inputs)?.f_unsqueeze(0)?;
        let learning = self.kernel.requires_grad();
        let (layers, dropout, both_ways, batch_first) = (1, 0.0, false, false);
        // LibTorch adds two biases; ours is the first, and the second stays 0 but in the GRU.
        let biases = match layer.cell {
            Cell::Gru => [self.bias.f_select(0, 0)?, self.bias.f_select(0, 1)?],
            Cell::Lstm | Cell::SimpleRnn => [self.bias.shallow_clone(), self.bias.f_zeros_like()?],
        };
        let weights = [self.kernel, self.recurrent, &biases[0], &biases[1]];
        Ok(match (layer.cell, layer.activation) {
            (Cell::SimpleRnn, Activation::Relu) => {
                inputs.f_rnn_relu(&state, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0
            }
            (Cell::SimpleRnn, _) => {
                inputs.f_rnn_tanh(&state, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0
            }
            (Cell::Gru, _) => {
                inputs.f_gru(&state, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0
            }
            (Cell::Lstm, _) => {
                let states = [&state, &state];
                inputs.f_lstm(&states, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0
            }
        })
    }

    /// h = φ(W x + U h + b), with LN about the sum.
    fn simple_rnn(&self, activation: Activation, inputs: &Tensor) -> Result<Tensor, TchError> {
        let recurrent = self.recurrent.f_transpose(0, 1)?;
        let mut state = self.state(inputs)?;
        unroll(inputs.f_linear(self.kernel, Some(self.bias))?, |product| {
            let mut sum = product.f_addmm(&self.seen(&state)?, &recurrent)?;
            if let Norms::Rnn { gain, offset } = self.norms {
                sum = norm(&sum, gain, Some(offset))?;
            }
            state = match activation {
                Activation::Tanh => sum.f_tanh()?,
                Activation::Relu => sum.f_relu()?,
                Activation::Sigmoid => sum.f_sigmoid()?,
                Activation::Linear => sum,
            };
            Ok(state.shallow_clone())
        })
    }

    /// Gates W x + U h + b; h = o ⊙ tanh(c). With norms LN(W x) + LN(U h) + b over all gates at
    /// once, and tanh(LN(c)).
    fn lstm(&self, inputs: &Tensor) -> Result<Tensor, TchError> {
        let recurrent = self.recurrent.f_transpose(0, 1)?;
        let units = self.units();
        let mut state = self.state(inputs)?;
        let mut cell = state.shallow_clone();
        let products = match self.norms {
            Norms::Lstm { input, .. } => norm(&inputs.f_linear(self.kernel, None::<&Tensor>)?, input, Some(self.bias))?,
            _ => inputs.f_linear(self.kernel, Some(self.bias))?,
        };
        unroll(products, |product| {
            let seen = self.seen(&state)?;
            let gates = match self.norms {
                Norms::Lstm { recurrent: gain, .. } => product.f_add(&norm(&seen.f_mm(&recurrent)?, gain, None)?)?,
                _ => product.f_addmm(&seen, &recurrent)?,
            };
            // i and f stand side by side, so one σ serves both.
            let input_forget = gates.f_narrow(1, 0, 2 * units)?.f_sigmoid()?;
            let candidate = gates.f_narrow(1, 2 * units, units)?.f_tanh()?;
            let output = gates.f_narrow(1, 3 * units, units)?.f_sigmoid()?;
            let kept = input_forget.f_narrow(1, units, units)?.f_mul(&cell)?;
            cell = kept.f_addcmul(&input_forget.f_narrow(1, 0, units)?, &candidate)?;
            let told = match self.norms {
                Norms::Lstm { cell: gain, cell_offset, .. } => norm(&cell, gain, Some(cell_offset))?.f_tanh()?,
                _ => cell.f_tanh()?,
            };
            state = output.f_mul(&told)?;
            Ok(state.shallow_clone())
        })
    }

    /// With norms r and z are normalised together, the candidate apart; the input's and the
    /// recurrent product each by itself, their biases as offsets.
    fn gru(&self, inputs: &Tensor) -> Result<Tensor, TchError> {
        let recurrent = self.recurrent.f_transpose(0, 1)?;
        let units = self.units();
        let (input_bias, recurrent_bias) = (self.bias.f_select(0, 0)?, self.bias.f_select(0, 1)?);
        let whole = |gain: Option<&Tensor>, bias: &Tensor, product: &Tensor| match gain {
            Some(gain) => norm_blocks(product, gain, bias, units),
            None => product.f_add(bias),
        };
        let (input_gain, recurrent_gain) = match self.norms {
            Norms::Gru { input, recurrent } => (Some(input), Some(recurrent)),
            _ => (None, None),
        };
        let products = whole(input_gain, &input_bias, &inputs.f_linear(self.kernel, None::<&Tensor>)?)?;
        let mut state = self.state(inputs)?;
        unroll(products, |product| {
            let [input_gates, input_candidate] = blocks(product, units)?;
            let recurrent = whole(recurrent_gain, &recurrent_bias, &self.seen(&state)?.f_mm(&recurrent)?)?;
            let [gates, candidate] = blocks(&recurrent, units)?;
            let gates = gates.f_add(&input_gates)?.f_sigmoid()?;
            let candidate = input_candidate.f_addcmul(&gates.f_narrow(1, 0, units)?, &candidate)?.f_tanh()?;
            // n + z (h − n) = z h + (1 − z) n.
            state = candidate.f_lerp_tensor(&state, &gates.f_narrow(1, units, units)?)?;
            Ok(state.shallow_clone())
        })
    }

    /// The state as the recurrent products see it.
    fn seen(&self, state: &Tensor) -> Result<Tensor, TchError> {
        self.seen.as_ref().map_or_else(|| Ok(state.shallow_clone()), |mask| state.f_mul(mask))
    }

    fn units(&self) -> i64 {
        self.recurrent.size().last().copied().unwrap_or_default()
    }

    /// The state before the first step: zeros `[batch, units]`.
    fn state(&self, inputs: &Tensor) -> Result<Tensor, TchError> {
        let (_, batch, _) = inputs.size3()?;
        zeros(&[batch, self.units()], inputs)
    }
}

/// The states `[step, batch, units]` that `step` gives for each step's product.
fn unroll(products: Tensor, step: impl FnMut(&Tensor) -> Result<Tensor, TchError>) -> Result<Tensor, TchError> {
    let products = products.f_unbind(0)?;
    let states = products.iter().map(step).collect::<Result<Vec<_>, _>>()?;
    Tensor::f_stack(&states, 0)
}

/// r and z, then the candidate, of the last axis.
fn blocks(of: &Tensor, units: i64) -> Result<[Tensor; 2], TchError> {
    Ok([of.f_narrow(-1, 0, 2 * units)?, of.f_narrow(-1, 2 * units, units)?])
}

fn norm_blocks(product: &Tensor, gain: &Tensor, offset: &Tensor, units: i64) -> Result<Tensor, TchError> {
    let (product, gain, offset) = (blocks(product, units)?, blocks(gain, units)?, blocks(offset, units)?);
    let normed = [0, 1].map(|at| norm(&product[at], &gain[at], Some(&offset[at])));
    let [gates, candidate] = normed;
    Tensor::f_cat(&[gates?, candidate?], -1)
}

/// Over the last axis.
fn norm(values: &Tensor, gain: &Tensor, offset: Option<&Tensor>) -> Result<Tensor, TchError> {
    values.f_layer_norm(gain.size(), Some(gain), offset, f64::from(LAYER_NORM_EPSILON), true)
}

//! The recurrences over `[step, batch, feature]`; `docs/models.md` gives their equations.
//!
//! Plain layers are LibTorch's own (`lstm`, `gru`, `rnn_tanh`, `rnn_relu`). What those lack (layer
//! norm, recurrent dropout, other activations, minGRU) are loops over the steps, with the input's
//! product taken for all steps at once.

use tch::{TchError, Tensor};

use super::zeros;
use gatecast_core::order::{Activation, Cell, NormOver};
use gatecast_nn::network::{LAYER_NORM_EPSILON, Layer};

/// One direction's variables, as the layout has them.
pub(super) struct Recurrence<'a> {
    pub(super) kernel: &'a Tensor,
    /// `None` for a cell whose gates do not read the state.
    pub(super) recurrent: Option<&'a Tensor>,
    pub(super) bias: &'a Tensor,
    /// Empty without layer norm; else in the order of [`CellSpec::layer_norms`].
    ///
    /// [`CellSpec::layer_norms`]: gatecast_core::order::CellSpec::layer_norms
    pub(super) norms: Vec<Norm<'a>>,
    /// What the recurrent products read of the state, `[batch, unit]`; `None`: all of it.
    pub(super) seen: Option<Tensor>,
}

/// One layer norm; of a product it has no offset of its own.
pub(super) struct Norm<'a> {
    pub(super) gain: &'a Tensor,
    pub(super) offset: Option<&'a Tensor>,
}

impl<'a> Recurrence<'a> {
    /// Takes the variables of one direction in their order.
    pub(super) fn take(
        layer: &Layer,
        seen: Option<Tensor>,
        next: &mut impl FnMut() -> Result<&'a Tensor, TchError>,
    ) -> Result<Self, TchError> {
        let kernel = next()?;
        let recurrent = if layer.cell.spec().recurrent_kernel { Some(next()?) } else { None };
        let bias = next()?;
        let mut norms = Vec::new();
        for norm in layer.layer_norms() {
            let gain = next()?;
            let offset = if norm.over == NormOver::State { Some(next()?) } else { None };
            norms.push(Norm { gain, offset });
        }
        Ok(Self { kernel, recurrent, bias, norms, seen })
    }

    /// The states `[step, batch, unit]`, from a state of zeros on.
    pub(super) fn run(&self, layer: &Layer, inputs: &Tensor) -> Result<Tensor, TchError> {
        let recurrent = match self.recurrent {
            Some(recurrent) if self.norms.is_empty() && self.seen.is_none() => {
                if let Some(states) = self.whole(layer, recurrent, inputs)? {
                    return Ok(states);
                }
                Some(recurrent.f_transpose(0, 1)?)
            }
            Some(recurrent) => Some(recurrent.f_transpose(0, 1)?),
            None => None,
        };
        let state = zeros(&[inputs.size3()?.1, layer.units as i64], inputs)?;
        let start = Start { state, units: layer.units as i64 };
        match (layer.cell, &recurrent) {
            (Cell::SimpleRnn, Some(recurrent)) => self.simple_rnn(layer.activation, start, recurrent, inputs),
            (Cell::Lstm, Some(recurrent)) => self.lstm(start, recurrent, inputs),
            (Cell::Gru, Some(recurrent)) => self.gru(start, recurrent, inputs),
            (Cell::MinGru, _) => self.min_gru(start, inputs),
            (Cell::SimpleRnn | Cell::Lstm | Cell::Gru, None) => {
                Err(TchError::Shape(format!("{} needs a recurrent kernel", layer.cell.name())))
            }
        }
    }

    /// LibTorch's own layer, if it has the cell.
    fn whole(&self, layer: &Layer, recurrent: &Tensor, inputs: &Tensor) -> Result<Option<Tensor>, TchError> {
        let state = zeros(&[1, inputs.size3()?.1, layer.units as i64], inputs)?;
        let learning = self.kernel.requires_grad();
        let (layers, dropout, both_ways, batch_first) = (1, 0.0, false, false);
        // LibTorch adds two biases. Cells with one bias here leave the second at 0.
        let biases = match layer.cell.spec().recurrent_bias {
            true => [self.bias.f_select(0, 0)?, self.bias.f_select(0, 1)?],
            false => [self.bias.shallow_clone(), self.bias.f_zeros_like()?],
        };
        let weights = [self.kernel, recurrent, &biases[0], &biases[1]];
        Ok(Some(match (layer.cell, layer.activation) {
            (Cell::SimpleRnn, Activation::Relu) => {
                inputs.f_rnn_relu(&state, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0
            }
            (Cell::SimpleRnn, Activation::Tanh) => {
                inputs.f_rnn_tanh(&state, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0
            }
            (Cell::Gru, _) => {
                inputs.f_gru(&state, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0
            }
            (Cell::Lstm, _) => {
                let states = [&state, &state];
                inputs.f_lstm(&states, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0
            }
            (Cell::SimpleRnn, Activation::Sigmoid | Activation::Linear) | (Cell::MinGru, _) => return Ok(None),
        }))
    }

    /// h = φ(W x + U h + b), with LN about the sum.
    fn simple_rnn(
        &self,
        activation: Activation,
        start: Start,
        recurrent: &Tensor,
        inputs: &Tensor,
    ) -> Result<Tensor, TchError> {
        let mut state = start.state;
        unroll(inputs.f_linear(self.kernel, Some(self.bias))?, |product| {
            let mut sum = product.f_addmm(&self.seen(&state)?, recurrent)?;
            if let [over_sum] = &self.norms[..] {
                sum = norm(&sum, over_sum.gain, over_sum.offset)?;
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
    fn lstm(&self, start: Start, recurrent: &Tensor, inputs: &Tensor) -> Result<Tensor, TchError> {
        let Start { mut state, units } = start;
        let mut cell = state.shallow_clone();
        let norms = if let [input, state, cell] = &self.norms[..] { Some((input, state, cell)) } else { None };
        let products = match norms {
            Some((input, ..)) => norm(&inputs.f_linear(self.kernel, None::<&Tensor>)?, input.gain, Some(self.bias))?,
            None => inputs.f_linear(self.kernel, Some(self.bias))?,
        };
        unroll(products, |product| {
            let seen = self.seen(&state)?;
            let gates = match norms {
                Some((_, over_state, _)) => product.f_add(&norm(&seen.f_mm(recurrent)?, over_state.gain, None)?)?,
                None => product.f_addmm(&seen, recurrent)?,
            };
            // i and f are neighbours, so one σ serves both.
            let input_forget = gates.f_narrow(1, 0, 2 * units)?.f_sigmoid()?;
            let candidate = gates.f_narrow(1, 2 * units, units)?.f_tanh()?;
            let output = gates.f_narrow(1, 3 * units, units)?.f_sigmoid()?;
            let kept = input_forget.f_narrow(1, units, units)?.f_mul(&cell)?;
            cell = kept.f_addcmul(&input_forget.f_narrow(1, 0, units)?, &candidate)?;
            let squashed = match norms {
                Some((.., over_cell)) => norm(&cell, over_cell.gain, over_cell.offset)?.f_tanh()?,
                None => cell.f_tanh()?,
            };
            state = output.f_mul(&squashed)?;
            Ok(state.shallow_clone())
        })
    }

    /// With norms r and z are normalised together, the candidate by itself, in each of the two products.
    /// The biases are the offsets.
    fn gru(&self, start: Start, recurrent: &Tensor, inputs: &Tensor) -> Result<Tensor, TchError> {
        let Start { mut state, units } = start;
        let (input_bias, recurrent_bias) = (self.bias.f_select(0, 0)?, self.bias.f_select(0, 1)?);
        let split = [2 * units, units];
        let products = inputs.f_linear(self.kernel, None::<&Tensor>)?;
        let products = biased(&products, self.norms.first(), &input_bias, split)?;
        unroll(products, |product| {
            let [input_gates, input_candidate] = blocks(product, split)?;
            let recurrent = self.seen(&state)?.f_mm(recurrent)?;
            let recurrent = biased(&recurrent, self.norms.get(1), &recurrent_bias, split)?;
            let [gates, candidate] = blocks(&recurrent, split)?;
            let gates = gates.f_add(&input_gates)?.f_sigmoid()?;
            let candidate = input_candidate.f_addcmul(&gates.f_narrow(1, 0, units)?, &candidate)?.f_tanh()?;
            // n + z (h − n) = z h + (1 − z) n.
            state = candidate.f_lerp_tensor(&state, &gates.f_narrow(1, units, units)?)?;
            Ok(state.shallow_clone())
        })
    }

    /// z = σ(W_z x + b_z), h = (1 − z) ⊙ h + z ⊙ (W_h x + b_h). With norms each of the two products
    /// is normalised by itself, its bias as offset.
    fn min_gru(&self, start: Start, inputs: &Tensor) -> Result<Tensor, TchError> {
        let Start { mut state, units } = start;
        let split = [units, units];
        let products = inputs.f_linear(self.kernel, None::<&Tensor>)?;
        let products = biased(&products, self.norms.first(), self.bias, split)?;
        let [gates, candidates] = blocks(&products, split)?;
        let gates = gates.f_sigmoid()?.f_unbind(0)?;
        let candidates = candidates.f_unbind(0)?;
        let states = gates.iter().zip(&candidates).map(|(gate, candidate)| {
            state = state.f_lerp_tensor(candidate, gate)?;
            Ok(state.shallow_clone())
        });
        Tensor::f_stack(&states.collect::<Result<Vec<_>, TchError>>()?, 0)
    }

    /// The state as the recurrent products read it.
    fn seen(&self, state: &Tensor) -> Result<Tensor, TchError> {
        self.seen.as_ref().map_or_else(|| Ok(state.shallow_clone()), |mask| state.f_mul(mask))
    }
}

/// The state before the first step, zeros `[batch, units]`.
struct Start {
    state: Tensor,
    units: i64,
}

/// The states `[step, batch, units]`; `step` computes one from its product.
fn unroll(products: Tensor, step: impl FnMut(&Tensor) -> Result<Tensor, TchError>) -> Result<Tensor, TchError> {
    let products = products.f_unbind(0)?;
    let states = products.iter().map(step).collect::<Result<Vec<_>, _>>()?;
    Tensor::f_stack(&states, 0)
}

/// Two blocks of the last axis, of these widths.
fn blocks(of: &Tensor, [first, second]: [i64; 2]) -> Result<[Tensor; 2], TchError> {
    Ok([of.f_narrow(-1, 0, first)?, of.f_narrow(-1, first, second)?])
}

/// A product plus its bias; with a norm, both blocks are normalised first, each by itself.
fn biased(product: &Tensor, over: Option<&Norm<'_>>, bias: &Tensor, split: [i64; 2]) -> Result<Tensor, TchError> {
    let Some(Norm { gain, .. }) = over else { return product.f_add(bias) };
    let (product, gain, bias) = (blocks(product, split)?, blocks(gain, split)?, blocks(bias, split)?);
    let [first, second] = [0, 1].map(|at| norm(&product[at], &gain[at], Some(&bias[at])));
    Tensor::f_cat(&[first?, second?], -1)
}

/// Over the last axis.
fn norm(values: &Tensor, gain: &Tensor, offset: Option<&Tensor>) -> Result<Tensor, TchError> {
    values.f_layer_norm(gain.size(), Some(gain), offset, f64::from(LAYER_NORM_EPSILON), true)
}

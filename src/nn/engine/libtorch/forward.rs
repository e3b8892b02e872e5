//! The forward pass, time-major: `[step, batch, feature]` from layer to layer.
//!
//! Plain layers are LibTorch's own (`lstm`, `gru`, `rnn_tanh`). Layer-normalised ones are loops
//! over the steps, with the input's product taken for all steps at once; `docs/models.md` gives
//! their equations.

use tch::{TchError, Tensor};

use super::super::Steps;
use super::zeros;
use crate::domain::order::{Cell, Output};
use crate::nn::network::{LAYER_NORM_EPSILON, Network};

/// `[batch, output step, output]` of `inputs` `[step, batch, input]`; `variables` in the order of
/// the network's layout.
pub(super) fn forward(
    network: &Network,
    variables: &[Tensor],
    inputs: &Tensor,
    steps: Steps,
) -> Result<Tensor, TchError> {
    let mut variables = variables.iter();
    let mut next = || variables.next().ok_or_else(|| TchError::Shape("a variable is missing".to_owned()));
    let mut hidden = inputs.shallow_clone();
    for layer in &network.layers {
        let (kernel, recurrent, bias) = (next()?, next()?, next()?);
        let weights = Weights { kernel, recurrent, bias };
        hidden = match (layer.cell, layer.layer_norm) {
            (cell, false) => weights.plain(cell, &hidden)?,
            (Cell::SimpleRnn, true) => weights.normalised_rnn(&hidden, next()?, next()?)?,
            (Cell::Gru, true) => weights.normalised_gru(&hidden, next()?, next()?)?,
            (Cell::Lstm, true) => weights.normalised_lstm(&hidden, [next()?, next()?], [next()?, next()?])?,
        };
    }
    if steps == Steps::Last || network.output == Output::LastStep {
        hidden = hidden.f_narrow(0, -1, 1)?;
    }
    let (kernel, bias) = (next()?, next()?);
    hidden.f_linear(kernel, Some(bias))?.f_transpose(0, 1)
}

/// One layer's, as the layout has them.
struct Weights<'a> {
    kernel: &'a Tensor,
    recurrent: &'a Tensor,
    bias: &'a Tensor,
}

impl Weights<'_> {
    fn plain(&self, cell: Cell, inputs: &Tensor) -> Result<Tensor, TchError> {
        let state = self.state(inputs)?.f_unsqueeze(0)?;
        let learning = self.kernel.requires_grad();
        let (layers, dropout, both_ways, batch_first) = (1, 0.0, false, false);
        // LibTorch adds two biases; ours is the first, and the second stays 0 but in the GRU.
        let biases = match cell {
            Cell::Gru => [self.bias.f_select(0, 0)?, self.bias.f_select(0, 1)?],
            Cell::Lstm | Cell::SimpleRnn => [self.bias.shallow_clone(), self.bias.f_zeros_like()?],
        };
        let weights = [self.kernel, self.recurrent, &biases[0], &biases[1]];
        Ok(match cell {
            Cell::SimpleRnn => {
                inputs.f_rnn_tanh(&state, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0
            }
            Cell::Gru => inputs.f_gru(&state, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0,
            Cell::Lstm => {
                let states = [&state, &state];
                inputs.f_lstm(&states, &weights, true, layers, dropout, learning, both_ways, batch_first)?.0
            }
        })
    }

    /// h = tanh(LN(W x + U h + b)).
    fn normalised_rnn(&self, inputs: &Tensor, gain: &Tensor, offset: &Tensor) -> Result<Tensor, TchError> {
        let recurrent = self.recurrent.f_transpose(0, 1)?;
        let mut state = self.state(inputs)?;
        unroll(inputs.f_linear(self.kernel, Some(self.bias))?, |product| {
            state = norm(&product.f_addmm(&state, &recurrent)?, gain, Some(offset))?.f_tanh()?;
            Ok(state.shallow_clone())
        })
    }

    /// Gates LN(W x) + LN(U h) + b over all gates at once; h = o ⊙ tanh(LN(c)).
    fn normalised_lstm(
        &self,
        inputs: &Tensor,
        [input_gain, recurrent_gain]: [&Tensor; 2],
        [cell_gain, cell_offset]: [&Tensor; 2],
    ) -> Result<Tensor, TchError> {
        let recurrent = self.recurrent.f_transpose(0, 1)?;
        let units = self.units();
        let mut state = self.state(inputs)?;
        let mut cell = state.shallow_clone();
        let products = norm(&inputs.f_linear(self.kernel, None::<&Tensor>)?, input_gain, Some(self.bias))?;
        unroll(products, |product| {
            let gates = product.f_add(&norm(&state.f_mm(&recurrent)?, recurrent_gain, None)?)?;
            // i and f stand side by side, so one σ serves both.
            let input_forget = gates.f_narrow(1, 0, 2 * units)?.f_sigmoid()?;
            let candidate = gates.f_narrow(1, 2 * units, units)?.f_tanh()?;
            let output = gates.f_narrow(1, 3 * units, units)?.f_sigmoid()?;
            let kept = input_forget.f_narrow(1, units, units)?.f_mul(&cell)?;
            cell = kept.f_addcmul(&input_forget.f_narrow(1, 0, units)?, &candidate)?;
            state = output.f_mul(&norm(&cell, cell_gain, Some(cell_offset))?.f_tanh()?)?;
            Ok(state.shallow_clone())
        })
    }

    /// r and z are normalised together, the candidate apart; the input's and the recurrent product
    /// each by itself, their biases as offsets.
    fn normalised_gru(&self, inputs: &Tensor, input_gain: &Tensor, gain: &Tensor) -> Result<Tensor, TchError> {
        let recurrent = self.recurrent.f_transpose(0, 1)?;
        let units = self.units();
        let blocks = |of: &Tensor, dim| -> Result<[Tensor; 2], TchError> {
            Ok([of.f_narrow(dim, 0, 2 * units)?, of.f_narrow(dim, 2 * units, units)?])
        };
        let [gates_gain, candidate_gain] = blocks(gain, 0)?;
        let [gates_bias, candidate_bias] = blocks(&self.bias.f_select(0, 1)?, 0)?;
        let products = {
            let gains = blocks(input_gain, 0)?;
            let biases = blocks(&self.bias.f_select(0, 0)?, 0)?;
            let products = blocks(&inputs.f_linear(self.kernel, None::<&Tensor>)?, 2)?;
            let normed = [0, 1].map(|at| norm(&products[at], &gains[at], Some(&biases[at])));
            let [gates, candidate] = normed;
            Tensor::f_cat(&[gates?, candidate?], 2)?
        };
        let mut state = self.state(inputs)?;
        unroll(products, |product| {
            let [input_gates, input_candidate] = blocks(product, 1)?;
            let [gates, candidate] = blocks(&state.f_mm(&recurrent)?, 1)?;
            let gates = norm(&gates, &gates_gain, Some(&gates_bias))?.f_add(&input_gates)?.f_sigmoid()?;
            let candidate = norm(&candidate, &candidate_gain, Some(&candidate_bias))?;
            let candidate = input_candidate.f_addcmul(&gates.f_narrow(1, 0, units)?, &candidate)?.f_tanh()?;
            // n + z (h − n) = z h + (1 − z) n.
            state = candidate.f_lerp_tensor(&state, &gates.f_narrow(1, units, units)?)?;
            Ok(state.shallow_clone())
        })
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

/// Over the last axis.
fn norm(values: &Tensor, gain: &Tensor, offset: Option<&Tensor>) -> Result<Tensor, TchError> {
    values.f_layer_norm(gain.size(), Some(gain), offset, f64::from(LAYER_NORM_EPSILON), true)
}

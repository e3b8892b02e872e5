//! The forward pass, time-major: `[step, batch, feature]` from layer to layer.

use tch::{TchError, Tensor};

use super::layer::Direction;
use gatecast_core::order::Output;
use gatecast_nn::engine::{DropoutKey, Steps};
use gatecast_nn::network::{Layer, Network};

/// `[batch, output step, output]` of `inputs` `[step, batch, input]`; `variables` in the order of
/// the network's layout. Nothing is dropped without a draw.
pub(super) fn forward(
    network: &Network,
    variables: &[Tensor],
    inputs: &Tensor,
    steps: Steps,
    draw: Option<DropoutKey>,
) -> Result<Tensor, TchError> {
    let mut variables = variables.iter();
    let mut next = || variables.next().ok_or_else(|| TchError::Shape("a variable is missing".to_owned()));
    let mut hidden = inputs.shallow_clone();
    for (place, layer) in network.layers.iter().enumerate() {
        let mut states = Direction { layer, place, backwards: false, draw }.run(&hidden, &mut next)?;
        if layer.bidirectional {
            let backwards = Direction { layer, place, backwards: true, draw }.run(&hidden, &mut next)?;
            states = Tensor::f_cat(&[states, backwards], 2)?;
        }
        hidden = if layer.residual { states.f_add(&hidden)? } else { states };
    }
    if steps == Steps::Last || network.output == Output::LastStep {
        hidden = last_step(network.layers.last(), &hidden)?;
    }
    let (kernel, bias) = (next()?, next()?);
    hidden.f_linear(kernel, Some(bias))?.f_transpose(0, 1)
}

/// The outputs of the last layer after its last step, `[1, batch, feature]`: the backward direction
/// ends with the first step.
fn last_step(last: Option<&Layer>, hidden: &Tensor) -> Result<Tensor, TchError> {
    let end = hidden.f_narrow(0, -1, 1)?;
    let Some(layer) = last.filter(|layer| layer.bidirectional) else { return Ok(end) };
    let units = layer.units as i64;
    let backwards = hidden.f_narrow(0, 0, 1)?.f_narrow(2, units, units)?;
    Tensor::f_cat(&[end.f_narrow(2, 0, units)?, backwards], 2)
}

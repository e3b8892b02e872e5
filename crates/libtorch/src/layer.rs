//! One direction of one layer: dropout of its input, the order in which it reads, and dilation. The
//! recurrence itself is in `cell`.

use tch::{TchError, Tensor};

use super::cell::Recurrence;
use gatecast_nn::dropout::{self, Dropped, Place};
use gatecast_nn::engine::DropoutKey;
use gatecast_nn::network::Layer;

/// One direction of a layer.
pub(super) struct Direction<'a> {
    pub(super) layer: &'a Layer,
    /// The layer's, in the network.
    pub(super) place: usize,
    pub(super) backwards: bool,
    pub(super) draw: Option<DropoutKey>,
}

impl Direction<'_> {
    /// States `[step, batch, unit]` in the order of the steps; takes its variables from `next`.
    pub(super) fn run<'v>(
        &self,
        inputs: &Tensor,
        next: &mut impl FnMut() -> Result<&'v Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        let (steps, batch, _) = inputs.size3()?;
        let dilation = self.layer.dilation.max(1) as i64;
        let recurrence = Recurrence::take(self.layer, self.state_mask(batch, dilation, inputs)?, next)?;
        let read = match self.input_mask(inputs)? {
            Some(mask) => inputs.f_mul(&mask)?,
            None => inputs.shallow_clone(),
        };
        let in_order = |tensor: Tensor| if self.backwards { tensor.f_flip([0]) } else { Ok(tensor) };
        let states = recurrence.run(self.layer, &interleave(&in_order(read)?, dilation)?)?;
        let units = self.layer.units as i64;
        in_order(states.f_reshape([-1, batch, units])?.f_narrow(0, 0, steps)?)
    }

    fn mask(&self, dropped: Dropped, series: i64, rate: f32, out: &mut [f32]) {
        if let Some(draw) = self.draw {
            let place = Place { layer: self.place, backwards: self.backwards, dropped };
            dropout::mask(draw, place, series as usize, rate, out);
        }
    }

    /// `[step, batch, feature]`, drawn for the steps in the data's order; `None`: nothing is dropped.
    fn input_mask(&self, inputs: &Tensor) -> Result<Option<Tensor>, TchError> {
        let rate = self.layer.dropout;
        if self.draw.is_none() || rate <= 0.0 {
            return Ok(None);
        }
        let (steps, batch, features) = inputs.size3()?;
        let row = (steps * features) as usize;
        let mut numbers = vec![0.0; batch as usize * row];
        for (series, out) in (0..).zip(numbers.chunks_exact_mut(row)) {
            self.mask(Dropped::Inputs, series, rate, out);
        }
        let mask = Tensor::f_from_slice(&numbers)?.f_view([batch, steps, features])?;
        Ok(Some(mask.f_transpose(0, 1)?.f_to_device(inputs.device())?))
    }

    /// `[dilation × batch, unit]`, in the order of the interleaved states; `None`: nothing is dropped.
    fn state_mask(&self, batch: i64, dilation: i64, like: &Tensor) -> Result<Option<Tensor>, TchError> {
        let rate = self.layer.recurrent_dropout;
        if self.draw.is_none() || rate <= 0.0 || !self.layer.cell.spec().recurrent_kernel {
            return Ok(None);
        }
        let units = self.layer.units;
        let mut numbers = vec![0.0; batch as usize * units];
        for (series, out) in (0..).zip(numbers.chunks_exact_mut(units)) {
            self.mask(Dropped::State, series, rate, out);
        }
        let mask = Tensor::f_from_slice(&numbers)?.f_view([batch, units as i64])?;
        Ok(Some(mask.f_repeat([dilation, 1])?.f_to_device(like.device())?))
    }
}

/// A state `d` steps back is the last state of a sequence that holds every d-th step. So the steps
/// `[step, batch, feature]` become `d` such sequences beside each other, `[⌈step / d⌉, d × batch,
/// feature]`, filled up with zeros at the end (Chang et al. 2017).
fn interleave(inputs: &Tensor, dilation: i64) -> Result<Tensor, TchError> {
    if dilation == 1 {
        return Ok(inputs.shallow_clone());
    }
    let (steps, batch, features) = inputs.size3()?;
    let missing = (dilation - steps % dilation) % dilation;
    let padding = super::zeros(&[missing, batch, features], inputs)?;
    Tensor::f_cat(&[inputs, &padding], 0)?.f_view([-1, dilation * batch, features])
}

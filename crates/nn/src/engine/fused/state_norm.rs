//! The layer norm with gain and offset that some cells apply within a step: to the pre-activation
//! (simple RNN) or the cell state (LSTM). The norms of whole products are in `layer` and `backward`.

use super::columns::{self, Begin};
use super::norm::{self, Onto, Rows};
use super::simd::Level;

/// Forward.
pub(super) struct StateNorm<'a> {
    pub gain: &'a [f32],
    pub offset: &'a [f32],
    pub over: Over<'a>,
}

/// How the numbers of a step lie.
pub(super) enum Over<'a> {
    /// `[unit, lane]`, a series a lane. `inverse` gets 1 / √(variance + ε) of each.
    Series { units: usize, lanes: usize, inverse: &'a mut [f32] },
    /// One series, units across the lanes; the mask is 1 for a unit and 0 for padding.
    Units { units: usize, mask: &'a [f32] },
}

impl StateNorm<'_> {
    /// Replaces `values` with x̂ and writes gain ⊙ x̂ + offset to `out`.
    pub(super) fn apply(self, level: Level, values: &mut [f32], out: &mut [f32]) {
        let StateNorm { gain, offset, over } = self;
        match over {
            Over::Series { units, lanes, inverse } => {
                let rows = Rows { steps: 1, stride: 0, first: 0, count: units, lanes };
                level.run(norm::Normalise { rows, values, inverse, inverse_stride: 0 });
                level.run(norm::Scale { rows, values, gain, onto: Onto::Offset(offset), out, out_stride: 0 });
            }
            Over::Units { units, mask } => {
                level.run(columns::Normalise { values, mask, count: units });
                level.run(columns::Scale { values, gain, begin: Begin::With(offset), out });
            }
        }
    }
}

/// Back through one step, a series a lane.
pub(super) struct StateNormBack<'a> {
    pub gain: &'a [f32],
    pub units: usize,
    pub lanes: usize,
    /// As the forward step left it.
    pub inverse: &'a [f32],
    /// The gradients by gain and offset, `[unit, lane]`, to add to.
    pub gain_sums: &'a mut [f32],
    pub offset_sums: &'a mut [f32],
}

impl StateNormBack<'_> {
    /// Replaces `values`, x̂, with the gradient by x; `d` is the one by gain ⊙ x̂ + offset.
    pub(super) fn apply(self, level: Level, values: &mut [f32], d: &[f32]) {
        level.run(norm::Backward {
            rows: Rows { steps: 1, stride: 0, first: 0, count: self.units, lanes: self.lanes },
            values,
            inverse: self.inverse,
            inverse_stride: 0,
            gain: self.gain,
            d,
            d_stride: 0,
            gain_sums: self.gain_sums,
            offset_sums: Some(self.offset_sums),
        });
    }
}

//! Dropout: the masks of `nn::dropout`, drawn for a vector of series at once.
//!
//! A series' mask comes from a stream of its own (ChaCha with 8 rounds). A lane is a series, so
//! the streams run side by side, a lane each, and word w of all streams comes out as the vector that
//! masks two rows of the shard, without a transpose. Drawing is cheap enough that the backward pass
//! regenerates the masks instead of storing them.

use std::array::from_fn;

use crate::dropout::{Dropped, Place, kept, key, threshold};
use crate::engine::DropoutKey;

use super::layer::Layer;
use super::simd::{Kernel, Simd};
use super::trace::Trace;

/// Whose masks a layer draws.
#[derive(Debug, Clone, Copy)]
pub(super) struct Masks {
    pub draw: DropoutKey,
    /// Place in the batch of the series in the first lane.
    pub series: usize,
}

impl Layer<'_> {
    /// The masks to draw; `None` if nothing is dropped.
    fn masking(&self, dropped: Dropped) -> Option<(Masks, Place, f32)> {
        let rate = match dropped {
            Dropped::Inputs => self.plan.dropout,
            Dropped::State => self.plan.recurrent_dropout,
        };
        let place = Place { layer: self.plan.place, backwards: self.plan.backwards, dropped };
        self.masks.filter(|_| rate > 0.0).map(|masks| (masks, place, rate))
    }

    /// Multiplies `[row, lane]` by the mask.
    fn mask(&self, dropped: Dropped, values: &mut [f32]) {
        if let Some((Masks { draw, series }, place, rate)) = self.masking(dropped) {
            self.level.run(Mask { draw, place, series, rate, lanes: self.lanes, values });
        }
    }

    pub(super) fn drops_inputs(&self) -> bool {
        self.masking(Dropped::Inputs).is_some()
    }

    pub(super) fn drops_state(&self) -> bool {
        self.masking(Dropped::State).is_some()
    }

    /// From what could be read, `[step, input, lane]` from the first step on, to what is; or from
    /// the gradient by what is read to the one by what could be.
    pub(super) fn mask_inputs(&self, inputs: &mut [f32]) {
        self.mask(Dropped::Inputs, inputs);
    }

    /// Writes the state's mask to the trace, if there is one.
    pub(super) fn draw_state_mask(&self, trace: &mut Trace) {
        if self.drops_state() {
            trace.state_mask.resize(self.block());
            trace.state_mask.fill(1.0);
            self.mask(Dropped::State, &mut trace.state_mask);
            trace.fed.resize(self.steps * self.block());
        }
    }
}

/// Multiplies rows `[row, lane]` by their series' masks.
struct Mask<'a> {
    draw: DropoutKey,
    place: Place,
    /// Of the first lane.
    series: usize,
    rate: f32,
    lanes: usize,
    values: &'a mut [f32],
}

/// Numbers that a block of ChaCha's 16 words is good for.
const NUMBERS: usize = 32;

impl Kernel for Mask<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        // The loops over a vector's series are plain; the compiler makes them vectors.
        match S::LANES {
            16 => self.streams::<16>(),
            8 => self.streams::<8>(),
            _ => self.streams::<4>(),
        }
    }
}

impl Mask<'_> {
    #[inline(always)]
    fn streams<const L: usize>(self) {
        let Mask { draw, place, series, rate, lanes, values } = self;
        let (threshold, kept) = (threshold(rate), kept(rate));
        for lane in (0..lanes).step_by(L) {
            let mut keys = [[0; L]; 8];
            for at in 0..L {
                for (words, word) in keys.iter_mut().zip(key(draw, place, series + lane + at)) {
                    words[at] = word;
                }
            }
            for (counter, rows) in values.chunks_mut(NUMBERS * lanes).enumerate() {
                let words = chacha(&keys, counter as u64);
                for (number, row) in rows.chunks_exact_mut(lanes).enumerate() {
                    let (word, shift) = (&words[number / 2], number % 2 * 16);
                    for (value, word) in row[lane..lane + L].iter_mut().zip(word) {
                        *value *= if word >> shift & 0xffff < threshold { 0.0 } else { kept };
                    }
                }
            }
        }
    }
}

/// One block of every stream, `[word, stream]` (Bernstein 2008; 64 bits of counter, stream 0).
#[inline(always)]
fn chacha<const L: usize>(keys: &[[u32; L]; 8], counter: u64) -> [[u32; L]; 16] {
    let mut begin = [[0; L]; 16];
    for (words, constant) in begin.iter_mut().zip([0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]) {
        *words = [constant; L];
    }
    begin[4..12].copy_from_slice(keys);
    begin[12] = [counter as u32; L];
    begin[13] = [(counter >> 32) as u32; L];
    let mut words = begin;
    for _ in 0..4 {
        quarter::<L, 0, 4, 8, 12>(&mut words);
        quarter::<L, 1, 5, 9, 13>(&mut words);
        quarter::<L, 2, 6, 10, 14>(&mut words);
        quarter::<L, 3, 7, 11, 15>(&mut words);
        quarter::<L, 0, 5, 10, 15>(&mut words);
        quarter::<L, 1, 6, 11, 12>(&mut words);
        quarter::<L, 2, 7, 8, 13>(&mut words);
        quarter::<L, 3, 4, 9, 14>(&mut words);
    }
    for (words, begin) in words.iter_mut().zip(&begin) {
        for (word, begin) in words.iter_mut().zip(begin) {
            *word = word.wrapping_add(*begin);
        }
    }
    words
}

/// Which words it mixes is known to the compiler, so that all of them stay in registers.
#[inline(always)]
fn quarter<const L: usize, const A: usize, const B: usize, const C: usize, const D: usize>(words: &mut [[u32; L]; 16]) {
    let [mut a, mut b, mut c, mut d] = [words[A], words[B], words[C], words[D]];
    (a, d) = mix::<L, 16>(a, b, d);
    (c, b) = mix::<L, 12>(c, d, b);
    (a, d) = mix::<L, 8>(a, b, d);
    (c, b) = mix::<L, 7>(c, d, b);
    (words[A], words[B], words[C], words[D]) = (a, b, c, d);
}

#[inline(always)]
fn mix<const L: usize, const BY: u32>(a: [u32; L], b: [u32; L], turned: [u32; L]) -> ([u32; L], [u32; L]) {
    let sum: [u32; L] = from_fn(|at| a[at].wrapping_add(b[at]));
    (sum, from_fn(|at| (turned[at] ^ sum[at]).rotate_left(BY)))
}

/// `out = a ⊙ b`.
pub(super) struct Multiply<'a> {
    pub a: &'a [f32],
    pub b: &'a [f32],
    pub out: &'a mut [f32],
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for at in (0..self.out.len()).step_by(S::LANES) {
            simd.store(self.out, at, simd.mul(simd.load(self.a, at), simd.load(self.b, at)));
        }
    }
}

/// `out += a ⊙ b`.
pub(super) struct MultiplyAdd<'a> {
    pub a: &'a [f32],
    pub b: &'a [f32],
    pub out: &'a mut [f32],
}

impl Kernel for MultiplyAdd<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for at in (0..self.out.len()).step_by(S::LANES) {
            let sum = simd.mul_add(simd.load(self.a, at), simd.load(self.b, at), simd.load(self.out, at));
            simd.store(self.out, at, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::layout::BLOCK;
    use super::super::simd::Level;
    use super::*;
    use crate::dropout::mask;

    proptest! {
        #[test]
        fn masks_are_those_that_every_engine_draws(rows in 1_usize..150, blocks in 1_usize..4, series in 0_usize..1000,
            rate in 0.001_f32..0.999, layer in 0_usize..9, backwards: bool, state: bool, seed: u64, step: u64) {
            let (lanes, draw) = (blocks * BLOCK, DropoutKey { seed, step });
            let dropped = if state { Dropped::State } else { Dropped::Inputs };
            let place = Place { layer, backwards, dropped };
            for level in Level::available() {
                let mut values = vec![1.0; rows * lanes];
                level.run(Mask { draw, place, series, rate, lanes, values: &mut values });
                for lane in 0..lanes {
                    let mut want = vec![f32::NAN; rows];
                    mask(draw, place, series + lane, rate, &mut want);
                    let got: Vec<f32> = values.chunks(lanes).map(|row| row[lane]).collect();
                    prop_assert_eq!(got, want, "{}", level.name());
                }
            }
        }
    }
}

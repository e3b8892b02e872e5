//! Memory layout: aligned buffers, shards of the batch, and the transpose from the callers'
//! `[batch, step, feature]` to the engine's `[step, feature, lane]`.

use std::ops::Range;

/// Lanes come in blocks of this many: one register of AVX-512, two of AVX2, four of NEON.
pub(super) const BLOCK: usize = 16;

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; BLOCK]);

/// Floats aligned to a cache line, so that no vector crosses two.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// Sets the length. The contents are unspecified (old numbers or zeros). Allocates only if it was
    /// never this long before.
    pub(super) fn resize(&mut self, len: usize) {
        let lines = len.div_ceil(BLOCK);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0.0; BLOCK]));
        }
        self.len = len;
    }

    /// Bytes of memory held, in use or not.
    pub(super) fn bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }
}

impl std::ops::Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `Line` is `repr(C)`, 16 floats and nothing else (64 bytes, 64 aligned), so the
        // lines are 16 × lines.len() initialised floats in a row, and `resize` keeps
        // len ≤ 16 × lines.len(). An empty Vec's pointer is aligned and good for zero floats.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `deref`, and `&mut self` makes the access the only one.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// A part of the batch that is computed in one piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shard {
    /// Which series of the batch.
    pub series: Range<usize>,
    /// How many lanes they take: a multiple of [`BLOCK`]; those past the series are padding.
    pub lanes: usize,
}

/// Splits a batch. The split depends on the batch's size alone, never on the number of threads:
/// weight gradients are summed within a shard and then over shards in order, so the result is the
/// same however many threads there are.
///
/// Up to two blocks, each block is a shard, so that a usual batch of 32 keeps two threads busy;
/// larger batches go by two blocks, which reads each weight half as often.
pub(super) fn shards(batch: usize) -> impl Iterator<Item = Shard> {
    let size = if batch <= 2 * BLOCK { BLOCK } else { 2 * BLOCK };
    (0..batch).step_by(size).map(move |start| {
        let end = batch.min(start + size);
        Shard { series: start..end, lanes: (end - start).next_multiple_of(BLOCK) }
    })
}

/// Transposes rows `[series, element]` to `[element, lane]`; padding lanes get zeros.
pub(super) fn to_lanes(rows: &[f32], elements: usize, lanes: usize, out: &mut [f32]) {
    for first in (0..lanes).step_by(BLOCK) {
        let sources: [&[f32]; BLOCK] = std::array::from_fn(|i| {
            let series = first + i;
            rows.get(series * elements..(series + 1) * elements).unwrap_or(&[])
        });
        for (element, out) in out.chunks_exact_mut(lanes).take(elements).enumerate() {
            for (out, source) in out[first..first + BLOCK].iter_mut().zip(sources) {
                *out = source.get(element).copied().unwrap_or(0.0);
            }
        }
    }
}

/// Transposes `[element, lane]` back to rows `[series, element]`; `out` sets the number of rows.
pub(super) fn from_lanes(from: &[f32], elements: usize, lanes: usize, out: &mut [f32]) {
    for (series, row) in out.chunks_exact_mut(elements).enumerate() {
        for (value, from) in row.iter_mut().zip(from.chunks_exact(lanes)) {
            *value = from[series];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_the_batch_once() {
        for batch in 1..200 {
            let shards: Vec<_> = shards(batch).collect();
            let mut next = 0;
            for shard in &shards {
                assert_eq!(shard.series.start, next);
                assert!(shard.series.len() <= shard.lanes && shard.lanes % BLOCK == 0);
                next = shard.series.end;
            }
            assert_eq!(next, batch);
        }
    }

    #[test]
    fn turning_there_and_back_changes_nothing_and_pads_with_zeros() {
        let (series, elements, lanes) = (19, 7, 32);
        let rows: Vec<f32> = (0..series * elements).map(|i| i as f32 + 1.0).collect();
        let mut transposed = vec![-1.0; elements * lanes];
        to_lanes(&rows, elements, lanes, &mut transposed);
        assert_eq!(transposed[3 * lanes + 18], rows[18 * elements + 3]);
        assert!(transposed.chunks(lanes).all(|row| row[series..].iter().all(|&x| x == 0.0)));
        let mut back = vec![0.0; rows.len()];
        from_lanes(&transposed, elements, lanes, &mut back);
        assert_eq!(back, rows);
    }

    #[test]
    fn a_buffer_is_aligned_and_keeps_its_memory() {
        let mut buffer = Buffer::default();
        buffer.resize(33);
        buffer[32] = 5.0;
        let at = buffer.as_ptr();
        assert_eq!(at as usize % 64, 0);
        buffer.resize(1);
        assert_eq!(buffer.len(), 1);
        buffer.resize(33);
        assert_eq!((buffer.as_ptr(), buffer[32]), (at, 5.0));
    }
}

//! What the network reads, run after run: each run's forecast becomes the history of the next.

use super::history::History;
use super::reads::Reads;
use crate::learn::features::{Codes, Rows};
use crate::learn::scaling::Scale;

/// A batch of series in the network's scale.
pub(super) struct Feed<'r> {
    reads: &'r Reads<'r>,
    batch: &'r [History],
    /// `[series, row, column]`: the history, then room for what is forecast and known ahead.
    numbers: Vec<f32>,
    /// `[series, step, input]` of one run.
    window: Vec<f32>,
}

impl<'r> Feed<'r> {
    pub(super) fn new(reads: &'r Reads<'r>, batch: &'r [History], scales: &[Scale<'_>]) -> Self {
        let columns = reads.layout.columns();
        let of_series = reads.rows() * columns;
        let mut numbers = vec![0.0; batch.len() * of_series];
        for ((history, scale), series) in batch.iter().zip(scales).zip(numbers.chunks_exact_mut(of_series)) {
            for (column, values) in history.columns.iter().enumerate() {
                let rows = series.iter_mut().skip(column).step_by(columns);
                rows.zip(values).for_each(|(row, &value)| *row = scale.apply(column, value) as f32);
            }
        }
        let window = vec![0.0; batch.len() * reads.manifest.context * reads.layout.width()];
        Self { reads, batch, numbers, window }
    }

    /// The inputs of a run, `[series, step, input]`.
    pub(super) fn window(&mut self, block: usize) -> &[f32] {
        let first = self.reads.reach + block * self.reads.manifest.horizon;
        let of_series = self.reads.rows() * self.reads.layout.columns();
        let steps = self.reads.manifest.context * self.reads.layout.width();
        let series = self.batch.iter().zip(self.numbers.chunks_exact(of_series));
        for ((history, numbers), window) in series.zip(self.window.chunks_exact_mut(steps)) {
            let codes: Vec<Codes<'_>> = history.codes.iter().map(|column| column.codes()).collect();
            self.reads.layout.write(Rows { numbers, codes: &codes, constants: &history.constants }, first, window);
        }
        &self.window
    }

    /// Takes a run's forecast, `[series, step × target]`, for what came after its history.
    pub(super) fn append(&mut self, block: usize, forecast: &[f32]) {
        let (columns, targets) = (self.reads.layout.columns(), self.reads.manifest.targets.len());
        let horizon = self.reads.manifest.horizon;
        let row = self.reads.history + block * horizon;
        let series = self.numbers.chunks_exact_mut(self.reads.rows() * columns);
        for (numbers, forecast) in series.zip(forecast.chunks_exact(horizon * targets)) {
            let rows = numbers[row * columns..].chunks_exact_mut(columns);
            rows.zip(forecast.chunks_exact(targets)).for_each(|(row, step)| row[..targets].copy_from_slice(step));
        }
    }
}

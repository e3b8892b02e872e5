//! Reads the latest points of series in a stored dataset, in batches.
//!
//! If the model reads future covariates, a series' history ends at its last point with a target. The rows after it
//! contain future covariates, which are used unless the request has them.

use std::collections::BTreeMap;

use gatecast_core::forecast::CovariateValue;
use gatecast_core::frequency::Frequency;
use gatecast_core::resolve::FieldError;
use gatecast_data::{ColumnSelection, LatestPoints, Located, ReadError, SeriesValues, StoredDataset};
use gatecast_model::features::input_columns;

use super::error::ForecastError;
use super::fault::SeriesFault;
use super::grid_series::{GridSeries, InputError};
use super::input_spec::InputSpec;
use super::limits::MAX_INPUT_NUMBERS;
use super::series_input::SeriesInput;

/// A series to read.
pub(super) struct SeriesToRead<'s> {
    pub(super) located: Located,
    /// The future covariates in the request.
    pub(super) future: &'s BTreeMap<String, Vec<CovariateValue>>,
}

/// Reads the input of one model from an open dataset.
pub(super) struct DatasetReader<'r> {
    spec: &'r InputSpec<'r>,
    dataset: &'r StoredDataset,
    columns: ColumnSelection,
    is_cancelled: &'r dyn Fn() -> bool,
}

impl<'r> DatasetReader<'r> {
    pub(super) fn open(
        spec: &'r InputSpec<'r>,
        dataset: &'r StoredDataset,
        is_cancelled: &'r dyn Fn() -> bool,
    ) -> Result<Self, ForecastError> {
        let points = dataset.points();
        let names = input_columns(&spec.manifest.order.data);
        let mut missing = Vec::new();
        for name in &names {
            match points.select(std::slice::from_ref(name)) {
                Ok(_) => {}
                Err(ReadError::NoColumn(name)) => {
                    let detail = format!("the dataset has no column `{name}`, which the model reads");
                    missing.push(FieldError::new("/dataset", detail));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !missing.is_empty() {
            return Err(ForecastError::Invalid(missing));
        }
        let columns = points.select(&names)?;
        Ok(Self { spec, dataset, columns, is_cancelled })
    }

    /// Returns the model's input for each series, or why there is none. Fails if the file cannot be read.
    pub(super) fn read(
        &self,
        batch: &[SeriesToRead<'_>],
    ) -> Result<Vec<Result<SeriesInput, Vec<SeriesFault>>>, ForecastError> {
        let asked: Vec<LatestPoints> = batch
            .iter()
            .map(|series| LatestPoints { count: self.rows(&series.located), series: series.located.clone() })
            .collect();
        let values = self.dataset.points().latest(&self.columns, &asked)?;
        let mut inputs = Vec::with_capacity(batch.len());
        for ((series, asked), values) in batch.iter().zip(&asked).zip(values) {
            inputs.push(match self.input(series, values, asked.count) {
                Ok(input) => Ok(input),
                Err(InputError::Series(faults)) => Err(faults),
                Err(InputError::Program(error)) => return Err(error),
            });
        }
        Ok(inputs)
    }

    /// The number of rows of a series to read first: enough if the series has no gaps.
    pub(super) fn rows(&self, series: &Located) -> u64 {
        let steps = self.spec.history.saturating_add(self.spec.ahead) as u64;
        let total = series.summary.points;
        match self.spec.manifest.order.data.resample {
            None => steps.min(total),
            Some(resample) => match points_per_step(resample.every, series.summary.frequency) {
                // The first step may be cut off, and the last may be incomplete.
                Some(points) => steps.saturating_add(2).saturating_mul(points).min(total),
                None => total,
            },
        }
    }

    /// The number of values in this many rows.
    pub(super) fn numbers(&self, rows: u64) -> u64 {
        rows.saturating_mul(self.columns.len() as u64)
    }

    /// Reads further back until the history is complete or the whole series is read.
    fn input(
        &self,
        series: &SeriesToRead<'_>,
        mut values: SeriesValues,
        mut rows: u64,
    ) -> Result<SeriesInput, InputError> {
        let total = series.located.summary.points;
        loop {
            if (self.is_cancelled)() {
                return Err(InputError::Program(ForecastError::Cancelled));
            }
            let grid = GridSeries::of(self.spec, values, rows >= total)?;
            if rows >= total || grid.is_enough(self.spec) {
                return grid.input(self.spec, series.future);
            }
            rows = rows.saturating_mul(2).max(1).min(total);
            if self.numbers(rows) > MAX_INPUT_NUMBERS as u64 {
                let detail = format!(
                    "its last {} points are spread over more than {rows} rows: too many to read",
                    self.spec.history
                );
                return Err(SeriesFault::new("", "series_too_sparse", detail).into());
            }
            let asked = LatestPoints { series: series.located.clone(), count: rows };
            let read = self.dataset.points().latest(&self.columns, &[asked]);
            let mut read = read.map_err(|error| InputError::Program(error.into()))?;
            values = read.pop().ok_or_else(|| InputError::Program(ForecastError::internal("a series was not read")))?;
        }
    }
}

/// The maximum number of points at `frequency` in one step. `None` if it is unknown.
fn points_per_step(step: Frequency, frequency: Option<Frequency>) -> Option<u64> {
    const LONGEST_MONTH: i64 = 31 * 86_400_000_000;
    let step = match step {
        Frequency::Fixed(step) => step,
        Frequency::Months(months) => LONGEST_MONTH.checked_mul(i64::from(months))?,
    };
    match frequency? {
        Frequency::Fixed(frequency) => u64::try_from(step / frequency.max(1) + 1).ok(),
        // An upper bound: the number of 28-day months.
        Frequency::Months(months) => {
            let shortest = (28 * 86_400_000_000_i64).checked_mul(i64::from(months))?;
            u64::try_from(step / shortest.max(1) + 1).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_a_maximum_number_of_points() {
        let points = |step: &str, frequency: &str| points_per_step(step.parse().unwrap(), frequency.parse().ok());
        assert_eq!(points("P1D", "PT1H"), Some(25));
        assert_eq!(points("P1M", "P1D"), Some(32));
        assert_eq!(points("P1Y", "P1M"), Some(14));
        assert_eq!(points("P1D", "none"), None);
    }
}

//! The limits of one request.
//!
//! Series are read, computed and written in batches, so these bounds limit the time that a request
//! takes and the size of its response. [`BATCH_NUMBERS`] limits its memory.

use super::error::ForecastError;

/// The maximum number of values read for one request: series × (context + lookback + ahead) × columns.
pub(super) const MAX_INPUT_NUMBERS: usize = 50_000_000;

/// The maximum size of a response.
pub(super) const MAX_RESPONSE_BYTES: usize = 128 << 20;

/// The maximum number of series computed together: large enough to use the CPU well, small enough to stop soon after
/// a cancellation.
pub(super) const BATCH_SERIES: usize = 128;

/// The maximum number of values in a batch, whether input values, network inputs or states: 128 MB as 64-bit floats.
pub(super) const BATCH_NUMBERS: usize = 16_000_000;

/// The cost of each series of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeriesCost {
    /// The number of values read.
    pub(super) input_numbers: usize,
    /// An upper bound on the size of its forecasts as JSON.
    pub(super) response_bytes: usize,
}

impl SeriesCost {
    /// Rejects more series than fit into one request. The error states how many fit.
    pub(super) fn check(self, series: usize) -> Result<(), ForecastError> {
        let by_input = MAX_INPUT_NUMBERS / self.input_numbers.max(1);
        let by_response = MAX_RESPONSE_BYTES / self.response_bytes.max(1);
        let fit = by_input.min(by_response);
        if series <= fit {
            return Ok(());
        }
        let cause = match by_input < by_response {
            true => format!(
                "the model reads {} numbers of each, and a request may read {MAX_INPUT_NUMBERS}",
                self.input_numbers
            ),
            false => format!(
                "the forecast of each may take {} bytes, and a response {MAX_RESPONSE_BYTES}",
                self.response_bytes
            ),
        };
        let advice = match (fit, by_input < by_response) {
            (0, true) => "no series fits",
            (0, false) => "no series fits: ask for a shorter `horizon`, or fewer `levels`",
            (1, _) => "1 series fits into a request: list the series, and split them over several requests",
            _ => "list the series, and split them over several requests",
        };
        let detail = match fit {
            0 | 1 => format!("{series} series are too many for one request: {cause}; {advice}"),
            _ => format!("{series} series are too many for one request: {cause}; {fit} series fit: {advice}"),
        };
        Err(ForecastError::field("/series", detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(cost: SeriesCost, series: usize) -> String {
        match cost.check(series) {
            Err(ForecastError::Invalid(errors)) => errors[0].detail.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refusal_says_how_many_series_fit() {
        let wide = SeriesCost { input_numbers: 100_000, response_bytes: 10 };
        assert!(wide.check(500).is_ok());
        let detail = refused(wide, 501);
        assert!(detail.contains("501 series") && detail.contains("500 series fit"), "{detail}");
        let long = SeriesCost { input_numbers: 1, response_bytes: 100 << 20 };
        assert!(long.check(1).is_ok());
        assert!(refused(long, 2).contains("1 series fits"));
        let huge = SeriesCost { input_numbers: 1, response_bytes: usize::MAX };
        assert!(refused(huge, 1).contains("shorter `horizon`"));
    }
}

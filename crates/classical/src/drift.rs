//! The drift forecast: the line through the first and the last known value.

use crate::fitted::Forecast;
use crate::series::Series;

#[derive(Clone, Debug)]
pub(crate) struct Drift {
    last: f64,
    /// Steps from the last known value to the end of the history.
    late: usize,
    slope: f64,
    /// The standard deviation of the one-step error.
    sigma: f64,
    /// Steps from the first to the last known value.
    steps: f64,
}

impl Drift {
    /// `None` where fewer than three values are known.
    pub(crate) fn fit(series: &Series) -> Option<Self> {
        let (first_at, first) = series.known().next()?;
        let (last_at, last) = series.known().next_back()?;
        let steps = (last_at - first_at) as f64;
        let slope = (last - first) / steps;
        let pairs = series.known().zip(series.known().skip(1));
        // A gap of k steps has k times the variance of one step.
        let squares = pairs.map(|((from, before), (to, value))| {
            let gap = (to - from) as f64;
            (value - before - slope * gap).powi(2) / gap
        });
        let errors = squares.clone().count();
        let sigma = (squares.sum::<f64>() / (errors as f64 - 1.0)).sqrt();
        (errors >= 2).then_some(Self { last, late: series.len() - 1 - last_at, slope, sigma, steps })
    }

    /// The deviation has the slope's own error in it (Hyndman and Athanasopoulos, table 5.2).
    pub(crate) fn forecast(&self, horizon: usize) -> Forecast {
        let ahead = (1..=horizon).map(|step| (step + self.late) as f64);
        let mean = ahead.clone().map(|step| self.last + self.slope * step).collect();
        let sigma = ahead.map(|step| self.sigma * (step * (1.0 + step / self.steps)).sqrt()).collect();
        Forecast { mean, sigma }
    }
}

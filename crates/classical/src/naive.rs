//! The seasonal naive forecast: the last season repeats. With a season of 1 it is the last value.

use crate::fitted::Forecast;
use crate::series::Series;

#[derive(Clone, Debug)]
pub(crate) struct Naive {
    /// The last season, in order.
    last: Vec<f64>,
    /// The standard deviation of the one-season-ahead error; 0 where no pair of values is known.
    sigma: f64,
}

impl Naive {
    /// A missing value of the last season is the last known value before it, or else the first known value.
    pub(crate) fn fit(series: &Series) -> Self {
        let season = series.season;
        let mut carried = f64::NAN;
        let mut carry = |&value: &f64| {
            carried = if value.is_nan() { carried } else { value };
            carried
        };
        let filled: Vec<f64> = series.values.iter().map(&mut carry).collect();
        let last = filled[filled.len() - season..].to_vec();
        let pairs = series.values.iter().zip(series.values.iter().skip(season));
        let errors = pairs.map(|(before, value)| value - before).filter(|error| !error.is_nan());
        let squares: f64 = errors.clone().map(|error| error * error).sum();
        let sigma = (squares / errors.count().max(1) as f64).sqrt();
        Self { last, sigma }
    }

    /// The deviation grows with the root of the number of seasons ahead (Hyndman and Athanasopoulos, Forecasting: Principles
    /// and Practice, 3rd edition, table 5.2).
    pub(crate) fn forecast(&self, horizon: usize) -> Forecast {
        let season = self.last.len().max(1);
        let mean = self.last.iter().copied().cycle().take(horizon).collect();
        let sigma = (0..horizon).map(|ahead| self.sigma * ((ahead / season + 1) as f64).sqrt()).collect();
        Forecast { mean, sigma }
    }
}

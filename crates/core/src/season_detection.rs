//! The seasons of series without a known frequency, found by autocorrelation.
//!
//! A season of `m` points must pass all of these tests, on the mean over a sample of series:
//!
//! - Each series less its moving average over `m` points correlates with itself `m` points earlier. The moving average
//!   removes trends and all longer cycles. A random walk has no such correlation: on average, its cycles are unrelated.
//! - The correlation is a peak: it is higher than one point to either side, and much higher than within the season.
//! - It persists: `2 m` points earlier it is at least half as high. The cycles of an autoregressive series fade.
//!
//! The main season is the shortest one whose correlation is close to the highest. A multiple of it is a second season if
//! it correlates better than all shorter multiples: a week of hours, where days differ.

/// The shortest and the longest season searched for, in points. Noise less its moving average over two points
/// correlates with itself two points earlier.
const SHORTEST: usize = 3;
const LONGEST: usize = 800;
/// Up to this length, and at [`USUAL`] lengths, every season is tested. Longer ones are only tested where the series, less
/// their average over the longest season, have an autocorrelation peak.
const SHORT: usize = 60;
/// Usual seasons. They win over others of about the same length and correlation.
const USUAL: [usize; 14] = [4, 7, 12, 24, 48, 52, 60, 96, 144, 168, 288, 336, 365, 672];
/// A series of `n` seasons shows the length of the season to one part in this many times `n`.
const RESOLUTION: usize = 4;
/// The share of the highest correlation nearby that is enough for a usual season.
const NEARLY: f64 = 0.95;
/// The length of a series that a season is tested on, in seasons.
const CYCLES: usize = 4;
/// The lowest autocorrelation of a season.
const LOWEST: f64 = 0.2;
/// The lowest autocorrelation of a season, in standard errors of white noise.
const STANDARD_ERRORS: f64 = 3.0;
/// How far the autocorrelation falls within the season.
const DEPTH: f64 = 0.3;
/// The share of the autocorrelation that is left after two seasons.
const PERSISTENCE: f64 = 0.5;
/// The share of the highest autocorrelation that the main season has.
const CLOSE: f64 = 0.75;
/// How much nearer to 1 the autocorrelation of a second season is than that of shorter multiples of the main one.
const GAIN: f64 = 0.25;
/// Correlations closer than this are equal.
const ROUNDING: f64 = 1e-9;
/// The highest multiple of the main season that is tested as the second one.
const MULTIPLES: usize = 14;
/// A spike is this many robust standard deviations from the median of the five values around it. If more than one in
/// [`SPIKES`] values is, and more than one, they may be the season itself, and are kept.
const SPIKE: f64 = 10.0;
const SPIKES: usize = 100;
/// Values further from 0 than this many robust standard deviations are cut.
const OUTLIER: f64 = 4.0;

/// The seasons in points, the main one first; empty if there is none. Unknown values are NaN.
///
/// Half of the series or more must be long enough to show a season. The cost is proportional to the number of values
/// times the longest season, so pass a sample.
pub fn detect_seasons(series: &[Vec<f64>]) -> Vec<usize> {
    let series: &[Vec<f64>] = &series.iter().map(|values| without_spikes(values)).collect::<Vec<_>>();
    let mut lengths: Vec<usize> = series.iter().map(Vec::len).collect();
    lengths.sort_unstable();
    let Some(&median) = lengths.get(lengths.len() / 2) else { return Vec::new() };
    let longest = (median / CYCLES).min(LONGEST);
    let found: Vec<(usize, f64)> = candidates(series, longest)
        .into_iter()
        .filter_map(|season| Some((season, season_correlation(series, season)?)))
        .collect();
    let best = found.iter().map(|(_, correlation)| *correlation).fold(0.0, f64::max);
    let Some(&(shortest, _)) = found.iter().find(|(_, correlation)| *correlation >= CLOSE * best) else {
        return Vec::new();
    };
    let main = best_nearby(&found, shortest, median);
    let multiple = |(season, _): &&(usize, f64)| season % main == 0 && (2..=MULTIPLES).contains(&(season / main));
    let second = found.iter().filter(multiple).find(|(season, _)| differs_within(series, *season, main));
    [main].into_iter().chain(second.map(|(season, _)| *season)).collect()
}

/// The best season of those less than half as long again as the shortest one: noise makes several peaks beside a smooth
/// season. `length` is that of the series.
fn best_nearby(found: &[(usize, f64)], shortest: usize, length: usize) -> usize {
    let nearby = || found.iter().filter(|(season, _)| (shortest..(shortest * 3).div_ceil(2)).contains(season));
    let highest = nearby().max_by(|(_, a), (_, b)| a.total_cmp(b)).map_or((shortest, 0.0), |best| *best);
    let is_usual = |(season, correlation): &&(usize, f64)| {
        let distance = season.abs_diff(highest.0);
        let resolution = (season * season / (RESOLUTION * length.max(1))).max(1);
        USUAL.contains(season) && distance <= resolution && *correlation >= NEARLY * highest.1
    };
    let usual = nearby().find(is_usual);
    usual.map_or(highest.0, |(season, _)| *season)
}

/// The seasons to test, in ascending order.
fn candidates(series: &[Vec<f64>], longest: usize) -> Vec<usize> {
    let mut candidates: Vec<usize> = (SHORTEST..=SHORT).chain(USUAL).filter(|season| *season <= longest).collect();
    if longest > SHORT {
        let scaled: Vec<Vec<f64>> = series.iter().map(|values| scaled(detrended(values, longest))).collect();
        let at = |lag: usize| mean(scaled.iter().map(|values| lagged_product(values, lag)));
        let correlations: Vec<f64> = (SHORT..=longest + 1).map(at).collect();
        for (window, season) in correlations.windows(3).zip(SHORT + 1..) {
            if let [before, here, after] = window
                && *here > LOWEST / 2.0
                && here >= before
                && here >= after
            {
                // The peak may be a little off: other cycles are averaged out here.
                candidates.extend((season - 2..=season + 2).filter(|season| (SHORT..=longest).contains(season)));
            }
        }
    }
    candidates.sort_unstable();
    candidates.dedup();
    candidates
}

/// The mean autocorrelation at a season that passes the tests of this module.
fn season_correlation(series: &[Vec<f64>], season: usize) -> Option<f64> {
    let (mut long, mut points) = (0, 0);
    let mut sums = Sums::default();
    for values in series.iter().filter(|values| values.len() >= CYCLES * season) {
        let values = detrended(values, season);
        long += 1;
        points += values.len();
        sums.add(&values, season);
    }
    let at = sums.divided_by(f64::from(u32::try_from(long).ok().filter(|long| *long > 0)?));
    let lowest = LOWEST.max(STANDARD_ERRORS / (points as f64).sqrt());
    let passes = long * 2 >= series.len()
        && at.season >= lowest
        && at.season > at.before.max(at.after) * if USUAL.contains(&season) { NEARLY } else { 1.0 }
        && at.season - at.within >= DEPTH
        && at.two_seasons >= PERSISTENCE * at.season;
    passes.then_some(at.season)
}

/// Autocorrelations around a season, summed over series.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    season: f64,
    before: f64,
    after: f64,
    two_seasons: f64,
    /// The lowest one of a few lags within the season.
    within: f64,
}

impl Sums {
    fn add(&mut self, values: &[f64], season: usize) {
        self.season += autocorrelation(values, season);
        self.before += autocorrelation(values, season - 1);
        self.after += autocorrelation(values, season + 1);
        self.two_seasons += autocorrelation(values, 2 * season);
        let lags = [season / 4, season / 3, season / 2].map(|lag| lag.max(1));
        self.within += lags.iter().map(|lag| autocorrelation(values, *lag)).fold(f64::INFINITY, f64::min);
    }

    fn divided_by(self, count: f64) -> Self {
        Self {
            season: self.season / count,
            before: self.before / count,
            after: self.after / count,
            two_seasons: self.two_seasons / count,
            within: self.within / count,
        }
    }
}

/// Whether the main seasons within a longer season differ from each other. The average over the main season is removed:
/// that over the longer one would lower the correlation of its halves.
fn differs_within(series: &[Vec<f64>], season: usize, main: usize) -> bool {
    let long: Vec<Vec<f64>> =
        series.iter().filter(|values| values.len() >= CYCLES * season).map(|values| detrended(values, main)).collect();
    let at = |lag: usize| mean(long.iter().map(|values| autocorrelation(values, lag)));
    let shorter = (1..season / main).map(|multiple| at(multiple * main)).fold(f64::NEG_INFINITY, f64::max);
    let points: usize = long.iter().map(Vec::len).sum();
    let standard_error = (1.0 - shorter * shorter) / (points as f64).sqrt();
    at(season) - shorter > (GAIN * (1.0 - shorter)).max(STANDARD_ERRORS * standard_error) + ROUNDING
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// The correlation of values around 0 with those `lag` points earlier, over the pairs that are known; 0 if they do not
/// vary.
fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    let pairs = values.iter().zip(values.iter().skip(lag));
    let (mut product, mut before, mut after) = (0.0, 0.0, 0.0);
    for (a, b) in pairs.filter(|(a, b)| !a.is_nan() && !b.is_nan()) {
        product += a * b;
        before += a * a;
        after += b * b;
    }
    let scale = (before * after).sqrt();
    if scale > 0.0 { product / scale } else { 0.0 }
}

/// The values divided by their root mean square, 0 where they are unknown.
fn scaled(mut values: Vec<f64>) -> Vec<f64> {
    let size = root_mean_square(&values);
    values.iter_mut().for_each(|value| *value = if value.is_nan() || size == 0.0 { 0.0 } else { *value / size });
    values
}

/// The sum of products with the values `lag` points earlier, per value. Cheaper than an autocorrelation, of which it has
/// the peaks: sums of four products at a time take one instruction each.
fn lagged_product(values: &[f64], lag: usize) -> f64 {
    let (before, after) = (values.chunks_exact(4), values.get(lag..).unwrap_or_default().chunks_exact(4));
    let mut sums = [0.0; 4];
    for (before, after) in before.zip(after) {
        for (sum, (a, b)) in sums.iter_mut().zip(before.iter().zip(after)) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() / values.len().saturating_sub(lag).max(1) as f64
}

/// The values less their centred moving average over one season. An even season has half weights at the ends (Hyndman
/// and Athanasopoulos, "Forecasting: Principles and Practice", 3rd edition, section 3.3). Unknown where half of the
/// average's values are.
fn detrended(values: &[f64], season: usize) -> Vec<f64> {
    let known = |value: f64| if value.is_nan() { (0.0, 0.0) } else { (value, 1.0) };
    let half = season / 2;
    // Sums of the first values, and of their number.
    let mut totals = vec![(0.0, 0.0)];
    totals.extend(values.iter().scan((0.0, 0.0), |total, value| {
        let (value, count) = known(*value);
        *total = (total.0 + value, total.1 + count);
        Some(*total)
    }));
    let ends = if season.is_multiple_of(2) { 0.5 } else { 0.0 };
    let averaged = values.iter().enumerate().skip(half).take(values.len().saturating_sub(2 * half));
    let less_average = averaged.map(|(at, value)| {
        let (first, last) = (at - half, at + half);
        let (Some(before), Some(through)) = (totals.get(first), totals.get(last + 1)) else { return f64::NAN };
        let (mut sum, mut count) = (through.0 - before.0, through.1 - before.1);
        for end in [values.get(first), values.get(last)].into_iter().flatten() {
            let (value, one) = known(*end);
            sum -= ends * value;
            count -= ends * one;
        }
        if count * 2.0 >= season as f64 { value - sum / count } else { f64::NAN }
    });
    without_outliers(less_average.collect())
}

/// The values with single spikes unknown, which a moving average would spread over a whole season (Hampel's filter).
fn without_spikes(values: &[f64]) -> Vec<f64> {
    let off_median = |(at, value): (usize, &f64)| {
        let around = values.get(at.saturating_sub(2)..(at + 3).min(values.len())).unwrap_or_default();
        let mut known: Vec<f64> = around.iter().copied().filter(|value| !value.is_nan()).collect();
        let middle = known.len() / 2;
        if known.is_empty() { f64::NAN } else { value - *known.select_nth_unstable_by(middle, f64::total_cmp).1 }
    };
    let off: Vec<f64> = values.iter().enumerate().map(off_median).collect();
    let limit = SPIKE * robust_deviation(&off);
    let is_spike = |off: &f64| limit > 0.0 && off.abs() > limit;
    let spikes = off.iter().filter(|off| is_spike(off)).count();
    if spikes * SPIKES > values.len().max(SPIKES) {
        return values.to_vec();
    }
    values.iter().zip(&off).map(|(value, off)| if is_spike(off) { f64::NAN } else { *value }).collect()
}

/// The standard deviation of normal values around 0 with the same median size: it times 1.4826. 0 if half of the values
/// are 0, or none is known.
fn robust_deviation(values: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = values.iter().filter(|value| !value.is_nan()).map(|value| value.abs()).collect();
    let middle = sizes.len() / 2;
    if sizes.is_empty() { 0.0 } else { *sizes.select_nth_unstable_by(middle, f64::total_cmp).1 * 1.4826 }
}

/// Cuts values far from 0, so that one of them does not decide a correlation.
fn without_outliers(mut values: Vec<f64>) -> Vec<f64> {
    let deviation = match robust_deviation(&values) {
        0.0 => root_mean_square(&values),
        deviation => deviation,
    };
    let limit = OUTLIER * deviation;
    values.iter_mut().for_each(|value| *value = value.clamp(-limit, limit));
    values
}

/// 0 if no value is known.
fn root_mean_square(values: &[f64]) -> f64 {
    let known = values.iter().filter(|value| !value.is_nan());
    let count = known.clone().count();
    if count == 0 { 0.0 } else { (known.map(|value| value * value).sum::<f64>() / count as f64).sqrt() }
}

#[cfg(test)]
mod tests;

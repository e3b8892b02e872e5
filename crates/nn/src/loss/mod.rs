//! Losses: what a head's raw outputs cost, and the slope of that by each of them.
//!
//! One implementation serves every engine. It works in double precision on numbers wherever they
//! lie ([`Layout`]): the fused engine's `[step, output, lane]` and LibTorch's
//! `[series, step, output]` alike. The outputs of a point stand together: output
//! `point × width + parameter`, where the points are horizon × targets, the horizon outermost.
//!
//! An unknown value (NaN) costs nothing and pulls at nothing; an output that is not finite comes
//! through to the loss. Each loss is a mean over known points, weighted by series.

mod distribution;
mod negative_binomial;
mod normal;
mod point;
mod special;
mod student_t;
#[cfg(test)]
mod tests;

pub use distribution::{PredictiveDistribution, ScaledOrRaw};

use gatecast_core::order::{Head, Loss};

/// Numbers a series and target have in [`Targets::units`]: the factor and the term that bring a
/// scaled number to the data's units, and the seasonal naive error in the data's units (NaN where
/// there is none).
pub const SCALE_FIELDS: usize = 3;

/// One series' and target's way to the data's units: value = scaled × factor + term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetScale {
    pub factor: f64,
    pub term: f64,
    /// The mean absolute error of the seasonal naive forecast, in the data's units.
    pub seasonal: f64,
}

impl TargetScale {
    /// The network's scale is the data's.
    pub const ONE: Self = Self { factor: 1.0, term: 0.0, seasonal: 1.0 };

    fn of(self, scaled: f64) -> f64 {
        scaled * self.factor + self.term
    }
}

/// Where a block of raw outputs lies.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub series: usize,
    pub steps: usize,
    /// How far apart series, steps and outputs stand.
    pub strides: [usize; 3],
}

/// What should have been said: targets `[series, step, point]`, weights `[series]` (empty: all 1)
/// and units `[series, target, SCALE_FIELDS]` (empty: [`TargetScale::ONE`]).
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    pub targets: &'a [f32],
    pub weights: &'a [f32],
    pub units: &'a [f32],
}

impl Targets<'_> {
    /// Σ w over known points, by which the loss is a mean, and whether all points are known.
    pub fn weight(&self, series: usize) -> (f64, bool) {
        let of_series = self.targets.len() / series.max(1);
        let known = |row: &[f32]| row.iter().map(|target| u32::from(!target.is_nan())).sum::<u32>();
        let (mut total, mut count) = (0.0, 0);
        for (series, row) in self.targets.chunks(of_series.max(1)).enumerate() {
            let known = known(row) as usize;
            count += known;
            total += self.weights.get(series).map_or(1.0, |&weight| f64::from(weight)) * known as f64;
        }
        (total, count == self.targets.len())
    }

    fn unit(&self, series: usize, of_series: usize, target: usize) -> TargetScale {
        let at = (series * of_series + target) * SCALE_FIELDS;
        match self.units.get(at..at + SCALE_FIELDS) {
            Some(&[factor, term, seasonal]) => {
                TargetScale { factor: factor.into(), term: term.into(), seasonal: seasonal.into() }
            }
            _ => TargetScale::ONE,
        }
    }
}

/// A head and the loss it learns by.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    head: Head,
    loss: Loss,
}

/// More than any head gives for a point.
const WIDEST: usize = 32;

impl Criterion {
    /// A loss that does not fit the head (which a checked order never has) gives way to the
    /// head's own.
    pub fn new(head: Head, loss: Option<Loss>) -> Self {
        let loss = loss.filter(|&loss| head.refuses(loss).is_none()).unwrap_or_else(|| head.default_loss());
        Self { head, loss }
    }

    /// One number a point.
    pub const fn of_points(loss: Loss) -> Self {
        Self { head: Head::Point {}, loss }
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn loss(&self) -> Loss {
        self.loss
    }

    /// Raw outputs a point.
    pub fn width(&self) -> usize {
        self.head.width()
    }

    /// The loss of one point, and its slopes by the raw outputs into `slopes`.
    fn point(&self, raw: &[f64], value: f64, unit: TargetScale, slopes: &mut [f64]) -> f64 {
        let (loss, slope) = match (&self.head, self.loss, raw) {
            (Head::Quantile { levels }, _, raw) => {
                let share = 1.0 / levels.len() as f64;
                let mut total = 0.0;
                for ((level, forecast), slope) in levels.iter().zip(raw).zip(slopes) {
                    let (loss, by_forecast) = point::pinball(*level, *forecast, value);
                    total += loss;
                    *slope = by_forecast * share;
                }
                return total * share;
            }
            (Head::Normal {}, _, &[a, b]) => return keep(normal::nll([a, b], value), slopes),
            (Head::StudentT {}, _, &[a, b, c]) => return keep(student_t::nll([a, b, c], value), slopes),
            (Head::NegativeBinomial {}, _, &[a, b]) => {
                return keep(negative_binomial::nll([a, b], value, unit), slopes);
            }
            (_, Loss::Mae, &[forecast]) => point::absolute(forecast, value),
            (_, Loss::Huber { delta }, &[forecast]) => point::huber(delta, forecast, value),
            (_, Loss::Smape, &[forecast]) => point::smape(forecast, value, unit),
            (_, Loss::Mase, &[forecast]) => point::mase(forecast, value, unit),
            (_, _, &[forecast]) => point::squared(forecast, value),
            _ => (f64::NAN, f64::NAN),
        };
        keep((loss, [slope]), slopes)
    }

    /// The two losses that most networks learn by, by the error alone: their sums need no detour.
    fn of_error(&self) -> Option<fn(f64) -> f64> {
        match (&self.head, self.loss) {
            (Head::Point {}, Loss::Mse) => Some(|error| error * error),
            (Head::Point {}, Loss::Mae) => Some(f64::abs),
            _ => None,
        }
    }

    /// Σ w · loss over known points, and Σ w.
    pub fn loss_sum(&self, outputs: &[f32], layout: Layout, truth: Targets<'_>) -> (f64, f64) {
        let (mut total, mut weights) = (0.0, 0.0);
        if layout.strides[2] == 1
            && layout.series * layout.steps == 1
            && let Some(of_error) = self.of_error()
        {
            for (&output, &target) in outputs.iter().zip(truth.targets).filter(|(_, target)| !target.is_nan()) {
                total += of_error(f64::from(output) - f64::from(target));
                weights += 1.0;
            }
            let weight = truth.weights.first().map_or(1.0, |&weight| f64::from(weight));
            return (weight * total, weight * weights);
        }
        let (mut raw, mut slopes) = ([0.0; WIDEST], [0.0; WIDEST]);
        self.each(layout, truth, |places, value, weight, unit| {
            if value.is_nan() {
                return;
            }
            let raw = read(outputs, places, &mut raw);
            total += weight * self.point(raw, value, unit, &mut slopes);
            weights += weight;
        });
        (total, weights)
    }

    /// Puts `share` × w × the slopes in the place of the outputs; Σ w · loss over known points.
    pub fn backward(&self, outputs: &mut [f32], layout: Layout, truth: Targets<'_>, share: f64) -> f64 {
        let mut total = 0.0;
        let (mut raw, mut slopes) = ([0.0; WIDEST], [0.0; WIDEST]);
        self.each(layout, truth, |places, value, weight, unit| {
            if value.is_nan() {
                places.for_each(|place| outputs[place] = 0.0);
                return;
            }
            let raw = read(outputs, places.clone(), &mut raw);
            total += weight * self.point(raw, value, unit, &mut slopes);
            places.zip(&slopes).for_each(|(place, slope)| outputs[place] = (share * weight * slope) as f32);
        });
        total
    }

    /// Every point in order: where its outputs stand, its value, the weight and unit of its series.
    fn each(
        &self,
        layout: Layout,
        truth: Targets<'_>,
        mut visit: impl FnMut(std::iter::StepBy<std::ops::Range<usize>>, f64, f64, TargetScale),
    ) {
        let Layout { series, steps, strides: [by_series, by_step, by_output] } = layout;
        let width = self.width();
        let points = truth.targets.len() / (series * steps).max(1);
        let targets = (truth.units.len() / (series * SCALE_FIELDS).max(1)).max(1);
        for (at, row) in truth.targets.chunks(points.max(1)).enumerate() {
            let (series, step) = (at / steps, at % steps);
            let weight = truth.weights.get(series).map_or(1.0, |&weight| f64::from(weight));
            for (point, &value) in row.iter().enumerate() {
                let first = series * by_series + step * by_step + point * width * by_output;
                let places = (first..first + width * by_output).step_by(by_output.max(1));
                visit(places, value.into(), weight, truth.unit(series, targets, point % targets));
            }
        }
    }
}

fn read<'r>(outputs: &[f32], places: impl Iterator<Item = usize>, raw: &'r mut [f64; WIDEST]) -> &'r [f64] {
    let mut count = 0;
    for (raw, place) in raw.iter_mut().zip(places) {
        *raw = f64::from(outputs[place]);
        count += 1;
    }
    &raw[..count]
}

fn keep<const N: usize>((loss, found): (f64, [f64; N]), slopes: &mut [f64]) -> f64 {
    slopes.iter_mut().zip(found).for_each(|(slope, found)| *slope = found);
    loss
}

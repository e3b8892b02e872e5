//! Losses: the loss of a head's raw outputs, and its slope by each of them.
//!
//! One implementation serves every engine. It works in double precision on any [`Layout`]: the fused
//! engine's `[step, output, lane]` and LibTorch's `[series, step, output]`. The outputs of a point are
//! neighbours: output `point × width + parameter`, where the points are horizon × targets, the horizon
//! outermost.
//!
//! An unknown value (NaN) adds nothing to loss and gradient; an output that is not finite makes the
//! loss not finite. Each loss is a mean over known points, weighted by series.

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

/// The memory layout of a block of raw outputs.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub series: usize,
    pub steps: usize,
    /// The distance between neighbouring series, steps and outputs.
    pub strides: [usize; 3],
}

/// The true values: targets `[series, step, point]`, weights `[series]` (empty: all 1)
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

/// At least the width of every head.
const WIDEST: usize = 32;

impl Criterion {
    /// A head with a loss; without one, the head's own.
    ///
    /// # Errors
    /// The reason why the head cannot learn by the loss.
    pub fn new(head: Head, loss: Option<Loss>) -> Result<Self, String> {
        let loss = loss.unwrap_or_else(|| head.default_loss());
        match head.refuses(loss) {
            Some(reason) => Err(format!("`{}` {reason}", loss.name())),
            None => Ok(Self { head, loss }),
        }
    }

    /// A head with its own loss.
    pub fn of_head(head: Head) -> Self {
        let loss = head.default_loss();
        Self { head, loss }
    }

    /// A point head. The losses of other heads are not numbers of a point, and give NaN.
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
        match &self.head {
            Head::Point {} => keep(self.of_point(raw, value, unit), slopes),
            Head::Quantile { levels } => {
                let share = 1.0 / levels.len() as f64;
                let mut total = 0.0;
                for ((level, forecast), slope) in levels.iter().zip(raw).zip(slopes) {
                    let (loss, by_forecast) = point::pinball(*level, *forecast, value);
                    total += loss;
                    *slope = by_forecast * share;
                }
                total * share
            }
            Head::Normal {} => keep(normal::nll(first(raw), value), slopes),
            Head::StudentT {} => keep(student_t::nll(first(raw), value), slopes),
            Head::NegativeBinomial {} => keep(negative_binomial::nll(first(raw), value, unit), slopes),
        }
    }

    /// The loss and slope of a point head's one number.
    fn of_point(&self, raw: &[f64], value: f64, unit: TargetScale) -> (f64, [f64; 1]) {
        let [forecast] = first(raw);
        let (loss, slope) = match self.loss {
            Loss::Mse => point::squared(forecast, value),
            Loss::Mae => point::absolute(forecast, value),
            Loss::Huber { delta } => point::huber(delta, forecast, value),
            Loss::Smape => point::smape(forecast, value, unit),
            Loss::Mase => point::mase(forecast, value, unit),
            Loss::Quantile | Loss::Nll => (f64::NAN, f64::NAN),
        };
        (loss, [slope])
    }

    /// The two most common losses as functions of the error alone, for a faster sum.
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

    /// Visits every point in order: the indices of its outputs, its value, the weight and the scale of
    /// its series.
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

/// The raw outputs of a head of this many; NaN for any that are missing.
fn first<const N: usize>(raw: &[f64]) -> [f64; N] {
    std::array::from_fn(|at| raw.get(at).copied().unwrap_or(f64::NAN))
}

fn keep<const N: usize>((loss, found): (f64, [f64; N]), slopes: &mut [f64]) -> f64 {
    slopes.iter_mut().zip(found).for_each(|(slope, found)| *slope = found);
    loss
}

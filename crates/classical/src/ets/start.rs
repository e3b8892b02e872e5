//! Where the search for a model's parameters starts: states by heuristics, weights by a small grid.

use super::filter::Filter;
use super::form::{Season, State, Trend, Weights};
use super::layout::Layout;
use crate::adjust::figures;
use crate::series::Series;

/// The least number of points that the first level and slope are taken from.
const POINTS: usize = 10;

/// The smallest spread, for series that begin without noise. Values are near 1 in size.
const SMALLEST_SPREAD: f64 = 1e-6;

/// Seasonal factors are kept above this.
const SMALLEST_FACTOR: f64 = 0.01;

/// States to start from, and how far they may be off.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) state: State,
    /// The standard deviation of the adjusted first values around their level or line: the unit in which states are varied.
    pub(crate) spread: f64,
}

impl Start {
    /// The heuristics of Hyndman et al. (2008, section 2.6.1): seasonal figures by decomposition, then the mean, or a line, through
    /// the first two seasons of the adjusted values.
    pub(crate) fn new(series: &Series, filled: &[f64], trend: Trend, season: Season) -> Self {
        let multiplicative = season == Season::Multiplicative;
        let seasons = match season {
            Season::None => Vec::new(),
            _ => figures(filled, series.season, multiplicative),
        };
        let seasons: Vec<f64> = seasons
            .into_iter()
            .map(|factor| if multiplicative { factor.max(SMALLEST_FACTOR) } else { factor })
            .collect();
        let first = filled.len().min(POINTS.max(2 * seasons.len()));
        let figure = |at: usize| seasons.get(at % seasons.len().max(1)).copied();
        let adjusted = filled.iter().take(first).enumerate().map(|(at, value)| match figure(at) {
            Some(factor) if multiplicative => value / factor,
            Some(figure) => value - figure,
            None => *value,
        });
        let (level, slope, spread) = line(adjusted, trend != Trend::None);
        Self { state: State { level, slope, seasons }, spread: spread.max(SMALLEST_SPREAD) }
    }
}

/// The line through `values` at time 0 (the first value is at 1), its slope, and the spread around it. Without `sloped`, their mean.
fn line(values: impl Iterator<Item = f64> + Clone, sloped: bool) -> (f64, f64, f64) {
    let count = values.clone().count() as f64;
    let timed = || (1..).map(f64::from).zip(values.clone());
    let mean = values.clone().sum::<f64>() / count;
    let time = 0.5 * (count + 1.0);
    let weight: f64 = timed().map(|(at, _)| (at - time).powi(2)).sum();
    let product: f64 = timed().map(|(at, value)| (at - time) * (value - mean)).sum();
    let slope = if sloped && weight > 0.0 { product / weight } else { 0.0 };
    let level = mean - slope * time;
    let squares: f64 = timed().map(|(at, value)| (value - level - slope * at).powi(2)).sum();
    (level, slope, (squares / count).sqrt())
}

/// Where to start from, in the search's coordinates: the best weights of a small grid, once with a slow season and once with a
/// fast one, since the likelihood often has an optimum of each kind.
pub(crate) fn grid(layout: &Layout, values: &[f64], filter: &mut Filter) -> Vec<Vec<f64>> {
    let gammas: &[f64] = if layout.form.season == Season::None { &[0.0] } else { &[0.05, 0.7] };
    gammas.iter().filter_map(|&gamma| best_of_grid(layout, values, gamma, filter)).collect()
}

fn best_of_grid(layout: &Layout, values: &[f64], gamma: f64, filter: &mut Filter) -> Option<Vec<f64>> {
    let form = layout.form;
    let betas: &[f64] = if form.trend == Trend::None { &[0.0] } else { &[0.05, 0.5] };
    let phi = if form.trend == Trend::Damped { 0.95 } else { 1.0 };
    let mut state = State::default();
    let mut best = None;
    for alpha in [0.02, 0.1, 0.3, 0.6, 0.9] {
        for beta in betas {
            let weights = Weights { alpha, beta: beta * layout.steepest(alpha).0, gamma: gamma * (1.0 - alpha), phi };
            state.clone_from(&layout.start.state);
            let Some(fit) = filter.forward(form, values, &weights, &mut state) else { continue };
            if best.is_none_or(|(deviance, _)| fit.deviance < deviance) {
                best = Some((fit.deviance, weights));
            }
        }
    }
    best.map(|(_, weights)| layout.coordinates(&weights))
}

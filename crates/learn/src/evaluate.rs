//! Evaluates a network on a part of the data that it was not trained on.

use super::prepare::Prepared;
use super::progress::Interrupted;
use super::window_metrics::WindowMetrics;
use super::windows::{Batcher, Window, WindowView, Windows};
use gatecast_core::metric_values::Metrics;
use gatecast_core::order::Output;
use gatecast_model::scaling::WindowScale;
use gatecast_nn::engine::{Engine, Inputs, Steps};
use gatecast_nn::loss::{Criterion, SCALE_FIELDS};

/// The largest number of values in a batch of predictions: 16 MB.
const PREDICTIONS: usize = 4_000_000;
const MOST_WINDOWS: usize = 256;

/// A network with its weights.
pub(crate) struct EvaluatedNetwork<'n> {
    pub(crate) engine: &'n mut dyn Engine,
    pub(crate) parameters: &'n [f32],
    pub(crate) output: Output,
    pub(crate) criterion: &'n Criterion,
}

/// Memory for evaluations, reused every epoch.
#[derive(Debug, Default)]
pub struct Evaluator {
    batcher: Batcher,
    windows: Vec<Window>,
    predictions: Vec<f32>,
    own: WindowScale,
}

impl Evaluator {
    /// The errors on `windows`; `None` if there are none. `progress` receives the number of windows that were
    /// evaluated.
    pub(crate) fn evaluate(
        &mut self,
        network: EvaluatedNetwork<'_>,
        prepared: &Prepared,
        windows: &Windows,
        progress: &mut dyn FnMut(u64) -> Result<(), Interrupted>,
    ) -> Result<Option<Metrics>, Interrupted> {
        let EvaluatedNetwork { engine, parameters, output, criterion } = network;
        let points = prepared.shape.horizon * prepared.targets;
        let outputs = points * criterion.width();
        let steps = match output {
            Output::EveryStep => prepared.shape.context,
            Output::LastStep => 1,
        };
        let of_window = steps * outputs;
        let size = (PREDICTIONS / of_window.max(1)).clamp(1, MOST_WINDOWS) as u64;
        let mut errors = WindowMetrics::of(criterion);
        let mut next = 0;
        while next < windows.len() {
            let end = (next + size).min(windows.len());
            self.windows.clear();
            self.windows.extend((next..end).filter_map(|number| windows.get(number)));
            self.batcher.gather(prepared, output, self.windows.iter().copied());
            let inputs =
                Inputs { batch: self.windows.len(), steps: prepared.shape.context, values: &self.batcher.inputs };
            engine.predict(parameters, inputs, Steps::Trained, &mut self.predictions)?;
            let targets = self.batcher.targets.chunks(steps * points);
            let units = self.batcher.units.chunks(prepared.targets * SCALE_FIELDS);
            let all = self.predictions.chunks(of_window).zip(targets).zip(units);
            for (&window, ((predictions, targets), units)) in self.windows.iter().zip(all) {
                let first = window.first_step.min(steps - 1);
                errors.add_loss(criterion, &predictions[first * outputs..], &targets[first * points..], units);
                let view = WindowView::of(prepared, window, &mut self.own);
                errors.add_forecast(criterion, prepared, &view, &predictions[of_window - outputs..]);
            }
            progress(end - next)?;
            next = end;
        }
        Ok(errors.metrics())
    }
}

//! Shrinks the correction of a base forecast to the part of it that helps on the validation windows.
//!
//! The network's last layer is linear, so scaling its weights by λ scales the correction by λ: 1 keeps it, and 0 is the
//! base alone. An over-fitted network is thus never worse than its base on the windows that it was validated on.

use super::Trainer;
use crate::progress::{EventSink, Interrupted, emit};
use crate::windows::PartName;
use gatecast_core::order::{Base, Head};
use gatecast_core::trainer::TrainerEvent;

const FACTORS: [f32; 5] = [1.0, 0.75, 0.5, 0.25, 0.0];

impl Trainer<'_> {
    /// The factor with the lowest validation loss; 1 where there is nothing to choose by.
    pub(super) fn shrinkage(&mut self, best: &[f32], sink: &mut EventSink<'_>) -> Result<f32, Interrupted> {
        let (data, head) = (&self.task.order.data, &self.task.order.model.head);
        let is_linear = matches!(head, Head::Point {} | Head::Quantile { .. });
        if !self.task.order.training.refit || data.base == Base::None || !is_linear || self.validation.is_empty() {
            return Ok(1.0);
        }
        let (mut chosen, mut lowest) = (1.0, f64::INFINITY);
        for factor in FACTORS {
            let metrics = self.evaluate(&self.shrunk(best, factor), PartName::Validation, sink)?;
            let loss = metrics.and_then(|metrics| metrics.loss).unwrap_or(f64::INFINITY);
            if loss < lowest {
                (chosen, lowest) = (factor, loss);
            }
        }
        if chosen < 1.0 {
            let detail = format!(
                "the validation windows bear {:.0} % of the correction that the network learned of `{}`",
                chosen * 100.0,
                serde_json::json!(data.base).as_str().unwrap_or_default()
            );
            emit(sink, TrainerEvent::Info { code: "correction_shrunk".to_owned(), detail })?;
        }
        Ok(chosen)
    }

    /// The weights with the last layer's scaled.
    pub(super) fn shrunk(&self, weights: &[f32], factor: f32) -> Vec<f32> {
        let mut weights = weights.to_vec();
        for parameter in self.network.parameters().iter().filter(|parameter| parameter.name.starts_with("head.")) {
            weights[parameter.range()].iter_mut().for_each(|weight| *weight *= factor);
        }
        weights
    }
}

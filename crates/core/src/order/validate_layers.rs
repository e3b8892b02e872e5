//! The layers that an order's model means, and what in it cannot be meant.

use super::initializer::Initializer;
use super::layer::{FirstWeights, Layer};
use super::layer_spec::LayerSpec;
use super::model::{Activation, Cell, ModelSpec, Output};
use crate::resolve::FieldError;

impl ModelSpec {
    /// Its recurrent layers, first to last.
    pub fn stack(&self) -> Vec<Layer> {
        let mut below = None;
        let layers = self.layers.iter().enumerate().map(|(place, spec)| {
            let mut layer = self.layer(place, spec);
            layer.residual &= below == Some(layer.outputs());
            below = Some(layer.outputs());
            layer
        });
        layers.collect()
    }

    /// Without regard to the layer below.
    fn layer(&self, place: usize, spec: &LayerSpec) -> Layer {
        let own = spec.settings();
        let cell = own.and_then(|own| own.cell).unwrap_or(self.cell);
        let activation = own.and_then(|own| own.activation).or(self.activation).unwrap_or_default();
        let usual = FirstWeights::default();
        Layer {
            cell,
            layer_norm: own.and_then(|own| own.layer_norm).unwrap_or(self.layer_norm),
            units: spec.units(),
            activation: if cell == Cell::SimpleRnn { activation } else { Activation::Tanh },
            dropout: own.and_then(|own| own.dropout).unwrap_or(self.dropout) as f32,
            recurrent_dropout: own.and_then(|own| own.recurrent_dropout).unwrap_or(self.recurrent_dropout) as f32,
            bidirectional: own.and_then(|own| own.bidirectional).unwrap_or(self.bidirectional),
            residual: own.and_then(|own| own.residual).unwrap_or(self.residual),
            dilation: own
                .and_then(|own| own.dilation)
                .or_else(|| self.dilations.get(place).copied())
                .unwrap_or(1)
                .max(1),
            first: FirstWeights {
                kernel: own.and_then(|own| own.kernel_initializer).or(self.kernel_initializer).unwrap_or(usual.kernel),
                recurrent: own
                    .and_then(|own| own.recurrent_initializer)
                    .or(self.recurrent_initializer)
                    .unwrap_or(usual.recurrent),
                bias: own.and_then(|own| own.bias_initializer).or(self.bias_initializer).unwrap_or(usual.bias),
                unit_forget_bias: own
                    .and_then(|own| own.unit_forget_bias)
                    .or(self.unit_forget_bias)
                    .unwrap_or(usual.unit_forget_bias),
            },
        }
    }

    /// Settings that contradict each other, by pointer into the order.
    pub fn validate_layers(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let layers = self.stack();
        self.check_whole(&layers, &mut errors);
        for (place, (spec, layer)) in self.layers.iter().zip(&layers).enumerate() {
            self.check_layer(place, spec, layer, &mut errors);
        }
        errors
    }

    fn check_whole(&self, layers: &[Layer], errors: &mut Vec<FieldError>) {
        let mut refuse = |field: &str, detail: String| errors.push(FieldError::new(format!("/model/{field}"), detail));
        if self.activation.is_some() && layers.iter().all(|layer| layer.cell != Cell::SimpleRnn) {
            refuse("activation", FIXED_ACTIVATION.to_owned());
        }
        if self.unit_forget_bias.is_some() && layers.iter().all(|layer| layer.cell != Cell::Lstm) {
            refuse("unit_forget_bias", NO_FORGET_GATE.to_owned());
        }
        if self.bidirectional && self.output == Output::EveryStep {
            refuse("bidirectional", SEES_THE_FUTURE.to_owned());
        }
        if self.residual && layers.iter().all(|layer| !layer.residual) {
            refuse("residual", "no layer is as wide as the one below it, so nothing could be added".to_owned());
        }
        if !self.dilations.is_empty() && self.dilations.len() != layers.len() {
            let detail = format!("expected one number a layer: {} for {} layers", self.dilations.len(), layers.len());
            refuse("dilations", detail);
        }
        let every = |cell| layers.iter().all(|layer| layer.cell == cell);
        for (field, of, initializer) in [
            ("kernel_initializer", Variable::Kernel, self.kernel_initializer),
            ("recurrent_initializer", Variable::Recurrent, self.recurrent_initializer),
            ("bias_initializer", Variable::Bias, self.bias_initializer),
        ] {
            if let Some(reason) = initializer.and_then(|initializer| unfit(initializer, of, every(Cell::SimpleRnn))) {
                refuse(field, reason.to_owned());
            }
        }
    }

    fn check_layer(&self, place: usize, spec: &LayerSpec, layer: &Layer, errors: &mut Vec<FieldError>) {
        let Some(own) = spec.settings() else { return };
        let mut refuse =
            |field: &str, detail: &str| errors.push(FieldError::new(format!("/model/layers/{place}/{field}"), detail));
        if own.activation.is_some() && layer.cell != Cell::SimpleRnn {
            refuse("activation", FIXED_ACTIVATION);
        }
        if own.unit_forget_bias.is_some() && layer.cell != Cell::Lstm {
            refuse("unit_forget_bias", NO_FORGET_GATE);
        }
        if own.bidirectional == Some(true) && self.output == Output::EveryStep {
            refuse("bidirectional", SEES_THE_FUTURE);
        }
        if own.residual == Some(true) && !layer.residual {
            let first = "the first layer reads the data's columns, which are not added to its units";
            refuse("residual", if place == 0 { first } else { "the layer is not as wide as the one below it" });
        }
        for (field, of, initializer) in [
            ("kernel_initializer", Variable::Kernel, own.kernel_initializer),
            ("recurrent_initializer", Variable::Recurrent, own.recurrent_initializer),
            ("bias_initializer", Variable::Bias, own.bias_initializer),
        ] {
            let fits = |initializer| unfit(initializer, of, layer.cell == Cell::SimpleRnn);
            if let Some(reason) = initializer.and_then(fits) {
                refuse(field, reason);
            }
        }
    }
}

const FIXED_ACTIVATION: &str =
    "is the simple RNN's to choose: the gates of `lstm` and `gru` have σ and tanh of their own";
const NO_FORGET_GATE: &str = "`lstm` alone has a forget gate";
const SEES_THE_FUTURE: &str = "needs `output` to be `last_step`: at every earlier step the half that reads from the end would see the future that step is to forecast";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Kernel,
    Recurrent,
    Bias,
}

/// Why a variable cannot begin so.
fn unfit(initializer: Initializer, of: Variable, simple: bool) -> Option<&'static str> {
    match (initializer, of) {
        (Initializer::Orthogonal { .. } | Initializer::Identity { .. }, Variable::Bias) => {
            Some("is for matrices, and a bias is none: try `zeros`, `ones` or a `constant`")
        }
        (Initializer::Identity { .. }, Variable::Kernel) => {
            Some("is for recurrent kernels, which are square: try `glorot_uniform`")
        }
        (Initializer::Identity { .. }, Variable::Recurrent) if !simple => {
            Some("is for simple_rnn, whose recurrent kernel is square: try `orthogonal`")
        }
        _ => None,
    }
}

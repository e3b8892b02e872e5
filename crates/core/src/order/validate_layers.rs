//! Resolves the layers of a model, and checks them for contradictions.

use super::cell::{Cell, CellSpec};
use super::initializer::Initializer;
use super::layer::{FirstWeights, Layer};
use super::layer_spec::LayerSpec;
use super::model::{Activation, ModelSpec, Output};
use crate::resolve::FieldError;

impl ModelSpec {
    /// Returns the recurrent layers, first to last.
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

    /// Resolves one layer, without regard to the layer below.
    fn layer(&self, place: usize, spec: &LayerSpec) -> Layer {
        let own = spec.settings();
        let cell = own.and_then(|own| own.cell).unwrap_or(self.cell);
        let activation = own.and_then(|own| own.activation).or(self.activation).unwrap_or_default();
        let usual = FirstWeights::default();
        Layer {
            cell,
            layer_norm: own.and_then(|own| own.layer_norm).unwrap_or(self.layer_norm),
            units: spec.units(),
            activation: if chooses_activation(cell.spec()) { activation } else { Activation::Tanh },
            dropout: own.and_then(|own| own.dropout).unwrap_or(self.dropout) as f32,
            recurrent_dropout: match reads_state(cell.spec()) {
                true => own.and_then(|own| own.recurrent_dropout).unwrap_or(self.recurrent_dropout) as f32,
                false => 0.0,
            },
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

    /// Returns the settings that contradict each other, with pointers into the request.
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
        let none = |has: fn(&CellSpec) -> bool| !layers.iter().any(|layer| has(layer.cell.spec()));
        if self.activation.is_some() && none(chooses_activation) {
            refuse("activation", applies_to(chooses_activation));
        }
        if self.unit_forget_bias.is_some() && none(has_forget_gate) {
            refuse("unit_forget_bias", applies_to(has_forget_gate));
        }
        if self.recurrent_dropout > 0.0 && none(reads_state) {
            refuse("recurrent_dropout", applies_to(reads_state));
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
        let cells: Vec<&CellSpec> = layers.iter().map(|layer| layer.cell.spec()).collect();
        for (field, of, initializer) in [
            ("kernel_initializer", Variable::Kernel, self.kernel_initializer),
            ("recurrent_initializer", Variable::Recurrent, self.recurrent_initializer),
            ("bias_initializer", Variable::Bias, self.bias_initializer),
        ] {
            if let Some(reason) = initializer.and_then(|initializer| unfit(initializer, of, &cells)) {
                refuse(field, reason);
            }
        }
    }

    fn check_layer(&self, place: usize, spec: &LayerSpec, layer: &Layer, errors: &mut Vec<FieldError>) {
        let Some(own) = spec.settings() else { return };
        let mut refuse =
            |field: &str, detail: &str| errors.push(FieldError::new(format!("/model/layers/{place}/{field}"), detail));
        let spec = layer.cell.spec();
        if own.activation.is_some() && !chooses_activation(spec) {
            refuse("activation", &applies_to(chooses_activation));
        }
        if own.unit_forget_bias.is_some() && !has_forget_gate(spec) {
            refuse("unit_forget_bias", &applies_to(has_forget_gate));
        }
        if own.recurrent_dropout.is_some_and(|rate| rate > 0.0) && !reads_state(spec) {
            refuse("recurrent_dropout", &applies_to(reads_state));
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
            if let Some(reason) = initializer.and_then(|initializer| unfit(initializer, of, &[spec])) {
                refuse(field, &reason);
            }
        }
    }
}

fn chooses_activation(spec: &CellSpec) -> bool {
    spec.activation
}

fn has_forget_gate(spec: &CellSpec) -> bool {
    spec.forget_gate.is_some()
}

fn reads_state(spec: &CellSpec) -> bool {
    spec.recurrent_kernel
}

/// The error message for a setting: which cells it applies to.
fn applies_to(has: fn(&CellSpec) -> bool) -> String {
    let cells = Cell::ALL.iter().filter(|cell| has(cell.spec()));
    let names: Vec<String> = cells.map(|cell| format!("`{}`", cell.name())).collect();
    format!("applies only to layers with the cell {}", names.join(", "))
}

const SEES_THE_FUTURE: &str = "needs `output` to be `last_step`: at every earlier step the half that reads from the end would see the future that step is to forecast";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Kernel,
    Recurrent,
    Bias,
}

/// Returns why an initialiser is unsuitable for a variable of layers with these cells.
fn unfit(initializer: Initializer, of: Variable, cells: &[&CellSpec]) -> Option<String> {
    let mut reading = cells.iter().filter(|cell| cell.recurrent_kernel).peekable();
    if of == Variable::Recurrent && reading.peek().is_none() {
        return Some(applies_to(reads_state));
    }
    let square = reading.all(|cell| cell.gates.len() == 1);
    let reason = match (initializer, of) {
        (Initializer::Orthogonal { .. } | Initializer::Identity { .. }, Variable::Bias) => {
            "is for matrices, and a bias is none: try `zeros`, `ones` or a `constant`"
        }
        (Initializer::Identity { .. }, Variable::Kernel) => {
            "is for recurrent kernels, which are square: try `glorot_uniform`"
        }
        (Initializer::Identity { .. }, Variable::Recurrent) if !square => {
            "is for `simple_rnn`, whose recurrent kernel is square: try `orthogonal`"
        }
        (Initializer::RandomUniform { minval, maxval }, _) if minval > maxval => "`minval` is above `maxval`",
        _ => return None,
    };
    Some(reason.to_owned())
}

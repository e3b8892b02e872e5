//! The structure of a network and the layout of its parameters.

use gatecast_core::order::{Cell, NormOver, Output};

pub use gatecast_core::order::{FirstWeights, Initializer, Layer};

/// Added to the variance in every layer norm, as in Keras.
pub const LAYER_NORM_EPSILON: f32 = 1e-3;

/// A stack of recurrent layers under a linear head.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Numbers read at each step.
    pub inputs: usize,
    /// First to last.
    pub layers: Vec<Layer>,
    /// Outputs of the head at a step: horizon × targets, the horizon outermost.
    pub outputs: usize,
    pub output: Output,
    /// Tables between one-hot blocks of the inputs and the first layer.
    pub embeddings: Vec<Embedding>,
}

/// A table `[rows, dimension]` that turns one-hot blocks of the inputs, each `rows` long, into
/// `dimension` numbers each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedding {
    /// Unique within the network.
    pub name: String,
    pub rows: usize,
    pub dimension: usize,
    /// The first input of each block that this table serves.
    pub places: Vec<usize>,
}

/// The kind of a parameter, which decides its initialiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Input weights `[gates × units, in]`.
    Kernel,
    /// Recurrent weights `[gates × units, units]`.
    RecurrentKernel,
    /// `[gates × units]`; with a recurrent bias `[2, gates × units]`: the input's, then the
    /// recurrent one.
    Bias,
    /// A layer norm's gain.
    Gain,
    /// A layer norm's offset.
    Offset,
    /// A category's numbers, a row each.
    Embedding,
}

/// One variable: a block of the flat buffer, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Within the network, unique: `recurrent.0.kernel`, `recurrent.0.reverse.kernel`, `head.bias`, …
    pub name: String,
    pub role: Role,
    /// The recurrent layer it belongs to; `None` for the head.
    pub layer: Option<usize>,
    pub shape: Vec<usize>,
    /// The start of the block in the flat buffer.
    pub offset: usize,
}

impl Parameter {
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len()
    }
}

impl Network {
    /// Layers of one cell, `units` of each, that forecast `outputs` numbers.
    pub fn stack(cell: Cell, layer_norm: bool, inputs: usize, units: &[usize], outputs: usize, output: Output) -> Self {
        let layers = units.iter().map(|&units| Layer::new(cell, layer_norm, units)).collect();
        Self { inputs, layers, outputs, output, embeddings: Vec::new() }
    }

    /// Every variable in the order of the flat buffer: layer by layer the kernel, the recurrent
    /// kernel (if the cell has one), the bias, then the gains and offsets of the layer norms
    /// ([`gatecast_core::order::CellSpec::layer_norms`]); the head's kernel `[outputs, units]` and
    /// bias; the embeddings last.
    ///
    /// The backward direction of a bidirectional layer has its own variables, after those of the
    /// forward direction: `recurrent.0.reverse.kernel`, ….
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut list = List::default();
        let mut inputs = self.embedded_inputs();
        for (place, layer) in self.layers.iter().enumerate() {
            list.layer = Some(place);
            list.push_half(layer, inputs);
            if layer.bidirectional {
                list.backwards = true;
                list.push_half(layer, inputs);
                list.backwards = false;
            }
            inputs = layer.outputs();
        }
        list.layer = None;
        list.push("kernel", Role::Kernel, &[self.outputs, inputs]);
        list.push("bias", Role::Bias, &[self.outputs]);
        for embedding in &self.embeddings {
            let name = format!("embedding.{}.weight", embedding.name);
            list.push_named(name, Role::Embedding, &[embedding.rows, embedding.dimension]);
        }
        list.parameters
    }

    /// The layer a variable belongs to; `None` for the head's.
    pub fn layer_of(&self, parameter: &Parameter) -> Option<&Layer> {
        parameter.layer.and_then(|layer| self.layers.get(layer))
    }

    /// Numbers that reach the first layer at each step: the inputs, each one-hot block embedded.
    /// Blocks keep their places among the inputs.
    pub fn embedded_inputs(&self) -> usize {
        let blocks = self.embeddings.iter().map(|embedding| (embedding.places.len(), embedding));
        let (one_hot, embedded) = blocks.fold((0, 0), |(one_hot, embedded), (count, embedding)| {
            (one_hot + count * embedding.rows, embedded + count * embedding.dimension)
        });
        self.inputs.saturating_sub(one_hot) + embedded
    }

    /// Length of the flat buffer.
    pub fn parameter_count(&self) -> usize {
        self.parameters().last().map_or(0, |last| last.range().end)
    }

    /// Steps at which the network forecasts, of `steps` read.
    pub fn output_steps(&self, steps: usize) -> usize {
        match self.output {
            Output::EveryStep => steps,
            Output::LastStep => 1,
        }
    }
}

#[derive(Default)]
struct List {
    layer: Option<usize>,
    backwards: bool,
    parameters: Vec<Parameter>,
}

impl List {
    /// One direction of a layer that reads `inputs` numbers.
    fn push_half(&mut self, layer: &Layer, inputs: usize) {
        let units = layer.units;
        let rows = layer.gates() * units;
        let cell = layer.cell.spec();
        self.push("kernel", Role::Kernel, &[rows, inputs]);
        if cell.recurrent_kernel {
            self.push("recurrent_kernel", Role::RecurrentKernel, &[rows, units]);
        }
        match cell.recurrent_bias {
            true => self.push("bias", Role::Bias, &[2, rows]),
            false => self.push("bias", Role::Bias, &[rows]),
        }
        for norm in layer.layer_norms() {
            match norm.over {
                NormOver::Product => self.push(&format!("{}.gain", norm.name), Role::Gain, &[rows]),
                NormOver::State => {
                    self.push(&format!("{}.gain", norm.name), Role::Gain, &[units]);
                    self.push(&format!("{}.offset", norm.name), Role::Offset, &[units]);
                }
            }
        }
    }

    fn push(&mut self, name: &str, role: Role, shape: &[usize]) {
        let name = match self.layer {
            Some(layer) if self.backwards => format!("recurrent.{layer}.reverse.{name}"),
            Some(layer) => format!("recurrent.{layer}.{name}"),
            None => format!("head.{name}"),
        };
        self.push_named(name, role, shape);
    }

    fn push_named(&mut self, name: String, role: Role, shape: &[usize]) {
        let offset = self.parameters.last().map_or(0, |last| last.range().end);
        self.parameters.push(Parameter { name, role, layer: self.layer, shape: shape.to_vec(), offset });
    }
}

//! Exact embeddings on engines that do not implement them.
//!
//! A category comes in as a one-hot block x of the inputs, and the network reads Eᵀ x of it, with E
//! `[category, dimension]` its table. The first layer's kernel K then does K Eᵀ x, so an engine whose
//! kernel is K Eᵀ computes the same network from the one-hot inputs themselves. With G the engine's
//! gradient by that kernel, the chain rule gives ∂K = G E and ∂E = Gᵀ K, summed over all blocks that
//! share the table. So this wrapper gives every engine embeddings.

use super::engine::{Batch, Engine, EngineError, Inputs, Steps};
use super::network::Network;

/// An engine for a network with embeddings around one for the same network without.
pub(super) struct Embedded {
    engine: Box<dyn Engine>,
    map: Map,
    /// The inner engine's parameters and gradient.
    composed: Vec<f32>,
    gradient: Vec<f32>,
}

impl Embedded {
    /// The network that `engine` must compute: it reads the one-hot blocks as they are.
    pub(super) fn inner(network: &Network) -> Network {
        Network { embeddings: Vec::new(), ..network.clone() }
    }

    pub(super) fn new(network: &Network, engine: Box<dyn Engine>) -> Self {
        Self { engine, map: Map::new(network), composed: Vec::new(), gradient: Vec::new() }
    }

    fn compose(&mut self, parameters: &[f32]) -> Result<(), EngineError> {
        let (expected, got) = (self.map.parameters, parameters.len());
        if got != expected {
            return Err(EngineError::Shape { what: "parameters", expected, got });
        }
        self.composed.resize(self.map.composed, 0.0);
        self.map.compose(parameters, &mut self.composed);
        Ok(())
    }
}

impl Engine for Embedded {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn device(&self) -> String {
        self.engine.device()
    }

    fn loss_and_gradient(
        &mut self,
        parameters: &[f32],
        batch: Batch<'_>,
        gradient: &mut [f32],
    ) -> Result<f32, EngineError> {
        self.compose(parameters)?;
        self.gradient.resize(self.map.composed, 0.0);
        let loss = self.engine.loss_and_gradient(&self.composed, batch, &mut self.gradient)?;
        self.map.pull_back(parameters, &self.gradient, gradient);
        Ok(loss)
    }

    fn predict(
        &mut self,
        parameters: &[f32],
        inputs: Inputs<'_>,
        steps: Steps,
        predictions: &mut Vec<f32>,
    ) -> Result<(), EngineError> {
        self.compose(parameters)?;
        self.engine.predict(&self.composed, inputs, steps, predictions)
    }

    fn scratch_bytes(&self) -> usize {
        size_of::<f32>() * (self.composed.capacity() + self.gradient.capacity()) + self.engine.scratch_bytes()
    }

    fn shrink(&mut self) {
        self.gradient = Vec::new();
        self.engine.shrink();
    }
}

/// How the flat parameters of a network with embeddings map to those of the network without.
struct Map {
    /// Lengths of both.
    parameters: usize,
    composed: usize,
    /// Variables that are the same in both: (offset, offset in the composed, length).
    same: Vec<(usize, usize, usize)>,
    kernels: Vec<Kernel>,
    segments: Vec<Segment>,
    tables: Vec<Table>,
}

/// A kernel of the first layer: `[rows, embedded inputs]` here, `[rows, inputs]` composed.
struct Kernel {
    offset: usize,
    composed: usize,
    rows: usize,
}

/// A run of a kernel's columns: plain ones, or one block.
struct Segment {
    /// Its first column.
    at: usize,
    composed: usize,
    kind: Kind,
}

enum Kind {
    Plain(usize),
    Block(usize),
}

struct Table {
    offset: usize,
    rows: usize,
    dimension: usize,
}

impl Map {
    fn new(network: &Network) -> Self {
        let inner = Embedded::inner(network);
        let (mut same, mut kernels, mut tables) = (Vec::new(), Vec::new(), Vec::new());
        let parameters = network.parameters();
        for (outer, inner) in parameters.iter().zip(inner.parameters()) {
            match outer.shape.as_slice() {
                &[rows, _] if outer.shape != inner.shape => {
                    kernels.push(Kernel { offset: outer.offset, composed: inner.offset, rows });
                }
                _ => same.push((outer.offset, inner.offset, outer.len())),
            }
        }
        let of_tables = parameters.len() - network.embeddings.len();
        for (parameter, embedding) in parameters.iter().skip(of_tables).zip(&network.embeddings) {
            tables.push(Table { offset: parameter.offset, rows: embedding.rows, dimension: embedding.dimension });
        }
        Self {
            parameters: network.parameter_count(),
            composed: inner.parameter_count(),
            same,
            kernels,
            segments: segments(network),
            tables,
        }
    }

    fn compose(&self, parameters: &[f32], composed: &mut [f32]) {
        for &(from, to, length) in &self.same {
            composed[to..to + length].copy_from_slice(&parameters[from..from + length]);
        }
        for (weights, to) in self.kernel_rows() {
            for segment in &self.segments {
                let weights = &parameters[weights + segment.at..];
                let to = &mut composed[to + segment.composed..];
                match segment.kind {
                    Kind::Plain(width) => to[..width].copy_from_slice(&weights[..width]),
                    Kind::Block(table) => {
                        for (to, category) in to.iter_mut().zip(self.tables[table].rows(parameters)) {
                            *to = category.iter().zip(weights).map(|(e, k)| e * k).sum();
                        }
                    }
                }
            }
        }
    }

    /// `composed` is the gradient by the composed parameters; `gradient` is written over.
    fn pull_back(&self, parameters: &[f32], composed: &[f32], gradient: &mut [f32]) {
        for &(to, from, length) in &self.same {
            gradient[to..to + length].copy_from_slice(&composed[from..from + length]);
        }
        for table in &self.tables {
            gradient[table.range()].fill(0.0);
        }
        for (weights, from) in self.kernel_rows() {
            for segment in &self.segments {
                let at = weights + segment.at;
                let from = &composed[from + segment.composed..];
                match segment.kind {
                    Kind::Plain(width) => gradient[at..at + width].copy_from_slice(&from[..width]),
                    Kind::Block(table) => self.tables[table].pull_back(parameters, at, from, gradient),
                }
            }
        }
    }

    /// The start of each row of each kernel, in the parameters and in the composed parameters.
    fn kernel_rows(&self) -> impl Iterator<Item = (usize, usize)> {
        let (width, composed) = self.segments.last().map_or((0, 0), |last| match last.kind {
            Kind::Plain(width) => (last.at + width, last.composed + width),
            Kind::Block(table) => (last.at + self.tables[table].dimension, last.composed + self.tables[table].rows),
        });
        let of = move |kernel: &Kernel| {
            let (offset, inner) = (kernel.offset, kernel.composed);
            (0..kernel.rows).map(move |row| (offset + row * width, inner + row * composed))
        };
        self.kernels.iter().flat_map(of)
    }
}

impl Table {
    fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.rows * self.dimension
    }

    fn rows<'p>(&self, parameters: &'p [f32]) -> std::slice::ChunksExact<'p, f32> {
        parameters[self.range()].chunks_exact(self.dimension)
    }

    /// One row of one block: `from` the gradient by K Eᵀ, `at` where the row of K begins.
    fn pull_back(&self, parameters: &[f32], at: usize, from: &[f32], gradient: &mut [f32]) {
        gradient[at..at + self.dimension].fill(0.0);
        for (category, (embedding, &by)) in self.rows(parameters).zip(from).enumerate() {
            // Most categories do not occur in a batch.
            if by == 0.0 {
                continue;
            }
            for (number, &value) in embedding.iter().enumerate() {
                gradient[at + number] += by * value;
                gradient[self.offset + category * self.dimension + number] += by * parameters[at + number];
            }
        }
    }
}

/// The runs of a kernel's columns, in order.
fn segments(network: &Network) -> Vec<Segment> {
    let blocks = network.embeddings.iter().enumerate();
    let mut blocks: Vec<(usize, usize)> =
        blocks.flat_map(|(table, embedding)| embedding.places.iter().map(move |&place| (place, table))).collect();
    blocks.sort_unstable();
    let (mut at, mut composed) = (0, 0);
    let mut segments = Vec::new();
    let plain_up_to = |end: usize, at: &mut usize, composed: &mut usize, segments: &mut Vec<Segment>| {
        let width = end.saturating_sub(*composed);
        if width > 0 {
            segments.push(Segment { at: *at, composed: *composed, kind: Kind::Plain(width) });
            (*at, *composed) = (*at + width, *composed + width);
        }
    };
    for (place, table) in blocks {
        plain_up_to(place, &mut at, &mut composed, &mut segments);
        segments.push(Segment { at, composed, kind: Kind::Block(table) });
        if let Some(embedding) = network.embeddings.get(table) {
            (at, composed) = (at + embedding.dimension, composed + embedding.rows);
        }
    }
    plain_up_to(network.inputs, &mut at, &mut composed, &mut segments);
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{self, Objective};
    use crate::initialise;
    use crate::network::Embedding;
    use gatecast_core::order::{Cell, Loss, Output};

    /// Inputs: a number, two blocks of 3 that share a table, a number, a block of 4.
    fn network(cell: Cell, layer_norm: bool) -> Network {
        let table = |name: &str, rows, dimension, places: &[usize]| Embedding {
            name: name.to_owned(),
            rows,
            dimension,
            places: places.to_vec(),
        };
        let mut network = Network::stack(cell, layer_norm, 12, &[5, 4], 2, Output::EveryStep);
        network.embeddings = vec![table("shared", 3, 2, &[1, 4]), table("last", 4, 3, &[8])];
        network
    }

    fn engine(network: &Network) -> Box<dyn Engine> {
        engine::build(network, Objective::of(Loss::Mse), engine::Wanted::PROCESSOR).unwrap().engine
    }

    /// Three series of four steps, category 3 of the last table in none of them.
    fn inputs() -> Vec<f32> {
        let mut inputs = vec![0.0; 3 * 4 * 12];
        for (at, step) in inputs.chunks_exact_mut(12).enumerate() {
            step[0] = (at as f32).sin();
            step[1 + at % 3] = 1.0;
            step[4 + (at * 2 + 1) % 3] = 1.0;
            step[7] = (at as f32 * 0.7).cos();
            step[8 + at % 3] = 1.0;
        }
        inputs
    }

    #[test]
    fn the_network_has_the_tables_parameters_last() {
        let network = network(Cell::Lstm, false);
        assert_eq!(network.embedded_inputs(), 12 - 6 - 4 + 4 + 3);
        let parameters = network.parameters();
        assert_eq!(parameters[0].shape, [20, network.embedded_inputs()]);
        let [.., shared, last] = parameters.as_slice() else { panic!("too few") };
        assert_eq!((shared.name.as_str(), shared.shape.as_slice()), ("embedding.shared.weight", &[3, 2][..]));
        assert_eq!((last.name.as_str(), last.shape.as_slice()), ("embedding.last.weight", &[4, 3][..]));
        let first = initialise(&network, 1);
        assert!(first[shared.range()].iter().all(|x| x.abs() <= 0.05 && *x != 0.0));
    }

    #[test]
    fn a_block_means_its_row_of_the_table() {
        let network = network(Cell::Gru, false);
        let parameters = initialise(&network, 3);
        // The same network, fed the tables' rows.
        let tables: Vec<&[f32]> =
            network.parameters().iter().rev().take(2).rev().map(|table| &parameters[table.range()]).collect();
        let row = |table: usize, block: &[f32], dimension: usize| {
            let category = block.iter().position(|&x| x == 1.0).unwrap();
            tables[table][category * dimension..(category + 1) * dimension].to_vec()
        };
        let inputs = inputs();
        let fed: Vec<f32> = inputs
            .chunks_exact(12)
            .flat_map(|step| {
                [vec![step[0]], row(0, &step[1..4], 2), row(0, &step[4..7], 2), vec![step[7]], row(1, &step[8..], 3)]
                    .concat()
            })
            .collect();
        let plain = Network::stack(Cell::Gru, false, network.embedded_inputs(), &[5, 4], 2, Output::EveryStep);
        let (mut embedded, mut expected) = (Vec::new(), Vec::new());
        let read = |values| Inputs { batch: 3, steps: 4, values };
        engine(&network).predict(&parameters, read(&inputs), Steps::Trained, &mut embedded).unwrap();
        let weights = &parameters[..plain.parameter_count()];
        engine(&plain).predict(weights, read(&fed), Steps::Trained, &mut expected).unwrap();
        assert_eq!(embedded.len(), expected.len());
        // Single precision, another order of sums.
        assert!(embedded.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{embedded:?} {expected:?}");
    }

    #[test]
    fn gradients_are_those_of_central_differences() {
        let inputs = inputs();
        let targets: Vec<f32> = (0..3 * 4 * 2).map(|at| (at as f32 * 0.9).sin()).collect();
        for (cell, layer_norm) in
            [(Cell::SimpleRnn, false), (Cell::Lstm, true), (Cell::Gru, false), (Cell::MinGru, true)]
        {
            let network = network(cell, layer_norm);
            let mut engine = engine(&network);
            let mut parameters = initialise(&network, 5);
            // Larger tables than the initial ones, so that their gradients exceed the rounding errors.
            let tables = network.parameters().iter().rev().nth(1).unwrap().offset;
            parameters[tables..].iter_mut().for_each(|x| *x *= 10.0);
            let batch = Batch::new(Inputs { batch: 3, steps: 4, values: &inputs }, &targets);
            let mut gradient = vec![f32::NAN; parameters.len()];
            engine.loss_and_gradient(&parameters, batch, &mut gradient).unwrap();
            let mut unused = vec![0.0; parameters.len()];
            for at in 0..parameters.len() {
                let mut loss = |step: f32| {
                    let mut moved = parameters.clone();
                    moved[at] += step;
                    f64::from(engine.loss_and_gradient(&moved, batch, &mut unused).unwrap())
                };
                let mut slope = |step: f32| (loss(step) - loss(-step)) / f64::from(2.0 * step);
                // Richardson's way: of two differences, what is left of third derivatives cancels.
                // The loss is about 1 in single precision, which over 1e-2 errs by some 2e-5.
                let difference = (4.0 * slope(5e-3) - slope(1e-2)) / 3.0;
                let error = (difference - f64::from(gradient[at])).abs();
                assert!(error < 2e-4, "{cell:?} parameter {at}: {} is not {difference}", gradient[at]);
            }
            let last = parameters.len() - 3..;
            assert!(gradient[last].iter().all(|&x| x == 0.0), "no series has this category");
        }
    }
}

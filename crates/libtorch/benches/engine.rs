//! Benchmarks the engines on this machine: a training step and a forecast, by cell, width and batch.
//!
//! `cargo bench --bench engine` prints a table: milliseconds per step (forward, backward, all
//! gradients) of the fused engine on one thread and on all threads, its arithmetic rate, that rate
//! relative to a large matrix product in LibTorch on this machine, and the ratio to the LibTorch
//! engine at its better thread count. Times are the minimum of many short runs, which reduces the
//! influence of other load.
//!
//! Words after `--` choose rows: `cargo bench --bench engine -- "lstm 2 x 20"`. `--fused` skips
//! the comparison.

use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use gatecast_core::order::{Cell, Device, EngineChoice, Loss, Output};
use gatecast_libtorch::build;
use gatecast_nn::engine::fused::Fused;
use gatecast_nn::engine::{Batch, DropoutKey, Engine, Inputs, Objective, Steps, Wanted};
use gatecast_nn::network::{Network, Role};

const STEPS: usize = 50;
const HORIZON: usize = 10;
const OBJECTIVE: Objective = Objective::of(Loss::Mse);
const BUDGET: Duration = Duration::from_millis(700);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let compare = !words.iter().any(|word| word == "--fused");
    let chosen = |name: &str| {
        let mut words = words.iter().filter(|word| !word.starts_with("--")).peekable();
        words.peek().is_none() || words.any(|word| name.contains(word.as_str()))
    };
    let threads = available_parallelism().map_or(1, usize::from);
    let peaks = [product_rate(1), product_rate(threads)];
    let mut line = Table::new();
    line.print(&format!(
        "large matrix products: {:.0} GFLOP/s on one thread, {:.0} on {threads}; fused engine on {}",
        peaks[0],
        peaks[1],
        Fused::new(&Work::new(Cell::Lstm, Kind::Plain, 1, 1).network, OBJECTIVE, 1)?.instructions()
    ));
    line.print(&format!(
        "{:<35}| {:>9} {:>8} {:>6} | {:>9} {:>8} {:>6} | {:>9} {:>6} | {:>9} {:>9} {:>6}",
        "",
        "1 thread",
        "GFLOP/s",
        "share",
        "all",
        "GFLOP/s",
        "share",
        "libtorch",
        "ratio",
        "forecast",
        "libtorch",
        "ratio"
    ));
    for kind in [Kind::Plain, Kind::LayerNorm, Kind::Dropout] {
        for cell in [Cell::Lstm, Cell::Gru, Cell::SimpleRnn, Cell::MinGru] {
            for (units, batch) in [(20, 32), (20, 256), (64, 32), (128, 32), (128, 64), (256, 32)] {
                let work = Work::new(cell, kind, units, batch);
                if chosen(&work.name) {
                    line.row(&work, threads, peaks, compare)?;
                }
            }
        }
    }
    Ok(())
}

/// Prints the lines on stdout.
struct Table(std::io::Stdout);

impl Table {
    fn new() -> Self {
        Table(std::io::stdout())
    }

    fn print(&mut self, line: &str) {
        use std::io::Write;
        // A write error, such as a closed pipe, is ignored.
        let _ = writeln!(self.0, "{line}");
    }

    fn row(&mut self, work: &Work, threads: usize, peaks: [f64; 2], compare: bool) -> Result<(), Failure> {
        let mut best = f64::MAX;
        let mut line = format!("{:<35}", work.name);
        for (threads, peak) in [1, threads].into_iter().zip(peaks) {
            let seconds = work.train(&mut Fused::new(&work.network, OBJECTIVE, threads)?)?;
            let rate = work.flops() / seconds / 1e9;
            line += &format!("| {:>6.2} ms {rate:>8.1} {:>4.0} % ", seconds * 1e3, 100.0 * rate / peak);
            best = best.min(seconds);
        }
        let forecast = work.forecast(&mut Fused::new(&work.network, OBJECTIVE, 1)?)?;
        if compare {
            let mut theirs = [f64::MAX; 2];
            for threads in [1, threads] {
                let mut engine = build(
                    &work.network,
                    OBJECTIVE,
                    Wanted { device: Device::Cpu, choice: EngineChoice::Libtorch, threads },
                )?
                .engine;
                theirs[0] = theirs[0].min(work.train(engine.as_mut())?);
                theirs[1] = theirs[1].min(work.forecast(engine.as_mut())?);
            }
            line += &format!("| {:>6.2} ms {:>5.1}× ", theirs[0] * 1e3, theirs[0] / best);
            line += &format!("| {:>6.1} µs {:>6.0} µs {:>5.0}×", forecast * 1e6, theirs[1] * 1e6, theirs[1] / forecast);
        } else {
            line += &format!("| {:>9} {:>6} | {:>6.1} µs", "", "", forecast * 1e6);
        }
        self.print(&line);
        Ok(())
    }
}

/// Options of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    LayerNorm,
    /// Dropout rate of the inputs and of the state.
    Dropout,
}

/// A network of two layers, one input and ten outputs at each of fifty steps, and a batch for it.
struct Work {
    name: String,
    network: Network,
    batch: usize,
    parameters: Vec<f32>,
    inputs: Vec<f32>,
    targets: Vec<f32>,
}

impl Work {
    fn new(cell: Cell, kind: Kind, units: usize, batch: usize) -> Self {
        let layer_norm = kind == Kind::LayerNorm;
        let mut network = Network::stack(cell, layer_norm, 1, &[units, units], HORIZON, Output::EveryStep);
        if kind == Kind::Dropout {
            network.layers.iter_mut().for_each(|layer| (layer.dropout, layer.recurrent_dropout) = (0.1, 0.1));
        }
        let besides = match kind {
            Kind::Plain => "",
            Kind::LayerNorm => " norm",
            Kind::Dropout => " dropout",
        };
        let waves = |count: usize, scale: f32| (0..count).map(|i| scale * (0.7 * i as f32).sin()).collect::<Vec<_>>();
        Work {
            name: format!("{}{besides} 2 x {units} batch {batch}", cell.name()),
            parameters: waves(network.parameter_count(), 1.0 / (units as f32).sqrt()),
            inputs: waves(batch * STEPS, 1.0),
            targets: waves(batch * STEPS * HORIZON, 1.0),
            network,
            batch,
        }
    }

    /// Operations of the products alone: each weight is used in three products, at two operations each.
    fn flops(&self) -> f64 {
        let parameters = self.network.parameters();
        let kernels = parameters.iter().filter(|p| matches!(p.role, Role::Kernel | Role::RecurrentKernel));
        (6 * kernels.map(|p| p.len()).sum::<usize>() * self.batch * STEPS) as f64
    }

    /// Seconds per training step.
    fn train(&self, engine: &mut dyn Engine) -> Result<f64, Failure> {
        let inputs = Inputs { batch: self.batch, steps: STEPS, values: &self.inputs };
        let batch = Batch { draw: Some(DropoutKey { seed: 1, step: 1 }), ..Batch::new(inputs, &self.targets) };
        let mut gradient = vec![0.0; self.parameters.len()];
        least(|| engine.loss_and_gradient(&self.parameters, batch, &mut gradient).map(|_| ()))
    }

    /// Seconds per forecast of one series.
    fn forecast(&self, engine: &mut dyn Engine) -> Result<f64, Failure> {
        let inputs = Inputs { batch: 1, steps: STEPS, values: &self.inputs[..STEPS] };
        let mut predictions = Vec::new();
        least(|| engine.predict(&self.parameters, inputs, Steps::Last, &mut predictions))
    }
}

/// The minimum time of many runs, after two warm-up runs.
fn least<E: Into<Failure>>(mut run: impl FnMut() -> Result<(), E>) -> Result<f64, Failure> {
    let mut best = f64::MAX;
    let (start, mut runs) = (Instant::now(), 0);
    while runs < 5 || start.elapsed() < BUDGET {
        let begin = Instant::now();
        run().map_err(Into::into)?;
        if runs >= 2 {
            best = best.min(begin.elapsed().as_secs_f64());
        }
        runs += 1;
    }
    Ok(best)
}

/// GFLOP/s of LibTorch on a product of two 512 × 512 matrices: large enough for its full rate, and
/// short enough to be little disturbed by other load.
fn product_rate(threads: usize) -> f64 {
    const SIDE: i64 = 512;
    tch::set_num_threads(i32::try_from(threads).unwrap_or(1));
    let a = tch::Tensor::ones([SIDE, SIDE], (tch::Kind::Float, tch::Device::Cpu));
    let run = || a.f_matmul(&a).map(|_| ());
    least(run).map_or(f64::NAN, |seconds| 2.0 * (SIDE as f64).powi(3) / seconds / 1e9)
}

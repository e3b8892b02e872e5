//! The reference engine: LibTorch's operations and autograd, on any device it knows.
//!
//! The flat parameters are uploaded at each call (a copy of some kilobytes for the networks that
//! forecast) and every variable is a view of them; the gradient comes back by variable.
//!
//! Threads are a setting of the whole process in LibTorch: the engine built last sets them for
//! all. On the CPU the same thread count gives the same bytes. On a card LibTorch's bindings do
//! not reach its switch for deterministic algorithms, so last bits may differ there between runs.

mod cell;
mod device;
mod error;
mod forward;
mod layer;

pub use device::cards;

use error::Failed;
use tch::{Kind, Reduction, TchError, Tensor};

use gatecast_core::order::{Device, EngineChoice, Head, Loss};
use gatecast_nn::engine::{self, Batch, Built, Engine, EngineError, Inputs, Objective, Steps, Wanted};
use gatecast_nn::loss::Layout;
use gatecast_nn::network::{Network, Parameter};

/// One network, computed by LibTorch.
#[derive(Debug)]
pub struct Libtorch {
    network: Network,
    parameters: Vec<Parameter>,
    length: usize,
    objective: Objective,
    device: tch::Device,
}

impl Libtorch {
    pub fn new(network: &Network, objective: Objective, device: Device, threads: usize) -> Result<Self, EngineError> {
        let device = device::resolve(device)?;
        device::set_threads(threads);
        Ok(Self {
            network: network.clone(),
            parameters: network.parameters(),
            length: network.parameter_count(),
            objective,
            device,
        })
    }

    /// The variables, in the order of the layout, as views of one upload.
    fn variables(&self, flat: &[f32], learning: bool) -> Result<Vec<Tensor>, Failed> {
        expect_length("parameters", self.length, flat.len())?;
        let flat = Tensor::f_from_slice(flat)?.f_to_device(self.device)?;
        let view = |parameter: &Parameter| {
            let shape: Vec<i64> = parameter.shape.iter().map(|&size| size as i64).collect();
            let block = flat.f_narrow(0, parameter.offset as i64, parameter.len() as i64)?.f_view(shape.as_slice())?;
            if learning { block.f_set_requires_grad(true) } else { Ok(block) }
        };
        Ok(self.parameters.iter().map(view).collect::<Result<_, TchError>>()?)
    }

    /// `[step, batch, input]`, as the layers read it.
    fn upload(&self, inputs: Inputs<'_>) -> Result<Tensor, Failed> {
        let Inputs { batch, steps, values } = inputs;
        expect_length("inputs", batch * steps * self.network.inputs, values.len())?;
        if values.is_empty() {
            return Err(EngineError::Shape { what: "inputs", expected: self.network.inputs, got: 0 }.into());
        }
        let shape = [batch as i64, steps as i64, self.network.inputs as i64];
        let read = Tensor::f_from_slice(values)?.f_to_device(self.device)?.f_view(shape)?;
        Ok(read.f_transpose(0, 1)?)
    }

    /// LibTorch's own losses, where they are the plain mean over all points.
    fn plain_loss(&self, predictions: &Tensor, targets: &[f32]) -> Option<Result<Tensor, TchError>> {
        let criterion = &self.objective.criterion;
        let loss: fn(&Tensor, &Tensor) -> Result<Tensor, TchError> = match (criterion.head(), criterion.loss()) {
            (Head::Point {}, Loss::Mse) => |found, wanted| found.f_mse_loss(wanted, Reduction::Mean),
            (Head::Point {}, Loss::Mae) => |found, wanted| found.f_l1_loss(wanted, Reduction::Mean),
            _ => return None,
        };
        let targets =
            Tensor::f_from_slice(targets).and_then(|targets| targets.f_to_device(self.device)?.f_view_as(predictions));
        Some(targets.and_then(|targets| loss(predictions, &targets)))
    }

    /// The loss, and a tensor whose gradient by the predictions is the loss's.
    fn loss(&self, predictions: &Tensor, batch: Batch<'_>) -> Result<(f64, Tensor), Failed> {
        let truth = batch.truth();
        let (weight, all_known) = truth.weight(batch.inputs.batch);
        if all_known
            && batch.weights.is_empty()
            && let Some(loss) = self.plain_loss(predictions, batch.targets)
        {
            let loss = loss?;
            return Ok((loss.f_double_value(&[])?, loss));
        }
        let (series, steps, outputs) = predictions.size3()?;
        let [steps, outputs] = [steps as usize, outputs as usize];
        let mut found = vec![0.0_f32; predictions.numel()];
        predictions.f_copy_data(&mut found, predictions.numel())?;
        let layout = Layout { series: series as usize, steps, strides: [steps * outputs, outputs, 1] };
        let share = if weight > 0.0 { 1.0 / weight } else { 0.0 };
        let total = self.objective.criterion.backward(&mut found, layout, truth, share);
        let slopes = Tensor::f_from_slice(&found)?.f_to_device(self.device)?.f_view_as(predictions)?;
        // Nothing known: 0, or what is not finite.
        Ok((if weight > 0.0 { total / weight } else { total }, predictions.f_mul(&slopes)?.f_sum(Kind::Float)?))
    }
}

/// The engine for a network. `auto` is the fused engine where the work runs on the processor, and
/// LibTorch on a card.
pub fn build(network: &Network, objective: Objective, wanted: Wanted) -> Result<Built, EngineError> {
    let on_card = match wanted.device {
        Device::Cpu => false,
        Device::Auto => cards() > 0,
        Device::Cuda(_) => true,
    };
    let reason = match wanted.choice {
        // An order that asks for both is refused before it gets here.
        EngineChoice::Fused if matches!(wanted.device, Device::Cuda(_)) => {
            return Err(EngineError::NoDevice(wanted.device.into()));
        }
        EngineChoice::Fused => return engine::build(network, objective, Wanted { device: Device::Cpu, ..wanted }),
        EngineChoice::Auto if !on_card => {
            return engine::build(network, objective, Wanted { device: Device::Cpu, ..wanted });
        }
        EngineChoice::Auto => "the work runs on a card, which LibTorch drives",
        EngineChoice::Libtorch => engine::ORDERED,
    };
    engine::embedded(network, |inner| {
        let engine = Box::new(Libtorch::new(inner, objective, wanted.device, wanted.threads)?);
        Ok(Built { engine, reason: reason.to_owned() })
    })
}

/// Where networks can run on this machine: `cpu`, then every card.
pub fn devices() -> Vec<String> {
    let cards = (0..cards()).map(|card| format!("cuda:{card}"));
    std::iter::once("cpu".to_owned()).chain(cards).collect()
}

impl Libtorch {
    fn backward(&self, parameters: &[f32], batch: Batch<'_>, gradient: &mut [f32]) -> Result<f32, Failed> {
        let output_steps = self.network.output_steps(batch.inputs.steps);
        expect_length("gradient", self.length, gradient.len())?;
        self.objective.check(self.network.outputs, output_steps, &batch)?;
        let variables = self.variables(parameters, true)?;
        let inputs = self.upload(batch.inputs)?;
        let predictions = forward::forward(&self.network, &variables, &inputs, Steps::Trained, batch.draw)?;
        let (loss, descent) = self.loss(&predictions, batch)?;
        let gradients = Tensor::f_run_backward(&[&descent], &variables, false, false)?;
        for (parameter, by_variable) in self.parameters.iter().zip(gradients) {
            by_variable.f_copy_data(&mut gradient[parameter.range()], parameter.len())?;
        }
        Ok(loss as f32)
    }

    fn forward(
        &self,
        parameters: &[f32],
        inputs: Inputs<'_>,
        steps: Steps,
        predictions: &mut Vec<f32>,
    ) -> Result<(), Failed> {
        let _guard = tch::no_grad_guard();
        let variables = self.variables(parameters, false)?;
        let read = self.upload(inputs)?;
        let found = forward::forward(&self.network, &variables, &read, steps, None)?;
        predictions.resize(found.numel(), 0.0);
        found.f_copy_data(predictions, found.numel())?;
        Ok(())
    }
}

impl Engine for Libtorch {
    fn name(&self) -> &'static str {
        "libtorch"
    }

    fn device(&self) -> String {
        device::name(self.device)
    }

    fn loss_and_gradient(
        &mut self,
        parameters: &[f32],
        batch: Batch<'_>,
        gradient: &mut [f32],
    ) -> Result<f32, EngineError> {
        Ok(self.backward(parameters, batch, gradient)?)
    }

    fn predict(
        &mut self,
        parameters: &[f32],
        inputs: Inputs<'_>,
        steps: Steps,
        predictions: &mut Vec<f32>,
    ) -> Result<(), EngineError> {
        Ok(self.forward(parameters, inputs, steps, predictions)?)
    }

    /// LibTorch's allocator keeps what it will, for all engines together.
    fn scratch_bytes(&self) -> usize {
        0
    }

    fn shrink(&mut self) {}
}

fn expect_length(what: &'static str, expected: usize, got: usize) -> Result<(), EngineError> {
    if got == expected { Ok(()) } else { Err(EngineError::Shape { what, expected, got }) }
}

/// Zeros where `like` lives.
fn zeros(shape: &[i64], like: &Tensor) -> Result<Tensor, TchError> {
    Tensor::f_zeros(shape, (Kind::Float, like.device()))
}

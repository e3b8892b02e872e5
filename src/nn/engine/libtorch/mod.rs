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
mod forward;
mod layer;

pub(super) use device::cards;

use tch::{Kind, Reduction, TchError, Tensor};

use super::{Batch, Engine, EngineError, Inputs, Objective, Steps};
use crate::domain::order::{Device, Head, Loss};
use crate::nn::loss::Layout;
use crate::nn::network::{Network, Parameter};

/// One network, computed by LibTorch.
#[derive(Debug)]
pub(super) struct Libtorch {
    network: Network,
    parameters: Vec<Parameter>,
    length: usize,
    objective: Objective,
    device: tch::Device,
}

impl Libtorch {
    pub(super) fn new(
        network: &Network,
        objective: Objective,
        device: Device,
        threads: usize,
    ) -> Result<Self, EngineError> {
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
    fn variables(&self, flat: &[f32], learning: bool) -> Result<Vec<Tensor>, EngineError> {
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
    fn upload(&self, inputs: Inputs<'_>) -> Result<Tensor, EngineError> {
        let Inputs { batch, steps, values } = inputs;
        expect_length("inputs", batch * steps * self.network.inputs, values.len())?;
        if values.is_empty() {
            return Err(EngineError::Shape { what: "inputs", expected: self.network.inputs, got: 0 });
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
    fn loss(&self, predictions: &Tensor, batch: Batch<'_>) -> Result<(f64, Tensor), EngineError> {
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
        let total = self.objective.criterion.descend(&mut found, layout, truth, share);
        let slopes = Tensor::f_from_slice(&found)?.f_to_device(self.device)?.f_view_as(predictions)?;
        // Nothing known: 0, or what is not finite.
        Ok((if weight > 0.0 { total / weight } else { total }, predictions.f_mul(&slopes)?.f_sum(Kind::Float)?))
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

    fn predict(
        &mut self,
        parameters: &[f32],
        inputs: Inputs<'_>,
        steps: Steps,
        predictions: &mut Vec<f32>,
    ) -> Result<(), EngineError> {
        let _guard = tch::no_grad_guard();
        let variables = self.variables(parameters, false)?;
        let read = self.upload(inputs)?;
        let found = forward::forward(&self.network, &variables, &read, steps, None)?;
        predictions.resize(found.numel(), 0.0);
        found.f_copy_data(predictions, found.numel())?;
        Ok(())
    }
}

fn expect_length(what: &'static str, expected: usize, got: usize) -> Result<(), EngineError> {
    if got == expected { Ok(()) } else { Err(EngineError::Shape { what, expected, got }) }
}

impl From<TchError> for EngineError {
    /// Keeps the first line: what follows is the library's C++ stack.
    fn from(error: TchError) -> Self {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().to_owned();
        let lower = text.to_lowercase();
        let memory = ["out of memory", "not enough memory", "can't allocate memory"];
        if memory.iter().any(|sign| lower.contains(sign)) { Self::OutOfMemory(line) } else { Self::Backend(line) }
    }
}

/// Zeros where `like` lives.
fn zeros(shape: &[i64], like: &Tensor) -> Result<Tensor, TchError> {
    Tensor::f_zeros(shape, (Kind::Float, like.device()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_ran_out_is_told_apart() {
        let error = |text: &str| EngineError::from(TchError::Torch(text.to_owned()));
        let cpu = "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory\nframe #0: …";
        assert!(matches!(error(cpu), EngineError::OutOfMemory(line) if !line.contains("frame")));
        assert!(matches!(error("CUDA out of memory. Tried to allocate 2 GiB"), EngineError::OutOfMemory(_)));
        assert!(matches!(error("size mismatch\nframe #0: …"), EngineError::Backend(line) if !line.contains("frame")));
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        let zeros = Tensor::f_zeros([1 << 50], (Kind::Float, tch::Device::Cpu)).map_err(EngineError::from);
        assert!(matches!(zeros, Err(EngineError::OutOfMemory(_))), "{zeros:?}");
    }
}

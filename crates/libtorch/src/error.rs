//! Errors on the way to [`EngineError`], which is of another crate and knows nothing of LibTorch.

use gatecast_nn::engine::EngineError;
use tch::TchError;

/// LibTorch failed, or the caller gave it the wrong shapes.
#[derive(Debug)]
pub(super) enum Failed {
    Torch(TchError),
    Engine(EngineError),
}

impl From<TchError> for Failed {
    fn from(error: TchError) -> Self {
        Self::Torch(error)
    }
}

impl From<EngineError> for Failed {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<Failed> for EngineError {
    /// Keeps the first line of LibTorch's message: what follows is its C++ stack.
    fn from(failed: Failed) -> Self {
        let error = match failed {
            Failed::Engine(error) => return error,
            Failed::Torch(error) => error,
        };
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default().to_owned();
        let lower = text.to_lowercase();
        let memory = ["out of memory", "not enough memory", "can't allocate memory"];
        if memory.iter().any(|sign| lower.contains(sign)) { Self::OutOfMemory(line) } else { Self::Backend(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Kind, Tensor};

    #[test]
    fn memory_that_ran_out_is_told_apart() {
        let error = |text: &str| EngineError::from(Failed::from(TchError::Torch(text.to_owned())));
        let cpu = "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory\nframe #0: …";
        assert!(matches!(error(cpu), EngineError::OutOfMemory(line) if !line.contains("frame")));
        assert!(matches!(error("CUDA out of memory. Tried to allocate 2 GiB"), EngineError::OutOfMemory(_)));
        assert!(matches!(error("size mismatch\nframe #0: …"), EngineError::Backend(line) if !line.contains("frame")));
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        let zeros = Tensor::f_zeros([1 << 50], (Kind::Float, tch::Device::Cpu)).map_err(Failed::from);
        let zeros = zeros.map_err(EngineError::from);
        assert!(matches!(zeros, Err(EngineError::OutOfMemory(_))), "{zeros:?}");
    }
}

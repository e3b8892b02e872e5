//! Where the tensor work runs, and on how many threads.

use std::sync::Once;

use gatecast_core::order::Device;
use gatecast_nn::engine::EngineError;

/// Cards that LibTorch can use.
pub fn cards() -> i64 {
    if tch::Cuda::is_available() { tch::Cuda::device_count() } else { 0 }
}

/// The device a choice means on this machine.
pub(super) fn resolve(choice: Device) -> Result<tch::Device, EngineError> {
    let cards = cards();
    match choice {
        Device::Cpu => Ok(tch::Device::Cpu),
        Device::Auto if cards == 0 => Ok(tch::Device::Cpu),
        Device::Auto => Ok(tch::Device::Cuda(0)),
        Device::Cuda(index) if i64::from(index) < cards => Ok(tch::Device::Cuda(index.into())),
        Device::Cuda(_) => Err(EngineError::NoDevice(choice.into())),
    }
}

pub(super) fn name(device: tch::Device) -> String {
    match device {
        tch::Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}

/// Sets the threads of one operation, for the whole process. Operations never run beside each
/// other within one call, so the pool between them is kept at one; LibTorch lets that be set
/// once, before its first parallel work.
pub(super) fn set_threads(threads: usize) {
    static INTEROP: Once = Once::new();
    INTEROP.call_once(|| tch::set_num_interop_threads(1));
    let threads = i32::try_from(threads.max(1)).unwrap_or(i32::MAX);
    if tch::get_num_threads() != threads {
        tch::set_num_threads(threads);
    }
}

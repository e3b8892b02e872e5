//! Checks that a training fits in memory, before it allocates: an error with a reason is better than a kill by the kernel.
//!
//! It is checked twice: before the data is prepared, which copies it, and before the engine is built. The estimates count what
//! grows with the request and leave out what does not, so they are a little low: what is refused would not have fitted. More
//! than the machine (or the control group of this process) has at all is the request's fault; more than is free at the moment
//! is the machine's, and another attempt may find room.

mod data;

pub use data::check_data;

use gatecast_core::order::Optimizer;
use gatecast_model::error::LearnError;
use gatecast_nn::network::{Layer, Network};

const MEBIBYTE: f64 = (1 << 20) as f64;
const SINGLE: u64 = 4;

/// What a training's size depends on.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'n> {
    pub network: &'n Network,
    pub optimizer: Optimizer,
    pub batch: usize,
    /// Points the network reads.
    pub steps: usize,
    pub training_windows: u64,
}

/// Bytes of a training, by what holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Parameters, gradient, best weights, the optimiser's state, and all of it once more while a
    /// checkpoint is written.
    pub weights: u64,
    /// Inputs, targets and what the layers remember of a batch for the way back.
    pub batch: u64,
    /// The order of the windows.
    pub windows: u64,
}

impl Estimate {
    pub fn of(demand: Demand<'_>) -> Self {
        let Demand { network, optimizer, batch, steps, training_windows } = demand;
        let moments = match optimizer {
            Optimizer::Adam { .. } | Optimizer::Adamw { .. } | Optimizer::Nadam { .. } => 2,
            Optimizer::Rmsprop { .. } | Optimizer::Sgd { .. } => 1,
        };
        let parameters = network.parameter_count() as u64;
        let of_step: u64 = network.layers.iter().map(trace).sum();
        let out = (network.output_steps(steps) as u64).saturating_mul(network.outputs as u64);
        let of_window = (steps as u64).saturating_mul(network.inputs as u64 + of_step).saturating_add(out * 2);
        Self {
            weights: parameters.saturating_mul(SINGLE * (5 + 2 * moments)),
            batch: of_window.saturating_mul(batch as u64).saturating_mul(SINGLE),
            windows: training_windows.saturating_mul(SINGLE),
        }
    }

    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.batch).saturating_add(self.windows)
    }

    /// An error if the training does not fit.
    pub fn check(&self, machine: Machine) -> Result<(), LearnError> {
        machine.check("the training", self.total(), || {
            format!(
                "{} for a batch and its activations, {} for weights and the optimiser: lower `training.batch_size`, `data.context` or `model.layers`",
                size(self.batch),
                size(self.weights),
            )
        })
    }
}

/// Numbers a layer keeps of one series at one step: gates, state and output, and their gradients'
/// product with the weights.
fn trace(layer: &Layer) -> u64 {
    layer.outputs() as u64 * layer.cell.spec().numbers_kept
}

fn size(bytes: u64) -> String {
    let mebibytes = bytes as f64 / MEBIBYTE;
    if mebibytes < 1024.0 { format!("{mebibytes:.0} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}

/// The memory of the machine, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// All there is for this process and what else runs in its control group.
    pub limit: u64,
    /// Free, or to be had for the asking.
    pub available: u64,
    /// What this process holds already.
    pub own: u64,
}

impl Machine {
    /// An error if `what` does not fit, with `bytes` more than the process holds already.
    fn check(&self, what: &str, bytes: u64, advice: impl Fn() -> String) -> Result<(), LearnError> {
        if bytes.saturating_add(self.own) > self.limit {
            return Err(LearnError::TooLarge(format!(
                "{what} needs about {} in addition to the {} in use, and this machine has {}; {}",
                size(bytes),
                size(self.own),
                size(self.limit),
                advice(),
            )));
        }
        if bytes > self.available {
            return Err(LearnError::OutOfMemory(format!(
                "{what} needs about {}, and {} are free at the moment",
                size(bytes),
                size(self.available),
            )));
        }
        Ok(())
    }

    /// As this machine tells it; `None` where it does not.
    pub fn here() -> Option<Self> {
        #[cfg(target_os = "linux")]
        return linux::machine();
        #[cfg(not(target_os = "linux"))]
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::Machine;

    pub(super) fn machine() -> Option<Machine> {
        let text = fs::read_to_string("/proc/meminfo").ok()?;
        let (mut limit, mut available) = (field(&text, "MemTotal:")?, field(&text, "MemAvailable:")?);
        let own = fs::read_to_string("/proc/self/status").ok().and_then(|text| field(&text, "VmRSS:")).unwrap_or(0);
        for (of_group, used) in groups() {
            limit = limit.min(of_group);
            available = available.min(of_group.saturating_sub(used));
        }
        Some(Machine { limit, available, own })
    }

    /// `MemTotal:       16316412 kB`, in bytes.
    pub(super) fn field(text: &str, name: &str) -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    }

    /// Limit and use of every control group around this process that has a limit.
    fn groups() -> Vec<(u64, u64)> {
        let Ok(text) = fs::read_to_string("/proc/self/cgroup") else { return Vec::new() };
        text.lines().flat_map(of_line).collect()
    }

    /// `0::/path` (version 2), `5:memory:/path` (version 1). In a container the path may be the
    /// host's, and the group itself stands at the top.
    fn of_line(line: &str) -> Vec<(u64, u64)> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { return Vec::new() };
        let (root, names) = match controllers {
            "" => ("/sys/fs/cgroup", ["memory.max", "memory.current", "inactive_file "]),
            list if list.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "])
            }
            _ => return Vec::new(),
        };
        let mut folder = PathBuf::from(root).join(path.trim_start_matches('/'));
        let mut found = Vec::new();
        while folder.starts_with(root) {
            found.extend(group(&folder, names));
            if !folder.pop() {
                break;
            }
        }
        found
    }

    /// Cached files that nobody used lately are given up before anything else, and count as free.
    fn group(folder: &Path, [limit, used, cached]: [&str; 3]) -> Option<(u64, u64)> {
        let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
        let limit = number(limit)?;
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let cached = stat.lines().find_map(|line| line.strip_prefix(cached)?.trim().parse().ok()).unwrap_or(0);
        Some((limit, number(used)?.saturating_sub(cached)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatecast_core::order::{Cell, Output};

    fn estimate(units: usize, batch: usize) -> Estimate {
        let network = Network::stack(Cell::Lstm, false, 3, &[units], 4, Output::EveryStep);
        let optimizer = Optimizer::default();
        Estimate::of(Demand { network: &network, optimizer, batch, steps: 10, training_windows: 1_000 })
    }

    #[test]
    fn the_estimate_grows_with_what_it_is_made_of() {
        let small = estimate(8, 32);
        let parameters = 4 * 8 * (3 + 8 + 1) + 4 * (8 + 1);
        assert_eq!(small.weights, parameters * 4 * 9);
        assert_eq!(small.batch, 32 * 4 * (10 * (3 + 8 * 10) + 10 * 4 * 2));
        assert_eq!(small.windows, 4_000);
        assert_eq!(estimate(8, 64).batch, 2 * small.batch);
        assert!(estimate(4096, 1 << 20).total() > 1 << 40);
    }

    #[test]
    fn what_no_machine_of_its_size_could_hold_is_the_orders_fault_and_what_is_in_use_is_not() {
        let need = estimate(8, 32);
        let gibibyte = 1 << 30;
        let machine = Machine { limit: 4 * gibibyte, available: 2 * gibibyte, own: 1000 };
        assert!(need.check(machine).is_ok());
        let full = Machine { available: need.total() - 1, ..machine };
        assert_eq!(need.check(full).unwrap_err().code(), "out_of_memory");
        let error = need.check(Machine { limit: need.total() + 999, ..machine }).unwrap_err();
        assert_eq!(error.code(), "too_large");
        assert!(error.to_string().contains("`training.batch_size`"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_says_what_it_has() {
        let here = Machine::here().unwrap();
        assert!(here.own > 0 && here.own < here.limit && here.available <= here.limit, "{here:?}");
        assert_eq!(linux::field("MemFree: 1 kB\nMemTotal:   2048 kB\n", "MemTotal:"), Some(2 << 20));
    }
}

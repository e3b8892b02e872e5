//! Checks that a training fits in memory before it allocates. An error with a reason is better than being killed by
//! the kernel.
//!
//! There are two checks: before the data is prepared, which copies it, and before the engine is built. The estimates
//! include only what grows with the request, so they are slightly low, and a request that is refused would not have
//! fitted. A request that needs more than the limit of the machine (or of the process's control group) is invalid. If
//! it only needs more than is free at the moment, another attempt may succeed.

mod data;

pub use data::check_data;

use gatecast_core::order::Optimizer;
use gatecast_model::error::LearnError;
use gatecast_nn::network::{Layer, Network};

const MEBIBYTE: f64 = (1 << 20) as f64;
const SINGLE: u64 = 4;

/// The values that determine the memory of a training.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'n> {
    pub network: &'n Network,
    pub optimizer: Optimizer,
    pub batch: usize,
    /// The number of points that the network reads.
    pub steps: usize,
    pub training_windows: u64,
}

/// The memory of a training by use, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Parameters, gradient, best weights and optimiser state, and a second copy of all of them while a checkpoint is
    /// written.
    pub weights: u64,
    /// Inputs, targets and the activations of a batch that the backward pass needs.
    pub batch: u64,
    /// The permutation of the windows.
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

    /// Returns an error if the training does not fit.
    pub fn check(&self, machine: Machine) -> Result<(), LearnError> {
        machine.check("the training", self.total(), || {
            format!(
                "{} for a batch and its activations, {} for weights and the optimiser: reduce `training.batch_size`, `data.context` or `model.layers`",
                size(self.batch),
                size(self.weights),
            )
        })
    }
}

/// The number of values that a layer keeps per series and step: gates, state, output, and the products of their
/// gradients with the weights.
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
    /// The total for this process and the others in its control group.
    pub limit: u64,
    /// Free memory, including what the kernel can reclaim.
    pub available: u64,
    /// The memory that this process uses.
    pub own: u64,
}

impl Machine {
    /// Returns an error if `what` does not fit; it needs `bytes` more than the process uses now.
    fn check(&self, what: &str, bytes: u64, advice: impl Fn() -> String) -> Result<(), LearnError> {
        if bytes.saturating_add(self.own) > self.limit {
            return Err(LearnError::TooLarge(format!(
                "{what} needs about {} in addition to the {} in use, but the machine has {}: {}",
                size(bytes),
                size(self.own),
                size(self.limit),
                advice(),
            )));
        }
        if bytes > self.available {
            return Err(LearnError::OutOfMemory(format!(
                "{what} needs about {}, but only {} is free at the moment",
                size(bytes),
                size(self.available),
            )));
        }
        Ok(())
    }

    /// The memory of this machine; `None` if it cannot be determined.
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

    /// Parses a line such as `MemTotal:       16316412 kB` to bytes.
    pub(super) fn field(text: &str, name: &str) -> Option<u64> {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    }

    /// The limit and the usage of every control group above this process that has a limit.
    fn groups() -> Vec<(u64, u64)> {
        let Ok(text) = fs::read_to_string("/proc/self/cgroup") else { return Vec::new() };
        text.lines().flat_map(of_line).collect()
    }

    /// Parses `0::/path` (version 2) and `5:memory:/path` (version 1). In a container the path may be the host's,
    /// while the group itself is mounted at the root.
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

    /// The kernel reclaims inactive cached files first, so they count as free.
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
    fn the_estimate_grows_with_its_inputs() {
        let small = estimate(8, 32);
        let parameters = 4 * 8 * (3 + 8 + 1) + 4 * (8 + 1);
        assert_eq!(small.weights, parameters * 4 * 9);
        assert_eq!(small.batch, 32 * 4 * (10 * (3 + 8 * 10) + 10 * 4 * 2));
        assert_eq!(small.windows, 4_000);
        assert_eq!(estimate(8, 64).batch, 2 * small.batch);
        assert!(estimate(4096, 1 << 20).total() > 1 << 40);
    }

    #[test]
    fn exceeding_the_limit_is_too_large_and_exceeding_free_memory_is_out_of_memory() {
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
    fn the_memory_of_this_machine_is_plausible() {
        let here = Machine::here().unwrap();
        assert!(here.own > 0 && here.own < here.limit && here.available <= here.limit, "{here:?}");
        assert_eq!(linux::field("MemFree: 1 kB\nMemTotal:   2048 kB\n", "MemTotal:"), Some(2 << 20));
    }
}

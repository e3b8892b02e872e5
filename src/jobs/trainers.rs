//! Selects the trainer program: the server's own for the fused engine, or, if it is installed next to it,
//! `gatecast-libtorch` for GPUs and for jobs that request LibTorch.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gatecast_core::order::{Device, EngineChoice};
use gatecast_core::trainer::Task;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// The file name of the LibTorch trainer, in the folder of the server's program.
const LIBTORCH: &str = "gatecast-libtorch";
/// How long the LibTorch trainer may take to list the devices.
const DEVICES_WAIT: Duration = Duration::from_secs(30);

/// The trainer programs of one server.
#[derive(Debug)]
pub struct Trainers {
    own: PathBuf,
    libtorch: Option<PathBuf>,
    devices: OnceCell<Vec<String>>,
}

impl Trainers {
    /// The trainers in the folder of `program`, the server's own program.
    pub fn beside(program: PathBuf) -> Self {
        let libtorch = Some(program.with_file_name(LIBTORCH)).filter(|path| path.is_file());
        Self { own: program, libtorch, devices: OnceCell::new() }
    }

    /// Uses `program` for every job.
    pub fn only(program: PathBuf) -> Self {
        Self { own: program, libtorch: None, devices: OnceCell::new() }
    }

    /// The engines that jobs can request, in the order of preference of `auto`.
    pub fn engines(&self) -> &'static [&'static str] {
        if self.libtorch.is_some() { &["fused", "libtorch"] } else { &["fused"] }
    }

    /// The devices of this machine: `cpu`, then every GPU. The LibTorch trainer is queried once.
    pub async fn devices(&self) -> &[String] {
        self.devices
            .get_or_init(|| async {
                let cpu = vec!["cpu".to_owned()];
                let Some(program) = &self.libtorch else { return cpu };
                match list_devices(program).await {
                    Ok(devices) => devices,
                    Err(error) => {
                        tracing::warn!(program = %program.display(), error, "the LibTorch trainer does not run");
                        cpu
                    }
                }
            })
            .await
    }

    /// The program that runs this task. Backtests use the fused engine.
    pub async fn program_for(&self, task: &Task) -> &Path {
        let Some(libtorch) = &self.libtorch else { return &self.own };
        let training = match task {
            Task::Train(task) => &task.order.training,
            Task::Finetune(task) => &task.train.order.training,
            Task::Backtest(_) => return &self.own,
        };
        let needs_it = match (training.engine, training.device) {
            (EngineChoice::Libtorch, _) | (_, Device::Cuda(_)) => true,
            (EngineChoice::Fused, _) | (EngineChoice::Auto, Device::Cpu) => false,
            (EngineChoice::Auto, Device::Auto) => self.devices().await.len() > 1,
        };
        if needs_it { libtorch } else { &self.own }
    }
}

async fn list_devices(program: &Path) -> Result<Vec<String>, String> {
    let mut command = Command::new(program);
    super::environment::limit(&mut command);
    command.arg("devices").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(DEVICES_WAIT, command.output()).await.map_err(|_| "it does not answer")?;
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(output.status.to_string());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

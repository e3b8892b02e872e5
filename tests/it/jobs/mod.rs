//! The pool and the supervisor, with processes that are started and killed. The trainer is a shell
//! script whose behaviour each test defines.

mod attempts;
mod ends;
mod restart;
mod sweeper;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatecast::jobs::{Pool, PoolConfig, Trainers};
use gatecast_blobs::{Blobs, DataFolder};
use gatecast_core::ids::JobId;
use gatecast_core::job::{Job, JobStatus};
use gatecast_core::metric_values::EpochReport;
use gatecast_store::Store;
use gatecast_store::queue::LeasePolicy;
use tempfile::TempDir;

use crate::store::{manifest, new_dataset, new_job};

/// Much longer than any step takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The start of the trainer script: reads the task and records the attempt. The test's commands follow.
///
/// `$attempt`, `$resume`, `$checkpoint`, `$model` and `$bundle` (a finished model to copy) are set,
/// and each function below is a command.
const TRAINER: &str = r#"
    read -r order
    field() { printf '%s' "$order" | sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^,\"}]*\\).*/\\1/p"; }
    attempt=$(field attempt) resume=$(field resume) checkpoint=$(field checkpoint) model=$(field model)
    here=$(dirname "$0") bundle="$here/bundle"
    printf '%s\n' "$order" >"$here/order-$attempt"
    echo $$ >"$here/pid-$attempt"
    started() { echo '{"event":"started","engine":"fake","device":"cpu","parameters":3,"windows":{"training":1,"validation":1,"test":1},"resumed_after":null}'; }
    epoch() { cp "$bundle" "$checkpoint.part" && mv "$checkpoint.part" "$checkpoint"
        echo "{\"event\":\"epoch\",\"report\":{\"epoch\":$1,\"seconds\":0.5,\"training\":{\"loss\":0.25},\"best\":true}}"; }
    progress() { echo "{\"event\":\"progress\",\"fraction\":$1,\"eta_seconds\":3.5}"; }
    finished() { cp "$bundle" "$model"
        echo "{\"event\":\"finished\",\"metrics\":{\"baselines\":{\"naive\":{},\"seasonal_naive\":{}}},\"best_epoch\":1,\"epochs\":1,\"sha256\":\"$(sha256sum "$model" | cut -d' ' -f1)\",\"bytes\":$(wc -c <"$model")}"; }
    failed() { echo "{\"event\":\"failed\",\"fault\":\"$1\",\"code\":\"$2\",\"detail\":\"said by the trainer\"}"; }
    hang() { cat >/dev/null; exit 0; }
"#;

/// The parts of a server, without HTTP.
pub(crate) struct Server {
    pub(crate) folder: DataFolder,
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) config: PoolConfig,
    pub(crate) home: TempDir,
}

impl Server {
    /// `part` is the trainer's script.
    pub(crate) async fn new(part: &str) -> Self {
        let home = TempDir::new().unwrap();
        write_bundle(&home.path().join("bundle"));
        let server = Self::on(home, part).await;
        server.store.ping().await.unwrap();
        server
    }

    /// Opens an existing folder.
    pub(crate) async fn on(home: TempDir, part: &str) -> Self {
        let script = home.path().join("trainer.sh");
        std::fs::write(&script, format!("{TRAINER}\n{part}\n")).unwrap();
        let folder = DataFolder::open(home.path().join("data")).unwrap();
        let (store, blobs, config) = parts(&folder, &script).await;
        Self { folder, store, blobs, config, home }
    }

    pub(crate) fn start(&self) -> Pool {
        Pool::start(self.store.clone(), self.blobs.clone(), self.config.clone())
    }

    pub(crate) async fn job(&self) -> Job {
        let dataset = self.store.insert_dataset(new_dataset("rail")).await.unwrap();
        self.store.insert_job(new_job(dataset.id)).await.unwrap().unwrap()
    }

    /// Waits until the job satisfies the condition.
    pub(crate) async fn until(&self, job: &Job, wanted: impl Fn(&Job) -> bool) -> Job {
        let mut changes = self.store.changes();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.store.job(job.id).await.unwrap().unwrap();
            if wanted(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "the job did not get there: {found:#?}");
            let _ = tokio::time::timeout(Duration::from_millis(50), changes.recv()).await;
        }
    }

    pub(crate) async fn ended(&self, job: &Job) -> Job {
        self.until(job, |job| job.status.is_final()).await
    }

    /// Waits until the trainer of the attempt has reported its start, and returns its process id.
    pub(crate) async fn training(&self, job: &Job, attempt: u32) -> u32 {
        self.until(job, |job| job.attempt == attempt && job.engine.is_some() && job.status == JobStatus::Running).await;
        let path = self.home.path().join(format!("pid-{attempt}"));
        std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }

    /// The stored epochs of the job, from the first one.
    pub(crate) async fn epochs(&self, job: &Job) -> Vec<EpochReport> {
        self.store.history(job.id, 0, 1_000).await.unwrap().unwrap().epochs
    }

    /// Waits until an epoch is stored, and so its checkpoint.
    pub(crate) async fn first_epoch(&self, job: &Job) {
        let deadline = Instant::now() + PATIENCE;
        while self.epochs(job).await.is_empty() {
            assert!(Instant::now() < deadline, "no epoch ended");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The task that an attempt received.
    pub(crate) fn order(&self, attempt: u32) -> serde_json::Value {
        let text = std::fs::read_to_string(self.home.path().join(format!("order-{attempt}"))).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn work_folder(&self, job: JobId) -> PathBuf {
        self.folder.work().join(job.to_string())
    }

    pub(crate) fn work_is_empty(&self) -> bool {
        std::fs::read_dir(self.folder.work()).map_or(0, Iterator::count) == 0
    }
}

/// The parts of a server on a folder that it has locked.
pub(crate) async fn parts(folder: &DataFolder, script: &Path) -> (Store, Blobs, PoolConfig) {
    let url = format!("sqlite:{}", folder.database().display());
    let store = Store::open(&url.parse().unwrap()).await.unwrap();
    let blobs = Blobs::open(folder.blobs()).unwrap();
    let config = PoolConfig {
        arguments: vec![script.into()],
        terms: LeasePolicy {
            // Longer than `PATIENCE`: no test may depend on leases running out.
            lease: Duration::from_secs(600),
            max_faults: 3,
            first_delay: Duration::from_millis(20),
            longest_delay: Duration::from_millis(50),
            full_disk_delay: Duration::from_millis(20),
        },
        heartbeat: Duration::from_millis(50),
        poll: Duration::from_millis(50),
        ..PoolConfig::new(folder, Arc::new(Trainers::only("/bin/sh".into())))
    };
    (store, blobs, config)
}

/// Writes a safetensors file with one tensor and a manifest.
fn write_bundle(path: &Path) {
    let manifest = serde_json::to_string(&manifest(gatecast_core::ids::DatasetId::new())).unwrap();
    let header = serde_json::json!({
        "__metadata__": {"gatecast": manifest},
        "head.bias": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    });
    let header = header.to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&[0, 0, 128, 63]);
    std::fs::write(path, bytes).unwrap();
}

/// Waits until no process has this id (a zombie counts as gone).
pub(crate) async fn gone(pid: u32) {
    let deadline = Instant::now() + PATIENCE;
    let stands = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some(!stat.rsplit(')').next()?.trim_start().starts_with('Z'))
    };
    while stands().unwrap_or(false) {
        assert!(Instant::now() < deadline, "process {pid} still runs");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

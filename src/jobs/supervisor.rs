//! Runs one attempt of a job: starts the trainer, forwards its events, records the outcome.

use std::path::{Path, PathBuf};

use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::bounded_lines::Line;
use super::child::{self, Trainer};
use super::lease::LeaseKeeper;
use super::outcome::{self, Outcome};
use super::pool::Shared;
use super::{bundle, task, workdir};
use gatecast_blobs::{BlobError, Key};
use gatecast_core::ids::ModelId;
use gatecast_core::job::{Job, JobError, StartFacts};
use gatecast_core::result::JobResult;
use gatecast_core::trainer::{Fault, Task, TrainerEvent};
use gatecast_store::NewModel;
use gatecast_store::queue::{Claim, HeartbeatResponse, ReleaseReason, WriteOutcome};

/// The code of a trainer failure that is caused by a full disk.
const DISK_FULL: &str = "disk_full";

/// Runs the attempt. Errors are recorded in the job and logged; none is returned.
pub(super) async fn run(shared: &Shared, claim: Claim) {
    let Claim { lease, job, order } = claim;
    tracing::info!(job = %job.id, attempt = lease.attempt, "training begins");
    let keeper = LeaseKeeper::new(&shared.store, lease, shared.config.terms);
    let mut attempt = Attempt { shared, keeper, job };
    let outcome = match task::build(shared, &attempt.job, &order, lease).await {
        Ok(task) => {
            let outcome = attempt.train(&task).await;
            attempt.conclude(outcome, task.output().to_owned()).await
        }
        Err(outcome) => attempt.conclude(outcome, PathBuf::new()).await,
    };
    tracing::info!(job = %attempt.job.id, attempt = lease.attempt, %outcome, "the attempt has ended");
    attempt.tidy().await;
}

struct Attempt<'a> {
    shared: &'a Shared,
    keeper: LeaseKeeper<'a>,
    job: Job,
}

/// The trainer's last reported progress.
#[derive(Default)]
struct Progress {
    fraction: f64,
    eta_seconds: Option<f64>,
}

impl Attempt<'_> {
    /// Starts the trainer and waits for its outcome. The process has exited when this returns.
    async fn train(&mut self, task: &Task) -> Outcome {
        let started = Trainer::start(&self.shared.config, task).await;
        let (mut trainer, log) = match started {
            Ok(started) => started,
            Err(error) => {
                tracing::error!(job = %self.job.id, %error, "the trainer cannot be started");
                return Outcome::fault("trainer_not_started", "the server could not start the trainer");
            }
        };
        self.shared.tasks.spawn(child::log(self.job.id, log));
        match self.watch(&mut trainer).await {
            Some(outcome) => {
                trainer.kill().await;
                outcome
            }
            None => Outcome::crashed(trainer.ended().await),
        }
    }

    /// Handles the trainer's events, heartbeats and cancel requests; returns `None` on EOF without a result.
    async fn watch(&mut self, trainer: &mut Trainer) -> Option<Outcome> {
        let mut cancels = self.shared.store.cancels();
        let mut heartbeat = tokio::time::interval(self.shared.config.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut progress = Progress { fraction: self.job.progress, eta_seconds: None };
        loop {
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return Some(Outcome::Shutdown),
                _ = heartbeat.tick() => {}
                cancelled = cancels.recv() => match cancelled {
                    Ok(job) if job != self.job.id => continue,
                    // After missed notifications the heartbeat below checks the cancel flag.
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Some(Outcome::Shutdown),
                },
                line = trainer.events.next() => {
                    match line {
                        Ok(Line::Whole(line)) => {
                            if let Some(outcome) = self.hear(line, &mut progress).await {
                                return Some(outcome);
                            }
                        }
                        Ok(Line::TooLong) => return Some(Outcome::fault("trainer_garbled", "the trainer's report is longer than any")),
                        Ok(Line::End) => return None,
                        Err(error) => {
                            tracing::warn!(job = %self.job.id, %error, "the trainer's events cannot be read any further");
                            return None;
                        }
                    }
                    continue;
                }
            }
            match self.keeper.beat(progress.fraction, progress.eta_seconds).await {
                HeartbeatResponse::Continue => {}
                HeartbeatResponse::Cancel => return Some(Outcome::Cancelled),
                HeartbeatResponse::Lost => return Some(Outcome::Lost),
            }
        }
    }

    /// Handles one event; returns `Some` if it is the trainer's last, or if the lease is lost.
    async fn hear(&mut self, line: &[u8], progress: &mut Progress) -> Option<Outcome> {
        let event = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(job = %self.job.id, %error, "a line of the trainer is no event");
                return Some(Outcome::fault("trainer_garbled", "the trainer's report cannot be read"));
            }
        };
        let written = match event {
            TrainerEvent::Started { engine, device, reason, parameters, windows, resumed_after } => {
                tracing::info!(job = %self.job.id, engine, device, parameters, ?windows, resumed_after, "training");
                let attempt = self.keeper.lease.attempt;
                let facts = StartFacts { attempt, engine, reason, device, parameters, windows, resumed_after };
                self.keeper.write(async |store, lease| store.started(lease, &facts).await).await
            }
            TrainerEvent::Progress { fraction, eta_seconds } => {
                if fraction.is_finite() {
                    progress.fraction = fraction.clamp(0.0, 1.0);
                }
                progress.eta_seconds = eta_seconds.filter(|eta| eta.is_finite() && *eta >= 0.0);
                return None;
            }
            TrainerEvent::Epoch { report } => {
                self.keeper.write(async |store, lease| store.epochs(lease, std::slice::from_ref(&report)).await).await
            }
            TrainerEvent::Epochs { reports } => {
                self.keeper.write(async |store, lease| store.epochs(lease, &reports).await).await
            }
            TrainerEvent::Warning { code, detail } => {
                self.keeper.write(async |store, lease| store.warning(lease, &code, &detail).await).await
            }
            TrainerEvent::Info { code, detail } => {
                self.keeper.write(async |store, lease| store.info(lease, &code, &detail).await).await
            }
            TrainerEvent::Finished { metrics, sha256, bytes, .. } => {
                return Some(Outcome::Finished { metrics, sha256, bytes });
            }
            TrainerEvent::Backtested { result } => return Some(Outcome::Backtested(result)),
            TrainerEvent::Failed { fault: Fault::Order, code, detail } => {
                return Some(Outcome::Failed(JobError { code, detail }));
            }
            TrainerEvent::Failed { fault: Fault::Machine, code, .. } if code == DISK_FULL => {
                return Some(Outcome::DiskFull);
            }
            TrainerEvent::Failed { fault: Fault::Machine, code, detail } => {
                return Some(Outcome::Fault(JobError { code, detail }));
            }
        };
        (written == WriteOutcome::Lost).then_some(Outcome::Lost)
    }

    /// Records the outcome in the store. Returns the recorded outcome.
    async fn conclude(&mut self, outcome: Outcome, left: PathBuf) -> Outcome {
        let terms = self.shared.config.terms;
        let outcome = match outcome {
            Outcome::Finished { metrics, sha256, bytes } => match self.keep_model(&left, sha256, bytes).await {
                Ok(new) => {
                    let written =
                        self.keeper.write(async |store, lease| store.succeed(lease, &metrics, &new).await).await;
                    let sha256 = new.sha256;
                    return if written == WriteOutcome::Done {
                        Outcome::Finished { metrics, sha256, bytes }
                    } else {
                        Outcome::Lost
                    };
                }
                Err(fault) => fault,
            },
            Outcome::Backtested(found) => match self.keep_points(&left).await {
                Ok(()) => {
                    let result = JobResult::Backtest(found.clone());
                    let written = self.keeper.write(async |store, lease| store.conclude(lease, &result).await).await;
                    return if written == WriteOutcome::Done { Outcome::Backtested(found) } else { Outcome::Lost };
                }
                Err(fault) => fault,
            },
            other => other,
        };
        let written = match &outcome {
            Outcome::Failed(error) => self.keeper.write(async |store, lease| store.fail(lease, error).await).await,
            Outcome::Cancelled => self.keeper.write(async |store, lease| store.cancelled(lease).await).await,
            Outcome::Fault(error) => {
                let why = ReleaseReason::Fault(error.clone());
                self.keeper.write(async |store, lease| store.release(lease, &terms, &why).await).await
            }
            Outcome::DiskFull => {
                let why = ReleaseReason::DiskFull(outcome::disk_full());
                self.keeper.write(async |store, lease| store.release(lease, &terms, &why).await).await
            }
            Outcome::Shutdown => {
                self.keeper
                    .write(async |store, lease| store.release(lease, &terms, &ReleaseReason::Shutdown).await)
                    .await
            }
            Outcome::Finished { .. } | Outcome::Backtested(_) | Outcome::Lost => WriteOutcome::Lost,
        };
        if written == WriteOutcome::Done { outcome } else { Outcome::Lost }
    }

    /// Moves the model's file to the blob store. Its row does not exist yet: if it is never written, the
    /// sweeper removes the file. Deleting the file here would be wrong if the row was committed and only the
    /// reply was lost.
    async fn keep_model(&self, file: &std::path::Path, sha256: String, bytes: u64) -> Result<NewModel, Outcome> {
        let path = file.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let manifest = bundle::manifest(&path)?;
            Ok((manifest, std::fs::metadata(&path)?.len()))
        });
        let (manifest, length) = match read.await.map_err(std::io::Error::other).and_then(|read| read) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(job = %self.job.id, %error, "the model's file cannot be read");
                return Err(Outcome::fault("model_unreadable", "the finished model's file could not be read"));
            }
        };
        if length != bytes {
            return Err(Outcome::fault(
                "model_unreadable",
                "the finished model's file is not as long as it was said to be",
            ));
        }
        let id = ModelId::new();
        if let Err(error) = self.shared.blobs.put_file(&Key::model(id), file).await {
            tracing::error!(job = %self.job.id, error = &error as &dyn std::error::Error, "the model cannot be kept");
            return Err(match error {
                BlobError::Full => Outcome::DiskFull,
                _ => Outcome::fault("model_not_stored", "the finished model could not be stored"),
            });
        }
        Ok(NewModel { id, name: self.job.name.clone(), sha256, bytes, manifest })
    }

    /// Moves a backtest's points to the blob store. They replace those of an earlier attempt, which are identical.
    async fn keep_points(&self, file: &Path) -> Result<(), Outcome> {
        let kept = self.shared.blobs.put_file(&Key::backtest_points(self.job.id), file).await;
        kept.map(drop).map_err(|error| {
            tracing::error!(job = %self.job.id, error = &error as &dyn std::error::Error, "the points cannot be kept");
            match error {
                BlobError::Full => Outcome::DiskFull,
                _ => Outcome::fault("points_not_stored", "the backtest's points could not be stored"),
            }
        })
    }

    /// Removes the work folder if the job has ended. After a lost lease the job may be running on another
    /// worker; its folder then remains.
    async fn tidy(&self) {
        let job = self.job.id;
        match self.shared.store.is_job_open(job).await {
            Ok(true) => {}
            Ok(false) => {
                let folder = self.shared.config.work.clone();
                if let Err(error) = tokio::task::spawn_blocking(move || workdir::remove(&folder, job)).await {
                    tracing::warn!(%job, %error, "the work folder of an ended job remains");
                }
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%job, error, "the work folder is left to the sweeper: whether the job is open is unknown");
            }
        }
    }
}

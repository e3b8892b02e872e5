//! Running jobs: a pool that claims them, a supervisor per trainer process, and a sweeper that removes what
//! crashes leave behind.
//!
//! A training attempt is a child process (`gatecast train`); [`gatecast_core::trainer`] defines the protocol.
//! How the outcome of an attempt affects its job:
//!
//! | what happens | the job |
//! |---|---|
//! | the child reports `finished` | the model moves to the blob store, then one transaction writes job, model and event |
//! | `failed`, fault of the spec or its data | fails at once |
//! | `failed`, fault of the machine; a crash; a kill | is requeued with a delay; continues from its newest checkpoint |
//! | the disk is full | is requeued with a delay, without a retry limit; continues from its newest checkpoint |
//! | a cancel | the child is killed, the job is cancelled |
//! | the lease is lost, or cannot be renewed in time | the child is killed and nothing is written |
//! | the server shuts down | the child is killed, the job is requeued at once |
//!
//! **After `kill -9` of the server** its children read EOF on stdin, and exit. The next server on the same
//! data folder reclaims its predecessor's leases ([`gatecast_blobs::DataFolder`] explains why that is safe)
//! and starts a new attempt, perhaps while the old child is still exiting. The file names of every attempt
//! are unique, so the two never write to the same file.
//!
//! **Known limitations.** Checkpoints are local: an attempt on another server starts over. If a model's file
//! has moved to the blob store and writing its job's end then fails, the file remains without a row until the
//! sweeper removes it.

mod bounded_lines;
mod bundle;
mod child;
mod coordinator;
mod environment;
mod lease;
mod outcome;
mod pool;
mod supervised;
mod supervisor;
mod sweeper;
mod task;
mod trainers;
mod workdir;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use gatecast_blobs::DataFolder;
use gatecast_store::queue::LeasePolicy;

pub use pool::Pool;
pub use supervised::LoopHealth;
pub use sweeper::{Swept, sweep};
pub use trainers::Trainers;

/// Settings of the pool.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// The number of jobs that run concurrently; with 0 this server runs none.
    pub workers: usize,
    /// Threads of each trainer's tensor work. A model's bytes depend on it.
    pub threads: usize,
    /// The trainer programs. `arguments` are passed to them.
    pub trainers: Arc<Trainers>,
    pub arguments: Vec<OsString>,
    /// The owner name of this server's leases.
    pub owner: Uuid,
    /// Contains a folder of checkpoints per job.
    pub work: PathBuf,
    pub scratch: PathBuf,
    pub terms: LeasePolicy,
    /// The interval between heartbeats; well below the lease's duration.
    pub heartbeat: Duration,
    /// The interval between polls for jobs if no notification arrives.
    pub poll: Duration,
    /// The time limit for releasing jobs at shutdown.
    pub shutdown: Duration,
    /// The `nice` value of trainer processes, 0 to 19.
    pub niceness: i32,
    /// The interval between sweeps.
    pub sweep: Duration,
    /// Records which of the pool's loops are down.
    pub health: Arc<LoopHealth>,
    /// The age at which a blob without a row counts as left over. It exceeds the time any upload takes from
    /// its file's last byte to its row.
    pub grace: Duration,
}

impl PoolConfig {
    /// One worker with one thread, and the default intervals.
    pub fn new(folder: &DataFolder, trainers: Arc<Trainers>) -> Self {
        Self {
            workers: 1,
            threads: 1,
            trainers,
            arguments: vec!["train".into()],
            owner: folder.owner(),
            work: folder.work(),
            scratch: folder.scratch(),
            terms: LeasePolicy::default(),
            heartbeat: Duration::from_secs(1),
            poll: Duration::from_secs(1),
            shutdown: Duration::from_secs(10),
            niceness: 10,
            sweep: Duration::from_secs(3600),
            health: Arc::default(),
            grace: Duration::from_secs(3600),
        }
    }
}

//! Running jobs: a pool that claims them, a supervisor for each trainer process, and a sweeper for
//! what crashes leave behind.
//!
//! A training attempt is a child process (`gatecast train`); [`gatecast_core::trainer`] says how
//! the two speak. What the supervisor makes of how an attempt goes:
//!
//! | what happens | the job |
//! |---|---|
//! | the child reports `finished` | the model moves to the blobs, then job, model and event end in one transaction |
//! | `failed`, fault of the order | fails at once |
//! | `failed`, fault of the machine; a crash; a kill | goes back with a delay, and continues from its newest checkpoint |
//! | the disk is full | goes back with a delay as often as it takes, and continues from its newest checkpoint |
//! | a cancel | the child is killed, the job is cancelled |
//! | the lease is lost, or cannot be renewed in time | the child is killed and nothing is written |
//! | the server ends | the child is killed, the job goes back at once |
//!
//! **After `kill -9` of the server** its children see EOF on their input, and exit. The next server
//! on the same data folder takes its predecessor's leases back ([`gatecast_blobs::DataFolder`] tells
//! why that is safe) and starts a new attempt, perhaps while the old child is still dying: every
//! attempt writes to files of its own name, so they never meet.
//!
//! **Known and accepted.** Checkpoints are local: an attempt on another server starts over. A
//! model's file that was moved to the blobs just before its job's end failed to be written stays
//! behind without a row, until the sweeper finds it.

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

/// How many jobs run at once here, and how.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Jobs that run at once; with 0 this server runs none.
    pub workers: usize,
    /// Threads of each trainer's tensor work; what a model's bytes depend on.
    pub threads: usize,
    /// The trainer programs, and their arguments.
    pub trainers: Arc<Trainers>,
    pub arguments: Vec<OsString>,
    /// The name under which leases are held.
    pub owner: Uuid,
    /// Holds a folder of checkpoints for each job.
    pub work: PathBuf,
    pub scratch: PathBuf,
    pub terms: LeasePolicy,
    /// From one sign of life to the next; well under the lease.
    pub heartbeat: Duration,
    /// From one look for jobs to the next, where no notice came.
    pub poll: Duration,
    /// How long jobs may take to be handed back at the end.
    pub shutdown: Duration,
    /// How much the trainers give way to the server, from 0 to 19.
    pub niceness: i32,
    /// From one search for left-overs to the next.
    pub sweep: Duration,
    /// Where the pool's loops are reported that have ended.
    pub health: Arc<LoopHealth>,
    /// How old a blob without a row must be to count as left over: longer than any upload takes
    /// from its file's last byte to its row.
    pub grace: Duration,
}

impl PoolConfig {
    /// One worker with one thread, and the usual times.
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

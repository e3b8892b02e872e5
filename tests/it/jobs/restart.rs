//! `kill -9` of the server in the middle of a training.

use std::process::Stdio;
use std::time::{Duration, Instant};

use gatecast::jobs::Pool;
use gatecast_blobs::{DataFolder, folder::FolderError};
use gatecast_core::job::JobStatus;
use tempfile::TempDir;
use tokio::process::Command;

use super::{PATIENCE, Server, gone, parts};

/// The folder of the server below; set when this program starts itself a second time.
const FOLDER: &str = "GATECAST_TEST_SERVER_FOLDER";

const PART: &str = "started; epoch $attempt; if [ $attempt = 1 ]; then hang; else finished; fi";

/// Not a test, but the server that the test below kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by the test below"]
async fn a_server_to_be_killed() {
    let home = std::path::PathBuf::from(std::env::var_os(FOLDER).expect("started by the test below"));
    let folder = DataFolder::open(home.join("data")).unwrap();
    let (store, blobs, config) = parts(&folder, &home.join("trainer.sh")).await;
    let _pool = Pool::start(store, blobs, config);
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_of_a_killed_server_resumes_within_seconds_of_the_restart() {
    let prepared = Server::new(PART).await;
    let job = prepared.job().await;
    let home: TempDir = {
        prepared.store.close().await;
        let Server { folder, home, .. } = prepared;
        drop(folder);
        home
    };
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "jobs::restart::a_server_to_be_killed", "--ignored"])
        .env(FOLDER, home.path())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let checkpoint = home.path().join("data/work").join(job.id.to_string()).join("checkpoint-1.safetensors");
    let deadline = Instant::now() + PATIENCE;
    while !checkpoint.exists() {
        assert!(Instant::now() < deadline, "the training did not begin");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(DataFolder::open(home.path().join("data")), Err(FolderError::InUse(_))), "one server a folder");
    let trainer: u32 = std::fs::read_to_string(home.path().join("pid-1")).unwrap().trim().parse().unwrap();
    server.start_kill().unwrap();
    server.wait().await.unwrap();

    let restarted = Server::on(home, PART).await;
    let begun = Instant::now();
    let pool = restarted.start();
    let ended = restarted.ended(&job).await;
    assert!(begun.elapsed() < restarted.config.terms.lease / 4, "it did not wait for the lease to run out");
    assert_eq!((ended.status, ended.attempt), (JobStatus::Succeeded, 2));
    assert_eq!(restarted.order(2)["resume"], checkpoint.display().to_string());
    gone(trainer).await;
    let models = restarted.store.models(crate::store::all()).await.unwrap();
    assert_eq!(models.items.len(), 1, "it ended once");
    assert!(pool.shutdown().await);
}

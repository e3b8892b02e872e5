//! How the outcome of an attempt becomes the outcome of its job.

use std::sync::Arc;

use gatecast::jobs::Trainers;
use gatecast_blobs::Key;
use gatecast_core::job::JobStatus;

use super::{Server, gone};

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_training_leaves_only_a_model() {
    let server = Server::new("started; progress 0.5; epoch 1; echo 'a word for the log' >&2; finished").await;
    let job = server.job().await;
    let pool = server.start();
    let ended = server.ended(&job).await;
    assert_eq!((ended.status, ended.progress, ended.attempt), (JobStatus::Succeeded, 1.0, 1));
    assert_eq!(ended.engine.as_deref(), Some("fake"));
    assert!(ended.metrics.is_some() && ended.error.is_none());
    assert_eq!(server.epochs(&job).await.len(), 1);

    let model = server.store.model(ended.model.unwrap()).await.unwrap().unwrap();
    let kept = std::fs::read(server.blobs.local(&Key::model(model.id))).unwrap();
    assert_eq!(kept, std::fs::read(server.home.path().join("bundle")).unwrap());
    assert_eq!((model.job, model.bytes, model.name.as_str()), (Some(job.id), kept.len() as u64, "a job"));
    assert_eq!(model.manifest.targets, ["rail"]);

    let order = server.order(1);
    assert_eq!(order["dataset"]["sha256"], "ab".repeat(32));
    assert_eq!(order["resume"], serde_json::Value::Null);
    assert!(pool.shutdown().await);
    assert!(server.work_is_empty(), "the work folder goes with the job");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_request_fails_the_job_at_once() {
    let server = Server::new("started; failed order diverged").await;
    let job = server.job().await;
    let pool = server.start();
    let ended = server.ended(&job).await;
    assert_eq!((ended.status, ended.attempt, ended.model), (JobStatus::Failed, 1, None));
    let error = ended.error.unwrap();
    assert_eq!((error.code.as_str(), error.detail.as_str()), ("diverged", "said by the trainer"));
    assert!(pool.shutdown().await);
    assert!(server.work_is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_machine_are_retried_a_limited_number_of_times() {
    for (part, last) in [
        ("failed machine out_of_memory", "out_of_memory: said by the trainer"),
        ("started; exit 3", "trainer_crashed: the trainer ended with code 3"),
        ("kill -SEGV $$", "trainer_crashed: the trainer was ended by signal 11"),
        ("exit 0", "trainer_crashed: the trainer ended with code 0 and no result"),
        ("echo 'not an event'; hang", "trainer_garbled"),
        ("finished() { echo '{\"event\":\"finished\"}'; }; finished; hang", "trainer_garbled"),
        ("cp() { echo >\"$2\"; }; finished; hang", "model_unreadable"),
    ] {
        let server = Server::new(part).await;
        let job = server.job().await;
        let pool = server.start();
        let ended = server.ended(&job).await;
        let error = ended.error.unwrap();
        assert_eq!((ended.status, ended.attempt), (JobStatus::Failed, 3), "{part}");
        assert_eq!(error.code, "attempts_exhausted", "{part}");
        assert!(error.detail.contains(last), "{part}: {}", error.detail);
        assert!(pool.shutdown().await);
        assert!(server.work_is_empty(), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_trainer_program_is_a_fault_of_the_machine() {
    let mut server = Server::new("").await;
    server.config.trainers = Arc::new(Trainers::only("/nowhere/gatecast".into()));
    let job = server.job().await;
    let pool = server.start();
    let error = server.ended(&job).await.error.unwrap();
    assert!(error.detail.contains("trainer_not_started"), "{}", error.detail);
    assert!(pool.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_kills_the_trainer_and_its_children() {
    // A trainer that ignores EOF on stdin and has a child process.
    let server =
        Server::new("started; sleep 1000 & echo $! >\"$here/part\"; mv \"$here/part\" \"$here/child\"; wait").await;
    let job = server.job().await;
    let pool = server.start();
    let pid = server.training(&job, 1).await;
    server.until(&job, |_| server.home.path().join("child").exists()).await;
    let child: u32 = std::fs::read_to_string(server.home.path().join("child")).unwrap().trim().parse().unwrap();

    let _ = server.store.cancel_job(job.id).await.unwrap();
    let ended = server.ended(&job).await;
    assert_eq!((ended.status, ended.model), (JobStatus::Cancelled, None));
    gone(pid).await;
    gone(child).await;
    assert!(pool.shutdown().await);
    assert!(server.work_is_empty());
}

//! Several attempts at one job: resuming, releasing the job, losing the lease.

use std::time::Instant;

use gatecast_core::job::JobStatus;
use gatecast_store::queue::HeartbeatResponse;
use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinSet;

use super::{Server, gone};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_training_resumes_from_its_checkpoint() {
    let server = Server::new("started; if [ $attempt = 1 ]; then epoch 1; hang; else epoch 2; finished; fi").await;
    let job = server.job().await;
    let pool = server.start();
    let pid = server.training(&job, 1).await;
    server.first_epoch(&job).await;
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();

    let ended = server.ended(&job).await;
    assert_eq!((ended.status, ended.attempt), (JobStatus::Succeeded, 2));
    let checkpoint = server.work_folder(job.id).join("checkpoint-1.safetensors");
    assert_eq!(server.order(2)["resume"], checkpoint.display().to_string());
    assert_ne!(server.order(2)["checkpoint"], server.order(1)["checkpoint"]);
    assert_eq!(server.epochs(&job).await.len(), 2);
    assert!(pool.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_releases_the_job_for_another_worker_at_once() {
    let server = Server::new("started; epoch $attempt; if [ $attempt = 1 ]; then hang; else finished; fi").await;
    let (job, queued) = (server.job().await, server.job().await);
    let pool = server.start();
    let pid = server.training(&job, 1).await;
    server.first_epoch(&job).await;
    assert!(pool.shutdown().await);
    gone(pid).await;
    let back = server.store.job(job.id).await.unwrap().unwrap();
    assert_eq!((back.status, back.error), (JobStatus::Queued, None));
    assert_eq!(server.store.job(queued.id).await.unwrap().unwrap().attempt, 0, "nothing was claimed at the end");

    let second = server.start();
    let ended = server.ended(&job).await;
    assert_eq!((ended.status, ended.attempt), (JobStatus::Succeeded, 2));
    assert!(server.order(2)["resume"].is_string());
    assert!(second.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_lease_stops_and_writes_nothing() {
    let server = Server::new("started; hang").await;
    let job = server.job().await;
    let pool = server.start();
    let pid = server.training(&job, 1).await;
    // Another server considers this one dead. It retries if a heartbeat comes first.
    let lease = loop {
        server.store.reclaim_leases(server.config.owner).await.unwrap();
        if let Some(taken) = server.store.claim(uuid::Uuid::now_v7(), &server.config.terms).await.unwrap() {
            break taken.lease;
        }
    };
    gone(pid).await;
    assert!(pool.shutdown().await);
    let shown = server.store.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.status, shown.attempt), (JobStatus::Running, 2));
    assert!(server.work_folder(job.id).exists(), "the other's files are left alone");
    let beat = server.store.heartbeat(lease, &server.config.terms, 0.1, None).await.unwrap();
    assert_eq!(beat, HeartbeatResponse::Continue);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_workers_are_busy_and_no_job_runs_twice() {
    let mut server = Server::new("started; hang").await;
    server.config.workers = 3;
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(server.job().await);
    }
    let pool = server.start();
    for job in &jobs[..3] {
        server.until(job, |job| job.engine.is_some()).await;
    }
    for job in &jobs[3..] {
        assert_eq!(server.store.job(job.id).await.unwrap().unwrap().status, JobStatus::Queued);
    }
    // The freed worker takes the next job.
    let _ = server.store.cancel_job(jobs[1].id).await.unwrap();
    server.until(&jobs[3], |job| job.engine.is_some()).await;
    assert_eq!(server.store.job(jobs[4].id).await.unwrap().unwrap().status, JobStatus::Queued);
    assert!(pool.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn trainers_run_with_a_lower_priority_than_the_server() {
    let server = Server::new("started; hang").await;
    let job = server.job().await;
    let pool = server.start();
    let pid = server.training(&job, 1).await;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let niceness: i32 = stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse().unwrap();
    assert_eq!(niceness, 10);
    assert_eq!(std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim(), "500");
    assert!(pool.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_jobs_wake_idle_workers_without_polling() {
    let mut server = Server::new("started; finished").await;
    // Notifications must be enough, without polling.
    server.config.poll = super::PATIENCE * 10;
    let pool = server.start();
    let mut orders = JoinSet::new();
    for _ in 0..5 {
        let job = server.job().await;
        orders.spawn(async move { job });
    }
    for job in orders.join_all().await {
        assert_eq!(server.ended(&job).await.status, JobStatus::Succeeded);
    }
    assert!(pool.shutdown().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_waits_for_disk_space_and_resumes() {
    // More often than a job is allowed to fail.
    let part = "started; if [ $attempt = 1 ]; then epoch 1; fi
        if [ $attempt -lt 8 ]; then failed machine disk_full; else epoch 2; finished; fi";
    let server = Server::new(part).await;
    let job = server.job().await;
    let pool = server.start();
    let ended = server.ended(&job).await;
    assert_eq!((ended.status, ended.attempt, ended.error), (JobStatus::Succeeded, 8, None));
    let checkpoint = server.work_folder(job.id).join("checkpoint-1.safetensors");
    assert_eq!(server.order(8)["resume"], checkpoint.display().to_string(), "its checkpoint was kept");
    let events = server.store.events(job.id, 0, 100).await.unwrap();
    let waits = events.iter().filter(|event| event.data["error"]["code"] == "disk_full").count();
    assert_eq!(waits, 7, "{events:#?}");
    assert!(pool.shutdown().await);
}

/// The trainer reports the epochs in many lines; heartbeats and a cancel request are handled in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_training_resumes_after_a_hundred_thousand_epochs() {
    let part = r#"started
        seq 1 100000 | awk '{
            report = "{\"epoch\":" $1 ",\"seconds\":0.5,\"training\":{\"loss\":0.25},\"best\":false}"
            line = line (line == "" ? "" : ",") report
            if ($1 % 250 == 0) { print "{\"event\":\"epochs\",\"reports\":[" line "]}"; line = "" }
        }'
        hang"#;
    let server = Server::new(part).await;
    let job = server.job().await;
    let pool = server.start();
    server.training(&job, 1).await;
    assert_eq!(server.order(1)["known_epochs"], 0);
    let deadline = Instant::now() + super::PATIENCE;
    while server.store.last_epoch(job.id).await.unwrap() < 100_000 {
        assert!(Instant::now() < deadline, "{} epochs", server.store.last_epoch(job.id).await.unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let _ = server.store.cancel_job(job.id).await.unwrap();
    let ended = server.ended(&job).await;
    assert_eq!((ended.status, ended.attempt), (JobStatus::Cancelled, 1));
    assert!(pool.shutdown().await);
}

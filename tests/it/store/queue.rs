//! The queue: claims, leases, fencing, faults and final states.

use std::time::{Duration, Instant};

use gatecast_core::job::{Job, JobError, JobStatus, StartFacts};
use gatecast_core::metric_values::FinalMetrics;
use gatecast_core::trainer::WindowCounts;
use gatecast_store::queue::{Claim, HeartbeatResponse, LeasePolicy, ReleaseReason, WriteOutcome};
use gatecast_store::{Cancellation, Store};
use uuid::Uuid;

use super::{Bed, epoch, new_model, no_lease, on_both, owner, status, terms};

on_both!(
    a_claimed_job_is_not_claimed_by_another_worker,
    a_heartbeat_renews_the_lease_and_reports_a_cancel,
    writes_of_an_earlier_attempt_are_refused,
    an_epoch_written_repeatedly_is_stored_once,
    a_fault_requeues_the_job_with_a_delay,
    faults_without_progress_end_the_job,
    an_epoch_resets_the_number_of_faults,
    a_shutdown_requeues_the_job_without_fault_or_delay,
    a_dead_workers_job_is_claimed_again,
    a_restarted_server_reclaims_its_jobs,
    a_cancel_takes_effect_even_if_its_worker_dies,
    a_full_disk_requeues_the_job_without_a_fault,
    a_heartbeat_without_changes_sends_no_notification,
    jobs_are_claimed_after_the_clock_is_set_back,
    ten_thousand_jobs_are_claimed_in_order,
);

pub(super) async fn claim(store: &Store) -> Claim {
    store.claim(owner(), &terms()).await.unwrap().expect("a job that is due")
}

/// Waits for a job to become due.
async fn claim_soon(store: &Store) -> Claim {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(claim) = store.claim(owner(), &terms()).await.unwrap() {
            return claim;
        }
        assert!(Instant::now() < deadline, "no job became due");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn fault(code: &str) -> ReleaseReason {
    ReleaseReason::Fault(JobError { code: code.to_owned(), detail: "it broke".to_owned() })
}

fn facts(attempt: u32, engine: &str) -> StartFacts {
    StartFacts {
        attempt,
        engine: engine.to_owned(),
        reason: "it is the faster".to_owned(),
        device: "cpu".to_owned(),
        parameters: 12,
        windows: WindowCounts { training: 3, validation: 2, test: 1 },
        resumed_after: None,
    }
}

async fn a_claimed_job_is_not_claimed_by_another_worker(bed: Bed) {
    assert_eq!(bed.store.claim(owner(), &terms()).await.unwrap(), None);
    let job = bed.job().await;
    let claim = claim(&bed.store).await;
    assert_eq!((claim.job.id, claim.lease.attempt, claim.job.attempt), (job.id, 1, 1));
    let shown = bed.store.job(job.id).await.unwrap().unwrap();
    assert!(shown.status == JobStatus::Running && shown.started_at.is_some() && shown.version > job.version);
    assert_eq!(bed.store.claim(owner(), &terms()).await.unwrap(), None, "another owner cannot claim it");

    // A write is repeated, as after a lost response.
    for _ in 0..2 {
        assert_eq!(bed.store.started(claim.lease, &facts(1, "fused")).await.unwrap(), WriteOutcome::Done);
    }
    let shown = bed.store.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.engine.as_deref(), shown.engine_reason.as_deref()), (Some("fused"), Some("it is the faster")));
    assert_eq!(bed.events(&job).await, ["queued", "running", "started"]);
    let told = bed.store.events(job.id, 2, 10).await.unwrap().remove(0);
    assert_eq!(told.data, serde_json::to_value(facts(1, "fused")).unwrap());
}

async fn a_heartbeat_renews_the_lease_and_reports_a_cancel(bed: Bed) {
    let job = bed.job().await;
    let claim = bed.store.claim(owner(), &no_lease()).await.unwrap().unwrap();
    // The lease has expired, but no other worker has claimed the job: the worker may continue.
    let beat = bed.store.heartbeat(claim.lease, &terms(), 0.25, Some(12.5)).await.unwrap();
    assert_eq!(beat, HeartbeatResponse::Continue);
    assert_eq!(bed.store.claim(owner(), &terms()).await.unwrap(), None, "renewed");
    let shown = bed.store.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.progress, shown.eta_seconds), (0.25, Some(12.5)));

    let _ = bed.store.heartbeat(claim.lease, &terms(), 0.25, Some(12.5)).await.unwrap();
    assert_eq!(bed.store.job(job.id).await.unwrap().unwrap().version, shown.version, "nothing new to show");
    let _ = bed.store.heartbeat(claim.lease, &terms(), 0.25, None).await.unwrap();
    assert!(bed.store.job(job.id).await.unwrap().unwrap().version > shown.version);

    assert!(matches!(bed.store.cancel_job(job.id).await.unwrap(), Cancellation::Requested(_)));
    assert_eq!(bed.store.heartbeat(claim.lease, &terms(), 0.5, None).await.unwrap(), HeartbeatResponse::Cancel);
}

async fn writes_of_an_earlier_attempt_are_refused(bed: Bed) {
    let job = bed.job().await;
    let late = bed.store.claim(owner(), &no_lease()).await.unwrap().unwrap().lease;
    let now = claim(&bed.store).await;
    assert_eq!((now.job.id, now.lease.attempt), (job.id, 2));

    let all_lost = async || {
        let before = (bed.store.job(job.id).await.unwrap(), bed.events(&job).await);
        let error = JobError { code: "late".to_owned(), detail: String::new() };
        let model = new_model(job.dataset);
        assert_eq!(bed.store.heartbeat(late, &terms(), 0.9, None).await.unwrap(), HeartbeatResponse::Lost);
        assert_eq!(bed.store.started(late, &facts(1, "late")).await.unwrap(), WriteOutcome::Lost);
        assert_eq!(bed.store.epochs(late, &[epoch(1)]).await.unwrap(), WriteOutcome::Lost);
        assert_eq!(bed.store.warning(late, "late", "").await.unwrap(), WriteOutcome::Lost);
        assert_eq!(bed.store.info(late, "late", "").await.unwrap(), WriteOutcome::Lost);
        assert_eq!(bed.store.succeed(late, &FinalMetrics::default(), &model).await.unwrap(), WriteOutcome::Lost);
        assert_eq!(bed.store.fail(late, &error).await.unwrap(), WriteOutcome::Lost);
        assert_eq!(bed.store.cancelled(late).await.unwrap(), WriteOutcome::Lost);
        assert_eq!(bed.store.release(late, &terms(), &ReleaseReason::Shutdown).await.unwrap(), WriteOutcome::Lost);
        assert_eq!(bed.store.release(late, &terms(), &fault("late")).await.unwrap(), WriteOutcome::Lost);
        assert_eq!(bed.store.model(model.id).await.unwrap(), None);
        assert_eq!(bed.epochs(job.id).await, Some(vec![]));
        assert_eq!((bed.store.job(job.id).await.unwrap(), bed.events(&job).await), before);
    };
    all_lost().await;
    let _ = bed.store.succeed(now.lease, &FinalMetrics::default(), &new_model(job.dataset)).await.unwrap();
    all_lost().await;
    let again = bed.store.succeed(now.lease, &FinalMetrics::default(), &new_model(job.dataset)).await.unwrap();
    assert_eq!(again, WriteOutcome::Lost, "an ended job does not end again");
}

async fn an_epoch_written_repeatedly_is_stored_once(bed: Bed) {
    let job = bed.job().await;
    let first = bed.store.claim(owner(), &no_lease()).await.unwrap().unwrap().lease;
    for number in [1, 2, 2, 1] {
        assert_eq!(bed.store.epochs(first, &[epoch(number)]).await.unwrap(), WriteOutcome::Done);
    }
    // The next attempt's checkpoint is ahead of the store.
    let second = claim(&bed.store).await.lease;
    let history = [epoch(1), epoch(2), epoch(3)];
    assert_eq!(bed.store.started(second, &facts(2, "libtorch")).await.unwrap(), WriteOutcome::Done);
    assert_eq!(bed.store.last_epoch(job.id).await.unwrap(), 2);
    assert_eq!(bed.store.epochs(second, &history).await.unwrap(), WriteOutcome::Done);
    assert_eq!(bed.store.epochs(second, &[epoch(4)]).await.unwrap(), WriteOutcome::Done);
    let expected: Vec<_> = (1..=4).map(epoch).collect();
    assert_eq!(bed.epochs(job.id).await, Some(expected));
    let events = bed.events(&job).await;
    assert_eq!(events, ["queued", "running", "epoch", "epoch", "running", "started", "epoch", "epoch"]);
}

async fn a_fault_requeues_the_job_with_a_delay(bed: Bed) {
    let long = LeasePolicy { first_delay: Duration::from_secs(3600), ..terms() };
    let waiting = bed.job().await;
    let lease = claim(&bed.store).await.lease;
    assert_eq!(bed.store.release(lease, &long, &fault("oom")).await.unwrap(), WriteOutcome::Done);
    let shown = bed.store.job(waiting.id).await.unwrap().unwrap();
    assert_eq!(shown.status, JobStatus::Queued);
    assert_eq!(shown.error.as_ref().map(|error| error.code.as_str()), Some("oom"), "the last fault is shown");
    assert_eq!(bed.store.claim(owner(), &terms()).await.unwrap(), None, "not yet");

    // It does not block other jobs.
    let other = bed.job().await;
    let lease = claim(&bed.store).await.lease;
    assert_eq!(lease.job, other.id);
    let _ = bed.store.release(lease, &terms(), &fault("oom")).await.unwrap();
    let again = claim_soon(&bed.store).await;
    assert_eq!((again.job.id, again.lease.attempt), (other.id, 2));
    let model = new_model(other.dataset);
    let _ = bed.store.succeed(again.lease, &FinalMetrics::default(), &model).await.unwrap();
    assert_eq!(bed.store.job(other.id).await.unwrap().unwrap().error, None, "forgotten once all is well");
}

async fn faults_without_progress_end_the_job(bed: Bed) {
    let job = bed.job().await;
    for code in ["first", "second", "third"] {
        assert_eq!(status(&bed.store, &job).await, JobStatus::Queued);
        let lease = claim_soon(&bed.store).await.lease;
        let _ = bed.store.release(lease, &terms(), &fault(code)).await.unwrap();
    }
    assert_attempts_exhausted(&bed.store, &job, "third: it broke").await;
}

async fn assert_attempts_exhausted(store: &Store, job: &Job, last: &str) {
    let ended = store.job(job.id).await.unwrap().unwrap();
    assert_eq!(ended.status, JobStatus::Failed);
    let error = ended.error.unwrap();
    assert_eq!(error.code, "attempts_exhausted");
    assert!(error.detail.contains(last), "{}", error.detail);
}

async fn an_epoch_resets_the_number_of_faults(bed: Bed) {
    let job = bed.job().await;
    for number in 1..=6 {
        let lease = claim_soon(&bed.store).await.lease;
        let _ = bed.store.epochs(lease, &[epoch(number / 2)]).await.unwrap();
        let _ = bed.store.release(lease, &terms(), &fault("crash")).await.unwrap();
        assert_eq!(status(&bed.store, &job).await, JobStatus::Queued);
    }
}

async fn a_shutdown_requeues_the_job_without_fault_or_delay(bed: Bed) {
    let job = bed.job().await;
    for attempt in 1..=10 {
        let lease = claim(&bed.store).await.lease;
        assert_eq!(lease.attempt, attempt);
        let _ = bed.store.release(lease, &terms(), &ReleaseReason::Shutdown).await.unwrap();
    }
    let shown = bed.store.job(job.id).await.unwrap().unwrap();
    assert_eq!((shown.status, shown.error), (JobStatus::Queued, None));
}

async fn a_dead_workers_job_is_claimed_again(bed: Bed) {
    let job = bed.job().await;
    for attempt in 1..=3 {
        let claim = bed.store.claim(owner(), &no_lease()).await.unwrap().unwrap();
        assert_eq!(claim.lease.attempt, attempt);
    }
    assert_eq!(bed.store.claim(owner(), &no_lease()).await.unwrap(), None, "the third death was one too many");
    assert_attempts_exhausted(&bed.store, &job, "worker_lost").await;
    assert_eq!(bed.events(&job).await, ["queued", "running", "running", "running", "failed"]);
}

async fn a_restarted_server_reclaims_its_jobs(bed: Bed) {
    let (mine, others) = (owner(), owner());
    bed.job().await;
    let lost = bed.store.claim(mine, &terms()).await.unwrap().unwrap();
    bed.job().await;
    let kept = bed.store.claim(others, &terms()).await.unwrap().unwrap();

    let restarted = bed.another().await;
    assert_eq!(restarted.reclaim_leases(mine).await.unwrap(), 1);
    let again = claim(&restarted).await;
    assert_eq!((again.job.id, again.lease.attempt), (lost.job.id, 2));
    assert_eq!(bed.store.heartbeat(lost.lease, &terms(), 0.5, None).await.unwrap(), HeartbeatResponse::Lost);
    assert_eq!(bed.store.heartbeat(kept.lease, &terms(), 0.5, None).await.unwrap(), HeartbeatResponse::Continue);
    assert_eq!(restarted.reclaim_leases(mine).await.unwrap(), 0);
}

async fn a_cancel_takes_effect_even_if_its_worker_dies(bed: Bed) {
    for dies in [true, false] {
        let job = bed.job().await;
        let claim = bed.store.claim(owner(), &no_lease()).await.unwrap().unwrap();
        assert!(matches!(bed.store.cancel_job(job.id).await.unwrap(), Cancellation::Requested(_)));
        if !dies {
            let _ = bed.store.release(claim.lease, &terms(), &ReleaseReason::Shutdown).await.unwrap();
        }
        assert_eq!(bed.store.claim(owner(), &terms()).await.unwrap(), None);
        assert_eq!(status(&bed.store, &job).await, JobStatus::Cancelled);
        assert_eq!(bed.events(&job).await, ["queued", "running", "cancelled"]);
    }
}

async fn ten_thousand_jobs_are_claimed_in_order(bed: Bed) {
    let first = bed.job().await;
    assert!(matches!(bed.store.cancel_job(first.id).await.unwrap(), Cancellation::Cancelled(_)));
    // Copies of one job, the newest first, inserted with one statement: creating 10,000 jobs one by one
    // would be slow.
    let sqlite = bed.url.starts_with("sqlite:");
    let id = match sqlite {
        true => "CAST(printf('%016d', n) AS BLOB)",
        false => "CAST(lpad(to_hex(n), 32, '0') AS UUID)",
    };
    let copy = format!(
        "WITH RECURSIVE numbers(n) AS (SELECT 10000 UNION ALL SELECT n - 1 FROM numbers WHERE n > 1) \
         INSERT INTO jobs (id, kind, name, dataset_id, dataset_revision, job_order, created_at, claimable_at, status) \
         SELECT {id}, kind, name, dataset_id, dataset_revision, job_order, created_at, created_at, 'queued' \
         FROM jobs, numbers WHERE status = 'cancelled'"
    );
    bed.execute(copy).await;
    let owner = owner();
    for number in 1..=10_000_u128 {
        let expected = match sqlite {
            true => Uuid::from_slice(format!("{number:016}").as_bytes()).unwrap(),
            false => Uuid::from_u128(number),
        };
        let claim = bed.store.claim(owner, &terms()).await.unwrap().unwrap();
        assert_eq!(claim.job.id.uuid(), expected);
    }
    assert_eq!(bed.store.claim(owner, &terms()).await.unwrap(), None);
}

async fn a_full_disk_requeues_the_job_without_a_fault(bed: Bed) {
    let job = bed.job().await;
    let full = JobError { code: "disk_full".to_owned(), detail: "no room".to_owned() };
    let long = LeasePolicy { full_disk_delay: Duration::from_secs(3600), ..terms() };
    // Much more often than a job is allowed to fail.
    for _ in 0..3 * terms().max_faults {
        let lease = claim_soon(&bed.store).await.lease;
        let why = ReleaseReason::DiskFull(full.clone());
        assert_eq!(bed.store.release(lease, &terms(), &why).await.unwrap(), WriteOutcome::Done);
        let shown = bed.store.job(job.id).await.unwrap().unwrap();
        assert_eq!((shown.status, shown.error), (JobStatus::Queued, Some(full.clone())));
    }
    let told = bed.store.events(job.id, 2, 1).await.unwrap().remove(0);
    assert_eq!(told.data["error"]["code"], "disk_full");
    let lease = claim_soon(&bed.store).await.lease;
    let _ = bed.store.release(lease, &long, &ReleaseReason::DiskFull(full)).await.unwrap();
    assert_eq!(bed.store.claim(owner(), &long).await.unwrap(), None, "it waits");
}

async fn a_heartbeat_without_changes_sends_no_notification(bed: Bed) {
    let job = bed.job().await;
    let lease = claim(&bed.store).await.lease;
    let _ = bed.store.heartbeat(lease, &terms(), 0.25, Some(3.0)).await.unwrap();
    let mut changes = bed.store.changes();
    let _ = bed.store.heartbeat(lease, &terms(), 0.25, Some(3.0)).await.unwrap();
    assert!(changes.try_recv().is_err(), "nothing has changed");
    let _ = bed.store.heartbeat(lease, &terms(), 0.25, None).await.unwrap();
    assert_eq!(changes.try_recv().unwrap(), job.id);
}

async fn jobs_are_claimed_after_the_clock_is_set_back(bed: Bed) {
    let hours_ahead = "UPDATE jobs SET claimable_at = claimable_at + 9000000000, created_at = created_at + 9000000000";
    // As if the clock had been hours ahead when the job was queued, released and failed.
    bed.job().await;
    bed.execute(hours_ahead.to_owned()).await;
    let first = claim(&bed.store).await.lease;
    let _ = bed.store.release(first, &terms(), &ReleaseReason::Shutdown).await.unwrap();
    bed.execute(hours_ahead.to_owned()).await;
    let second = claim(&bed.store).await.lease;
    let _ = bed.store.release(second, &terms(), &fault("broken")).await.unwrap();
    bed.execute(hours_ahead.to_owned()).await;
    let third = claim(&bed.store).await.lease;
    assert_eq!(third.attempt, 3);
}

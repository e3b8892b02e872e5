//! Invariants under concurrency. Each race runs many times, from separate connections if the database
//! allows it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatecast_core::composite_job;
use gatecast_core::job::JobStatus;
use gatecast_core::metric_values::{FinalMetrics, HoldoutMetrics, Metrics};
use gatecast_store::queue::{HeartbeatResponse, WriteOutcome};
use gatecast_store::{DatasetDeletion, JobDeletion};
use tokio::task::JoinSet;

use super::{Bed, composite_jobs, epoch, new_job, new_model, on_both, owner, status, terms};

on_both!(
    many_workers_never_share_a_job,
    a_concurrent_cancel_and_end_give_one_final_status,
    a_dataset_is_never_deleted_while_a_job_for_it_is_created,
    concurrent_writers_leave_no_gaps_in_the_events,
    a_model_and_the_job_that_chose_it_can_be_deleted_concurrently,
);

async fn many_workers_never_share_a_job(bed: Bed) {
    const JOBS: usize = 200;
    let dataset = bed.dataset().await;
    for _ in 0..JOBS {
        bed.store.insert_job(new_job(dataset)).await.unwrap().unwrap();
    }
    let mut workers = JoinSet::new();
    for worker in 0..12 {
        // Three servers, four workers each.
        let store = if worker % 4 == 0 { bed.another().await } else { bed.store.clone() };
        workers.spawn(async move {
            let owner = owner();
            let mut claimed = Vec::new();
            while let Some(claim) = store.claim(owner, &terms()).await.unwrap() {
                assert_eq!(claim.lease.attempt, 1);
                claimed.push(claim.job.id);
            }
            claimed
        });
    }
    let claimed = workers.join_all().await.concat();
    assert_eq!(claimed.len(), JOBS);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), JOBS);
}

async fn a_concurrent_cancel_and_end_give_one_final_status(bed: Bed) {
    let other = bed.another().await;
    let mut succeeded = 0;
    for round in 0..40 {
        let job = bed.job().await;
        let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
        let model = new_model(job.dataset);
        let metrics = FinalMetrics::default();
        let finish = bed.store.succeed(claim.lease, &metrics, &model);
        let cancel = other.cancel_job(job.id);
        // A worker that learns of the cancel while the end is being written.
        let hear = async {
            match other.heartbeat(claim.lease, &terms(), 0.9, None).await.unwrap() {
                HeartbeatResponse::Cancel => other.cancelled(claim.lease).await.unwrap(),
                HeartbeatResponse::Continue | HeartbeatResponse::Lost => WriteOutcome::Lost,
            }
        };
        let finished = if round % 2 == 0 {
            let (finished, _, _) = tokio::join!(finish, cancel, hear);
            finished.unwrap()
        } else {
            let (_, _, finished) = tokio::join!(cancel, hear, finish);
            finished.unwrap()
        };
        let ended = status(&bed.store, &job).await;
        let kept = bed.store.model(model.id).await.unwrap().is_some();
        assert_eq!(
            (ended == JobStatus::Succeeded, kept),
            (finished == WriteOutcome::Done, finished == WriteOutcome::Done)
        );
        let events = bed.events(&job).await;
        assert_eq!(events.len(), 3, "{events:?}");
        assert_eq!(events[2], ended.name());
        assert!(ended.is_final());
        succeeded += u32::from(ended == JobStatus::Succeeded);
    }
    assert!(succeeded > 0, "the race was always lost by the worker");
}

async fn a_dataset_is_never_deleted_while_a_job_for_it_is_created(bed: Bed) {
    let other = bed.another().await;
    let (mut ordered, mut deleted) = (0, 0);
    for round in 0..40 {
        let dataset = bed.dataset().await;
        let order = bed.store.insert_job(new_job(dataset));
        let delete = other.delete_dataset(dataset);
        let (job, deletion) = if round % 2 == 0 {
            tokio::join!(order, delete)
        } else {
            let (deletion, job) = tokio::join!(delete, order);
            (job, deletion)
        };
        match (job.unwrap(), deletion.unwrap()) {
            (Some(job), DatasetDeletion::NeededBy(needs)) => {
                assert_eq!(needs, job.id);
                ordered += 1;
            }
            (None, DatasetDeletion::Deleted(_)) => deleted += 1,
            both => panic!("{both:?}"),
        }
    }
    assert_eq!(ordered + deleted, 40);
}

async fn concurrent_writers_leave_no_gaps_in_the_events(bed: Bed) {
    let job = bed.job().await;
    let lease = bed.store.claim(owner(), &terms()).await.unwrap().unwrap().lease;
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, done) = (bed.another().await, Arc::clone(&done));
        JoinSet::from_iter([async move {
            let mut last = 0;
            loop {
                let ended = done.load(Ordering::SeqCst);
                for event in store.events(lease.job, last, 1000).await.unwrap() {
                    assert_eq!(event.sequence, last + 1, "a reader never sees a later event first");
                    last = event.sequence;
                }
                if ended {
                    return last;
                }
            }
        }])
    };
    let mut writers = JoinSet::new();
    for writer in 0..6_u32 {
        let store = if writer % 2 == 0 { bed.another().await } else { bed.store.clone() };
        writers.spawn(async move {
            for number in 0..20 {
                let _ = store.epochs(lease, &[epoch(1 + number)]).await.unwrap();
                let _ = store.warning(lease, "w", "").await.unwrap();
                let _ = store.heartbeat(lease, &terms(), f64::from(number) / 20.0, None).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    done.store(true, Ordering::SeqCst);
    assert_eq!(reader.join_all().await, [2 + 20 + 6 * 20]);
    assert_eq!(bed.events(&job).await.len(), 2 + 20 + 6 * 20);
    assert_eq!(bed.epochs(job.id).await.unwrap().len(), 20);
}

/// Both lock the comparison and its trainings; with different lock orders they would deadlock.
async fn a_model_and_the_job_that_chose_it_can_be_deleted_concurrently(bed: Bed) {
    let other = bed.another().await;
    for round in 0..30 {
        let parent = composite_jobs::parent(&bed).await;
        let mut models = Vec::new();
        for mae in [1.0, 2.0] {
            let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
            let held_out = HoldoutMetrics { validation: Some(Metrics { mae, ..Metrics::default() }), test: None };
            let metrics = FinalMetrics { model: held_out, ..FinalMetrics::default() };
            let model = new_model(parent.dataset);
            let _ = bed.store.succeed(claim.lease, &metrics, &model).await.unwrap();
            models.push(model.id);
        }
        assert!(bed.store.advance(parent.id, composite_job::next).await.unwrap().acted);
        let (first, second, job) = if round % 2 == 0 {
            tokio::join!(
                bed.store.delete_model(models[0]),
                other.delete_model(models[1]),
                bed.store.delete_job(parent.id)
            )
        } else {
            let (job, second, first) = tokio::join!(
                other.delete_job(parent.id),
                bed.store.delete_model(models[1]),
                other.delete_model(models[0])
            );
            (first, second, job)
        };
        assert!(first.unwrap() && second.unwrap());
        assert_eq!(job.unwrap(), JobDeletion::Deleted);
    }
}

//! Jobs as the API shows them.

use gatecast_core::ids::JobId;
use gatecast_core::job::{JobKind, JobStatus};
use gatecast_store::{Cancellation, JobDeletion, JobFilter, Page};

use super::{Bed, all, epoch, new_job, on_both, owner, terms};

on_both!(
    a_job_is_read_back_unchanged,
    a_row_with_a_field_of_a_newer_program_is_run,
    lists_are_filtered_and_paged,
    the_effect_of_a_cancel_depends_on_the_status,
    only_an_ended_job_can_be_deleted,
    changes_are_announced_after_they_are_committed,
);

async fn a_job_is_read_back_unchanged(bed: Bed) {
    let parent = bed.job().await;
    let mut new = new_job(bed.dataset().await);
    new.parent = Some(parent.id);
    let job = bed.store.insert_job(new.clone()).await.unwrap().unwrap();
    assert_eq!(bed.store.job(job.id).await.unwrap().as_ref(), Some(&job));
    assert_eq!((job.status, job.attempt, job.progress), (JobStatus::Queued, 0, 0.0));
    assert_eq!((job.kind, job.name.as_str(), job.parent), (JobKind::Train, "a job", Some(parent.id)));
    assert_eq!((job.order.as_ref(), job.dataset, job.dataset_revision), (Some(&new.order), new.dataset, 1));
    assert!(job.started_at.is_none() && job.finished_at.is_none() && job.error.is_none() && job.model.is_none());
    assert_eq!(bed.events(&job).await, ["queued"]);
    assert_eq!(bed.epochs(job.id).await, Some(vec![]));
    assert_eq!(bed.epochs(JobId::new()).await, None);
    assert_eq!(bed.store.job(JobId::new()).await.unwrap(), None);
}

async fn a_row_with_a_field_of_a_newer_program_is_run(bed: Bed) {
    let job = bed.job().await;
    let added = r#"'"stride":1', '"stride":1,"added":{"later":[1]}'"#;
    bed.execute(format!("UPDATE jobs SET job_order = REPLACE(job_order, {added})")).await;
    let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
    assert_eq!((claim.job.id, claim.job.order), (job.id, job.order));
}

async fn lists_are_filtered_and_paged(bed: Bed) {
    let dataset = bed.dataset().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(bed.store.insert_job(new_job(dataset)).await.unwrap().unwrap().id);
        bed.job().await;
    }
    let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
    assert_eq!(claim.job.id, ids[0]);
    ids.reverse();

    let list = async |filter, page| {
        let page = bed.store.jobs(filter, page).await.unwrap();
        (page.items.into_iter().map(|job| job.id).collect::<Vec<_>>(), page.next)
    };
    let of_dataset = JobFilter { dataset: Some(dataset), ..JobFilter::default() };
    assert_eq!(list(of_dataset, all()).await, (ids.clone(), None));
    let (first, next) = list(of_dataset, Page { limit: 2, after: None }).await;
    assert_eq!((first, next), (ids[..2].to_vec(), Some(ids[1].uuid())));
    assert_eq!(list(of_dataset, Page { limit: 3, after: next }).await, (ids[2..].to_vec(), None));

    let queued = JobFilter { status: Some(JobStatus::Queued), ..of_dataset };
    assert_eq!(list(queued, all()).await, (ids[..4].to_vec(), None));
    let running = JobFilter { status: Some(JobStatus::Running), kind: Some(JobKind::Train), ..JobFilter::default() };
    assert_eq!(list(running, all()).await, (vec![claim.job.id], None));
    assert_eq!(list(JobFilter::default(), all()).await.0.len(), 10);
}

async fn the_effect_of_a_cancel_depends_on_the_status(bed: Bed) {
    let job = bed.job().await;
    let Cancellation::Cancelled(cancelled) = bed.store.cancel_job(job.id).await.unwrap() else { panic!("cancelled") };
    assert_eq!(cancelled.status, JobStatus::Cancelled);
    assert!(cancelled.finished_at.is_some() && cancelled.version > job.version);
    assert!(matches!(bed.store.cancel_job(job.id).await.unwrap(), Cancellation::AlreadyEnded(_)));
    assert_eq!(bed.events(&job).await, ["queued", "cancelled"]);
    assert_eq!(bed.store.claim(owner(), &terms()).await.unwrap(), None, "a cancelled job is never claimed");

    let running = bed.job().await;
    let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
    let Cancellation::Requested(asked) = bed.store.cancel_job(running.id).await.unwrap() else { panic!("requested") };
    assert!(asked.cancel_requested && asked.status == JobStatus::Running && asked.version > claim.job.version);
    let Cancellation::Requested(again) = bed.store.cancel_job(running.id).await.unwrap() else { panic!("requested") };
    assert_eq!(again, asked, "asking twice changes nothing");
    let _ = bed.store.cancelled(claim.lease).await.unwrap();
    let ended = bed.store.job(running.id).await.unwrap().unwrap();
    assert!(ended.status == JobStatus::Cancelled && !ended.cancel_requested);
    assert!(matches!(bed.store.cancel_job(JobId::new()).await.unwrap(), Cancellation::NotFound));
}

async fn only_an_ended_job_can_be_deleted(bed: Bed) {
    let job = bed.job().await;
    assert_eq!(bed.store.delete_job(job.id).await.unwrap(), JobDeletion::NotEnded(JobStatus::Queued));
    let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
    let _ = bed.store.epochs(claim.lease, &[epoch(1)]).await.unwrap();
    assert_eq!(bed.store.delete_job(job.id).await.unwrap(), JobDeletion::NotEnded(JobStatus::Running));
    assert!(bed.store.is_job_open(job.id).await.unwrap());

    let _ = bed.store.cancelled(claim.lease).await.unwrap();
    assert!(!bed.store.is_job_open(job.id).await.unwrap());
    assert_eq!(bed.store.delete_job(job.id).await.unwrap(), JobDeletion::Deleted);
    assert_eq!(bed.store.delete_job(job.id).await.unwrap(), JobDeletion::NotFound);
    assert_eq!(bed.epochs(job.id).await, None);
    assert_eq!(bed.store.events(job.id, 0, 10).await.unwrap(), []);
}

async fn changes_are_announced_after_they_are_committed(bed: Bed) {
    let mut changes = bed.store.changes();
    let job = bed.job().await;
    assert_eq!(changes.recv().await.unwrap(), job.id);
    let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
    assert_eq!(changes.recv().await.unwrap(), job.id);
    let _ = bed.store.warning(claim.lease, "plateau", "no progress").await.unwrap();
    assert_eq!(changes.recv().await.unwrap(), job.id);
    let events = bed.store.events(job.id, 2, 10).await.unwrap();
    assert_eq!(events.len(), 1, "what was told of can be read");
    assert_eq!(events[0].data["code"], "plateau");
}

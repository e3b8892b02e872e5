//! Rows that this version cannot read: they must not block other jobs.

use gatecast_core::composite_job;
use gatecast_core::job::{Job, JobStatus};
use gatecast_store::{Cancellation, JobDeletion, JobFilter, NewJob};

use super::{Bed, all, composite_jobs, new_job, on_both, owner, status, terms};

on_both!(
    an_unreadable_spec_fails_its_job_and_the_next_job_runs,
    an_unreadable_job_is_shown_listed_cancelled_and_deleted,
    an_unreadable_parent_ends_with_its_children,
);

/// Specs that another version might have written, and one that no version has.
const UNREADABLE: [&str; 3] =
    [r#"{"version": 99, "kind": "train"}"#, r#"{"version": 1, "kind": "dream", "dataset": 1}"#, "not JSON at al"];

/// A queued job whose spec is replaced.
async fn unreadable(bed: &Bed, name: &str, order: &str) -> Job {
    let dataset = bed.dataset().await;
    let new = NewJob { name: name.to_owned(), ..new_job(dataset) };
    let job = bed.store.insert_job(new).await.unwrap().unwrap();
    bed.execute(format!("UPDATE jobs SET job_order = '{order}' WHERE name = '{name}'")).await;
    job
}

async fn an_unreadable_spec_fails_its_job_and_the_next_job_runs(bed: Bed) {
    let mut bad = Vec::new();
    for (number, order) in UNREADABLE.iter().enumerate() {
        bad.push(unreadable(&bed, &format!("bad {number}"), order).await);
    }
    let good = bed.job().await;
    let claim = bed.store.claim(owner(), &terms()).await.unwrap().expect("the readable job");
    assert_eq!(claim.job.id, good.id);
    for job in &bad {
        let ended = bed.store.job(job.id).await.unwrap().unwrap();
        assert_eq!((ended.status, &ended.order), (JobStatus::Failed, &None));
        assert_eq!(ended.error.unwrap().code, "order_unreadable");
        assert_eq!(bed.events(job).await, ["queued", "failed"]);
    }
}

async fn an_unreadable_job_is_shown_listed_cancelled_and_deleted(bed: Bed) {
    let bad = unreadable(&bed, "bad", UNREADABLE[0]).await;
    let good = bed.job().await;
    let listed = bed.store.jobs(JobFilter::default(), all()).await.unwrap().items;
    assert_eq!(listed.iter().map(|job| job.id).collect::<Vec<_>>(), [good.id, bad.id]);
    assert_eq!(bed.store.job(bad.id).await.unwrap().unwrap().order, None);
    assert!(matches!(bed.store.cancel_job(bad.id).await.unwrap(), Cancellation::Cancelled(_)));
    assert_eq!(bed.store.delete_job(bad.id).await.unwrap(), JobDeletion::Deleted);
    assert_eq!(bed.store.job(bad.id).await.unwrap(), None);
}

async fn an_unreadable_parent_ends_with_its_children(bed: Bed) {
    let parent = composite_jobs::parent(&bed).await;
    bed.execute(format!("UPDATE jobs SET job_order = '{}' WHERE coordinates = 1", UNREADABLE[0])).await;
    assert!(bed.store.advance(parent.id, composite_job::next).await.unwrap().acted);
    assert_eq!(status(&bed.store, &parent).await, JobStatus::Failed);
    assert!(bed.store.open_composites().await.unwrap().is_empty());
    assert_eq!(bed.store.claim(owner(), &terms()).await.unwrap(), None, "its children were cancelled");
    assert_eq!(bed.store.delete_job(parent.id).await.unwrap(), JobDeletion::Deleted);
}

//! Datasets: stored unchanged, listed newest first, and not deleted while a job needs them.

use gatecast_core::ids::DatasetId;
use gatecast_store::{Cancellation, DatasetDeletion, Page, Revision};

use super::{Bed, new_dataset, new_job, on_both, owner, terms};

on_both!(
    a_dataset_is_read_back_unchanged,
    lists_are_paged_newest_first,
    a_dataset_is_not_deleted_while_a_job_needs_it,
    a_job_needs_an_existing_dataset,
);

async fn a_dataset_is_read_back_unchanged(bed: Bed) {
    assert!(bed.store.is_empty().await.unwrap());
    let new = new_dataset("naïve 🚆 'quoted'");
    let kept = bed.store.insert_dataset(new.clone()).await.unwrap();
    assert_eq!((kept.id, &kept.name, kept.revision), (new.id, &new.name, 1));
    assert_eq!((&kept.sha256, kept.bytes, &kept.profile), (&new.sha256, new.bytes, &new.profile));
    assert_eq!(bed.store.dataset(new.id).await.unwrap(), Some(kept));
    assert_eq!(bed.store.dataset(DatasetId::new()).await.unwrap(), None);
    assert!(!bed.store.is_empty().await.unwrap());

    let revision = Revision { dataset: new.id, revision: 1, sha256: new.sha256.clone() };
    assert_eq!(bed.store.revision(new.id, 1).await.unwrap(), Some(revision.clone()));
    assert_eq!(bed.store.revision(new.id, 2).await.unwrap(), None);
    assert!(bed.store.has_revision(new.id, &new.sha256).await.unwrap());

    assert_eq!(bed.store.delete_dataset(new.id).await.unwrap(), DatasetDeletion::Deleted(vec![revision]));
    assert_eq!(bed.store.delete_dataset(new.id).await.unwrap(), DatasetDeletion::NotFound);
    assert!(!bed.store.has_revision(new.id, &new.sha256).await.unwrap());
}

async fn lists_are_paged_newest_first(bed: Bed) {
    for number in 0..7 {
        bed.store.insert_dataset(new_dataset(&format!("set {number}"))).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut after = None;
    for expected in [3, 3, 1] {
        let page = bed.store.datasets(Page { limit: 3, after }).await.unwrap();
        assert_eq!(page.items.len(), expected);
        seen.extend(page.items.into_iter().map(|dataset| dataset.name));
        // A new dataset does not shift the following pages.
        bed.store.insert_dataset(new_dataset("late")).await.unwrap();
        after = page.next;
    }
    assert_eq!(after, None);
    assert_eq!(seen, ["set 6", "set 5", "set 4", "set 3", "set 2", "set 1", "set 0"]);
    let exact = bed.store.datasets(Page { limit: 10, after: None }).await.unwrap();
    assert_eq!((exact.items.len(), exact.next), (10, None), "a full last page has no next one");
}

async fn a_dataset_is_not_deleted_while_a_job_needs_it(bed: Bed) {
    let dataset = bed.dataset().await;
    let first = bed.store.insert_job(new_job(dataset)).await.unwrap().unwrap();
    let second = bed.store.insert_job(new_job(dataset)).await.unwrap().unwrap();
    assert_eq!(bed.store.delete_dataset(dataset).await.unwrap(), DatasetDeletion::NeededBy(first.id));

    let claim = bed.store.claim(owner(), &terms()).await.unwrap().unwrap();
    assert_eq!(bed.store.delete_dataset(dataset).await.unwrap(), DatasetDeletion::NeededBy(first.id));

    let _ = bed.store.cancelled(claim.lease).await.unwrap();
    assert_eq!(bed.store.delete_dataset(dataset).await.unwrap(), DatasetDeletion::NeededBy(second.id));

    assert!(matches!(bed.store.cancel_job(second.id).await.unwrap(), Cancellation::Cancelled(_)));
    assert!(matches!(bed.store.delete_dataset(dataset).await.unwrap(), DatasetDeletion::Deleted(_)));
    let job = bed.store.job(first.id).await.unwrap().unwrap();
    assert_eq!(job.dataset, dataset, "the ended job still says what it was about");
}

async fn a_job_needs_an_existing_dataset(bed: Bed) {
    assert_eq!(bed.store.insert_job(new_job(DatasetId::new())).await.unwrap(), None);
    let mut wrong_revision = new_job(bed.dataset().await);
    wrong_revision.dataset_revision = 2;
    assert_eq!(bed.store.insert_job(wrong_revision).await.unwrap(), None);
}

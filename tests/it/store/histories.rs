//! Long histories: written in batches, read in pages, deleted in parts.

use std::time::{Duration, Instant};

use gatecast_core::job::JobEventKind;
use gatecast_core::metric_values::EpochReport;
use gatecast_store::JobDeletion;
use gatecast_store::queue::WriteOutcome;
use serde_json::json;

use super::{Bed, epoch, on_both, owner, terms};

on_both!(
    a_hundred_thousand_epochs_are_stored_paged_and_deleted,
    each_epoch_and_its_event_are_stored_once,
    a_deletion_does_not_block_other_writers,
);

const EPOCHS: u32 = 100_000;

async fn a_hundred_thousand_epochs_are_stored_paged_and_deleted(bed: Bed) {
    let job = bed.job().await;
    let lease = bed.store.claim(owner(), &terms()).await.unwrap().unwrap().lease;
    let all: Vec<EpochReport> = (1..=EPOCHS).map(epoch).collect();
    for batch in all.chunks(250) {
        assert_eq!(bed.store.epochs(lease, batch).await.unwrap(), WriteOutcome::Done);
    }
    assert_eq!(bed.store.last_epoch(job.id).await.unwrap(), EPOCHS);

    let (mut after, mut seen) = (0, 0);
    loop {
        let page = bed.store.history(job.id, after, 7_000).await.unwrap().unwrap();
        assert!(page.epochs.iter().zip(seen + 1..).all(|(report, number)| report.epoch == number));
        seen += page.epochs.len() as u32;
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(seen, EPOCHS);

    let _ = bed.store.cancelled(lease).await.unwrap();
    assert_eq!(bed.store.delete_job(job.id).await.unwrap(), JobDeletion::Deleted);
    assert_eq!(bed.store.last_epoch(job.id).await.unwrap(), 0);
    assert!(bed.store.events(job.id, 0, 10).await.unwrap().is_empty());
}

async fn each_epoch_and_its_event_are_stored_once(bed: Bed) {
    let job = bed.job().await;
    let lease = bed.store.claim(owner(), &terms()).await.unwrap().unwrap().lease;
    let _ = bed.store.epochs(lease, &[epoch(1), epoch(2)]).await.unwrap();
    // A repeated write, and one that overlaps stored epochs.
    let _ = bed.store.epochs(lease, &[epoch(1), epoch(2)]).await.unwrap();
    let _ = bed.store.epochs(lease, &[epoch(2), epoch(3)]).await.unwrap();
    assert_eq!(bed.epochs(job.id).await, Some(vec![epoch(1), epoch(2), epoch(3)]));
    assert_eq!(bed.events(&job).await, ["queued", "running", "epoch", "epoch", "epoch"]);
    let events = bed.store.events(job.id, 2, 10).await.unwrap();
    assert!(events.iter().all(|event| event.kind == JobEventKind::Epoch));
    assert_eq!(events.iter().map(|event| event.data.clone()).collect::<Vec<_>>(), [1, 2, 3].map(|n| json!(epoch(n))));
}

async fn a_deletion_does_not_block_other_writers(bed: Bed) {
    let (long, other) = (bed.job().await, bed.job().await);
    let lease = bed.store.claim(owner(), &terms()).await.unwrap().unwrap().lease;
    let kept = bed.store.claim(owner(), &terms()).await.unwrap().unwrap().lease;
    assert_eq!((lease.job, kept.job), (long.id, other.id));
    let all: Vec<EpochReport> = (1..=20_000).map(epoch).collect();
    for batch in all.chunks(1_000) {
        let _ = bed.store.epochs(lease, batch).await.unwrap();
    }
    let _ = bed.store.cancelled(lease).await.unwrap();
    let (delete, policy) = (bed.store.delete_job(long.id), terms());
    tokio::pin!(delete);
    let (mut beats, mut longest) = (0, Duration::ZERO);
    let deleted = loop {
        let asked = Instant::now();
        tokio::select! {
            biased;
            deleted = &mut delete => break deleted.unwrap(),
            beat = bed.store.heartbeat(kept, &policy, f64::from(beats) / 1e6, None) => {
                let _ = beat.unwrap();
                beats += 1;
                longest = longest.max(asked.elapsed());
            }
        }
    };
    assert_eq!(deleted, JobDeletion::Deleted);
    assert!(beats >= 5, "{beats} heartbeats during the deletion, the longest took {longest:?}");
}

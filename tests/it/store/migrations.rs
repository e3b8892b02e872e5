//! Opening an existing database.

use gatecast_core::metric_values::FinalMetrics;
use gatecast_store::{JobFilter, Store, StoreError};
use tokio::task::JoinSet;

use super::{Bed, all, epoch, new_model, on_both, owner, terms};

on_both!(
    stored_rows_are_read_after_a_restart,
    concurrent_starts_migrate_once,
    a_database_of_a_newer_program_is_refused,
    rows_of_an_earlier_version_are_migrated_and_read,
);

async fn stored_rows_are_read_after_a_restart(bed: Bed) {
    let job = bed.job().await;
    let lease = bed.store.claim(owner(), &terms()).await.unwrap().unwrap().lease;
    let _ = bed.store.epochs(lease, &[epoch(1)]).await.unwrap();
    let model = new_model(job.dataset);
    let _ = bed.store.succeed(lease, &FinalMetrics::default(), &model).await.unwrap();
    bed.job().await;
    let everything = async |store: &Store| {
        (
            store.datasets(all()).await.unwrap(),
            store.jobs(JobFilter::default(), all()).await.unwrap(),
            store.models(all()).await.unwrap(),
            store.history(job.id, 0, 10).await.unwrap(),
            store.events(job.id, 0, 100).await.unwrap(),
        )
    };
    let before = everything(&bed.store).await;
    assert_eq!((before.0.items.len(), before.1.items.len(), before.2.items.len()), (2, 2, 1));
    bed.store.close().await;
    assert!(bed.store.ping().await.is_err());
    assert_eq!(everything(&bed.another().await).await, before);
}

async fn concurrent_starts_migrate_once(bed: Bed) {
    // The state before the first migration is a new database.
    // Jobs and models reference each other.
    let cascade = if bed.url.starts_with("sqlite:") { "" } else { " CASCADE" };
    for table in [
        "storage",
        "aliases",
        "job_events",
        "job_epochs",
        "models",
        "jobs",
        "dataset_revisions",
        "datasets",
        "_sqlx_migrations",
    ] {
        bed.execute(format!("DROP TABLE {table}{cascade}")).await;
    }
    let mut servers = JoinSet::new();
    for _ in 0..4 {
        let bed = bed.clone();
        servers.spawn(async move { bed.another().await });
    }
    for server in servers.join_all().await {
        assert!(server.is_empty().await.unwrap());
    }
}

async fn a_database_of_a_newer_program_is_refused(bed: Bed) {
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 SELECT 99, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    bed.execute(newer.to_owned()).await;
    match Store::open(&bed.address()).await {
        Err(StoreError::Newer { found: 99, .. }) => {}
        other => panic!("{other:?}"),
    }
}

/// Reverts the fourth migration, so that the next start applies it to a database with rows.
async fn rows_of_an_earlier_version_are_migrated_and_read(bed: Bed) {
    let job = bed.job().await;
    let lease = bed.store.claim(owner(), &terms()).await.unwrap().unwrap().lease;
    let _ = bed.store.epochs(lease, &[epoch(1)]).await.unwrap();
    let model = new_model(job.dataset);
    let _ = bed.store.succeed(lease, &FinalMetrics::default(), &model).await.unwrap();
    let other = new_model(job.dataset);
    bed.store.insert_model(other.clone()).await.unwrap();
    let queued = bed.job().await;
    let events = bed.store.events(job.id, 0, 10).await.unwrap();
    bed.store.close().await;
    bed.execute(
        "UPDATE job_events SET data = (SELECT report FROM job_epochs e WHERE e.job_id = job_events.job_id \
         AND e.epoch = job_events.epoch) WHERE epoch IS NOT NULL"
            .to_owned(),
    )
    .await;
    for back in [
        "ALTER TABLE job_events DROP COLUMN epoch",
        "ALTER TABLE models DROP COLUMN parameters",
        "DROP TABLE storage",
        "DELETE FROM _sqlx_migrations WHERE version = 4",
        // The job became claimable when it was queued, and the writer's clock was ahead of this one.
        "UPDATE jobs SET claimable_at = created_at + 1000000 WHERE status = 'queued'",
        "UPDATE models SET manifest = 'damaged' WHERE job_id IS NULL",
    ] {
        bed.execute(back.to_owned()).await;
    }
    let store = bed.another().await;
    let listed = store.models(all()).await.unwrap().items;
    let parameters = |id| listed.iter().find(|model| model.id == id).unwrap().parameters;
    assert_eq!((parameters(model.id), parameters(other.id)), (Some(12), None));
    assert_eq!(store.events(job.id, 0, 10).await.unwrap(), events);
    assert_eq!(store.claim(owner(), &terms()).await.unwrap().unwrap().job.id, queued.id);
    assert_eq!(store.storage_id().await.unwrap(), None);
}

//! Opening a database that has been used before.

use gatecast_core::metric_values::FinalMetrics;
use gatecast_store::{JobFilter, Store, StoreError};
use tokio::task::JoinSet;

use super::{Bed, all, epoch, new_model, on_both, owner, terms};

on_both!(
    what_was_kept_is_there_after_a_restart,
    servers_that_start_together_migrate_once,
    a_database_of_a_newer_program_is_refused,
);

async fn what_was_kept_is_there_after_a_restart(bed: Bed) {
    let job = bed.job().await;
    let lease = bed.store.claim(owner(), &terms()).await.unwrap().unwrap().lease;
    let _ = bed.store.epoch(lease, &epoch(1)).await.unwrap();
    let model = new_model(job.dataset);
    let _ = bed.store.succeed(lease, &FinalMetrics::default(), &model).await.unwrap();
    bed.job().await;
    let everything = async |store: &Store| {
        (
            store.datasets(all()).await.unwrap(),
            store.jobs(JobFilter::default(), all()).await.unwrap(),
            store.models(all()).await.unwrap(),
            store.history(job.id).await.unwrap(),
            store.events(job.id, 0, 100).await.unwrap(),
        )
    };
    let before = everything(&bed.store).await;
    assert_eq!((before.0.items.len(), before.1.items.len(), before.2.items.len()), (2, 2, 1));
    bed.store.close().await;
    assert!(bed.store.ping().await.is_err());
    assert_eq!(everything(&bed.another().await).await, before);
}

async fn servers_that_start_together_migrate_once(bed: Bed) {
    // Back to before the first migration, which is a new database.
    // Jobs and models name each other.
    let cascade = if bed.url.starts_with("sqlite:") { "" } else { " CASCADE" };
    for table in
        ["aliases", "job_events", "job_epochs", "models", "jobs", "dataset_revisions", "datasets", "_sqlx_migrations"]
    {
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

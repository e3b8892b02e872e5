//! The store on SQLite and on PostgreSQL: every test runs on both.

mod availability;
mod composite_jobs;
mod datasets;
mod failures;
mod histories;
mod jobs;
mod migrations;
mod models;
mod queue;
mod races;
mod storage;
mod unreadable;

use std::future::Future;

use gatecast_core::dataset::Profile;
use gatecast_core::ids::{DatasetId, JobId, ModelId};
use gatecast_core::job::{Job, JobStatus};
use gatecast_core::metric_values::EpochReport;
use gatecast_core::model::Manifest;
use gatecast_core::order::TrainSpec;
use gatecast_store::queue::LeasePolicy;
use gatecast_store::{DatabaseUrl, NewDataset, NewJob, NewModel, Page, Store};
use serde_json::json;
use sqlx::{Connection, PgConnection, SqliteConnection};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

use crate::postgres;

/// Runs each test on both databases.
macro_rules! on_both {
    ($($(#[$attribute:meta])* $test:ident),+ $(,)?) => {
        mod sqlite {
            $($(#[$attribute])* #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                crate::store::on_sqlite(super::$test).await;
            })+
        }

        mod postgres {
            $($(#[$attribute])* #[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                crate::store::on_postgres(super::$test).await;
            })+
        }
    };
}
pub(crate) use on_both;

/// A new, empty store.
#[derive(Clone)]
pub(crate) struct Bed {
    pub(crate) store: Store,
    pub(crate) url: String,
}

impl Bed {
    pub(crate) async fn at(url: String) -> Self {
        Self { store: Store::open(&url.parse().unwrap()).await.unwrap(), url }
    }

    /// Another server on the same database.
    pub(crate) async fn another(&self) -> Store {
        Store::open(&self.address()).await.unwrap()
    }

    pub(crate) fn address(&self) -> DatabaseUrl {
        self.url.parse().unwrap()
    }

    /// Runs SQL directly, bypassing the store.
    pub(crate) async fn execute(&self, sql: String) {
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        if self.url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            sql.execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            sql.execute(&mut PgConnection::connect(&self.url).await.unwrap()).await.unwrap();
        }
    }

    pub(crate) async fn dataset(&self) -> DatasetId {
        self.store.insert_dataset(new_dataset("rail")).await.unwrap().id
    }

    /// A queued job on a new dataset.
    pub(crate) async fn job(&self) -> Job {
        let dataset = self.dataset().await;
        self.store.insert_job(new_job(dataset)).await.unwrap().unwrap()
    }

    /// The stored epochs of a job, from the first one.
    pub(crate) async fn epochs(&self, job: JobId) -> Option<Vec<EpochReport>> {
        self.store.history(job, 0, 10_000).await.unwrap().map(|page| page.epochs)
    }

    /// The status or kind of every event, in order; checks that they are numbered without gaps.
    pub(crate) async fn events(&self, job: &Job) -> Vec<String> {
        let events = self.store.events(job.id, 0, 10_000).await.unwrap();
        let numbers: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, (1..=events.len() as i64).collect::<Vec<_>>());
        let word = |data: &serde_json::Value| data["status"].as_str().map(str::to_owned);
        events.iter().map(|event| word(&event.data).unwrap_or(event.kind.name().to_owned())).collect()
    }
}

pub(crate) async fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Bed) -> F) {
    // In memory if that folder exists: the data need not survive a power cut.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    test(Bed::at(format!("sqlite:{}", folder.path().join("gatecast.db").display())).await).await;
}

pub(crate) async fn on_postgres<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Bed) -> F) {
    let Some(url) = postgres::database().await else { return };
    let bed = Bed::at(url.clone()).await;
    // In a task, so that the database is dropped even if the test fails.
    let done = tokio::task::JoinSet::from_iter([test(bed)]).join_next().await.unwrap();
    postgres::drop_database(&url).await;
    if let Err(failed) = done {
        std::panic::resume_unwind(failed.into_panic());
    }
}

pub(crate) fn new_dataset(name: &str) -> NewDataset {
    let profile: Profile = serde_json::from_value(json!({
        "format": "csv", "layout": "long", "layout_reason": "said so", "time_column": "date", "series_column": null,
        "rows": 10, "points": 10, "series": 1, "shortest": 10, "longest": 10, "start": null, "end": null,
        "frequency": null, "frequencies": [], "gaps": 0, "duplicates_dropped": 0, "constant": [],
        "columns": [{"name": "rail", "kind": "number", "missing": 0}], "warnings": [],
    }))
    .unwrap();
    NewDataset { id: DatasetId::new(), name: name.to_owned(), sha256: "ab".repeat(32), bytes: 1 << 40, profile }
}

pub(crate) fn order(dataset: DatasetId) -> TrainSpec {
    let data = json!({"targets": ["rail"], "context": 50, "horizon": 10, "season": 7});
    serde_json::from_value(json!({ "dataset": dataset, "name": "an order", "data": data })).unwrap()
}

pub(crate) fn new_job(dataset: DatasetId) -> NewJob {
    NewJob {
        name: "a job".to_owned(),
        order: order(dataset).into(),
        dataset,
        dataset_revision: 1,
        parent: None,
        retry_of: None,
        children: Vec::new(),
    }
}

pub(crate) fn manifest(dataset: DatasetId) -> Manifest {
    serde_json::from_value(json!({
        "format": 1, "version": "0.1.0", "order": order(dataset), "inputs": ["rail"], "targets": ["rail"],
        "context": 50, "horizon": 10, "season": 7, "frequency": null, "series": 1, "parameters": 12, "engine": "libtorch",
        "device": "cpu", "threads": 1, "epochs": 3, "best_epoch": 2, "metrics": {"baselines": {"naive": {},
        "seasonal_naive": {}}}, "trained_on": {"dataset": dataset, "name": "rail", "revision": 1, "sha256": "ab"},
    }))
    .unwrap()
}

pub(crate) fn new_model(dataset: DatasetId) -> NewModel {
    let manifest = manifest(dataset);
    NewModel { id: ModelId::new(), name: "a model".to_owned(), sha256: "cd".repeat(32), bytes: 512, manifest }
}

pub(crate) fn epoch(epoch: u32) -> EpochReport {
    let report = json!({ "epoch": epoch, "seconds": 0.25, "training": {"loss": 0.1 + 0.2}, "best": true });
    serde_json::from_value(report).unwrap()
}

/// Leases longer than any test, and short first delays.
pub(crate) fn terms() -> LeasePolicy {
    LeasePolicy {
        lease: Duration::from_secs(600),
        max_faults: 3,
        first_delay: Duration::from_millis(20),
        longest_delay: Duration::from_secs(3600),
        full_disk_delay: Duration::from_millis(20),
    }
}

/// Leases that expire immediately.
pub(crate) fn no_lease() -> LeasePolicy {
    LeasePolicy { lease: Duration::ZERO, ..terms() }
}

pub(crate) fn owner() -> Uuid {
    Uuid::now_v7()
}

pub(crate) fn all() -> Page {
    Page { limit: 1000, after: None }
}

pub(crate) async fn status(store: &Store, job: &Job) -> JobStatus {
    store.job(job.id).await.unwrap().unwrap().status
}

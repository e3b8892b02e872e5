//! Datasets and their revisions.
//!
//! Inserting a job and deleting its dataset cannot race: the insert locks the dataset's row against deletion
//! while it checks and writes, and the delete locks the same row before it looks for jobs. The later of the
//! two sees the changes of the earlier.

use gatecast_core::dataset::{Dataset, Profile};
use gatecast_core::ids::{DatasetId, JobId};

use super::db::{Record, Sql, sql};
use super::page::{Page, Paged};
use super::row::{size, storable, to_json};
use super::{Store, StoreError};

/// A dataset to insert. Its blobs are already written.
#[derive(Debug, Clone)]
pub struct NewDataset {
    pub id: DatasetId,
    pub name: String,
    /// The hash of the points file.
    pub sha256: String,
    pub bytes: u64,
    pub profile: Profile,
}

/// One revision of a dataset. Identifies its blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    pub dataset: DatasetId,
    pub revision: u32,
    pub sha256: String,
}

/// Result of a request to delete a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum DatasetDeletion {
    /// The rows are deleted; the caller deletes the blobs of these revisions.
    Deleted(Vec<Revision>),
    NotFound,
    /// A queued or running job needs the dataset; this is the oldest such job.
    NeededBy(JobId),
}

const SELECT: &str = "SELECT d.id, d.name, d.revision, d.created_at, r.sha256, r.bytes, r.profile FROM datasets d \
                      JOIN dataset_revisions r ON r.dataset_id = d.id AND r.revision = d.revision";

impl Store {
    /// Inserts a dataset and its first revision.
    pub async fn insert_dataset(&self, new: NewDataset) -> Result<Dataset, StoreError> {
        let mut tx = self.db().begin().await?;
        let now = tx.now().await?;
        tx.execute(
            sql("INSERT INTO datasets (id, name, revision, created_at) VALUES ($1, $2, $3, $4)")
                .bind(new.id.uuid())
                .bind(storable(&new.name))
                .bind(1_i64)
                .bind(now),
        )
        .await?;
        tx.execute(
            sql("INSERT INTO dataset_revisions (dataset_id, revision, sha256, bytes, profile, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(new.id.uuid())
            .bind(1_i64)
            .bind(new.sha256)
            .bind(size(new.bytes))
            .bind(to_json(&new.profile)?)
            .bind(now),
        )
        .await?;
        let stored = tx.fetch_optional(by_id(new.id)).await?;
        let dataset = stored.as_ref().map(read).transpose()?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))?;
        tx.commit().await?;
        Ok(dataset)
    }

    /// The hash of a dataset's newest revision, without reading its profile. `None` if the dataset does not exist.
    pub async fn dataset_sha256(&self, id: DatasetId) -> Result<Option<String>, StoreError> {
        let find = sql("SELECT r.sha256 FROM datasets d \
                        JOIN dataset_revisions r ON r.dataset_id = d.id AND r.revision = d.revision WHERE d.id = $1")
        .bind(id.uuid());
        self.db().fetch_optional(find).await?.map(|row| row.get("sha256")).transpose()
    }

    /// The dataset at its newest revision.
    pub async fn dataset(&self, id: DatasetId) -> Result<Option<Dataset>, StoreError> {
        self.db().fetch_optional(by_id(id)).await?.as_ref().map(read).transpose()
    }

    pub async fn datasets(&self, page: Page) -> Result<Paged<Dataset>, StoreError> {
        let mut select = sql(SELECT);
        if let Some(after) = page.after {
            select = select.push(" WHERE d.id < ").push_bind(after);
        }
        let rows = self.db().fetch_all(select.push(" ORDER BY d.id DESC LIMIT ").push_bind(page.rows())).await?;
        page.read(rows, read)
    }

    /// One revision; `None` if it or its dataset does not exist.
    pub async fn revision(&self, id: DatasetId, revision: u32) -> Result<Option<Revision>, StoreError> {
        let select = sql("SELECT dataset_id, revision, sha256 FROM dataset_revisions \
                          WHERE dataset_id = $1 AND revision = $2")
        .bind(id.uuid())
        .bind(revision);
        self.db().fetch_optional(select).await?.as_ref().map(read_revision).transpose()
    }

    /// Whether some revision of the dataset has this hash, so that its blobs are in use.
    pub async fn has_revision(&self, id: DatasetId, sha256: &str) -> Result<bool, StoreError> {
        let select = sql("SELECT 1 FROM dataset_revisions WHERE dataset_id = $1 AND sha256 = $2 LIMIT 1");
        Ok(self.db().fetch_optional(select.bind(id.uuid()).bind(sha256)).await?.is_some())
    }

    /// Deletes the dataset and all its revisions, unless a job still needs it.
    pub async fn delete_dataset(&self, id: DatasetId) -> Result<DatasetDeletion, StoreError> {
        twice!(self, self.try_delete_dataset(id))
    }

    async fn try_delete_dataset(&self, id: DatasetId) -> Result<DatasetDeletion, StoreError> {
        let mut tx = self.db().begin().await?;
        let found = sql("SELECT 1 FROM datasets WHERE id = $1").bind(id.uuid()).push(tx.lock());
        if tx.fetch_optional(found).await?.is_none() {
            tx.rollback().await?;
            return Ok(DatasetDeletion::NotFound);
        }
        let job = sql("SELECT id FROM jobs WHERE dataset_id = $1 AND claimable_at IS NOT NULL ORDER BY id LIMIT 1");
        if let Some(row) = tx.fetch_optional(job.bind(id.uuid())).await? {
            tx.rollback().await?;
            return Ok(DatasetDeletion::NeededBy(row.id("id")?));
        }
        let revisions = sql("SELECT dataset_id, revision, sha256 FROM dataset_revisions WHERE dataset_id = $1");
        let revisions = tx.fetch_all(revisions.bind(id.uuid())).await?;
        let revisions = revisions.iter().map(read_revision).collect::<Result<_, _>>()?;
        tx.execute(sql("DELETE FROM datasets WHERE id = $1").bind(id.uuid())).await?;
        tx.commit().await?;
        Ok(DatasetDeletion::Deleted(revisions))
    }
}

fn by_id(id: DatasetId) -> Sql {
    sql(SELECT).push(" WHERE d.id = ").push_bind(id.uuid())
}

fn read(row: &Record) -> Result<Dataset, StoreError> {
    Ok(Dataset {
        id: row.id("id")?,
        name: row.get("name")?,
        revision: row.number("revision")?,
        sha256: row.get("sha256")?,
        bytes: row.number("bytes")?,
        created_at: row.time("created_at")?,
        profile: row.json("profile")?,
    })
}

fn read_revision(row: &Record) -> Result<Revision, StoreError> {
    Ok(Revision { dataset: row.id("dataset_id")?, revision: row.number("revision")?, sha256: row.get("sha256")? })
}

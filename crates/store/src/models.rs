//! Stored models: trained by jobs, or imported.

use gatecast_core::ids::{JobId, ModelId};
use gatecast_core::model::{Manifest, Model, ModelSummary};

use super::db::{Record, Sql, Tx, sql};
use super::error::corrupt;
use super::page::{Page, Paged};
use super::row::{size, storable, to_json};
use super::{Store, StoreError};

/// A model to insert. Its bundle is already in the blob store.
#[derive(Debug, Clone)]
pub struct NewModel {
    pub id: ModelId,
    pub name: String,
    /// The hash of the bundle.
    pub sha256: String,
    pub bytes: u64,
    pub manifest: Manifest,
}

const SELECT: &str = "SELECT id, name, job_id, created_at, sha256, bytes, manifest FROM models";
const SELECT_SUMMARY: &str = "SELECT id, name, job_id, created_at, sha256, bytes, parameters FROM models";

impl Store {
    /// Stores an imported model.
    pub async fn insert_model(&self, new: NewModel) -> Result<Model, StoreError> {
        let mut tx = self.db().begin().await?;
        let now = tx.now().await?;
        insert(&mut tx, &new, None, now).await?;
        let stored = tx.fetch_optional(by_id(new.id)).await?;
        let model = stored.as_ref().map(read).transpose()?.ok_or(StoreError::Database(sqlx::Error::RowNotFound))?;
        tx.commit().await?;
        Ok(model)
    }

    pub async fn model(&self, id: ModelId) -> Result<Option<Model>, StoreError> {
        self.db().fetch_optional(by_id(id)).await?.as_ref().map(read).transpose()
    }

    /// Whether the model exists, without reading its manifest.
    pub async fn has_model(&self, id: ModelId) -> Result<bool, StoreError> {
        let select = sql("SELECT 1 FROM models WHERE id = $1").bind(id.uuid());
        Ok(self.db().fetch_optional(select).await?.is_some())
    }

    pub async fn models(&self, page: Page) -> Result<Paged<ModelSummary>, StoreError> {
        let mut select = sql(SELECT_SUMMARY);
        if let Some(after) = page.after {
            select = select.push(" WHERE id < ").push_bind(after);
        }
        let rows = self.db().fetch_all(select.push(" ORDER BY id DESC LIMIT ").push_bind(page.rows())).await?;
        page.read(rows, read_summary)
    }

    /// Deletes the model's row; the caller then deletes its bundle. Returns `false` if the model did not exist.
    pub async fn delete_model(&self, id: ModelId) -> Result<bool, StoreError> {
        twice!(self, self.try_delete_model(id))
    }

    async fn try_delete_model(&self, id: ModelId) -> Result<bool, StoreError> {
        let mut tx = self.db().begin().await?;
        let find = sql("SELECT job_id FROM models WHERE id = $1").bind(id.uuid());
        let Some(row) = tx.fetch_optional(find).await? else {
            tx.rollback().await?;
            return Ok(false);
        };
        let job: Option<JobId> = row.maybe_id("job_id")?;
        // The jobs that trained or chose the model no longer show it. As everywhere, jobs are locked before
        // the model, and parents before their children.
        let jobs = sql("SELECT id FROM jobs WHERE id = $1 OR chosen_model = $2 \
                        ORDER BY CASE WHEN parent_id IS NULL THEN 0 ELSE 1 END, id")
        .bind(job.map(JobId::uuid))
        .bind(id.uuid())
        .push(tx.lock());
        for row in tx.fetch_all(jobs).await? {
            let shown = sql("UPDATE jobs SET version = version + 1 WHERE id = $1").bind(row.get::<uuid::Uuid>("id")?);
            tx.execute(shown).await?;
        }
        if tx.execute(sql("DELETE FROM models WHERE id = $1").bind(id.uuid())).await? == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        tx.commit().await?;
        if let Some(job) = job {
            self.changed(job);
        }
        Ok(true)
    }
}

pub(super) async fn insert(tx: &mut Tx, new: &NewModel, job: Option<JobId>, now: i64) -> Result<(), StoreError> {
    tx.execute(
        sql("INSERT INTO models (id, name, job_id, created_at, sha256, bytes, manifest, parameters) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(new.id.uuid())
        .bind(storable(&new.name))
        .bind(job.map(JobId::uuid))
        .bind(now)
        .bind(new.sha256.as_str())
        .bind(size(new.bytes))
        .bind(to_json(&new.manifest)?)
        .bind(size(new.manifest.parameters)),
    )
    .await?;
    Ok(())
}

fn by_id(id: ModelId) -> Sql {
    sql(SELECT).push(" WHERE id = ").push_bind(id.uuid())
}

fn read_summary(row: &Record) -> Result<ModelSummary, StoreError> {
    Ok(ModelSummary {
        id: row.id("id")?,
        name: row.get("name")?,
        job: row.maybe_id("job_id")?,
        created_at: row.time("created_at")?,
        sha256: row.get("sha256")?,
        bytes: row.number("bytes")?,
        parameters: row.maybe_number("parameters")?,
    })
}

fn read(row: &Record) -> Result<Model, StoreError> {
    Ok(Model {
        id: row.id("id")?,
        name: row.get("name")?,
        job: row.maybe_id("job_id")?,
        created_at: row.time("created_at")?,
        sha256: row.get("sha256")?,
        bytes: row.number("bytes")?,
        manifest: Manifest::read_stored(&row.get::<String>("manifest")?)
            .map_err(|error| corrupt(format_args!("manifest: {error}")))?,
    })
}

//! Stored models: those that jobs trained, and those brought in.

use gatecast_core::ids::{JobId, ModelId};
use gatecast_core::model::{Manifest, Model};

use super::db::{Record, Sql, Tx, sql};
use super::page::{Page, Paged};
use super::row::{size, to_json};
use super::{Store, StoreError};

/// A model about to be kept; its bundle is in place already.
#[derive(Debug, Clone)]
pub struct NewModel {
    pub id: ModelId,
    pub name: String,
    /// Of the bundle.
    pub sha256: String,
    pub bytes: u64,
    pub manifest: Manifest,
}

const SELECT: &str = "SELECT id, name, job_id, created_at, sha256, bytes, manifest FROM models";

impl Store {
    /// Keeps a model that no job of ours has trained.
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

    pub async fn models(&self, page: Page) -> Result<Paged<Model>, StoreError> {
        let mut select = sql(SELECT);
        if let Some(after) = page.after {
            select = select.push(" WHERE id < ").push_bind(after);
        }
        let rows = self.db().fetch_all(select.push(" ORDER BY id DESC LIMIT ").push_bind(page.rows())).await?;
        let items = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(page.cut(items, |model: &Model| model.id.uuid()))
    }

    /// Deletes the model's row; its bundle is the caller's to delete afterwards. `false` if it was
    /// not there.
    pub async fn delete_model(&self, id: ModelId) -> Result<bool, StoreError> {
        let mut tx = self.db().begin().await?;
        let find = sql("SELECT job_id FROM models WHERE id = $1").bind(id.uuid());
        let Some(row) = tx.fetch_optional(find).await? else { return Ok(false) };
        let job: Option<JobId> = row.maybe_id("job_id")?;
        // The jobs that trained or chose it no longer show a model. Their rows are locked before the
        // model's, as everywhere.
        let shown = sql("UPDATE jobs SET version = version + 1 WHERE id = $1 OR chosen_model = $2")
            .bind(job.map(JobId::uuid))
            .bind(id.uuid());
        tx.execute(shown).await?;
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
        sql("INSERT INTO models (id, name, job_id, created_at, sha256, bytes, manifest) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(new.id.uuid())
        .bind(new.name.as_str())
        .bind(job.map(JobId::uuid))
        .bind(now)
        .bind(new.sha256.as_str())
        .bind(size(new.bytes))
        .bind(to_json(&new.manifest)?),
    )
    .await?;
    Ok(())
}

fn by_id(id: ModelId) -> Sql {
    sql(SELECT).push(" WHERE id = ").push_bind(id.uuid())
}

fn read(row: &Record) -> Result<Model, StoreError> {
    Ok(Model {
        id: row.id("id")?,
        name: row.get("name")?,
        job: row.maybe_id("job_id")?,
        created_at: row.time("created_at")?,
        sha256: row.get("sha256")?,
        bytes: row.number("bytes")?,
        manifest: row.json("manifest")?,
    })
}

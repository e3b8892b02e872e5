//! Names for models, each given to one model at a time.

use gatecast_core::alias::{Alias, AliasName, ModelRef};
use gatecast_core::ids::ModelId;

use super::db::{Record, Sql, sql};
use super::{Store, StoreError};

const SELECT: &str = "SELECT name, model_id, updated_at FROM aliases";

impl Store {
    /// Gives the name to the model, whoever had it before; `None` if the model is not there.
    pub async fn put_alias(&self, name: &AliasName, model: ModelId) -> Result<Option<Alias>, StoreError> {
        let mut tx = self.db().begin().await?;
        let held = sql("SELECT 1 FROM models WHERE id = $1").bind(model.uuid()).push(tx.lock_against_deletion());
        if tx.fetch_optional(held).await?.is_none() {
            tx.rollback().await?;
            return Ok(None);
        }
        let now = tx.now().await?;
        tx.execute(put(name, model, now)).await?;
        let alias = tx.fetch_optional(by_name(name)).await?.as_ref().map(read).transpose()?;
        tx.commit().await?;
        Ok(alias)
    }

    pub async fn alias(&self, name: &AliasName) -> Result<Option<Alias>, StoreError> {
        self.db().fetch_optional(by_name(name)).await?.as_ref().map(read).transpose()
    }

    /// All names, in their order.
    pub async fn aliases(&self) -> Result<Vec<Alias>, StoreError> {
        self.db().fetch_all(sql(SELECT).push(" ORDER BY name")).await?.iter().map(read).collect()
    }

    /// Takes the name away; `false` if nobody had it.
    pub async fn delete_alias(&self, name: &AliasName) -> Result<bool, StoreError> {
        let mut tx = self.db().begin().await?;
        let gone = tx.execute(sql("DELETE FROM aliases WHERE name = $1").bind(name.as_str())).await?;
        tx.commit().await?;
        Ok(gone > 0)
    }

    /// The model that is meant; `None` for an alias that nobody has. An id is taken at its word.
    pub async fn resolve_model_ref(&self, model: &ModelRef) -> Result<Option<ModelId>, StoreError> {
        match model {
            ModelRef::Id(id) => Ok(Some(*id)),
            ModelRef::Alias(name) => Ok(self.alias(name).await?.map(|alias| alias.model)),
        }
    }
}

/// Writes the name's row, over the one that was there.
pub(super) fn put(name: &AliasName, model: ModelId, now: i64) -> Sql {
    sql("INSERT INTO aliases (name, model_id, updated_at) VALUES ($1, $2, $3) \
         ON CONFLICT (name) DO UPDATE SET model_id = excluded.model_id, updated_at = excluded.updated_at")
    .bind(name.as_str())
    .bind(model.uuid())
    .bind(now)
}

fn by_name(name: &AliasName) -> Sql {
    sql(SELECT).push(" WHERE name = ").push_bind(name.as_str())
}

fn read(row: &Record) -> Result<Alias, StoreError> {
    Ok(Alias { name: row.enum_text("name")?, model: row.id("model_id")?, updated_at: row.time("updated_at")? })
}

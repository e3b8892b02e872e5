//! Aliases: names for models. An alias points to one model at a time.

use gatecast_core::alias::{Alias, AliasName, ModelRef};
use gatecast_core::ids::ModelId;

use super::db::{Record, Sql, sql};
use super::{Store, StoreError};

const SELECT: &str = "SELECT name, model_id, updated_at FROM aliases";

/// A page of the list of aliases.
#[derive(Debug, Clone, PartialEq)]
pub struct AliasPage {
    pub items: Vec<Alias>,
    /// The `after` of the next page; `None` on the last page.
    pub next: Option<AliasName>,
}

impl Store {
    /// Points the alias to the model, replacing any previous target; returns `None` if the model does not exist.
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

    /// At most `limit` aliases whose names sort after `after`, ordered by name.
    pub async fn aliases(&self, after: Option<&AliasName>, limit: u32) -> Result<AliasPage, StoreError> {
        let mut select = sql(SELECT);
        if let Some(after) = after {
            select = select.push(" WHERE name > ").push_bind(after.as_str());
        }
        let mut rows =
            self.db().fetch_all(select.push(" ORDER BY name LIMIT ").push_bind(i64::from(limit) + 1)).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let items: Vec<Alias> = rows.iter().map(read).collect::<Result<_, _>>()?;
        let next = items.last().filter(|_| more).map(|alias| alias.name.clone());
        Ok(AliasPage { items, next })
    }

    /// Deletes the alias; returns `false` if it did not exist.
    pub async fn delete_alias(&self, name: &AliasName) -> Result<bool, StoreError> {
        twice!(self, self.try_delete_alias(name))
    }

    async fn try_delete_alias(&self, name: &AliasName) -> Result<bool, StoreError> {
        let mut tx = self.db().begin().await?;
        let gone = tx.execute(sql("DELETE FROM aliases WHERE name = $1").bind(name.as_str())).await?;
        tx.commit().await?;
        Ok(gone > 0)
    }

    /// Resolves a reference to a model id; `None` for an unknown alias. An id is returned without a lookup.
    pub async fn resolve_model_ref(&self, model: &ModelRef) -> Result<Option<ModelId>, StoreError> {
        match model {
            ModelRef::Id(id) => Ok(Some(*id)),
            ModelRef::Alias(name) => Ok(self.alias(name).await?.map(|alias| alias.model)),
        }
    }
}

/// Inserts or replaces the alias's row.
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

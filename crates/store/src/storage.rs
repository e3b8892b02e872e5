//! The blob store that the database belongs to.
//!
//! The rows name blobs. With the wrong blob store the server would not find them, and its sweeper would
//! delete every blob that it does not know. Both therefore store the same id; a server refuses to start if
//! the ids differ.

use uuid::Uuid;

use super::db::sql;
use super::{Store, StoreError};

impl Store {
    /// The id of the blob store that the database belongs to; `None` before [`Self::bind_storage`].
    pub async fn storage_id(&self) -> Result<Option<Uuid>, StoreError> {
        let row = self.db().fetch_optional(sql("SELECT id FROM storage WHERE only_row = 1")).await?;
        row.map(|row| row.get("id")).transpose()
    }

    /// Binds the database to a blob store permanently. Returns the bound id, which differs from `id` if
    /// another server was first.
    pub async fn bind_storage(&self, id: Uuid) -> Result<Uuid, StoreError> {
        let mut tx = self.db().begin().await?;
        let insert = sql("INSERT INTO storage (only_row, id) VALUES (1, $1) ON CONFLICT (only_row) DO NOTHING");
        tx.execute(insert.bind(id)).await?;
        tx.commit().await?;
        Ok(self.storage_id().await?.unwrap_or(id))
    }
}

//! Lists, newest first, in pages.
//!
//! The cursor is the id of the last item returned. Ids increase with time, so new items appear before the
//! first page and never shift later pages.

use uuid::Uuid;

use super::StoreError;
use super::db::Record;
use super::row::read_each;

/// The page to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The maximum number of items.
    pub limit: u32,
    /// Returns items older than this one; `None` for the newest.
    pub after: Option<Uuid>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Paged<T> {
    pub items: Vec<T>,
    /// The `after` of the next page; `None` on the last page.
    pub next: Option<Uuid>,
}

impl Page {
    /// One row more than the page shows, to detect whether another page follows.
    pub(super) fn rows(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Reads the page's rows, without the extra one. The cursor is the id of the last row, even if that row
    /// cannot be read.
    pub(super) fn read<T>(
        self,
        mut rows: Vec<Record>,
        read: impl Fn(&Record) -> Result<T, StoreError>,
    ) -> Result<Paged<T>, StoreError> {
        let limit = self.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| row.get::<Uuid>("id")).transpose()?;
        Ok(Paged { items: read_each(&rows, read)?, next })
    }
}

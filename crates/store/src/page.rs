//! Lists, newest first, a page at a time.
//!
//! The cursor is the id of the last item seen: ids rise with time, so new items appear before the
//! first page and never shift what a later page shows.

use uuid::Uuid;

use super::StoreError;
use super::db::Record;
use super::row::read_each;

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The most items.
    pub limit: u32,
    /// Those older than this one; `None` for the newest.
    pub after: Option<Uuid>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Paged<T> {
    pub items: Vec<T>,
    /// What to give as `after` for the next page; `None` where this is the last.
    pub next: Option<Uuid>,
}

impl Page {
    /// One row more than the page shows, to learn whether another page follows.
    pub(super) fn rows(self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Reads the page's rows, without the extra one. The cursor is of the last row, whether it can be
    /// read or not.
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

//! Lists, newest first, a page at a time.
//!
//! The cursor is the id of the last item seen: ids rise with time, so new items appear before the
//! first page and never shift what a later page shows.

use uuid::Uuid;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most so many items.
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

    /// Cuts the extra row off again.
    pub(super) fn cut<T>(self, mut items: Vec<T>, id: impl Fn(&T) -> Uuid) -> Paged<T> {
        let limit = self.limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(id) } else { None };
        Paged { items, next }
    }
}

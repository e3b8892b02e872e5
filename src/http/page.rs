//! Lists in pages.

use serde::Serialize;
use utoipa::ToSchema;

use gatecast_store::Paged;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    items: Vec<T>,
    /// The `after` of the next page; null on the last page.
    next: Option<String>,
}

impl<T> List<T> {
    pub(super) fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next }
    }

    pub(super) fn of(page: Paged<T>) -> Self {
        Self { items: page.items, next: page.next.map(|cursor| cursor.to_string()) }
    }
}

//! The id that binds a database to its blob store.

use super::{Bed, on_both};

on_both!(a_database_is_bound_to_one_blob_store,);

async fn a_database_is_bound_to_one_blob_store(bed: Bed) {
    assert_eq!(bed.store.storage_id().await.unwrap(), None);
    let (first, second) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
    let other = bed.another().await;
    let (here, there) = tokio::join!(bed.store.bind_storage(first), other.bind_storage(second));
    let bound = here.unwrap();
    assert_eq!(there.unwrap(), bound, "both servers learn of the same store");
    assert_eq!(bed.store.bind_storage(uuid::Uuid::now_v7()).await.unwrap(), bound);
    assert_eq!(bed.store.storage_id().await.unwrap(), Some(bound));
}

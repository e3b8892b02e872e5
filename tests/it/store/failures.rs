//! The database fails and recovers.

use super::{Bed, new_dataset, new_model, on_sqlite};

#[tokio::test(flavor = "multi_thread")]
async fn the_store_works_after_sqlite_has_rolled_back_a_transaction() {
    on_sqlite(async |bed: Bed| {
        let dataset = bed.dataset().await;
        // As when the disk is full: SQLite rolls the whole transaction back by itself.
        let full = "CREATE TRIGGER full BEFORE INSERT ON models BEGIN SELECT RAISE(ROLLBACK, 'full'); END";
        bed.execute(full.to_owned()).await;
        for _ in 0..3 {
            bed.store.insert_model(new_model(dataset)).await.unwrap_err();
        }
        bed.store.insert_dataset(new_dataset("after")).await.unwrap();
        bed.execute("DROP TRIGGER full".to_owned()).await;
        bed.store.insert_model(new_model(dataset)).await.unwrap();
    })
    .await;
}

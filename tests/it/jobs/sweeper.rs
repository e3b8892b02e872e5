//! Which files the sweeper deletes, and which it keeps.

use std::time::Duration;

use gatecast::jobs::{Swept, sweep};
use gatecast_blobs::Key;
use gatecast_core::ids::{DatasetId, JobId, ModelId};
use gatecast_store::DatasetDeletion;

use super::Server;
use crate::store::{new_dataset, new_model};

#[tokio::test(flavor = "multi_thread")]
async fn the_sweeper_deletes_only_unreferenced_files() {
    let mut server = Server::new("").await;
    server.config.grace = Duration::ZERO;
    let put = async |key: &Key| {
        let file = server.folder.scratch().join("upload");
        std::fs::write(&file, b"bytes").unwrap();
        assert_eq!(server.blobs.put_file(key, &file).await.unwrap(), 5);
        assert!(!file.exists());
    };
    let (kept, gone) = (new_dataset("kept"), new_dataset("gone"));
    let model = new_model(kept.id);
    for new in [&kept, &gone] {
        server.store.insert_dataset(new.clone()).await.unwrap();
    }
    server.store.insert_model(model.clone()).await.unwrap();
    let stay = [
        Key::dataset_points(kept.id, &kept.sha256).unwrap(),
        Key::dataset_index(kept.id, &kept.sha256).unwrap(),
        Key::model(model.id),
    ];
    let go = [
        Key::dataset_points(gone.id, &gone.sha256).unwrap(),
        Key::dataset_points(kept.id, &"cd".repeat(32)).unwrap(),
        Key::dataset_index(DatasetId::new(), &kept.sha256).unwrap(),
        Key::model(ModelId::new()),
    ];
    for key in stay.iter().chain(&go) {
        put(key).await;
    }
    assert!(matches!(server.store.delete_dataset(gone.id).await.unwrap(), DatasetDeletion::Deleted(_)));
    let foreign = server.folder.blobs().join("README");
    std::fs::write(&foreign, b"not ours").unwrap();
    std::fs::write(server.folder.blobs().join("models/one.part"), b"a copy cut off").unwrap();
    let (open, ended) = (server.job().await.id, JobId::new());
    for job in [open, ended] {
        std::fs::create_dir_all(server.work_folder(job)).unwrap();
    }
    let upload = server.folder.scratch().join("under way");
    std::fs::write(&upload, b"half").unwrap();

    let patient = gatecast::jobs::PoolConfig { grace: Duration::from_secs(60), ..server.config.clone() };
    let swept = sweep(&server.store, &server.blobs, &patient).await.unwrap();
    assert_eq!(swept, Swept { blobs: 0, folders: 1, scratch: 0 }, "an upload may be about to write its row");
    let swept = sweep(&server.store, &server.blobs, &server.config).await.unwrap();
    assert_eq!(swept, Swept { blobs: 5, folders: 0, scratch: 0 });
    assert!(stay.iter().all(|key| server.blobs.local(key).exists()));
    assert!(!go.iter().any(|key| server.blobs.local(key).exists()));
    assert!(foreign.exists() && upload.exists());
    assert!(server.work_folder(open).exists() && !server.work_folder(ended).exists());
    assert_eq!(sweep(&server.store, &server.blobs, &server.config).await.unwrap(), Swept::default());
}

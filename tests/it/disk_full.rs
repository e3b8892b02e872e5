//! Tests on a full disk: a small tmpfs, if the tests are allowed to mount one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use crate::durability;
use crate::support::{TestServer, daily, program};

/// Unmounts when dropped.
struct SmallDisk {
    folder: Arc<TempDir>,
}

impl SmallDisk {
    /// `None` if mounting is not allowed (it needs root, and containers often forbid it).
    fn mount(size: &str) -> Option<Self> {
        let folder = Arc::new(TempDir::new().unwrap());
        let place = folder.path().join("data");
        std::fs::create_dir(&place).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "gatecast-test"])
            .arg(&place)
            .output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self { folder })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path().join("data")).output();
    }
}

#[tokio::test]
async fn an_upload_that_fills_the_disk_is_refused_and_leaves_no_files() {
    let Some(disk) = SmallDisk::mount("16m") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let server = TestServer::launch(TestServer::with(), Arc::clone(&disk.folder)).await;
    let kept = server.upload("", daily(&["a"], 100)).await.expect(201);
    let mut large = "time,value\n".to_owned();
    for second in 0_u64..1_500_000 {
        let time = jiff::Timestamp::from_second(1_500_000_000 + second as i64).unwrap();
        // Incompressible numbers.
        large += &format!("{time},{}\n", second.wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64 / 7.0);
    }
    server.upload("", large).await.expect_problem(507, "disk_full");
    assert!(server.files("scratch").is_empty(), "{:?}", server.files("scratch"));
    let items = server.get("/v1/datasets").await.expect(200);
    assert_eq!(items["items"].as_array().unwrap().len(), 1);
    let another = server.upload("", daily(&["b"], 100)).await.expect(201);
    assert_ne!(another["id"], kept["id"], "there is room again for what fits");
}

#[tokio::test]
async fn a_start_on_a_full_disk_fails_with_a_one_line_error() {
    let Some(disk) = SmallDisk::mount("1m") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let data = disk.folder.path().join("data");
    // From no space at all to enough for the folders but not for a database.
    for left in [0, 16, 64, 200] {
        let _ = std::fs::remove_dir_all(data.join("blobs"));
        let fill = (1 << 20) - left * 1024;
        let _ = std::fs::write(data.join("fill"), vec![0_u8; fill]);
        let started = program().args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).output().await.unwrap();
        let told = String::from_utf8(started.stderr).unwrap();
        assert_eq!((started.status.code(), told.lines().count()), (Some(1), 1), "{left} KiB left: {told}");
        assert!(told.contains("disk full"), "{left} KiB left: {told}");
        for file in ["gatecast.db", "gatecast.db-wal", "gatecast.db-shm"] {
            let _ = std::fs::remove_file(data.join(file));
        }
    }
}

/// Fills all free space below `folder`.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("fill");
    let mut file = std::fs::File::options().create(true).append(true).open(&path).unwrap();
    for piece in [1 << 20, 1 << 16, 1 << 12, 1 << 8, 1] {
        while file.write_all(&vec![7; piece]).is_ok() {}
    }
    path
}

#[tokio::test]
async fn stored_data_can_be_deleted_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount("32m") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let data = disk.folder.path().join("data");
    let settings = TestServer::with().flag("workers", "0");
    let mut server = TestServer::launch(settings, Arc::clone(&disk.folder)).await;
    let first = server.upload("", daily(&["a"], 100)).await.expect(201)["id"].as_str().unwrap().to_owned();
    let second = server.upload("", daily(&["b"], 100)).await.expect(201)["id"].as_str().unwrap().to_owned();
    let order = json!({"kind": "train", "dataset": first});
    let job = server.post("/v1/jobs", &order).await.expect(202)["id"].as_str().unwrap().to_owned();

    fill(&data);
    server.post("/v1/jobs", &order).await.expect_problem(507, "disk_full");
    assert_eq!(server.post(&format!("/v1/jobs/{job}/cancel"), &json!({})).await.expect(200)["status"], "cancelled");
    fill(&data);
    server.delete(&format!("/v1/jobs/{job}")).await.expect(204);
    server.delete(&format!("/v1/datasets/{first}")).await.expect(204);

    // The state after a full disk has ended a server.
    server.kill().await;
    fill(&data);
    let server = server.start_again().await;
    server.delete(&format!("/v1/datasets/{second}")).await.expect(204);
    std::fs::remove_file(data.join("fill")).unwrap();
    server.upload("", daily(&["c"], 100)).await.expect(201);
}

#[tokio::test]
async fn a_training_waits_for_disk_space_and_ends_with_the_same_model() {
    let Some(disk) = SmallDisk::mount("32m") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let data = disk.folder.path().join("data");
    let database = TempDir::new().unwrap();
    let url = format!("sqlite:{}", database.path().join("gatecast.db").display());
    let server = TestServer::launch(TestServer::with().flag("database", &url), Arc::clone(&disk.folder)).await;
    let order = durability::order(&server, durability::FUSED).await;
    let straight = server.ended(&durability::start(&server, &order).await).await;
    let expected = durability::bundle(&server, &straight).await;

    let id = durability::start(&server, &order).await;
    durability::in_the_middle(&server, &id).await;
    let filled = fill(&data);
    let waiting = server.job_when(&id, |job| job["status"] == "queued").await;
    assert_eq!(waiting["error"]["code"], "disk_full", "{waiting}");
    std::fs::remove_file(filled).unwrap();
    let job = server.ended(&id).await;
    assert!(durability::bundle(&server, &job).await == expected, "the bundles differ");
}

//! A disk that is really full: a small file system of memory, where the tests may mount one.

use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::support::{TestServer, daily, program};

/// Unmounts when dropped.
struct SmallDisk {
    folder: Arc<TempDir>,
}

impl SmallDisk {
    /// `None` where mounting is not allowed (it needs root, and containers often forbid it).
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
async fn an_upload_that_fills_the_disk_is_refused_and_leaves_nothing_behind() {
    let Some(disk) = SmallDisk::mount("16m") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let server = TestServer::launch(TestServer::with(), Arc::clone(&disk.folder)).await;
    let kept = server.upload("", daily(&["a"], 100)).await.expect(201);
    let mut large = "time,value\n".to_owned();
    for second in 0_u64..1_500_000 {
        let time = jiff::Timestamp::from_second(1_500_000_000 + second as i64).unwrap();
        // Numbers that do not compress.
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
async fn a_start_on_a_full_disk_says_so_in_one_line() {
    let Some(disk) = SmallDisk::mount("1m") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let data = disk.folder.path().join("data");
    // From nothing at all to room for the folders, but not for a database.
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

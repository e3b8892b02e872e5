//! Damaged files: a flipped bit causes an error or has no effect; it never changes a value.

use std::path::{Path, PathBuf};

use gatecast_data::{DatasetFiles, Datasets, Frame, PointWindow, ReadError, SeriesValues, ValuesQuery};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Taken, Upload};

/// The results of all functions that read a dataset.
#[derive(Debug, PartialEq)]
struct Readings {
    frame: Frame,
    values: Vec<SeriesValues>,
}

/// A few blocks of points in several row groups.
fn dataset() -> (Upload, Taken) {
    let mut text = "id,time,value,other,kind\n".to_owned();
    for series in 0..3 {
        for at in 0..6_000_i64 {
            let value = (at * 7_919 + series * 31) % 100_003;
            let kind = ["even", "", "odd"][usize::try_from(at % 3).unwrap()];
            text.push_str(&format!("s{series},{},{value}.{at},{},{kind}\n", 1_000_000_000 + at * 60, value % 17));
        }
    }
    let upload = Upload::new();
    let found = upload.send(text).unwrap();
    (upload, found)
}

fn read(points: &Path, index: &Path, sha256: &str) -> Result<Readings, ReadError> {
    let columns = ["value", "other", "kind"].map(str::to_owned);
    let files = DatasetFiles { points: points.to_owned(), index: index.to_owned(), sha256: sha256.to_owned() };
    let dataset = Datasets::default().open(&files)?;
    let query = |window, thin| ValuesQuery { key: "s1", columns: &[], window, thin };
    let queries = [
        query(PointWindow::All, None),
        query(PointWindow::Last(10), None),
        query(PointWindow::From { offset: 500, limit: 20 }, None),
        query(PointWindow::All, Some(20)),
    ];
    let values: Result<Vec<_>, ReadError> = queries.iter().map(|query| dataset.values_by_key(query)).collect();
    Ok(Readings { values: values?, frame: Frame::read(points, index, &columns)? })
}

struct Damaged {
    good: Vec<u8>,
    path: PathBuf,
    is_points: bool,
}

impl Damaged {
    fn read(&self, bytes: &[u8], found: &Taken) -> Result<Readings, ReadError> {
        std::fs::write(&self.path, bytes).unwrap();
        let (points, index) = if self.is_points { (&self.path, &found.index) } else { (&found.points, &self.path) };
        read(points, index, &found.sha256)
    }
}

fn both(upload: &Upload, found: &Taken) -> [Damaged; 2] {
    [(&found.points, true), (&found.index, false)].map(|(file, is_points)| Damaged {
        good: std::fs::read(file).unwrap(),
        path: upload.scratch.path().join(if is_points { "bad-points" } else { "bad-index" }),
        is_points,
    })
}

#[test]
fn a_flipped_bit_is_an_error_or_has_no_effect() {
    let (upload, found) = dataset();
    let good = read(&found.points, &found.index, &found.sha256).unwrap();
    for damaged in both(&upload, &found) {
        let bits = damaged.good.len() * 8;
        let flips = prop_oneof![
            0..bits,
            // The footer is small compared with the points, but equally important.
            bits.saturating_sub(8 * 4_096)..bits,
        ];
        let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&flips, |bit| {
            let mut bytes = damaged.good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match damaged.read(&bytes, &found) {
                Err(ReadError::Corrupt(_)) => {}
                // The bit was in a block that was not read: pages of other columns, or padding.
                Ok(readings) => prop_assert_eq!(&readings, &good),
                Err(other) => return Err(TestCaseError::fail(format!("bit {bit}: {other}"))),
            }
            Ok(())
        });
        outcome.unwrap();
    }
}

#[test]
fn truncated_zeroed_and_swapped_files_are_errors() {
    let (upload, found) = dataset();
    for damaged in both(&upload, &found) {
        for length in [0, 3, 11, 12, 100, damaged.good.len() / 2, damaged.good.len() - 1] {
            let cut = damaged.read(&damaged.good[..length], &found);
            assert!(matches!(cut, Err(ReadError::Corrupt(_))), "{length}: {cut:?}");
        }
        for at in (0..damaged.good.len()).step_by(damaged.good.len() / 50) {
            let mut bytes = damaged.good.clone();
            let end = (at + 600).min(bytes.len());
            bytes[at..end].fill(0);
            assert!(matches!(damaged.read(&bytes, &found), Err(ReadError::Corrupt(_))), "zeros at {at}");
        }
    }
    let other = upload.send("id,time,value,other,kind\ns1,2001-01-01,1,2,x\n").unwrap();
    assert!(matches!(read(&found.points, &other.index, &found.sha256), Err(ReadError::Corrupt(_))));
}

/// Writes the file as earlier versions did, without the table of checksums.
fn without_checksums(file: &Path, to: &Path) {
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    let builder = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(file).unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(to).unwrap(), builder.schema().clone(), None).unwrap();
    for batch in builder.build().unwrap() {
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn files_without_checksums_are_read_if_their_hash_matches() {
    let (upload, found) = dataset();
    let at = |name: &str| upload.scratch.path().join(name);
    without_checksums(&found.points, &at("old-points"));
    without_checksums(&found.index, &at("old-index"));
    let sha256 = gatecast_files::hash_reader(std::fs::File::open(at("old-points")).unwrap()).unwrap().0;
    let good = read(&found.points, &found.index, &found.sha256).unwrap();
    assert_eq!(read(&at("old-points"), &at("old-index"), &sha256).unwrap(), good);
    let mut bytes = std::fs::read(at("old-points")).unwrap();
    bytes[1_000] ^= 4;
    std::fs::write(at("old-points"), bytes).unwrap();
    assert!(matches!(read(&at("old-points"), &at("old-index"), &sha256), Err(ReadError::Corrupt(_))));
    // An index without checksums is damaged if its points have checksums.
    assert!(matches!(read(&found.points, &at("old-index"), &found.sha256), Err(ReadError::Corrupt(_))));
}

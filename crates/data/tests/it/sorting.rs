//! The result does not depend on the order of the rows or the memory of the sort.

use std::collections::BTreeMap;

use gatecast_core::dataset::DuplicatePolicy;
use gatecast_data::{Ingested, UploadOptions};
use proptest::prelude::*;

use super::{Upload, frame, is_empty};

type Row = (u8, u8, u8);

fn text(rows: &[Row]) -> String {
    let mut text = "id,time,value,kind\n".to_owned();
    for (series, day, value) in rows {
        text.push_str(&format!("s{series},2001-01-{:02},{value}.25,k{}\n", day + 1, value % 3));
    }
    text
}

fn points(found: &Ingested) -> BTreeMap<(String, i64), u64> {
    let frame = frame(found);
    let (times, values) = (frame.times.unwrap(), &frame.columns[0].values);
    let one = |row: usize, key: &str| ((key.to_owned(), times[row]), values[row].to_bits());
    frame.series.iter().flat_map(|series| series.rows.clone().map(|row| one(row, &series.key))).collect()
}

fn options(run_bytes: usize, duplicates: DuplicatePolicy) -> UploadOptions {
    let mut options = UploadOptions { duplicates, ..UploadOptions::default() };
    options.limits.run_bytes = run_bytes;
    options.series_column = Some("id".to_owned());
    options
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_order_of_rows_gives_the_same_points(
        rows in prop::collection::btree_map((0..6_u8, 0..28_u8), any::<u8>(), 1..120),
        seed in any::<u64>(),
    ) {
        let rows: Vec<Row> = rows.into_iter().map(|((series, day), value)| (series, day, value)).collect();
        let mut shuffled = rows.clone();
        let mut state = seed | 1;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            shuffled.swap(at, (state >> 33) as usize % (at + 1));
        }
        let whole = Upload::with(options(32 << 20, DuplicatePolicy::Refuse));
        prop_assert_eq!(points(&whole.send(text(&rows)).unwrap()), points(&whole.send(text(&shuffled)).unwrap()));
    }

    #[test]
    fn merging_spilled_runs_equals_sorting_in_memory(
        rows in prop::collection::vec((0..4_u8, 0..28_u8, 0..4_u8), 1..200),
        last in any::<bool>(),
    ) {
        let policy = if last { DuplicatePolicy::Last } else { DuplicatePolicy::First };
        let whole = Upload::with(options(32 << 20, policy)).send(text(&rows)).unwrap();
        // Runs of sixteen rows.
        let upload = Upload::with(options(1, policy));
        let spilled = upload.send(text(&rows)).unwrap();
        prop_assert_eq!(&spilled.sha256, &whole.sha256);
        prop_assert_eq!(&spilled.profile, &whole.profile);
        let mut expected: BTreeMap<(u8, u8), u8> = BTreeMap::new();
        for &(series, day, value) in &rows {
            if last { expected.insert((series, day), value); } else { expected.entry((series, day)).or_insert(value); }
        }
        let values: Vec<f64> = frame(&spilled).columns[0].values.clone();
        prop_assert_eq!(values.len(), expected.len());
        prop_assert_eq!(values.iter().sum::<f64>(), expected.values().map(|&value| f64::from(value) + 0.25).sum::<f64>());
        drop(spilled);
        prop_assert!(is_empty(upload.scratch.path()));
    }
}

#[test]
fn the_same_upload_gives_the_same_bytes() {
    let rows: Vec<Row> = (0..200_u8).map(|at| (at % 8, at / 8, at)).collect();
    let upload = Upload::new();
    let (one, two) = (upload.send(text(&rows)).unwrap(), upload.send(text(&rows)).unwrap());
    assert_eq!(one.sha256, two.sha256);
    assert_eq!(std::fs::read(&one.index).unwrap(), std::fs::read(&two.index).unwrap());
    assert_eq!(one.bytes, std::fs::metadata(&one.points).unwrap().len());
}

//! Time columns that count steps.

use gatecast_core::dataset::{DuplicatePolicy, Layout};
use gatecast_data::{TimeFormat, UploadOptions};

use super::{Taken, Upload, frame, lines_of, warnings};

/// Keys and values, with -1 for an unknown one.
fn values(found: &Taken) -> Vec<(String, Vec<f64>)> {
    let frame = frame(found);
    assert!(frame.times.is_none(), "steps are no times");
    let known = |value: &f64| if value.is_nan() { -1.0 } else { *value };
    let values = |rows: &std::ops::Range<usize>| frame.columns[0].values[rows.clone()].iter().map(known).collect();
    frame.series.iter().map(|series| (series.key.clone(), values(&series.rows))).collect()
}

#[test]
fn whole_numbers_in_a_time_column_order_the_points_of_each_series() {
    let found = Upload::new().send("unique_id,ds,y\na,3,30\na,1,10\nb,7,70\na,2,20\nb,8,80\n").unwrap();
    let profile = &found.profile;
    assert_eq!((profile.time_column.as_deref(), profile.series_column.as_deref()), (Some("ds"), Some("unique_id")));
    assert_eq!((profile.layout, profile.start, profile.frequency), (Layout::Long, None, None));
    assert!(profile.layout_reason.starts_with("numbers of steps in `ds`"), "{}", profile.layout_reason);
    assert!(!warnings(&found).contains(&"no_times"));
    assert_eq!(values(&found), [("a".to_owned(), vec![10.0, 20.0, 30.0]), ("b".to_owned(), vec![70.0, 80.0])]);
}

#[test]
fn a_step_without_a_row_is_a_point_without_a_value() {
    let found = Upload::new().send("id,t,y,kind\na,0,1,x\na,10,2,x\na,40,5,x\nb,20,1,x\nb,30,2,x\n").unwrap();
    assert_eq!(values(&found), [("a".to_owned(), vec![1.0, 2.0, -1.0, -1.0, 5.0]), ("b".to_owned(), vec![1.0, 2.0])]);
    let missing: Vec<u64> = found.profile.columns.iter().map(|column| column.missing).collect();
    assert_eq!((found.profile.points, missing, found.profile.gaps), (7, vec![2, 2], 0));
    let told = found.profile.warnings.iter().find(|warning| warning.code == "missing_steps").unwrap();
    assert_eq!(told.detail, "2 steps in 1 series have no row, and were added as points without values");
}

#[test]
fn steps_are_counted_over_runs_spilled_to_disk() {
    let mut options = UploadOptions::default();
    options.limits.run_bytes = 1;
    let mut content = "ds,y\n".to_owned();
    for at in (0..200).rev().filter(|at| at % 7 != 4) {
        content.push_str(&format!("{at},{at}\n"));
    }
    let found = Upload::with(options).send(&content).unwrap();
    let expected: Vec<f64> = (0..200).map(|at| if at % 7 == 4 { -1.0 } else { f64::from(at) }).collect();
    assert_eq!(values(&found)[0].1, expected);
}

#[test]
fn two_rows_for_one_step_contradict_each_other() {
    let content = "ds,y\n1,1\n2,2\n2,3\n";
    let error = Upload::new().send(content).unwrap_err();
    assert_eq!((error.code(), lines_of(&error)), ("contradicting_duplicates", vec![4]));
    assert!(error.row_errors()[0].detail.ends_with("at step 2"), "{}", error.row_errors()[0].detail);
    let last = UploadOptions { duplicates: DuplicatePolicy::Last, ..UploadOptions::default() };
    assert_eq!(values(&Upload::with(last).send(content).unwrap())[0].1, [1.0, 3.0]);
}

#[test]
fn years_and_times_since_1970_are_no_steps() {
    let start = |content: &str| Upload::new().send(content).unwrap().profile.start.map(|start| start.to_string());
    assert_eq!(start("ds,y\n1990,1\n1991,2\n1992,3\n"), Some("1990-01-01T00:00:00Z".to_owned()));
    assert_eq!(start("time,y\n1000000000,1\n1000003600,2\n"), Some("2001-09-09T01:46:40Z".to_owned()));
    assert_eq!(start("step,y\n1990,1\n1991,2\n1992,3\n"), None, "by the column's name");
    let many: String = (1_000..1_400).map(|at| format!("{at},1\n")).collect();
    assert_eq!(start(&format!("ds,y\n{many}")), None, "no series has that many years");
    let steps = UploadOptions { time_format: Some(TimeFormat::Steps), ..UploadOptions::default() };
    let found = Upload::with(steps).send("ds,y\n1990,1\n1991,2\n").unwrap();
    assert_eq!((found.profile.start, found.profile.points), (None, 2));
}

#[test]
fn a_named_time_column_may_count_steps() {
    let content = "week,sales\n1,5\n2,6\n4,7\n";
    assert_eq!(Upload::new().send(content).unwrap().profile.time_column, None, "`week` alone may be anything");
    let named = UploadOptions { time_column: Some("week".to_owned()), ..UploadOptions::default() };
    assert_eq!(values(&Upload::with(named).send(content).unwrap())[0].1, [5.0, 6.0, -1.0, 7.0]);
}

#[test]
fn a_column_called_t_that_repeats_is_a_value() {
    let found = Upload::new().send("t,y\n20,1\n21,2\n20,3\n").unwrap();
    assert_eq!((found.profile.time_column.as_deref(), found.profile.columns.len()), (None, 2));
}

#[test]
fn far_more_missing_steps_than_rows_are_refused() {
    let error = Upload::new().send("id,ds,y\na,1,1\na,2,2\na,99999999,3\n").unwrap_err();
    assert_eq!(error.code(), "too_many_missing_steps");
    let error = Upload::new().send("ds,y\n1,1\n2,2\n3,3\n4,4\n5,5\n6,6\n7,7\n8,8\n9,9\n10,9\n1.5,3\n").unwrap_err();
    assert_eq!((error.code(), error.row_errors()[0].code), ("invalid_rows", "not_a_step"));
}

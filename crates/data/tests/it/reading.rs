//! Reading stored datasets, by series and as a whole.

use std::path::Path;

use gatecast_data::{
    Frame, LatestPoints, PointWindow, PointsFile, ReadError, SeriesColumn, SeriesIndex, ValuesQuery, series_values,
};

use super::{Taken, Upload, micros};

/// Five series of a hundred hours; `value` counts all points, except for one spike.
fn dataset() -> (Upload, Taken) {
    let mut text = "id,time,value,kind\n".to_owned();
    for series in 0..5 {
        for hour in 0..100 {
            let value = if (series, hour) == (3, 57) { 9_999 } else { series * 100 + hour };
            text.push_str(&format!(
                "s{series},2001-01-{:02}T{:02}:00:00Z,{value},{}\n",
                hour / 24 + 1,
                hour % 24,
                if hour % 2 == 0 { "even" } else { "" }
            ));
        }
    }
    let upload = Upload::new();
    let found = upload.send(text).unwrap();
    (upload, found)
}

fn query(key: &str, window: PointWindow, thin: Option<usize>) -> ValuesQuery<'_> {
    ValuesQuery { key, columns: &[], window, thin }
}

fn numbers(column: &SeriesColumn) -> &[f64] {
    match column {
        SeriesColumn::Numbers { values, .. } => values,
        SeriesColumn::Categories { name, .. } => panic!("{name} holds categories"),
    }
}

#[test]
fn series_are_listed_in_pages() {
    let (_upload, found) = dataset();
    let index = SeriesIndex::read(&found.index).unwrap();
    let (page, next) = index.page(None, 3).unwrap();
    let keys: Vec<&str> = page.iter().map(|series| series.summary.key.as_str()).collect();
    assert_eq!((keys, next), (vec!["s0", "s1", "s2"], Some(2)));
    assert_eq!((page[1].first_row, page[1].summary.points, page[1].summary.gaps), (100, 100, 0));
    assert_eq!(page[1].summary.frequency.unwrap().to_string(), "PT1H");
    let (page, next) = index.page(next, 3).unwrap();
    assert_eq!((page.len(), page[0].position, next), (2, 3, None));
    assert_eq!(index.page(Some(99), 3).unwrap(), (Vec::new(), None));
    assert_eq!(index.page(Some(u64::MAX), 3).unwrap(), (Vec::new(), None));
}

#[test]
fn series_are_found_by_key() {
    let (_upload, found) = dataset();
    let index = SeriesIndex::read(&found.index).unwrap();
    assert_eq!(["s4", "none", "s1"].map(|key| index.position(key)), [Some(4), None, Some(1)]);
    assert_eq!(index.series(1).unwrap().summary.key, "s1");
    assert!(index.series(5).is_err());
}

#[test]
fn many_series_are_read_in_one_pass_in_the_requested_order() {
    let (_upload, found) = dataset();
    let index = SeriesIndex::read(&found.index).unwrap();
    let points = PointsFile::open(&found.points).unwrap();
    let columns = points.select(&["kind".to_owned(), "value".to_owned()]).unwrap();
    let asked = [(4, 2), (0, 1_000), (2, 3), (1, 0)]
        .map(|(position, count)| LatestPoints { series: index.series(position).unwrap(), count });
    let read = points.latest(&columns, &asked).unwrap();
    for (values, asked) in read.iter().zip(&asked) {
        let query = ValuesQuery {
            key: &asked.series.summary.key,
            columns: &["kind".to_owned(), "value".to_owned()],
            window: PointWindow::Last(asked.count),
            thin: None,
        };
        assert_eq!(*values, series_values(&found.points, &found.index, &query).unwrap());
    }
    assert!(matches!(points.select(&["none".to_owned()]), Err(ReadError::NoColumn(name)) if name == "none"));
}

#[test]
fn values_are_read_whole_by_window_and_from_the_end() {
    let (_upload, found) = dataset();
    let read = |window| series_values(&found.points, &found.index, &query("s2", window, None)).unwrap();
    let all = read(PointWindow::All);
    assert_eq!(numbers(&all.columns[0]), (200..300).map(f64::from).collect::<Vec<_>>());
    let SeriesColumn::Categories { values, .. } = &all.columns[1] else { panic!("kind is a category") };
    assert_eq!(values[..2], [Some("even".to_owned()), None]);
    let some = read(PointWindow::From { offset: 10, limit: 2 });
    assert_eq!((numbers(&some.columns[0]), &some.positions[..]), (&[210.0, 211.0][..], &[10, 11][..]));
    assert_eq!(some.times.unwrap()[0], micros("2001-01-01T10:00:00Z"));
    let last = read(PointWindow::Last(3));
    assert_eq!(numbers(&last.columns[0]), [297.0, 298.0, 299.0]);
    assert!(read(PointWindow::From { offset: 1_000, limit: u64::MAX }).positions.is_empty());
    assert_eq!(read(PointWindow::Last(1_000)).positions.len(), 100);

    let columns = ["kind".to_owned(), "value".to_owned()];
    let asked = ValuesQuery { columns: &columns, ..query("s0", PointWindow::Last(1), None) };
    let named = series_values(&found.points, &found.index, &asked).unwrap();
    assert_eq!(numbers(&named.columns[1]), [99.0], "columns come in the order asked for");
}

#[test]
fn downsampled_values_keep_ends_and_spikes() {
    let (_upload, found) = dataset();
    let thin = series_values(&found.points, &found.index, &query("s3", PointWindow::All, Some(12))).unwrap();
    assert!(thin.positions.len() <= 12, "{:?}", thin.positions);
    assert!(thin.positions.is_sorted());
    assert_eq!((thin.positions.first(), thin.positions.last()), (Some(&0), Some(&99)));
    assert!(numbers(&thin.columns[0]).contains(&9_999.0));
    assert_eq!(thin.times.unwrap().len(), thin.positions.len());
    let whole = series_values(&found.points, &found.index, &query("s3", PointWindow::All, Some(100))).unwrap();
    assert_eq!(whole.positions.len(), 100);
}

#[test]
fn missing_series_columns_and_files_are_errors() {
    let (_upload, found) = dataset();
    let missing = series_values(&found.points, &found.index, &query("s9", PointWindow::All, None));
    assert!(matches!(missing, Err(ReadError::NoSeries(key)) if key == "s9"));
    let read = |name: &str| Frame::read(&found.points, &found.index, &[name.to_owned()]);
    assert!(matches!(read("velue"), Err(ReadError::NoColumn(_))));
    assert!(matches!(read("series"), Err(ReadError::NoColumn(_))));
    assert!(matches!(Frame::read(Path::new("nowhere"), &found.index, &[]), Err(ReadError::Io(_))));
}

#[test]
fn frame_columns_have_the_requested_order() {
    let upload = Upload::new();
    let found = upload.send("time,a,b,series\n2001-01-01,1,2,3\n2001-01-02,4,5,6\n").unwrap();
    let names = ["b".to_owned(), "a".to_owned(), "b".to_owned()];
    let frame = Frame::read(&found.points, &found.index, &names).unwrap();
    let values: Vec<&[f64]> = frame.columns.iter().map(|column| &column.values[..]).collect();
    assert_eq!(values, [&[2.0, 5.0][..], &[1.0, 4.0], &[2.0, 5.0]]);
}

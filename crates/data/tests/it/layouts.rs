//! The same data in several layouts, and series that end early.

use gatecast_core::dataset::Layout;
use gatecast_data::{Decimal, Delimiter, UploadOptions};

use super::{Taken, Upload, frame, warnings};

/// Series `a` lacks its third point, `b` begins late and ends early.
const SERIES: [(&str, [Option<i32>; 6]); 2] =
    [("a", [Some(1), Some(2), None, Some(4), Some(5), Some(6)]), ("b", [None, Some(12), None, None, Some(15), None])];

fn long(time: impl Fn(usize) -> String) -> String {
    let mut text = "unique_id,ds,y\n".to_owned();
    for (key, values) in SERIES {
        let known: Vec<usize> = (0..6).filter(|&at| values[at].is_some()).collect();
        for (at, value) in values.iter().enumerate().take(known[known.len() - 1] + 1).skip(known[0]) {
            text.push_str(&format!("{key},{},{}\n", time(at), value.map_or(String::new(), |value| value.to_string())));
        }
    }
    text
}

fn wide(time: impl Fn(usize) -> String) -> String {
    let mut text = "ds,a,b\n".to_owned();
    // The newest row first: a file need not be sorted.
    for at in (0..6).rev() {
        let cells = SERIES.map(|(_, values)| values[at].map_or(String::new(), |value| value.to_string()));
        text.push_str(&format!("{},{}\n", time(at), cells.join(",")));
    }
    text
}

fn rows() -> String {
    let mut text = "id,p1,p2,p3,p4,p5,p6\n".to_owned();
    for (key, values) in SERIES {
        let cells = values.map(|value| value.map_or(String::new(), |value| value.to_string()));
        text.push_str(&format!("{key},{}\n", cells.join(",")));
    }
    text
}

fn send(layout: Layout, content: &str) -> Taken {
    Upload::with(UploadOptions { layout: Some(layout), ..UploadOptions::default() }).send(content).unwrap()
}

/// For each series its values, and what the profile counts.
fn counted(found: &Taken) -> (Vec<(String, Vec<String>)>, [u64; 6]) {
    let frame = frame(found);
    let text = |value: &f64| value.to_string();
    let series = frame
        .series
        .iter()
        .map(|series| (series.key.clone(), frame.columns[0].values[series.rows.clone()].iter().map(text).collect()));
    let profile = &found.profile;
    let missing = profile.columns[0].missing;
    (series.collect(), [profile.points, profile.series, profile.shortest, profile.longest, profile.gaps, missing])
}

#[test]
fn the_same_data_has_the_same_points_and_gaps_in_every_layout() {
    let day = |at: usize| format!("2001-01-0{}", at + 1);
    let step = |at: usize| (at + 1).to_string();
    let in_rows = counted(&send(Layout::Rows, &rows()));
    assert_eq!(in_rows.1, [10, 2, 4, 6, 0, 3]);
    for (name, content, layout) in [
        ("long, days", long(day), Layout::Long),
        ("wide, days", wide(day), Layout::Wide),
        ("long, steps", long(step), Layout::Long),
        ("wide, steps", wide(step), Layout::Wide),
    ] {
        let (mut series, counts) = counted(&send(layout, &content));
        series.sort();
        assert_eq!((series, counts), in_rows, "{name}");
    }
}

#[test]
fn blanks_of_a_wide_file_are_cut_where_its_series_end_whatever_the_order_of_day_and_month() {
    // Runs of sixteen points. Only the last row tells that the day comes first.
    let mut options = UploadOptions { layout: Some(Layout::Wide), ..UploadOptions::default() };
    options.limits.run_bytes = 1;
    let mut content = "date,a,b\n".to_owned();
    for at in 0..25 {
        let b = if (3..20).contains(&at) && at != 10 { at.to_string() } else { String::new() };
        content.push_str(&format!("{:02}/{:02}/2001,{at},{b}\n", at % 12 + 1, at / 12 + 1));
    }
    content.push_str("13/03/2001,25,\n");
    let found = Upload::with(options).send(&content).unwrap();
    assert_eq!((found.profile.points, found.profile.shortest, found.profile.columns[0].missing), (26 + 17, 17, 1));
}

#[test]
fn a_blank_yields_to_a_value_of_the_same_time() {
    let found = send(Layout::Wide, "date,a,b\n2001-01-01,1,\n2001-01-02,2,\n2001-01-01,,5\n2001-01-02,2,6\n");
    assert_eq!(frame(&found).columns[0].values, [1.0, 2.0, 5.0, 6.0]);
    assert_eq!(found.profile.duplicates_dropped, 1, "two rows give `a` the same value");
}

#[test]
fn a_column_without_values_is_reported() {
    let found = send(Layout::Wide, "date,a,b\n2001-01-01,1,\n2001-01-02,2,NA\n");
    assert_eq!(found.profile.series, 1);
    assert!(warnings(&found).contains(&"empty_columns"));
}

#[test]
fn series_that_end_before_the_others_are_reported() {
    let told = |content: &str| {
        let found = Upload::new().send(content).unwrap();
        let found = found.profile.warnings.iter().find(|warning| warning.code == "ends_early");
        found.map(|warning| warning.detail.clone())
    };
    let days = "id,date,y\na,2001-01-01,1\na,2001-01-02,2\na,2001-01-03,3\nb,2001-01-01,1\nb,2001-01-02,2\n";
    let expected = "1 series ends before the latest end of all series: `b` by 1 step";
    assert_eq!(told(days).as_deref(), Some(expected));
    let blank = format!("{days}b,2001-01-03,\n");
    assert_eq!(told(&blank).as_deref(), Some(expected), "a row without a value is no end");
    assert_eq!(told(&format!("{days}b,2001-01-03,3\n")), None);
    let steps = "id,ds,y\na,1,1\na,9,1\nb,1,1\nb,5,1\nc,1,1\nc,9,2\n";
    assert_eq!(told(steps).as_deref(), Some("1 series ends before the latest end of all series: `b` by 1 step"));
    let months = "id,date,y\na,2001-01-01,1\na,2001-02-01,1\nb,2001-02-25,1\nb,2001-02-26,1\n";
    assert_eq!(told(months), None, "the next month is not over");
}

#[test]
fn a_first_series_with_decimal_commas_is_no_header() {
    let options =
        UploadOptions { decimal: Decimal::Comma, delimiter: Some(Delimiter::Semicolon), ..UploadOptions::default() };
    let found = Upload::with(options).send("north;5,5;4,5;6,5\nsouth;1,5;2,5;1,5\n").unwrap();
    assert_eq!((found.profile.layout, found.profile.series, found.profile.points), (Layout::Rows, 2, 6));
}

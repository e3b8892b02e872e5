//! Files of the Monash forecasting archive.

use gatecast_core::dataset::{Format, Layout, SeasonReason};
use gatecast_data::{UploadOptions, format_hint};

use super::{Upload, frame, micros, warnings};

const HEAD: &str = "\u{feff}# Dataset Information\n# rides, per hour\n#\n@relation Rides\n@attribute series_name string\n\
    @attribute start_timestamp date\n@frequency hourly\n@horizon 2\n@missing true\n@equallength false\n@data\n";

fn code(options: &UploadOptions, content: &str) -> &'static str {
    let error = Upload::with(options.clone()).send(content).unwrap_err();
    match error.code() {
        "invalid_rows" => error.row_errors()[0].code,
        code => code,
    }
}

#[test]
fn series_have_their_names_times_and_unknown_values() {
    let content = format!("{HEAD}T1:2012-01-01 00-00-01:1.5,?,-3e2,4\r\n\nT2:2012-01-01 02-00-01:?,?,10,20,?\n");
    let found = Upload::new().send(content).unwrap();
    let profile = &found.profile;
    assert_eq!((profile.format, profile.layout, profile.rows), (Format::Tsf, Layout::Rows, 2));
    assert_eq!((profile.points, profile.gaps, profile.columns[0].missing), (6, 0, 1));
    assert_eq!((profile.frequency, profile.seasons.as_slice()), ("PT1H".parse().ok(), [24].as_slice()));
    assert_eq!(profile.series_column.as_deref(), Some("series_name"));
    assert_eq!(profile.time_column.as_deref(), Some("start_timestamp"));
    let frame = frame(&found);
    let keys: Vec<&str> = frame.series.iter().map(|series| series.key.as_str()).collect();
    assert_eq!((keys, &frame.columns[0].values[2..]), (vec!["T1", "T2"], [-300.0, 4.0, 10.0, 20.0].as_slice()));
    let times = frame.times.unwrap();
    let expected = ["2012-01-01T00:00:01Z", "2012-01-01T03:00:01Z", "2012-01-01T04:00:01Z"].map(micros);
    assert_eq!([times[0], times[3], times[4]], expected, "the unknown values before a series are not part of it");
}

#[test]
fn a_file_without_times_keeps_its_frequency() {
    let content = "@relation M\n@attribute series_name string\n@attribute kind string\n@frequency monthly\n@data\n\
        a:x:1,2,3\nb:y:4,5\n";
    let found = Upload::new().send(content).unwrap();
    let profile = &found.profile;
    assert_eq!((profile.start, profile.points, profile.frequency), (None, 5, "P1M".parse().ok()));
    assert_eq!((profile.seasons.as_slice(), profile.season_reason), ([12].as_slice(), Some(SeasonReason::Frequency)));
    let dropped = profile.warnings.iter().find(|warning| warning.code == "column_dropped").unwrap();
    assert_eq!(dropped.detail, "the attribute `kind` was left out");
}

#[test]
fn months_follow_the_calendar_and_series_without_names_are_counted() {
    let content =
        "@attribute start_timestamp date\n@frequency quarterly\n@data\n2001-03-31 00-00-00:1,2,3\n2001-03-31:1\n";
    let found = Upload::new().send(content).unwrap();
    assert_eq!(found.profile.frequency, "P3M".parse().ok(), "of the series with one point too");
    assert!(warnings(&found).contains(&"ends_early"));
    let frame = frame(&found);
    assert_eq!((frame.series[0].key.as_str(), frame.series[1].key.as_str()), ("T1", "T2"));
    assert_eq!(frame.times.unwrap()[2], micros("2001-09-30T00:00:00Z"));
}

#[test]
fn series_may_be_longer_than_a_row_of_csv_has_cells() {
    let mut options = UploadOptions::default();
    options.limits.columns = 10;
    let values: Vec<String> = (0..1_000).map(|at| at.to_string()).collect();
    let found =
        Upload::with(options.clone()).send(format!("{HEAD}T1:2012-01-01 00-00-00:{}\n", values.join(","))).unwrap();
    assert_eq!(found.profile.points, 1_000);
    options.limits.line_bytes = 1_000;
    let long = format!("{HEAD}T1:2012-01-01 00-00-00:{}\n", values.join(",").repeat(100));
    assert_eq!(code(&options, &long), "line_too_long");
}

#[test]
fn what_is_wrong_in_a_file_is_named() {
    let with = |line: &str| format!("{HEAD}{line}\n");
    let cases = [
        ("no data line", "@relation x\n@attribute a string\n".to_owned(), "invalid_tsf"),
        ("no rows", HEAD.to_owned(), "no_values"),
        ("unknown head", "@relation x\nvalues\n".to_owned(), "invalid_tsf"),
        ("unknown type", "@relation x\n@attribute a enum\n@data\n".to_owned(), "invalid_tsf"),
        ("unknown frequency", HEAD.replace("hourly", "often"), "invalid_tsf"),
        ("a missing part", with("T1:1,2"), "invalid_tsf"),
        ("no time", with("T1:yesterday:1,2"), "invalid_tsf"),
        ("no number", with("T1:2012-01-01 00-00-00:1,x"), "not_a_number"),
        ("no values", with("T1:2012-01-01 00-00-00:?,?"), "empty_series"),
        ("past the last time", with("T1:9999-12-30 20-00-00:1,2,3,4"), "time_out_of_range"),
        ("a series twice", with("T1:2012-01-01 00-00-00:1\nT1:2012-01-01 00-00-00:2"), "contradicting_duplicates"),
    ];
    for (name, content, expected) in cases {
        assert_eq!(code(&UploadOptions::default(), &content), expected, "{name}");
    }
    let given = UploadOptions { frequency: "PT2H".parse().ok(), ..UploadOptions::default() };
    let found =
        Upload::with(given).send(format!("{}T1:2012-01-01 00-00-00:1,2", HEAD.replace("hourly", "often"))).unwrap();
    assert_eq!(found.profile.frequency, "PT2H".parse().ok(), "the option wins");
}

#[test]
fn the_content_or_the_file_name_tells_the_format() {
    assert_eq!(format_hint(None, Some("electricity.tsf.gz")), Some(Format::Tsf));
    let called = |format| UploadOptions { format: Some(format), ..UploadOptions::default() };
    let content = format!("{HEAD}T1:2012-01-01 00-00-00:1,2\n");
    assert_eq!(Upload::with(called(Format::Csv)).send(&content).unwrap().profile.format, Format::Tsf);
    assert_eq!(code(&called(Format::Tsf), "time,value\n2001-01-01,1\n"), "invalid_tsf");
}

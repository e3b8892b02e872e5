//! Accepted uploads: formats, layouts, and common forms of dates and numbers.

use gatecast_core::dataset::{ColumnKind, DuplicatePolicy, Format, Layout};
use gatecast_data::{DateOrder, Decimal, Delimiter, Encoding, TimeFormat, UploadOptions, format_hint};

use super::{Upload, frame, gzip, is_empty, micros, warnings};

const LONG: &str = "id,time,value\na,2001-01-01,1\na,2001-01-02,2\nb,2001-01-01,3.5\nb,2001-01-02,\n";

#[test]
fn a_long_file_becomes_sorted_series() {
    let upload = Upload::new();
    let found = upload.send("id,time,value\nb,2001-01-02,4\na,2001-01-01,1\nb,2001-01-01,3\na,2001-01-02,\n").unwrap();
    let profile = &found.profile;
    assert_eq!((profile.layout, profile.rows, profile.points, profile.series), (Layout::Long, 4, 4, 2));
    assert_eq!((profile.time_column.as_deref(), profile.series_column.as_deref()), (Some("time"), Some("id")));
    assert_eq!(profile.frequency.unwrap().to_string(), "P1D");
    let frame = frame(&found);
    let keys: Vec<&str> = frame.series.iter().map(|series| series.key.as_str()).collect();
    assert_eq!(keys, ["b", "a"]);
    assert_eq!(frame.times.unwrap()[..2], [micros("2001-01-01T00:00:00Z"), micros("2001-01-02T00:00:00Z")]);
    assert_eq!(frame.columns[0].values[..3], [3.0, 4.0, 1.0]);
    assert!(frame.columns[0].values[3].is_nan());
    assert_eq!(found.profile.columns[0].missing, 1);
    drop(found);
    assert!(is_empty(upload.scratch.path()), "the files go with the result");
}

#[test]
fn the_cta_sample_loads_without_options() {
    let content =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/samples/cta_ridership.csv")).unwrap();
    let found = Upload::new().send(&content).unwrap();
    let profile = &found.profile;
    assert_eq!((profile.layout, profile.series, profile.rows, profile.points), (Layout::Long, 1, 2222, 2191));
    assert_eq!((profile.duplicates_dropped, profile.gaps), (31, 0));
    assert_eq!(profile.time_column.as_deref(), Some("service_date"));
    assert_eq!(profile.frequency.unwrap().to_string(), "P1D");
    let kinds: Vec<(&str, ColumnKind)> =
        profile.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
    let number = ColumnKind::Number;
    let known =
        [("day_type", ColumnKind::Category), ("bus", number), ("rail_boardings", number), ("total_rides", number)];
    assert_eq!(kinds, known);
    assert_eq!(profile.columns[0].categories[0].value, "W");
}

#[test]
fn electricity_keeps_its_holidays_and_drops_its_second_date() {
    let content = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/vic_electricity.csv")).unwrap();
    let found = Upload::new().send(&content).unwrap();
    assert_eq!(found.profile.time_column.as_deref(), Some("Time"));
    assert_eq!(found.profile.frequency.unwrap().to_string(), "PT30M");
    assert_eq!(found.profile.column("Holiday").unwrap().kind, ColumnKind::Category);
    assert!(found.profile.column("Date").is_none());
    assert_eq!(warnings(&found), ["column_dropped"]);
}

#[test]
fn a_file_with_one_series_per_row_is_recognised() {
    let mut content = "\"V1\",\"V2\",\"V3\",\"V4\",\"V5\"\n".to_owned();
    content.push_str(
        "\"H1\",\"605\",\"586\",\"586\",\"559\"\n\"H2\",\"3124\",\"2990\",\"NA\",\"\"\n\"H3\",\"1\",\"\",\"3\"\n",
    );
    let found = Upload::new().send(&content).unwrap();
    let profile = &found.profile;
    assert_eq!((profile.layout, profile.series, profile.points), (Layout::Rows, 3, 9));
    assert_eq!((profile.shortest, profile.longest, profile.start), (2, 4, None));
    assert_eq!(profile.columns[0].name, "value");
    let frame = frame(&found);
    assert!(frame.times.is_none());
    assert_eq!(frame.columns[0].values[..6], [605.0, 586.0, 586.0, 559.0, 3124.0, 2990.0]);
    assert!(frame.columns[0].values[7].is_nan());
}

#[test]
fn a_file_with_one_series_per_column_is_recognised_from_ten_columns_on() {
    let file = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("s{at}")).collect();
        let mut text = format!("date,{}\n", names.join(","));
        for day in 1..=3 {
            let cells: Vec<String> = (0..count)
                .map(|at| if at == 1 && day == 2 { String::new() } else { format!("{}", at * 10 + day) })
                .collect();
            text.push_str(&format!("2001-01-0{day},{}\n", cells.join(",")));
        }
        text
    };
    let found = Upload::new().send(file(10)).unwrap();
    assert_eq!((found.profile.layout, found.profile.series, found.profile.points), (Layout::Wide, 10, 30));
    assert_eq!(frame(&found).columns[0].values[..4], [1.0, 2.0, 3.0, 11.0]);
    assert!(frame(&found).columns[0].values[4].is_nan());
    let found = Upload::new().send(file(9)).unwrap();
    assert_eq!((found.profile.layout, found.profile.series), (Layout::Long, 1));
    let wide = UploadOptions { layout: Some(Layout::Wide), ..UploadOptions::default() };
    let found = Upload::with(wide).send(file(9)).unwrap();
    assert_eq!((found.profile.series, found.profile.layout_reason.as_str()), (9, "the upload's options say so"));
}

#[test]
fn the_series_column_is_the_one_that_makes_times_unique() {
    let found =
        Upload::new().send("day,plant,load\n2001-01-01,x,1\n2001-01-01,y,2\n2001-01-02,x,3\n2001-01-02,y,4\n").unwrap();
    assert_eq!(found.profile.series_column.as_deref(), Some("plant"));
    // A column called `id` that counts the rows of one series is not a series column.
    let found = Upload::new().send("id,day,load\n1,2001-01-01,1\n2,2001-01-02,2\n3,2001-01-03,3\n").unwrap();
    assert_eq!((found.profile.series, found.profile.series_column.as_deref()), (1, None));
    assert_eq!(frame(&found).series[0].key, gatecast_core::dataset::ONLY_SERIES);
}

#[test]
fn a_file_without_times_keeps_its_order() {
    let found = Upload::new().send("value\n3\n1\n2\n").unwrap();
    assert_eq!(frame(&found).columns[0].values, [3.0, 1.0, 2.0]);
    assert!(warnings(&found).contains(&"no_times"));
}

#[test]
fn every_format_and_compression_gives_the_same_points() {
    let plain = Upload::new().send(LONG).unwrap();
    let json = r#"[{"id":"a","time":"2001-01-01","value":1},{"id":"a","time":"2001-01-02","value":2.0},
        {"id":"b","time":"2001-01-01","value":3.5},{"id":"b","time":"2001-01-02","value":null}]"#;
    let lines = "{\"id\":\"a\",\"time\":\"2001-01-01\",\"value\":1}\n{\"id\":\"a\",\"time\":\"2001-01-02\",\"value\":2}\n\n\
        {\"id\":\"b\",\"time\":\"2001-01-01\",\"value\":3.5}\n{\"id\":\"b\",\"time\":\"2001-01-02\"}\n";
    let stored = std::fs::read(&plain.points).unwrap();
    let zstd = zstd::encode_all(LONG.as_bytes(), 3).unwrap();
    let semicolons = LONG.replace(',', ";");
    let cases: [(&str, Vec<u8>, Encoding); 9] = [
        ("json", json.into(), Encoding::Identity),
        ("lines", lines.into(), Encoding::Identity),
        ("parquet", stored, Encoding::Identity),
        ("announced gzip", gzip(LONG.as_bytes()), Encoding::Gzip),
        ("raw gzip", gzip(LONG.as_bytes()), Encoding::Identity),
        ("raw zstd", zstd, Encoding::Identity),
        ("two gzip members", [gzip(&LONG.as_bytes()[..20]), gzip(&LONG.as_bytes()[20..])].concat(), Encoding::Gzip),
        (
            "byte order mark and other line ends",
            format!("\u{feff}{}", semicolons.replace('\n', "\r\n")).into(),
            Encoding::Identity,
        ),
        ("tabs and old line ends", LONG.replace(',', "\t").replace('\n', "\r").into(), Encoding::Identity),
    ];
    for (name, content, encoding) in cases {
        let found = Upload::new().encoded(encoding).send(content).unwrap();
        assert_eq!(found.sha256, plain.sha256, "{name}");
        assert_eq!(std::fs::read(&found.index).unwrap(), std::fs::read(&plain.index).unwrap(), "{name}");
    }
}

#[test]
fn the_order_of_day_and_month_is_detected() {
    let first = |content: &str, order| {
        let upload = Upload::with(UploadOptions { date_order: order, ..UploadOptions::default() });
        frame(&upload.send(content).unwrap()).times.unwrap()[0]
    };
    assert_eq!(first("date,value\n01/02/2001,1\n01/13/2001,2\n", None), micros("2001-01-02T00:00:00Z"));
    assert_eq!(first("date,value\n01/02/2001,1\n13/02/2001,2\n", None), micros("2001-02-01T00:00:00Z"));
    assert_eq!(first("date,value\n01/02/2001,1\n", Some(DateOrder::Dmy)), micros("2001-02-01T00:00:00Z"));
    assert_eq!(first("month,value\n200102,1\n200103,2\n", None), micros("2001-02-01T00:00:00Z"));
    assert_eq!(first("year,value\n2001,1\n2002,2\n", None), micros("2001-01-01T00:00:00Z"));
    assert_eq!(first("timestamp,value\n1000000000,1\n1000003600,2\n", None), micros("2001-09-09T01:46:40Z"));
}

#[test]
fn runs_spilled_before_the_date_order_is_known_are_corrected() {
    // Runs of sixteen rows; only the last row determines the date order.
    let mut options = UploadOptions::default();
    options.limits.run_bytes = 1;
    let mut content = "date,value\n".to_owned();
    for at in 0..130 {
        content.push_str(&format!("{:02}/{:02}/2001,{at}\n", at % 12 + 1, at / 12 + 1));
    }
    content.push_str("13/01/2001,130\n");
    let spilled = Upload::with(options).send(&content).unwrap();
    let said = UploadOptions { date_order: Some(DateOrder::Dmy), ..UploadOptions::default() };
    let whole = Upload::with(said).send(&content).unwrap();
    assert_eq!(spilled.sha256, whole.sha256);
    assert_eq!(spilled.profile.frequencies, whole.profile.frequencies);
}

#[test]
fn options_override_detection() {
    let options = UploadOptions {
        time_column: Some("at".to_owned()),
        series_column: Some("who".to_owned()),
        time_format: Some(TimeFormat::EpochMillis),
        delimiter: Some(Delimiter::Pipe),
        decimal: Decimal::Comma,
        ..UploadOptions::default()
    };
    let found = Upload::with(options).send("at|who|load\n1000|x|1,5\n2000|x|2,5\n").unwrap();
    assert_eq!(frame(&found).columns[0].values, [1.5, 2.5]);
    assert_eq!(found.profile.frequency.unwrap().to_string(), "PT1S");
}

#[test]
fn contradicting_rows_are_handled_by_the_duplicates_option() {
    let content = "date,value\n2001-01-01,1\n2001-01-01,2\n2001-01-01,2\n2001-01-02,3\n";
    let values = |duplicates| {
        let found = Upload::with(UploadOptions { duplicates, ..UploadOptions::default() }).send(content).unwrap();
        assert_eq!(found.profile.duplicates_dropped, 2);
        frame(&found).columns[0].values.clone()
    };
    assert_eq!(values(DuplicatePolicy::First), [1.0, 3.0]);
    assert_eq!(values(DuplicatePolicy::Last), [2.0, 3.0]);
}

#[test]
fn the_profile_warns_of_suspicious_data() {
    let found = Upload::new()
        .send("id,time,value,note\na,2001-01-01 00:00,1,\na,2001-01-01 01:00,1,\na,2001-01-01 04:00,1,x\nb,2001-01-01 00:00,1,\nb,2001-01-01 00:20,2,\nb,2001-01-01 00:50,3,y\n")
        .unwrap();
    let codes = ["times_without_zone", "gaps", "irregular", "constant_series", "short_series", "many_missing"];
    assert_eq!(warnings(&found), codes);
    assert_eq!(found.profile.constant, ["a/value"]);
    assert_eq!((found.profile.gaps, found.profile.frequency), (2, None));
}

#[test]
fn unusual_but_valid_uploads_are_accepted() {
    let long = "x".repeat(512);
    let cases: [(&str, String); 8] = [
        ("one row", "time,value\n2001-01-01,1\n".into()),
        ("no last line end", "time,value\n2001-01-01,1".into()),
        (
            "ids of every script",
            "id,time,value\n🚲,2001-01-01,1\nشمال,2001-01-01,2\n../x,2001-01-01,3\n=1+1,2001-01-01,4\n".into(),
        ),
        ("a long id", format!("id,time,value\n{long},2001-01-01,1\n")),
        ("subnormal numbers", "time,value\n2001-01-01,1e-310\n2001-01-02,-1e-45\n".into()),
        ("the calendar's ends", "time,value\n0001-01-01,1\n9999-12-30,2\n".into()),
        ("a leap second", "time,value\n2016-12-31T23:59:60Z,1\n2017-01-01T00:00:00Z,2\n".into()),
        ("a quoted line break", "id,time,value\n\"a\nb\",2001-01-01,1\n\"a\nb\",2001-01-02,2\n".into()),
    ];
    for (name, content) in cases {
        let found =
            Upload::new().send(&content).unwrap_or_else(|error| panic!("{name}: {error} {:?}", error.row_errors()));
        assert!(found.profile.points > 0, "{name}");
    }
}

#[test]
fn two_points_far_apart_in_time_are_accepted() {
    let found = Upload::new()
        .send("time,value\n1970-01-01T00:00:00Z,1\n1970-01-01T00:00:01Z,2\n9999-12-30T00:00:00Z,3\n")
        .unwrap();
    assert_eq!(found.profile.gaps, 253_402_128_000 - 2);
}

#[test]
fn a_column_of_too_many_texts_is_left_out() {
    let mut content = "time,value,note\n".to_owned();
    for at in 0..6_000 {
        let note = if at < 5_500 { "same".to_owned() } else { format!("note {at}") };
        content.push_str(&format!("{},{at},{note}\n", micros("2001-01-01T00:00:00Z") / 1_000_000 + at));
    }
    let mut options = UploadOptions::default();
    options.limits.categories = 100;
    let found = Upload::with(options).send(&content).unwrap();
    assert_eq!(warnings(&found), ["column_dropped"]);
    assert_eq!(found.profile.columns.len(), 1);
    assert_eq!(frame(&found).columns[0].values.len(), 6_000);
}

#[test]
fn the_format_is_detected_from_media_type_and_file_name() {
    assert_eq!(format_hint(Some("text/csv; charset=utf-8"), None), Some(Format::Csv));
    assert_eq!(format_hint(Some("application/octet-stream"), Some("Data.CSV.gz")), Some(Format::Csv));
    assert_eq!(format_hint(None, Some("rows.jsonl")), Some(Format::Ndjson));
    assert_eq!(format_hint(None, Some("parquet")), Some(Format::Parquet));
    assert_eq!(format_hint(Some("application/x-www-form-urlencoded"), None), None);
}

//! Refused uploads: the error has a stable code and names invalid rows, and no files are left.

use std::io::{self, Read};
use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Float64Array, ListArray, RecordBatch, StringArray, types::Int32Type};
use gatecast_core::dataset::{Format, Layout};
use gatecast_data::{DateOrder, Encoding, IngestError, UploadOptions};

use super::{Upload, gzip};

/// The code of the refusal, or of its first invalid row.
fn code(error: &IngestError) -> &'static str {
    match error.code() {
        "invalid_rows" => error.row_errors()[0].code,
        code => code,
    }
}

#[test]
fn each_kind_of_invalid_text_has_a_code() {
    let wide_id = format!("id,time,value\n{},2001-01-01,1\n", "x".repeat(10_240));
    let columns = format!("time{}\n", ",c".repeat(100_000));
    let deep = format!("[{{\"time\":\"2001-01-01\",\"value\":{}", "[".repeat(250_000));
    let cases: Vec<(&str, &[u8], &str)> = vec![
        ("empty body", b"", "empty_upload"),
        ("blank lines", b"\n\n\n", "empty_upload"),
        ("header only", b"time,value\n", "no_rows"),
        ("cut in a row", b"id,time,value\na,2001-01-01,1\na,2001-", "ragged_row"),
        ("too many cells", b"time,value\n2001-01-01,1,2\n", "ragged_row"),
        ("no header", b"2001-01-01,1\n2001-01-02,2\n", "no_header"),
        ("no header, and an id", b"north,2001-01-01,1\nnorth,2001-01-02,2\n", "no_header"),
        ("the calendar's end", b"time,value\n2001-01-01,1\n9999-12-31,2\n", "time_out_of_range"),
        ("UTF-16", b"\xff\xfet\0i\0m\0e\0", "utf16"),
        ("UTF-16 without a mark", b"t\0i\0m\0e\0", "not_text"),
        ("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not_text"),
        ("Latin-1 id", b"id,time,value\nZ\xfcrich,2001-01-01,1\n", "invalid_utf8"),
        ("Latin-1 name", b"time,gr\xfc\xdfe\n2001-01-01,1\n", "invalid_utf8"),
        ("Latin-1 number", b"time,value\n2001-01-01,1\n2001-01-02,2\n2001-01-03,3\n2001-01-04,4\n2001-01-05,5\n2001-01-06,6\n2001-01-07,7\n2001-01-08,8\n2001-01-09,9\n2001-01-10,\xfc\n", "invalid_utf8"),
        ("unclosed quote", b"time,value\n2001-01-01,1\n2001-01-02,\"2\n2001-01-03,3\n", "unclosed_quote"),
        ("unclosed quote in the last line", b"time,value\n2001-01-01,1\n2001-01-02,\"2", "unclosed_quote"),
        ("100,000 columns", columns.as_bytes(), "too_many_columns"),
        ("two columns of one name", b"time,value,value\n2001-01-01,1,2\n", "duplicate_column"),
        ("a column without a name", b"time,,value\n2001-01-01,1,2\n", "empty_column_name"),
        ("infinity", b"time,value\n2001-01-01,inf\n", "number_not_finite"),
        ("negative infinity", b"time,value\n2001-01-01,-Infinity\n", "number_not_finite"),
        ("1e999", b"time,value\n2001-01-01,1e999\n", "number_not_finite"),
        ("1e39", b"time,value\n2001-01-01,1e39\n", "number_out_of_range"),
        ("decimal commas", b"time;value\n2001-01-01;1,5\n2001-01-02;2,5\n", "decimal_comma"),
        ("no numbers", b"time,value\n2001-01-01,one\n2001-01-02,two\n", "no_number_column"),
        ("mixed zones", b"time,value\n2001-01-01T00:00:00Z,1\n2001-01-01T01:00:00,2\n", "mixed_zones"),
        ("29 February 2001", b"time,value\n2001-02-28,1\n2001-02-29,2\n", "no_such_date"),
        ("year 0", b"time,value\n0000-01-01,1\n", "no_such_date"),
        ("no time", b"time,value\n2001-01-01,1\n,2\n", "missing_time"),
        ("words for times", b"time,value\nyesterday,1\n", "unrecognised_times"),
        ("either way round", b"date,value\n01/02/2001,1\n02/03/2001,2\n", "ambiguous_dates"),
        ("both ways round", b"date,value\n01/13/2001,1\n13/02/2001,2\n", "mixed_date_order"),
        ("empty id", b"id,time,value\na,2001-01-01,1\n,2001-01-01,2\n", "empty_series_id"),
        ("an id of 10 KB", wide_id.as_bytes(), "series_id_too_long"),
        ("an overlap of summer time", b"time,value\n2001-10-28 02:30,1\n2001-10-28 02:30,2\n", "contradicting_duplicates"),
        ("a series twice", b"V1,V2,V3\na,1,2\nb,3,4\na,5,6\n", "contradicting_duplicates"),
        ("JSON in JSON", b"[{\"time\":\"2001-01-01\",\"value\":{\"x\":1}}]", "nested_value"),
        ("deep JSON", deep.as_bytes(), "invalid_json"),
        ("a field twice", b"[{\"value\":1,\"value\":2}]", "duplicate_field"),
        ("JSON cut short", b"[{\"time\":\"2001-01-01\",\"value\":1}", "invalid_json"),
        ("JSON and more", b"[{\"time\":\"2001-01-01\",\"value\":1}] x", "invalid_json"),
        ("an empty array", b"[]", "no_rows"),
        ("a line that is no JSON", b"{\"time\":\"2001-01-01\",\"value\":1}\n{\"time\":\n", "invalid_json"),
    ];
    for (name, content, expected) in cases {
        let error = Upload::new().send(content).expect_err(name);
        assert_eq!(code(&error), expected, "{name}: {error} {:?}", error.row_errors());
        assert!(!error.detail().is_empty() && !error.detail().contains("/tmp"), "{name}: {}", error.detail());
    }
}

#[test]
fn each_kind_of_invalid_bytes_has_a_code() {
    let good = b"time,value\n2001-01-01,1\n".repeat(50);
    let mut bad_sum = gzip(&good);
    let at = bad_sum.len() - 6;
    bad_sum[at] ^= 1;
    let cut = gzip(&good)[..40].to_vec();
    let row = format!("1,{}\n", "x".repeat(2_000));
    let bomb = gzip(format!("value,note\n{}", row.repeat(40_000)).as_bytes());
    let cases: Vec<(&str, Vec<u8>, Encoding, &str)> = vec![
        ("gzip in gzip", gzip(&gzip(&good)), Encoding::Gzip, "nested_compression"),
        ("gzip in zstd", zstd::encode_all(&gzip(&good)[..], 1).unwrap(), Encoding::Identity, "nested_compression"),
        ("a bad checksum", bad_sum, Encoding::Gzip, "corrupt_compression"),
        ("cut gzip", cut, Encoding::Identity, "corrupt_compression"),
        ("not gzip", good.clone(), Encoding::Gzip, "wrong_encoding"),
        ("a bomb", bomb, Encoding::Gzip, "compression_ratio"),
        ("Parquet without a footer", b"PAR1 and nothing more".to_vec(), Encoding::Identity, "invalid_parquet"),
    ];
    for (name, content, encoding, expected) in cases {
        let error = Upload::new().encoded(encoding).send(content).expect_err(name);
        assert_eq!(error.code(), expected, "{name}: {error}");
    }
    let called = |format| UploadOptions { format: Some(format), ..UploadOptions::default() };
    assert_eq!(Upload::with(called(Format::Parquet)).send(&good).unwrap_err().code(), "wrong_format");
    assert_eq!(Upload::with(called(Format::Csv)).send(b"PAR1PAR1").unwrap_err().code(), "wrong_format");
    assert_eq!(Upload::with(called(Format::Json)).send(&good).unwrap_err().code(), "invalid_json");
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut file = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

#[test]
fn parquet_files_of_other_writers_are_read_or_refused() {
    let time: ArrayRef = Arc::new(StringArray::from(vec!["2001-01-01", "2001-01-02"]));
    let decimals = Decimal128Array::from(vec![150, 250]).with_precision_and_scale(10, 2).unwrap();
    let found = Upload::new().send(parquet(vec![("time", Arc::clone(&time)), ("value", Arc::new(decimals))])).unwrap();
    assert_eq!(super::frame(&found).columns[0].values, [1.5, 2.5]);

    let zoned = arrow_array::TimestampNanosecondArray::from(vec![0, 1_800_000_000_000]).with_timezone("Europe/Berlin");
    let value: ArrayRef = Arc::new(Float64Array::from(vec![0.1, 1e-300]));
    let found = Upload::new().send(parquet(vec![("ds", Arc::new(zoned)), ("y", value)])).unwrap();
    assert_eq!(
        (super::frame(&found).times.unwrap(), super::warnings(&found)),
        (vec![0, 1_800_000_000], vec!["short_series"])
    );
    assert_eq!(super::frame(&found).columns[0].values, [0.1, 1e-300]);

    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1)]), None]);
    let error = Upload::new().send(parquet(vec![("time", time), ("value", Arc::new(lists))])).unwrap_err();
    assert_eq!(error.code(), "nested_column");
}

#[test]
fn a_damaged_parquet_upload_never_panics() {
    let numbers = Float64Array::from_iter_values((0..500).map(f64::from));
    let good = parquet(vec![("value", Arc::new(numbers))]);
    for at in (4..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        // The upload may be refused, or read if the byte does not matter. The call must return.
        let _ = Upload::new().send(bad);
    }
}

#[test]
fn limits_are_enforced() {
    let with = |change: &dyn Fn(&mut UploadOptions)| {
        let mut options = UploadOptions::default();
        change(&mut options);
        Upload::with(options)
    };
    let content = "id,time,value\na,2001-01-01,1\nb,2001-01-01,2\nc,2001-01-01,3\n";
    let series = with(&|options| options.limits.series = 2);
    assert_eq!(series.send(content).unwrap_err().code(), "too_many_series");
    let points = with(&|options| options.limits.points = 2);
    assert_eq!(points.send(content).unwrap_err().code(), "too_many_points");
    let bytes = with(&|options| options.limits.bytes = 20);
    assert_eq!(bytes.send(content).unwrap_err().code(), "upload_too_large");
    let columns = with(&|options| options.limits.value_columns = 1);
    let error = columns.send("time,a,b\n2001-01-01,1,2\n").unwrap_err();
    assert!(matches!(&error, IngestError::TooLarge(refusal) if refusal.code == "too_many_columns"), "{error}");
    let rows = parquet(vec![("value", Arc::new(Float64Array::from(vec![1.0; 1_000])))]);
    assert_eq!(points.send(rows).unwrap_err().code(), "too_many_rows");
}

#[test]
fn an_endless_line_is_refused_early() {
    let counted = std::sync::atomic::AtomicU64::new(0);
    struct Count<'a, R>(R, &'a std::sync::atomic::AtomicU64);
    impl<R: Read> Read for Count<'_, R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            self.1.fetch_add(count as u64, std::sync::atomic::Ordering::Relaxed);
            Ok(count)
        }
    }
    for start in [
        "time,value\n2001-01-01,",
        "time,value\n2001-01-01,\"",
        "{\"time\": \"",
        "[{\"time\": \"2001-01-01\"}, {\"time\": \"",
        "[{\"time\": \"2001-01-01\", \"tags\": [[\"",
    ] {
        counted.store(0, std::sync::atomic::Ordering::Relaxed);
        let content = start.as_bytes().chain(io::repeat(b'x').take(1 << 30));
        let error = Upload::new().stream(Count(content, &counted)).unwrap_err();
        assert_eq!(error.code(), "line_too_long", "{start}");
        assert!(counted.load(std::sync::atomic::Ordering::Relaxed) < 10 << 20, "{start}");
    }
}

#[test]
fn several_invalid_rows_are_reported_with_their_lines() {
    let error = Upload::new()
        .send("id,time,value\na,2001-01-01,1\na,2001-01-02,x\na,noon,3\n\na,2001-01-03,4,5\na,2001-01-04,5\na,2001-01-05,5\na,2001-01-06,5\na,2001-01-07,5\na,2001-01-08,5\na,2001-01-09,5\na,2001-01-10,5\na,2001-01-11,5\na,2001-01-12,5\n")
        .unwrap_err();
    let rows: Vec<(u64, Option<&str>, &str)> =
        error.row_errors().iter().map(|row| (row.line, row.column.as_deref(), row.code)).collect();
    let expected = [(3, Some("value"), "not_a_number"), (4, Some("time"), "not_a_time"), (6, None, "ragged_row")];
    assert_eq!(rows, expected);

    let returns =
        "time,value\r\n2001-01-01,1\r\n\r\n2001-01-02,\"x\ny\"\r\n2001-01-03,z\r\n2001-01-04,4\r\n2001-01-05,inf\r\n";
    let error = Upload::new().send(returns.replace(",z", ",3")).unwrap_err();
    assert_eq!(error.row_errors().iter().map(|row| row.line).collect::<Vec<_>>(), [4, 8]);

    let many = "2001-01-01,inf\n".repeat(100);
    let error = Upload::new().send(format!("time,value\n{many}")).unwrap_err();
    assert_eq!(error.row_errors().len(), 20);
}

#[test]
fn contradicting_rows_are_reported_with_both_lines() {
    let error = Upload::new().send("id,time,value\na,2001-01-01,1\nb,2001-01-01,1\na,2001-01-01,2\n").unwrap_err();
    let [row] = error.row_errors() else { panic!("{error}") };
    assert_eq!(row.line, 4);
    assert!(row.detail.contains("line 2") && row.detail.contains("`a`"), "{}", row.detail);
}

#[test]
fn ambiguous_dates_are_refused_with_a_hint() {
    let upload = Upload::new();
    let error = upload.send("date,value\n01/02/2001,1\n").unwrap_err();
    assert!(error.detail().starts_with("is 01/02/2001 (line 2) the 2nd of January or the 1st of February?"), "{error}");
    let told = UploadOptions { date_order: Some(DateOrder::Mdy), ..UploadOptions::default() };
    assert!(Upload::with(told).send("date,value\n01/02/2001,1\n").is_ok());
}

#[test]
fn options_that_do_not_fit_the_data_are_named() {
    let options = UploadOptions { time_column: Some("tine".to_owned()), ..UploadOptions::default() };
    let error = Upload::with(options).send("time,value\n2001-01-01,1\n").unwrap_err();
    assert_eq!(error.code(), "no_such_column");
    assert!(error.detail().contains("did you mean `time`?"), "{error}");
    let wide = UploadOptions { layout: Some(Layout::Wide), ..UploadOptions::default() };
    assert_eq!(Upload::with(wide).send("a,b\n1,2\n").unwrap_err().code(), "no_time_column");
}

#[test]
fn a_disconnected_client_interrupts_the_upload() {
    struct Leaving(usize);
    impl Read for Leaving {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            match self.0 {
                1 => (&b"time,value\n2001-01-01,1\n"[..]).read(buffer),
                _ => Err(io::Error::new(io::ErrorKind::ConnectionReset, "gone")),
            }
        }
    }
    for encoding in [Encoding::Identity, Encoding::Gzip] {
        let error =
            Upload::new().encoded(encoding).stream(Leaving(usize::from(encoding == Encoding::Gzip))).unwrap_err();
        assert_eq!(error.code(), "upload_interrupted");
    }
}

#[test]
fn an_upload_may_arrive_byte_by_byte() {
    struct Drip<R>(R);
    impl<R: Read> Read for Drip<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let end = buffer.len().min(1);
            self.0.read(&mut buffer[..end])
        }
    }
    let mut content = "time,value\n".to_owned();
    for at in 0..20_000_i64 {
        content.push_str(&format!("{},{at}\n", 1_000_000_000 + at));
    }
    let whole = Upload::new().send(&content).unwrap();
    assert_eq!(Upload::new().stream(Drip(content.as_bytes())).unwrap().sha256, whole.sha256);
    assert_eq!(Upload::new().stream(Drip(&gzip(content.as_bytes())[..])).unwrap().sha256, whole.sha256);
}

//! Data is never dropped without an error or warning, and no row exceeds its memory limit.

use std::io::{self, Read};

use gatecast_core::dataset::ColumnKind;
use gatecast_data::{IngestError, UploadOptions};

use super::{Upload, lines_of};

/// Twenty thousand rows, the given row, and twenty thousand more.
fn with_row_between(row: &str) -> String {
    let day = |at: i64| format!("{},{at}\n", 1_000_000_000 + at);
    let part = |days: std::ops::Range<i64>| days.map(day).collect::<String>();
    format!("epoch,value\n{}{row}\n{}", part(0..20_000), part(20_000..40_000))
}

#[test]
fn a_row_with_a_single_nul_is_refused_with_its_line() {
    let error = Upload::new().send(with_row_between("\0")).unwrap_err();
    assert_eq!((error.code(), lines_of(&error)), ("invalid_rows", vec![20_002]), "{error}");
    // As the last row, with and without a line ending.
    for end in ["\0", "\0\n", "\0\n\0\n"] {
        let error = Upload::new().send(format!("{}{end}", with_row_between("1040000000,1"))).unwrap_err();
        assert_eq!(lines_of(&error)[0], 40_003, "{end:?}: {error}");
    }
    // In a file with one column, the row has the right number of cells.
    let column: String = (0..40_000).map(|at| format!("{at}\n")).collect();
    let error = Upload::new().send(format!("value\n{column}\0\n{column}")).unwrap_err();
    assert_eq!((lines_of(&error), error.row_errors()[0].code), (vec![40_002], "not_a_number"), "{error}");
}

#[test]
fn the_error_for_too_many_blank_lines_says_so() {
    let blank = format!("time,value\n2001-01-01,1\n{}", "\n".repeat(10 << 20));
    let error = Upload::new().send(blank).unwrap_err();
    assert_eq!(error.code(), "line_too_long");
    assert!(error.detail().contains("blank lines") && !error.detail().contains("quote"), "{error}");
    let lines = format!("{{\"value\":1}}\n{}{{\"value\":2}}\n", "\n".repeat(10 << 20));
    assert_eq!(Upload::new().send(lines).unwrap().profile.rows, 2);
}

/// An endless text that counts the bytes read from it.
struct Endless<'a, F> {
    next: F,
    ready: Vec<u8>,
    taken: &'a mut u64,
}

impl<F: FnMut() -> Vec<u8>> Read for Endless<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() {
            self.ready = (self.next)();
        }
        let count = self.ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.ready[..count]);
        self.ready.drain(..count);
        *self.taken += count as u64;
        Ok(count)
    }
}

fn endless(mut next: impl FnMut() -> String + Send) -> (IngestError, u64) {
    let mut taken = 0;
    let content = Endless { next: move || next().into_bytes(), ready: Vec::new(), taken: &mut taken };
    let error = Upload::new().stream(content).unwrap_err();
    (error, taken)
}

#[test]
fn json_with_ever_new_field_names_is_refused_early() {
    let mut count = 0;
    let one_row = endless(|| {
        count += 1;
        if count == 1 { "[{\"c0\":1".to_owned() } else { format!(",\"c{count}\":1") }
    });
    let mut count = 0;
    let row_by_row = endless(|| {
        count += 1;
        let fields: Vec<String> = (0..5_000).map(|at| format!("\"c{count}_{at}\":1")).collect();
        format!("{}{{{}}}", if count == 1 { "[" } else { "," }, fields.join(","))
    });
    for (error, taken) in [one_row, row_by_row] {
        assert!(matches!(&error, IngestError::TooLarge(refusal) if refusal.code == "too_many_columns"), "{error}");
        assert!(taken < 4 << 20, "{taken}");
    }
    let error = Upload::new().send(format!("[{{\"{}\":1}}]", "x".repeat(1_000))).unwrap_err();
    assert_eq!(error.code(), "column_name_too_long");
}

#[test]
fn wide_json_rows_end_the_sample_early() {
    // Each row takes 24 bytes for each of the 900 columns, regardless of its fields.
    let columns: Vec<String> = (0..900).map(|at| format!("\"c{at}\":null")).collect();
    let first = format!("{{\"time\":\"2001-01-01\",\"value\":1,{}}}\n", columns.join(","));
    let row = "{\"time\":\"2001-01-02\",\"value\":2}\n";
    let late = format!("{first}{}{{\"late\":1}}\n", row.repeat(850));
    assert_eq!(Upload::new().send(late).unwrap_err().code(), "unknown_field");
    let early = format!("{first}{}{}", row.replace('}', ",\"late\":1}"), row.repeat(850));
    assert_eq!(Upload::new().send(early).unwrap_err().code(), "contradicting_duplicates");
}

#[test]
fn a_single_time_out_of_range_is_reported_with_its_line() {
    for name in ["epoch_ms", "timestamp"] {
        for odd in ["99999999999999999", "5", "0"] {
            let row = |at: i64| format!("{},{at}\n", 1_700_000_000_000 + at * 1_000);
            let text = format!("{name},value\n{}{odd},7\n{}", (0..50).map(row).collect::<String>(), row(51));
            let error = Upload::new().send(text).unwrap_err();
            assert_eq!(lines_of(&error), [52], "{name} {odd}: {error}");
            assert_eq!(error.row_errors()[0].code, "time_out_of_range");
            assert!(error.row_errors()[0].detail.contains(&format!("`{odd}`")));
        }
    }
}

#[test]
fn empty_texts_and_the_words_for_missing_are_missing_in_every_format() {
    let csv = "id,time,kind,value\na,2001-01-01,x,1\na,2001-01-02,NA,2\na,2001-01-03,,3\na,2001-01-04,y,nan\n";
    let json = r#"[{"id":"a","time":"2001-01-01","kind":"x","value":1},{"id":"a","time":"2001-01-02","kind":"NA","value":2},
        {"id":"a","time":"2001-01-03","kind":"","value":3},{"id":"a","time":"2001-01-04","kind":"y","value":null}]"#;
    for text in [csv, json] {
        let found = Upload::with(UploadOptions::default()).send(text).unwrap();
        let kind = found.profile.column("kind").unwrap();
        assert_eq!((kind.kind, kind.missing), (ColumnKind::Category, 2));
        assert_eq!(found.profile.column("value").unwrap().missing, 1);
    }
}

#[test]
fn the_profile_says_where_the_first_gaps_are() {
    let days = [1, 2, 5, 6, 7, 9, 10, 11];
    let rows = |id: &str| days.map(|day| format!("{id},2001-01-{day:02},{day}\n")).concat();
    let found = Upload::new().send(format!("id,time,value\n{}{}", rows("a"), rows("b"))).unwrap();
    let gaps: Vec<(String, String, u64)> = found
        .profile
        .first_gaps
        .iter()
        .map(|gap| (gap.series.clone(), format!("{}/{}", gap.from, gap.to), gap.steps))
        .collect();
    let expected = [
        ("a", "2001-01-03T00:00:00Z/2001-01-04T00:00:00Z", 2),
        ("a", "2001-01-08T00:00:00Z/2001-01-08T00:00:00Z", 1),
        ("b", "2001-01-03T00:00:00Z/2001-01-04T00:00:00Z", 2),
        ("b", "2001-01-08T00:00:00Z/2001-01-08T00:00:00Z", 1),
    ];
    assert_eq!(gaps, expected.map(|(series, times, steps)| (series.to_owned(), times.to_owned(), steps)));
    let warning = found.profile.warnings.iter().find(|warning| warning.code == "gaps").unwrap();
    assert!(warning.detail.contains("`a`, 2001-01-03T00:00:00Z to 2001-01-04T00:00:00Z"), "{}", warning.detail);
}

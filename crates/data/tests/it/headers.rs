//! Files with one series per row, with and without a header: no series is lost.

use gatecast_core::dataset::Layout;
use gatecast_data::{Header, SeriesIndex, UploadOptions};

use super::{Taken, Upload, frame};

fn with(header: Option<Header>) -> Upload {
    Upload::with(UploadOptions { header, ..UploadOptions::default() })
}

fn keys(found: &Taken) -> Vec<String> {
    let index = SeriesIndex::read(&found.index).unwrap();
    index.iter().map(|series| series.unwrap().summary.key).collect()
}

#[test]
fn a_first_row_like_the_others_is_read_as_a_series() {
    // Steps that count up and ids that differ only in digits, or values that go up and down.
    for (text, first) in [
        ("s0,1,2,3\ns1,4,5,6\ns2,7,8,9\ns3,10,11\ns4,13,14,15,16\n", "s0"),
        ("north,5,3,8\nsouth,4,5,6\nwest,7,8,9\neast,1,2\nmid,3,1,2,6\n", "north"),
    ] {
        for layout in [None, Some(Layout::Rows)] {
            let upload = Upload::with(UploadOptions { layout, ..UploadOptions::default() });
            let found = upload.send(text).unwrap();
            assert_eq!((found.profile.layout, found.profile.series), (Layout::Rows, 5), "{text}");
            assert_eq!((found.profile.rows, keys(&found)[0].as_str()), (5, first));
            assert_eq!(frame(&found).columns[0].values.len(), 3 + 3 + 3 + 2 + 4);
            assert!(found.profile.layout_reason.contains("no header"), "{}", found.profile.layout_reason);
        }
    }
}

#[test]
fn an_ambiguous_first_row_is_refused() {
    let text = "region,2001,2002,2003\nnorth,4,5,6\nsouth,7,8,9\n";
    let error = with(None).send(text).unwrap_err();
    assert_eq!(error.code(), "ambiguous_header");
    assert!(error.detail().contains("`region,2001,2002`") && error.detail().contains("header=yes"), "{error}");
    assert_eq!(keys(&with(Some(Header::Yes)).send(text).unwrap()), ["north", "south"]);
    assert_eq!(keys(&with(Some(Header::No)).send(text).unwrap()), ["region", "north", "south"]);
    // The usual name of a series column decides it.
    assert_eq!(keys(&with(None).send(text.replace("region", "id")).unwrap()), ["north", "south"]);
}

#[test]
fn columns_without_names_are_numbered() {
    let upload = with(Some(Header::No));
    let found = upload.send("2001-01-01,1\n2001-01-02,2\n").unwrap();
    assert_eq!((found.profile.time_column.as_deref(), found.profile.rows), (Some("V1"), 2));
    assert_eq!(found.profile.columns[0].name, "V2");
    let error = with(Some(Header::No))
        .send(format!("2001-01-01,1\n{}2001-01-02,2,3\n", "2001-01-02,2\n".repeat(5_000)))
        .unwrap_err();
    assert_eq!(super::lines_of(&error), [5_002]);
    let single = upload.send("s0,1,2,3\n").unwrap();
    assert_eq!((single.profile.series, single.profile.points), (1, 3));
}

//! Small datasets, and waiting for a condition.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::server::PATIENCE;

/// Long CSV of daily sales from 2020-01-01 on: 100, 101, … in each shop.
pub(crate) fn daily(shops: &[&str], days: usize) -> String {
    let mut csv = "shop,time,sales\n".to_owned();
    for shop in shops {
        let mut date = jiff::civil::date(2020, 1, 1);
        for day in 0..days {
            writeln!(csv, "{shop},{date},{}", 100 + day).unwrap();
            date = date.tomorrow().unwrap();
        }
    }
    csv
}

/// Polls until `happened`.
pub(crate) async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

//! Builds the profile of an upload and its warnings.

use jiff::Timestamp;

use super::column_plan::warning;
use super::load::Loaded;
use super::profile_seasons::seasons;
use super::store::Stored;
use super::summary::SHORT;
use crate::options::UploadOptions;
use gatecast_core::dataset::{Format, Layout, Profile, Warning};

/// A column with more than one in this many points missing gets a warning.
const MISSING_SHARE: u64 = 5;

pub(super) fn describe(format: Format, loaded: &Loaded, stored: &Stored, options: &UploadOptions) -> Profile {
    let (totals, plan) = (&stored.totals, &loaded.plan);
    let name = |column: Option<usize>| column.and_then(|column| loaded.names.get(column).cloned());
    let moment = |micros: Option<i64>| micros.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    let (frequency, frequencies) = totals.frequencies();
    let frequency = frequency.or(options.frequency).or(plan.frequency);
    let (seasons, season_reason) = seasons(options, frequency.or(totals.only_frequency()), &stored.sample);
    Profile {
        format,
        layout: plan.layout,
        layout_reason: plan.reason.clone(),
        time_column: name(plan.time),
        series_column: name(plan.series),
        rows: loaded.rows,
        points: totals.points,
        series: totals.series,
        shortest: totals.shortest,
        longest: totals.longest,
        start: moment(totals.start),
        end: moment(totals.end),
        frequency,
        frequencies,
        seasons,
        season_reason,
        gaps: totals.gaps,
        first_gaps: totals.first_gaps.clone(),
        duplicates_dropped: stored.dropped,
        constant: totals.constant.clone(),
        columns: stored.columns.clone(),
        warnings: warnings(loaded, stored),
    }
}

fn warnings(loaded: &Loaded, stored: &Stored) -> Vec<Warning> {
    let totals = &stored.totals;
    let mut warnings = loaded.plan.warnings.clone();
    let mut warn = |code: &str, detail: String| warnings.push(warning(code, detail));
    for (column, categories) in loaded.plan.columns.iter().zip(&loaded.categories) {
        if let Some(categories) = categories.as_ref().filter(|categories| categories.overflowed) {
            let count = categories.texts.len();
            warn(
                "column_dropped",
                format!("`{}` holds more than {count} different texts and was left out", column.name),
            );
        }
    }
    if loaded.zoneless {
        warn("times_without_zone", "the times name no zone and were read as UTC".to_owned());
    }
    if stored.dropped > 0 {
        let what =
            if stored.dropped == 1 { "1 point was".to_owned() } else { format!("{} points were", stored.dropped) };
        warn("duplicates_dropped", format!("{what} dropped: another row has the same series and time"));
    }
    if totals.gaps > 0 {
        let mut detail = format!("{} in {} have no row", steps(totals.gaps), series(totals.gapped));
        if let Some(gap) = totals.first_gaps.first() {
            let times =
                if gap.from == gap.to { format!("at {}", gap.from) } else { format!("{} to {}", gap.from, gap.to) };
            detail.push_str(&format!("; the first in `{}`, {times}", gap.series));
        }
        warn("gaps", detail);
    }
    if stored.filled_steps > 0 {
        let detail = format!(
            "{} in {} have no row, and were added as points without values",
            steps(stored.filled_steps),
            series(stored.filled_series)
        );
        warn("missing_steps", detail);
    }
    if let Some(detail) = totals.ends.warning(&loaded.keys) {
        warn("ends_early", detail);
    }
    let blank = (loaded.keys.len() as u64).saturating_sub(totals.series);
    if loaded.plan.layout == Layout::Wide && blank > 0 {
        warn("empty_columns", format!("{} without any value, left out", count(blank, "column", "columns")));
    }
    if totals.irregular > 0 {
        warn("irregular", format!("{} with no even step from point to point", series(totals.irregular)));
    }
    if totals.mixed() {
        warn("mixed_frequency", "the series do not all have the same frequency".to_owned());
    }
    if totals.constant_count > 0 {
        let detail =
            format!("{} of a series and a column hold one single value", count(totals.constant_count, "pair", "pairs"));
        warn("constant_series", detail);
    }
    if totals.short > 0 {
        warn("short_series", format!("{} with fewer than {SHORT} points", series(totals.short)));
    }
    for column in &stored.columns {
        if totals.points > 0 && column.missing >= totals.points.div_ceil(MISSING_SHARE) {
            let detail = format!("`{}` has no value at {} of {} points", column.name, column.missing, totals.points);
            warn("many_missing", detail);
        }
    }
    warnings
}

fn series(number: u64) -> String {
    count(number, "series", "series")
}

fn steps(number: u64) -> String {
    count(number, "step", "steps")
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

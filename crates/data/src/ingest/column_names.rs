//! What the names of columns tell of their content.

/// Names of columns that hold series ids, in lower case.
const SERIES_NAMES: [&str; 16] = [
    "id",
    "series",
    "series_id",
    "seriesid",
    "series_name",
    "unique_id",
    "uniqueid",
    "item_id",
    "itemid",
    "item",
    "ts_id",
    "key",
    "sensor_id",
    "meter_id",
    "store_id",
    "station_id",
];
/// Names of columns that can hold nothing but times.
const TIME_NAMES: [&str; 5] = ["time", "date", "datetime", "timestamp", "ds"];
/// Names of columns that count steps.
const STEP_NAMES: [&str; 10] =
    ["t", "step", "steps", "time_step", "timestep", "time_idx", "time_index", "timeindex", "tick", "ticks"];
/// Words within names of columns that may hold times.
const TIME_WORDS: [&str; 14] = [
    "time",
    "date",
    "datetime",
    "timestamp",
    "ds",
    "ts",
    "day",
    "month",
    "year",
    "period",
    "yearmonth",
    "yyyymm",
    "epoch",
    "unix",
];
pub(super) fn is_series_name(name: &str) -> bool {
    SERIES_NAMES.contains(&name.to_lowercase().as_str())
}

pub(super) fn has_time_word(name: &str) -> bool {
    let name = name.to_lowercase();
    name.split(|c: char| !c.is_alphanumeric()).any(|word| TIME_WORDS.contains(&word))
}

/// The column is called like one that can hold nothing but times.
pub(super) fn is_time_name(name: &str) -> bool {
    TIME_NAMES.contains(&name.to_lowercase().as_str())
}

/// The column is called like one that counts steps, whatever its numbers.
pub(super) fn is_step_name(name: &str) -> bool {
    STEP_NAMES.contains(&name.to_lowercase().as_str())
}

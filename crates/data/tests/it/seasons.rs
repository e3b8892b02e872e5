//! The frequency and the seasons of uploads.

use gatecast_core::dataset::{Profile, SeasonReason};
use gatecast_data::UploadOptions;

use super::Upload;

fn profile(options: UploadOptions, content: &str) -> Profile {
    Upload::with(options).send(content).unwrap().profile.clone()
}

fn hours(count: i64, every: i64) -> String {
    let start = jiff::Timestamp::UNIX_EPOCH;
    let rows = (0..count).map(|at| format!("{},{}\n", start + jiff::SignedDuration::from_hours(at * every), at % 5));
    format!("time,value\n{}", rows.collect::<String>())
}

fn with_frequency(text: &str) -> UploadOptions {
    UploadOptions { frequency: text.parse().ok(), ..UploadOptions::default() }
}

#[test]
fn the_usual_seasons_of_the_frequency_are_listed_as_far_as_the_series_reach() {
    let seasons = |content: &str| {
        let profile = profile(UploadOptions::default(), content);
        (profile.seasons, profile.season_reason)
    };
    let frequency = Some(SeasonReason::Frequency);
    assert_eq!(seasons(&hours(335, 1)), (vec![24], frequency));
    assert_eq!(seasons(&hours(336, 1)), (vec![24, 168], frequency));
    assert_eq!(seasons(&hours(1_094, 24)), (vec![7], frequency));
    assert_eq!(seasons(&hours(1_095, 24)), (vec![7, 365], frequency), "three years of days");
}

#[test]
fn given_seasons_are_kept() {
    let given = UploadOptions { seasons: vec![5, 10], ..UploadOptions::default() };
    let profile = profile(given, &hours(400, 1));
    assert_eq!((profile.seasons.as_slice(), profile.season_reason), ([5, 10].as_slice(), Some(SeasonReason::Given)));
    assert_eq!(profile.season(), 5);
}

#[test]
fn a_frequency_given_for_data_without_times_sets_its_season() {
    let profile = profile(with_frequency("P1M"), "value\n1\n2\n3\n");
    assert_eq!((profile.frequency, profile.start), ("P1M".parse().ok(), None));
    assert_eq!((profile.seasons.as_slice(), profile.season_reason), ([12].as_slice(), Some(SeasonReason::Frequency)));
}

#[test]
fn a_given_frequency_sets_the_grid_of_irregular_times() {
    let irregular = "time,value\n2001-01-01,1\n2001-01-03,2\n2001-01-06,3\n2001-01-10,4\n";
    assert_eq!(profile(UploadOptions::default(), irregular).frequency, None);
    let daily = profile(with_frequency("P1D"), irregular);
    assert_eq!((daily.frequency, daily.gaps, daily.first_gaps.len()), ("P1D".parse().ok(), 6, 3));
    let one = profile(with_frequency("PT1H"), "time,value\n2001-01-01,1\n");
    assert_eq!(one.frequency, "PT1H".parse().ok());
}

#[test]
fn a_frequency_that_contradicts_the_times_is_refused() {
    let refusal =
        |frequency: &str, content: &str| Upload::with(with_frequency(frequency)).send(content).unwrap_err().to_string();
    let days = hours(10, 24);
    for frequency in ["PT1H", "P7D", "P1M"] {
        let detail = refusal(frequency, &days);
        assert!(detail.contains("the frequency P1D") && detail.contains(frequency), "{detail}");
    }
    let error = Upload::with(with_frequency("PT1H")).send(&days).unwrap_err();
    assert_eq!(error.code(), "frequency_contradicts_times");
    profile(with_frequency("P1D"), &days);
}

/// The values of four days of half-hourly electricity demand, without their times.
#[test]
fn seasons_are_found_without_times() {
    let content =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/vic_electricity.csv")).unwrap();
    let demand = content.lines().skip(1).filter_map(|line| line.split(',').nth(1));
    let values: String = demand.map(|value| format!("{value}\n")).collect();
    let found = profile(UploadOptions::default(), &format!("value\n{values}"));
    assert_eq!(found.season_reason, Some(SeasonReason::Autocorrelation));
    assert_eq!(found.seasons, [48]);
    let none = profile(UploadOptions::default(), "value\n1\n5\n2\n8\n3\n");
    assert_eq!((none.seasons.len(), none.season_reason, none.season()), (0, None, 1));
}

#[test]
fn profiles_stored_without_seasons_are_read() {
    let mut stored = serde_json::to_value(profile(UploadOptions::default(), &hours(400, 1))).unwrap();
    assert!(stored.as_object_mut().unwrap().remove("seasons").is_some());
    assert!(stored.as_object_mut().unwrap().remove("season_reason").is_some());
    let read: Profile = serde_json::from_value(stored).unwrap();
    assert_eq!((read.seasons.len(), read.season_reason, read.season()), (0, None, 24));
}

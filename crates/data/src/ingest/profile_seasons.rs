//! The seasons of a profile: given, those of the frequency, or found in a sample.

use super::season_sample::SeasonSample;
use crate::options::UploadOptions;
use gatecast_core::dataset::SeasonReason;
use gatecast_core::frequency::Frequency;
use gatecast_core::season_detection::detect_seasons;

/// The length of a series that shows its second season, in seasons.
const CYCLES: usize = 2;
/// The same for a year of days.
const YEARS: usize = 3;
const YEAR: usize = 365;

/// The seasons in ascending order, the main one first, and why.
pub(super) fn seasons(
    options: &UploadOptions,
    frequency: Option<Frequency>,
    sample: &SeasonSample,
) -> (Vec<usize>, Option<SeasonReason>) {
    if !options.seasons.is_empty() {
        return (options.seasons.clone(), Some(SeasonReason::Given));
    }
    if let Some(frequency) = frequency
        && frequency.season() > 1
    {
        let second = frequency.second_season().filter(|season| {
            let cycles = if *season == YEAR { YEARS } else { CYCLES };
            let long = sample.lengths.iter().filter(|length| **length >= cycles * season).count();
            long * 2 >= sample.lengths.len()
        });
        let seasons = [frequency.season()].into_iter().chain(second).collect();
        return (seasons, Some(SeasonReason::Frequency));
    }
    let found = detect_seasons(&sample.values());
    let reason = (!found.is_empty()).then_some(SeasonReason::Autocorrelation);
    (found, reason)
}

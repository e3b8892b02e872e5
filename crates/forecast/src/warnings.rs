//! Collects the warnings about the series of a response.

use std::collections::BTreeMap;

use gatecast_core::dataset::Warning;
use gatecast_core::frequency::Frequency;
use gatecast_core::metric_values::WORSE_THAN_NAIVE;
use gatecast_core::model::Manifest;
use gatecast_model::scaling::Scaler;

use super::fault::quoted;
use super::series_input::SeriesInput;

/// The maximum number of series that a warning names.
const MAX_NAMED: usize = 5;

/// Collects warnings, series by series.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// For each frequency, the times at which the histories of its series end, in microseconds since 1970 UTC.
    ends: Vec<(Frequency, BTreeMap<i64, Series>)>,
    /// Series with an id that the model was not trained on, although its scaling is per series.
    untrained: Series,
    /// The warning about the model itself.
    model: Option<Warning>,
}

/// The number of series, and the names of the first ones.
#[derive(Debug, Default)]
struct Series {
    count: usize,
    named: Vec<String>,
}

impl Series {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(quoted(name));
        }
    }

    fn join(&mut self, more: Self) {
        self.count += more.count;
        self.named.extend(more.named);
        self.named.truncate(MAX_NAMED);
    }

    /// `3 series (`a`, `b`, …)`.
    fn text(&self) -> String {
        let more = if self.count > self.named.len() { ", …" } else { "" };
        format!("{} series ({}{more})", self.count, self.named.join(", "))
    }
}

impl Warnings {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let model = manifest.metrics.worse_than_naive();
        let model = model.map(|detail| Warning { code: WORSE_THAN_NAIVE.to_owned(), detail });
        Self { model, ..Self::default() }
    }

    pub(super) fn add(&mut self, series: &SeriesInput, scaler: &Scaler) {
        let Some(id) = series.id.as_deref() else { return };
        if scaler.kind().has_rows() && scaler.for_series(Some(id)).is_none() {
            self.untrained.add(id);
        }
        if let Some(last) = series.last {
            let at = self.ends.iter().position(|(frequency, _)| *frequency == last.frequency);
            let at = at.unwrap_or_else(|| {
                self.ends.push((last.frequency, BTreeMap::new()));
                self.ends.len() - 1
            });
            if let Some((_, ends)) = self.ends.get_mut(at) {
                ends.entry(last.time).or_default().add(id);
            }
        }
    }

    pub(super) fn finish(self) -> Vec<Warning> {
        let mut warnings = Vec::from_iter(self.model);
        for (_, mut ends) in self.ends {
            let Some((latest, _)) = ends.pop_last() else { continue };
            let mut early = Series::default();
            ends.into_values().rev().for_each(|series| early.join(series));
            if early.count > 0 {
                warnings.push(Warning {
                    code: "series_end_early".to_owned(),
                    detail: format!(
                        "the history of {} ends before that of the others, {}: its forecast begins earlier",
                        early.text(),
                        time(latest)
                    ),
                });
            }
        }
        if self.untrained.count > 0 {
            warnings.push(Warning {
                code: "series_not_in_training".to_owned(),
                detail: format!(
                    "the model was not trained on {}: each is scaled by its own values",
                    self.untrained.text()
                ),
            });
        }
        warnings
    }
}

fn time(microseconds: i64) -> String {
    jiff::Timestamp::from_microsecond(microseconds).map_or_else(|_| microseconds.to_string(), |time| time.to_string())
}

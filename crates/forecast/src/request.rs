//! The series that a request selects, and the source of their values.

use gatecast_core::forecast::{History, MAX_SERIES, SeriesRequest, SeriesSelection};

use super::error::ForecastError;
use super::fault::{FaultList, SeriesFault};

/// The series of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestedSeries {
    /// Their values are in the request.
    Given(Vec<History>),
    /// They are in the dataset that the request names, or by default in the one that the model was trained on.
    Stored(StoredSeries),
}

/// Series of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredSeries {
    All,
    /// Selected by their ids, possibly with future covariates.
    Listed(Vec<History>),
}

impl RequestedSeries {
    /// `names_dataset`: whether the request has a `dataset`.
    pub fn of(series: SeriesSelection, names_dataset: bool) -> Result<Self, ForecastError> {
        match series {
            SeriesSelection::All(_) => Ok(Self::Stored(StoredSeries::All)),
            SeriesSelection::Listed(listed) => Self::of_list(listed, names_dataset),
        }
    }

    pub(super) fn of_list(listed: Vec<SeriesRequest>, names_dataset: bool) -> Result<Self, ForecastError> {
        if listed.is_empty() {
            let detail = "is empty: leave it out for all series of the dataset";
            return Err(ForecastError::field("/series", detail));
        }
        if listed.len() > MAX_SERIES {
            let detail = format!("has {} entries; at most {MAX_SERIES} are allowed", listed.len());
            return Err(ForecastError::field("/series", detail));
        }
        let has_keys = listed.iter().any(|series| matches!(series, SeriesRequest::Key(_)));
        let all_stored = listed.iter().all(is_stored);
        let histories = |listed: Vec<SeriesRequest>| listed.into_iter().map(history).collect();
        if all_stored {
            return Ok(Self::Stored(StoredSeries::Listed(histories(listed))));
        }
        if !names_dataset && !has_keys {
            return Ok(Self::Given(histories(listed)));
        }
        let detail = match names_dataset {
            true => {
                "has values; with `dataset`, send the keys of its series, or objects with `id` and `future`. To send values, leave `dataset` out"
            }
            false => "has values, but other entries are keys of stored series: send them in separate requests",
        };
        let mut faults = FaultList::default();
        for (at, _) in listed.iter().enumerate().filter(|(_, series)| !is_stored(series)) {
            faults.push(&format!("/series/{at}"), SeriesFault::new("", "invalid_series", detail));
        }
        faults.into_result()?;
        Err(ForecastError::internal("a request was refused without a reason"))
    }
}

fn is_stored(series: &SeriesRequest) -> bool {
    match series {
        SeriesRequest::Key(_) => true,
        SeriesRequest::History(history) => history.is_stored(),
    }
}

fn history(series: SeriesRequest) -> History {
    match series {
        SeriesRequest::Key(key) => History { id: Some(key), ..History::default() },
        SeriesRequest::History(history) => history,
    }
}

#[cfg(test)]
mod tests {
    use gatecast_core::forecast::ForecastRequest;
    use serde_json::{Value, json};

    use super::*;

    fn requested(body: Value) -> Result<RequestedSeries, Vec<(String, String)>> {
        let request: ForecastRequest = serde_json::from_value(body).unwrap();
        RequestedSeries::of(request.series, request.dataset.is_some()).map_err(|error| match error {
            ForecastError::Invalid(errors) => errors.into_iter().map(|e| (e.pointer, e.detail)).collect(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn series_left_out_are_all_series() {
        for body in [json!({}), json!({"series": "all"}), json!({"dataset": DATASET})] {
            assert_eq!(requested(body), Ok(RequestedSeries::Stored(StoredSeries::All)));
        }
        assert!(serde_json::from_value::<ForecastRequest>(json!({"series": "rail"})).is_err());
    }

    const DATASET: &str = "01920000-0000-7000-8000-000000000000";

    #[test]
    fn keys_and_ids_without_values_are_stored_series() {
        let body = json!({"series": ["a", {"id": "b", "future": {"promo": [1]}}]});
        let Ok(RequestedSeries::Stored(StoredSeries::Listed(listed))) = requested(body) else { panic!("not stored") };
        let ids: Vec<_> = listed.iter().map(|series| series.id.as_deref()).collect();
        assert_eq!((ids, listed[1].future.len()), (vec![Some("a"), Some("b")], 1));
        assert!(matches!(requested(json!({"series": [{"id": "a", "values": [1]}]})), Ok(RequestedSeries::Given(_))));
        assert!(matches!(requested(json!({"series": [{}]})), Ok(RequestedSeries::Given(_))));
    }

    #[test]
    fn values_and_keys_do_not_mix() {
        let errors = requested(json!({"series": ["a", {"values": [1]}, {"values": [2]}]})).unwrap_err();
        assert_eq!(errors[0].0, "/series/1");
        assert!(errors[0].1.contains("1 other series"), "{errors:?}");
        let errors = requested(json!({"dataset": DATASET, "series": [{"values": [1]}]})).unwrap_err();
        assert!(errors[0].1.contains("leave `dataset` out"), "{errors:?}");
        assert_eq!(requested(json!({"series": []})).unwrap_err()[0].0, "/series");
    }
}

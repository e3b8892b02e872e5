//! Histories read from a stored dataset: the latest points of the series a request names.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::ForecastError;
use super::history::History;
use crate::blobs::{Blobs, Key};
use crate::data::{Located, PointWindow, ReadError, SeriesColumn, ValuesQuery, find_series, values_of};
use crate::domain::forecast::SeriesRequest;
use crate::domain::ids::DatasetId;
use crate::domain::model::Manifest;
use crate::domain::resolve::FieldError;
use crate::learn::missing;
use crate::store::Store;

/// One history a key, in the order asked.
pub(super) async fn read(
    store: &Store,
    blobs: &Blobs,
    manifest: &Manifest,
    dataset: DatasetId,
    series: Vec<SeriesRequest>,
) -> Result<Vec<History>, ForecastError> {
    let keys = keys(series)?;
    let found = store.dataset(dataset).await?.ok_or(ForecastError::NoDataset(dataset))?;
    let points = blobs.local(&Key::dataset_points(dataset, &found.sha256).map_err(ForecastError::machine)?);
    let index = blobs.local(&Key::dataset_index(dataset, &found.sha256).map_err(ForecastError::machine)?);
    let manifest = manifest.clone();
    let work = move || histories(&manifest, &keys, &points, &index);
    tokio::task::spawn_blocking(work).await.map_err(ForecastError::machine)?
}

fn keys(series: Vec<SeriesRequest>) -> Result<Vec<String>, ForecastError> {
    let (mut keys, mut seen, mut errors) = (Vec::with_capacity(series.len()), BTreeSet::new(), Vec::new());
    for (at, series) in series.into_iter().enumerate() {
        match series {
            SeriesRequest::Key(key) if seen.insert(key.clone()) => keys.push(key),
            SeriesRequest::Key(_) => errors.push(FieldError::new(format!("/series/{at}"), "stands twice")),
            SeriesRequest::History(_) => errors.push(FieldError::new(
                format!("/series/{at}"),
                "is an object: with `dataset`, name its series by their keys; without it, give values",
            )),
        }
    }
    if errors.is_empty() { Ok(keys) } else { Err(ForecastError::Invalid(errors)) }
}

fn histories(manifest: &Manifest, keys: &[String], points: &Path, index: &Path) -> Result<Vec<History>, ForecastError> {
    let wanted: Vec<&str> = keys.iter().map(String::as_str).collect();
    let located = find_series(index, &wanted).map_err(unreadable)?;
    let mut errors = Vec::new();
    let mut histories = Vec::with_capacity(keys.len());
    for (at, (key, located)) in keys.iter().zip(located).enumerate() {
        let found = match located {
            None => Err(format!("the dataset has no series `{key}`")),
            Some(located) => latest(manifest, located, points)?,
        };
        match found {
            Ok(history) => histories.push(history),
            Err(detail) => errors.push(FieldError::new(format!("/series/{at}"), detail)),
        }
    }
    if errors.is_empty() { Ok(histories) } else { Err(ForecastError::Invalid(errors)) }
}

/// The last `context` steps of a series, gaps filled as the model's order says; or why it has none.
fn latest(manifest: &Manifest, located: Located, points: &Path) -> Result<Result<History, String>, ForecastError> {
    let (key, frequency) = (located.summary.key.clone(), located.summary.frequency);
    let query = ValuesQuery {
        key: &key,
        columns: &manifest.inputs,
        // Gaps only lengthen the run, so these rows always cover the last `context` steps.
        window: PointWindow::Last(manifest.context as u64),
        thin: None,
    };
    let values = match values_of(points, located, &query) {
        Ok(values) => values,
        Err(ReadError::NoColumn(name)) => return Ok(Err(format!("the dataset has no column `{name}`"))),
        Err(ReadError::NotNumbers(name)) => return Ok(Err(format!("column `{name}` holds no numbers"))),
        Err(error) => return Err(unreadable(error)),
    };
    let times = values.times.unwrap_or_default();
    let places = match frequency {
        Some(frequency) if !times.is_empty() => match missing::places(&times, frequency) {
            Ok(places) => places,
            Err(_) => return Ok(Err(format!("the times of series `{key}` do not lie on a grid of {frequency}"))),
        },
        _ => (0..values.positions.len()).collect(),
    };
    let steps = places.last().map_or(0, |last| last + 1);
    if steps < manifest.context {
        let context = manifest.context;
        return Ok(Err(format!("series `{key}` has {steps} points; the model reads the last {context}")));
    }
    let mut columns = Vec::with_capacity(manifest.inputs.len());
    for column in values.columns {
        let SeriesColumn::Numbers { name, values } = column else {
            return Ok(Err("the model reads numbers, and a column holds categories".to_owned()));
        };
        let mut laid = vec![f64::NAN; steps];
        for (place, value) in places.iter().zip(values) {
            if let Some(slot) = laid.get_mut(*place) {
                *slot = value;
            }
        }
        if !missing::fill(&mut laid, manifest.order.data.missing) {
            return Ok(Err(format!("series `{key}` has points without a value of `{name}`")));
        }
        columns.push(laid.split_off(steps - manifest.context));
    }
    let last = times.last().copied().zip(frequency);
    Ok(Ok(History { id: Some(key), columns, last }))
}

fn unreadable(error: ReadError) -> ForecastError {
    ForecastError::machine(error)
}

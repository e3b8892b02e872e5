//! Endpoints for single series of a dataset, for users and plots.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::find;
use super::values_body::{self, Values};
use crate::http::extract::{Id, PageSize, Params, invalid_cursor};
use crate::http::page::List;
use crate::http::problem::{Code, Problem};
use crate::http::{AppState, tasks};
use gatecast_blobs::Key;
use gatecast_core::dataset::{Dataset, SeriesSummary};
use gatecast_core::ids::DatasetId;
use gatecast_data::{DatasetFiles, PointWindow, ReadError, ValuesQuery};

/// The default number of points in a response.
const DEFAULT_LAST: u64 = 10_000;
/// The maximum number of values in a response, points times columns.
const MAX_VALUES: u64 = 5_000_000;

/// The page of the list of series.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SeriesParams {
    /// The maximum number of items to return.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: PageSize,
    /// The `next` of the previous page.
    #[param(pattern = "^[0-9]{1,18}$")]
    after: Option<String>,
}

/// List the dataset's series, in the order of the upload.
#[utoipa::path(get, path = "/v1/datasets/{id}/series", tag = "datasets",
    params(("id" = DatasetId, Path), SeriesParams),
    responses((status = 200, description = "A page of series", body = List<SeriesSummary>)))]
pub(in crate::http) async fn list(
    State(app): State<AppState>,
    Id(id): Id<DatasetId>,
    Params(page): Params<SeriesParams>,
) -> Result<Json<List<SeriesSummary>>, Problem> {
    let after = page.after.map(|after| after.parse().map_err(|_| invalid_cursor())).transpose()?;
    let dataset = find(&app, id).await?;
    let files = files(&app, &dataset)?;
    let (datasets, limit) = (Arc::clone(&app.datasets), page.limit.0 as usize);
    let (items, next) = tasks::blocking(&app, move || datasets.index(&files)?.page(after, limit)).await??;
    let items = items.into_iter().map(|series| series.summary).collect();
    Ok(Json(List::new(items, next.map(|next| next.to_string()))))
}

/// The values to return.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ValuesParams {
    /// A column to return; may be repeated. Default: all columns.
    #[serde(rename = "column", default)]
    columns: Vec<String>,
    /// Return at most this many of the newest points. Default: 10000, or all points if `max_points` is set. A
    /// response has at most 5000000 values, points times columns.
    #[param(minimum = 1, maximum = 1000000)]
    last: Option<u64>,
    /// For plots: downsample these points to at most this many, preserving the shape.
    #[param(minimum = 3, maximum = 1000000)]
    max_points: Option<u64>,
}

impl ValuesParams {
    /// The points to read of a series, and how many of them to keep. Fails if the response would contain too
    /// many values.
    fn window(&self, points: u64, columns: u64) -> Result<(PointWindow, Option<usize>), Problem> {
        let most = MAX_VALUES / columns.max(1);
        let window = match (self.last, self.max_points) {
            (Some(last), _) => PointWindow::Last(last),
            (None, Some(_)) => PointWindow::All,
            (None, None) => PointWindow::Last(DEFAULT_LAST.min(most)),
        };
        let read = match window {
            PointWindow::Last(last) => last.min(points),
            _ => points,
        };
        let kept = self.max_points.map_or(read, |kept| kept.min(read));
        if kept > most {
            let detail = format!(
                "{kept} points of {columns} columns are {} values; at most {MAX_VALUES} are answered: name fewer columns \
                 (`column`), or ask for fewer points (`last`, `max_points`)",
                kept.saturating_mul(columns)
            );
            return Err(Problem::new(Code::TooManyValues, detail));
        }
        Ok((window, self.max_points.and_then(|most| usize::try_from(most).ok())))
    }
}

/// Get the values of one series. Its key may be any text, percent-encoded.
#[utoipa::path(get, path = "/v1/datasets/{id}/series/{key}", tag = "datasets",
    params(("id" = DatasetId, Path), ("key" = String, Path), ValuesParams),
    responses((status = 200, description = "The values", body = Values)))]
pub(in crate::http) async fn values(
    State(app): State<AppState>,
    Id(id): Id<DatasetId>,
    Path(SeriesPath { key }): Path<SeriesPath>,
    Params(params): Params<ValuesParams>,
) -> Result<Response, Problem> {
    let dataset = find(&app, id).await?;
    let files = files(&app, &dataset)?;
    let datasets = Arc::clone(&app.datasets);
    let read = tasks::blocking(&app, move || {
        let dataset = datasets.open(&files)?;
        let series = dataset.index().position(&key).ok_or_else(|| ReadError::NoSeries(key.clone()))?;
        let series = dataset.index().series(series)?;
        let columns = if params.columns.is_empty() { dataset.columns() } else { params.columns.len() };
        let (window, thin) = params.window(series.summary.points, columns as u64)?;
        let query = ValuesQuery { key: &key, columns: &params.columns, window, thin };
        Ok::<_, Problem>(dataset.values(series, &query)?)
    });
    values_body::response(read.await??)
}

#[derive(Deserialize)]
pub(in crate::http) struct SeriesPath {
    key: String,
}

fn files(app: &AppState, dataset: &Dataset) -> Result<DatasetFiles, Problem> {
    let sha256 = dataset.sha256.clone();
    let points = app.blobs.local(&Key::dataset_points(dataset.id, &sha256)?);
    let index = app.blobs.local(&Key::dataset_index(dataset.id, &sha256)?);
    Ok(DatasetFiles { points, index, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(last: Option<u64>, max_points: Option<u64>) -> ValuesParams {
        ValuesParams { columns: Vec::new(), last, max_points }
    }

    #[test]
    fn a_response_is_limited_by_its_number_of_values() {
        let window = |last, max_points, points, columns| asked(last, max_points).window(points, columns).ok();
        assert_eq!(window(Some(1_000_000), None, 1_000_000, 5), Some((PointWindow::Last(1_000_000), None)));
        assert_eq!(window(Some(1_000_000), None, 1_000_000, 6), None);
        assert_eq!(window(Some(1_000_000), None, 1_000, 1_000), Some((PointWindow::Last(1_000_000), None)));
        assert_eq!(window(None, Some(1_000), 1_000_000, 1_000), Some((PointWindow::All, Some(1_000))));
        assert_eq!(window(None, Some(1_000_000), 1_000_000, 40), None);
        // Without `last` and `max_points`, a request always succeeds.
        assert_eq!(window(None, None, 1_000_000, 1_000), Some((PointWindow::Last(5_000), None)));
        assert_eq!(window(None, None, 10, 0), Some((PointWindow::Last(10_000), None)));
    }
}

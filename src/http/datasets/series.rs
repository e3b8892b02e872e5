//! Single series of a dataset, for people and plots.

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

/// Points of an answer to a request that asks for no number.
const DEFAULT_LAST: u64 = 10_000;
/// Values of an answer, points times columns, at most.
const MAX_VALUES: u64 = 5_000_000;

/// Which part of the list of series.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SeriesParams {
    /// The most items to answer.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: PageSize,
    /// `next` of the page before.
    #[param(pattern = "^[0-9]{1,18}$")]
    after: Option<String>,
}

/// The dataset's series, in the order of the upload.
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

/// Which values of the series.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ValuesParams {
    /// A column to answer; may be repeated. Left out: all columns.
    #[serde(rename = "column", default)]
    columns: Vec<String>,
    /// The newest points, at most this many. Left out: 10000, or all with `max_points`.
    /// An answer has at most 5000000 values, points times columns.
    #[param(minimum = 1, maximum = 1000000)]
    last: Option<u64>,
    /// For plots: at most this many of these points, chosen to keep the shape.
    #[param(minimum = 3, maximum = 1000000)]
    max_points: Option<u64>,
}

impl ValuesParams {
    /// The points to read of a series, and how many to keep of them; refused where the answer would
    /// hold too many values.
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

/// The values of one series; its key may be any text, percent-encoded.
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
    fn an_answer_is_bounded_by_its_values() {
        let window = |last, max_points, points, columns| asked(last, max_points).window(points, columns).ok();
        assert_eq!(window(Some(1_000_000), None, 1_000_000, 5), Some((PointWindow::Last(1_000_000), None)));
        assert_eq!(window(Some(1_000_000), None, 1_000_000, 6), None);
        assert_eq!(window(Some(1_000_000), None, 1_000, 1_000), Some((PointWindow::Last(1_000_000), None)));
        assert_eq!(window(None, Some(1_000), 1_000_000, 1_000), Some((PointWindow::All, Some(1_000))));
        assert_eq!(window(None, Some(1_000_000), 1_000_000, 40), None);
        // Without a number of its own, a request is never refused.
        assert_eq!(window(None, None, 1_000_000, 1_000), Some((PointWindow::Last(5_000), None)));
        assert_eq!(window(None, None, 10, 0), Some((PointWindow::Last(10_000), None)));
    }
}

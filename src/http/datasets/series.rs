//! Single series of a dataset, for people and plots.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find;
use crate::http::extract::{Id, PageParams, Params, invalid_cursor, invalid_query, pairs};
use crate::http::page::List;
use crate::http::problem::Problem;
use crate::http::{AppState, tasks};
use gatecast_blobs::Key;
use gatecast_core::dataset::{ColumnKind, SeriesSummary};
use gatecast_core::ids::DatasetId;
use gatecast_data::{self, PointWindow, SeriesColumn, SeriesValues, ValuesQuery};

/// Points of an answer that asks for no number, and of one that does.
const DEFAULT_LAST: u64 = 10_000;
const MAX_LAST: u64 = 1_000_000;

/// The dataset's series, in the order of the upload.
#[utoipa::path(get, path = "/v1/datasets/{id}/series", tag = "datasets",
    params(("id" = DatasetId, Path), PageParams),
    responses((status = 200, description = "A page of series", body = List<SeriesSummary>)))]
pub(in crate::http) async fn list(
    State(app): State<AppState>,
    Id(id): Id<DatasetId>,
    Params(page): Params<PageParams>,
) -> Result<Json<List<SeriesSummary>>, Problem> {
    let after = page.after.map(|after| after.parse().map_err(|_| invalid_cursor())).transpose()?;
    let dataset = find(&app, id).await?;
    let index = app.blobs.local(&Key::dataset_index(id, &dataset.sha256)?);
    let limit = page.limit.0 as usize;
    let (items, next) = tasks::blocking(&app, move || gatecast_data::series_page(&index, after, limit)).await??;
    let items = items.into_iter().map(|series| series.summary).collect();
    Ok(Json(List::new(items, next.map(|next| next.to_string()))))
}

/// Which values of the series.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ValuesParams {
    /// A column to send (may be repeated). Left out: all.
    #[param(rename = "column")]
    columns: Vec<String>,
    /// The newest so many points, at most 1000000. Left out: 10000, or all where `max_points` is given.
    last: Option<u64>,
    /// For plots: at most so many of these points, chosen to keep the shape.
    max_points: Option<u64>,
}

impl ValuesParams {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut params = Self::default();
        let mut seen = BTreeSet::new();
        for (name, value) in pairs {
            if name != "column" && !seen.insert(name.clone()) {
                return Err(invalid_query(&name, "stands twice"));
            }
            match name.as_str() {
                "column" => params.columns.push(value),
                "last" => params.last = Some(number(&name, &value, 1)?),
                "max_points" => params.max_points = Some(number(&name, &value, 3)?),
                _ => return Err(invalid_query(&name, "unknown; known are `column`, `last`, `max_points`")),
            }
        }
        Ok(params)
    }

    fn window(&self) -> PointWindow {
        match (self.last, self.max_points) {
            (Some(last), _) => PointWindow::Last(last),
            (None, Some(_)) => PointWindow::All,
            (None, None) => PointWindow::Last(DEFAULT_LAST),
        }
    }
}

fn number(name: &str, text: &str, least: u64) -> Result<u64, Problem> {
    let number = text.parse().ok().filter(|number| (least..=MAX_LAST).contains(number));
    number.ok_or_else(|| invalid_query(name, &format!("expected a whole number from {least} to {MAX_LAST}")))
}

/// Points of one series.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Values {
    series: SeriesSummary,
    /// The place of each point within the series, from 0.
    positions: Vec<u64>,
    /// Absent for data without times.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamps: Option<Vec<jiff::Timestamp>>,
    columns: Vec<ValueColumn>,
}

/// One column's values: as many as there are positions, null where a point has none.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ValueColumn {
    name: String,
    kind: ColumnKind,
    #[schema(value_type = Vec<Option<f64>>)]
    values: serde_json::Value,
}

/// The values of one series; its key may be any text, percent-encoded.
#[utoipa::path(get, path = "/v1/datasets/{id}/series/{key}", tag = "datasets",
    params(("id" = DatasetId, Path), ("key" = String, Path), ValuesParams),
    responses((status = 200, description = "The values", body = Values)))]
pub(in crate::http) async fn values(
    State(app): State<AppState>,
    Id(id): Id<DatasetId>,
    Path(SeriesPath { key }): Path<SeriesPath>,
    request: Request,
) -> Result<Json<Values>, Problem> {
    let params = ValuesParams::read(pairs(request.uri())?)?;
    let dataset = find(&app, id).await?;
    let points = app.blobs.local(&Key::dataset_points(id, &dataset.sha256)?);
    let index = app.blobs.local(&Key::dataset_index(id, &dataset.sha256)?);
    let read = tasks::blocking(&app, move || {
        let window = params.window();
        let thin = params.max_points.and_then(|most| usize::try_from(most).ok());
        let query = ValuesQuery { key: &key, columns: &params.columns, window, thin };
        gatecast_data::series_values(&points, &index, &query)
    });
    shown(read.await??).map(Json)
}

#[derive(Deserialize)]
pub(in crate::http) struct SeriesPath {
    key: String,
}

fn shown(values: SeriesValues) -> Result<Values, Problem> {
    let timestamp = |at| jiff::Timestamp::from_microsecond(at).map_err(|error| Problem::internal(&error));
    let timestamps = values.times.map(|times| times.into_iter().map(timestamp).collect()).transpose()?;
    let column = |column| match column {
        SeriesColumn::Numbers { name, values } => {
            let values = values.into_iter().map(|value| value.is_finite().then_some(value)).collect::<Vec<_>>();
            ValueColumn { name, kind: ColumnKind::Number, values: values.into() }
        }
        SeriesColumn::Categories { name, values } => {
            ValueColumn { name, kind: ColumnKind::Category, values: values.into() }
        }
    };
    Ok(Values {
        series: values.series.summary,
        positions: values.positions,
        timestamps,
        columns: values.columns.into_iter().map(column).collect(),
    })
}

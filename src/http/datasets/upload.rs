//! `POST /v1/datasets`: stores an upload as a dataset, or leaves nothing behind.

use axum::Json;
use axum::extract::multipart::Multipart;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::ingest::{Pieces, ingest};
use super::media_type;
use super::options::{Form, Options};
use crate::http::body::{self, Chunks};
use crate::http::extract::pairs;
use crate::http::problem::{Code, Problem};
use crate::http::uploads::Admission;
use crate::http::{AppState, tasks};
use crate::service;
use gatecast_core::dataset::Dataset;
use gatecast_data::{Encoding, Ingested, format_hint};

/// The maximum number of parts of a form, including the file.
const MAX_PARTS: usize = 32;
/// The maximum size of an option in a form, in bytes.
const MAX_OPTION: usize = 4096;

/// Upload series: CSV, Parquet, JSON, NDJSON or TSF, plain or compressed (`Content-Encoding: gzip` or `zstd`), as
/// the body itself or as the part `file` of a form whose other parts are the options.
///
/// Omitted options are detected from the data.
#[utoipa::path(post, path = "/v1/datasets", tag = "datasets", params(Options),
    request_body(description = "The data", content(
        (String = "text/csv"), (Vec<u8> = "application/vnd.apache.parquet"),
        (Vec<Object> = "application/json"), (String = "application/x-ndjson"), (Form = "multipart/form-data"))),
    responses((status = 201, description = "The dataset", body = Dataset,
        headers(("location" = String, description = "The dataset's address")))))]
pub(in crate::http) async fn upload(State(app): State<AppState>, request: Request) -> Result<Response, Problem> {
    let options = Options::default().with_all(pairs(request.uri())?);
    let admission = app.uploads.admit()?;
    let encoding = encoding(request.headers())?;
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
    let (name, ingested) = if content_type.starts_with("multipart/form-data") {
        from_form(&app, admission, request, encoding, options).await?
    } else {
        media_type::expect(&content_type)?;
        let (parts, body) = request.into_parts();
        let chunks = Chunks::new(&parts.headers, body, app.settings.limits.upload)?;
        let (name, mut options) = options.settle(None, &app.settings.limits)?;
        options.format = options.format.or_else(|| format_hint(Some(&content_type), None));
        (name, ingest(&app, admission, Pieces::Body(chunks), encoding, options).await?)
    };
    // Continues even if the client disconnects: a dataset is stored completely or not at all.
    let kept = app.clone();
    let keep = async move { service::keep_dataset(&kept.store, &kept.blobs, name, ingested).await };
    let dataset = tasks::spawn_detached(&app, keep).await??;
    let location = format!("/v1/datasets/{}", dataset.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(dataset)).into_response())
}

/// Reads options up to the part `file`, which must come last and is ingested while it streams in.
async fn from_form(
    app: &AppState,
    admission: Admission,
    request: Request,
    encoding: Encoding,
    mut options: Options,
) -> Result<(String, Ingested), Problem> {
    if encoding != Encoding::Identity {
        return Err(unsupported("a form is not compressed as a whole; its file may be a .gz or .zst"));
    }
    let request = body::limited(request, app.settings.limits.upload)?;
    let mut form = Multipart::from_request(request, app).await.map_err(|error| invalid(error.body_text()))?;
    for _ in 0..MAX_PARTS {
        let Some(mut part) = form.next_field().await.map_err(|error| body::broken_form(&error))? else {
            return Err(invalid("the form has no part `file`"));
        };
        let option = part.name().unwrap_or_default().to_owned();
        if option == "file" {
            let file_name = part.file_name().map(str::to_owned);
            let hint = format_hint(part.content_type(), file_name.as_deref());
            let (name, mut options) = options.settle(file_name.as_deref(), &app.settings.limits)?;
            options.format = options.format.or(hint);
            let ingested = ingest(app, admission, Pieces::Part(Box::new(part)), encoding, options).await?;
            let further = form.next_field().await.map_err(|error| body::broken_form(&error))?;
            return if further.is_none() {
                Ok((name, ingested))
            } else {
                Err(invalid("the part `file` must be the form's last: put the options before it"))
            };
        }
        let mut value = Vec::new();
        while let Some(piece) = part.chunk().await.map_err(|error| body::broken_form(&error))? {
            value.extend_from_slice(&piece);
            if value.len() > MAX_OPTION {
                return Err(invalid("an option is longer than 4096 bytes; only the part `file` may be long"));
            }
        }
        let value = String::from_utf8(value).map_err(|_| invalid("an option is not UTF-8 text"))?;
        options = options.with(option, value);
    }
    Err(invalid(format!("the form has more than {MAX_PARTS} parts before its part `file`")))
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let mut given = headers.get_all(header::CONTENT_ENCODING).iter();
    match (given.next().map(|encoding| encoding.to_str().unwrap_or_default()), given.next()) {
        (None | Some("identity"), None) => Ok(Encoding::Identity),
        (Some("gzip" | "x-gzip"), None) => Ok(Encoding::Gzip),
        (Some("zstd"), None) => Ok(Encoding::Zstd),
        _ => Err(unsupported("`Content-Encoding` may be gzip, zstd or identity, once")),
    }
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(Code::UnsupportedEncoding, detail)
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidForm, detail)
}

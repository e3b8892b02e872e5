//! `--demo`: loads a sample dataset into an empty store and trains a first model on it.

use std::net::SocketAddr;

use crate::http::AppState;
use crate::service::{keep_dataset, order_job};
use gatecast_core::dataset::Format;
use gatecast_core::ids::{DatasetId, JobId};
use gatecast_core::kinds::{JobRequest, TrainRequest};
use gatecast_data::{Encoding, UploadOptions, ingest};

/// Daily boardings on Chicago's buses and trains; `assets/samples/README.md` names the source.
const SAMPLE: &[u8] = include_bytes!("../../assets/samples/cta_ridership.csv");
const NAME: &str = "Chicago ridership";

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Does nothing if the store is not empty. A failure is only logged.
pub(super) async fn set_up(app: AppState, address: SocketAddr) {
    match fill(&app).await {
        Ok(Some((dataset, job))) => {
            tracing::info!("the sample is loaded: http://{address}/v1/datasets/{dataset}");
            tracing::info!("a first model is being trained: http://{address}/v1/jobs/{job}");
            tracing::info!("the API, to read and to try: http://{address}/docs");
        }
        Ok(None) => tracing::info!("the store has data: the demo leaves it alone"),
        Err(error) => tracing::error!(%error, "the demo could not be set up"),
    }
}

async fn fill(app: &AppState) -> Result<Option<(DatasetId, JobId)>, Fault> {
    if !app.store.is_empty().await? {
        return Ok(None);
    }
    let scratch = app.scratch.clone();
    let options = UploadOptions { format: Some(Format::Csv), ..UploadOptions::default() };
    let read = move || ingest(SAMPLE, Encoding::Identity, &options, &scratch);
    let ingested = app.tasks.spawn_blocking(read).await??;
    let dataset = keep_dataset(&app.store, &app.blobs, NAME.to_owned(), ingested).await?.id;
    let job = order_job(&app.store, JobRequest::Train(Box::new(order(dataset)?))).await?;
    Ok(Some((dataset, job.id)))
}

/// A request as `curl` would send it: one week ahead, with the defaults.
fn order(dataset: DatasetId) -> Result<TrainRequest, serde_json::Error> {
    serde_json::from_value(serde_json::json!({
        "name": "rail, one week ahead",
        "dataset": dataset,
        "data": {"targets": ["rail_boardings"], "covariates": {"past": ["bus"]}, "horizon": 7},
    }))
}

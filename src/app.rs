//! Builds the server's components, starts them, and shuts them down in order.

mod binding;
mod demo;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Settings;
use crate::http::{self, App, AppState, Uploads};
use crate::jobs::{Pool, PoolConfig, Trainers};
use crate::service::forecasts::{Forecaster, ForecasterParts};
use binding::BindError;
use gatecast_blobs::folder::FolderError;
use gatecast_blobs::{BlobError, Blobs, DataFolder};
use gatecast_data::Datasets;
use gatecast_store::{DatabaseUrl, Store, StoreError, UrlError};

/// The maximum number of long JSON bodies parsed concurrently.
const LONG_BODIES: usize = 2;

/// Why the server could not start; one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error("cannot tell where this program lies: {0}")]
    Program(io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("{}", causes(.0))]
    Blobs(#[from] BlobError),
    #[error("setting `database`: {0}")]
    Url(#[from] UrlError),
    #[error(transparent)]
    Binding(#[from] BindError),
    #[error("{}", causes(.0))]
    Store(#[from] StoreError),
}

/// An error with its causes, in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Some libraries repeat their cause in their own message.
        let text = cause.to_string();
        if !told.ends_with(&text) {
            told = format!("{told}: {text}");
        }
        next = cause.source();
    }
    told
}

/// Runs the server until SIGTERM or SIGINT.
pub async fn serve(settings: Settings) -> Result<(), StartError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let folder = DataFolder::open(&settings.data)?;
    let address = settings.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let address = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;

    let app = build(settings, &folder).await?;
    let pool = start_pool(&app, &folder);
    let server =
        app.tasks.spawn({
            let app = app.clone();
            async move {
                http::server::serve(listener, http::router(app.clone()), &app.settings.limits, &app.stopping).await
            }
        });
    writeln!(io::stdout(), "gatecast listens on http://{address}").map_err(StartError::Output)?;
    if app.settings.demo {
        app.tasks.spawn(demo::set_up(app.clone(), address));
    }

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("shutting down");
    app.stopping.cancel();
    let (handed_back, _) = tokio::join!(pool.shutdown(), server);
    if !handed_back {
        tracing::warn!("not all jobs could be handed back in time: the next start takes them");
    }
    app.tasks.close();
    app.tasks.wait().await;
    app.store.close().await;
    Ok(())
}

/// Applies the migrations of this version to the database.
pub async fn migrate(settings: Settings) -> Result<(), StartError> {
    let folder = DataFolder::open(&settings.data)?;
    let store = open_store(&settings, &folder).await?;
    store.close().await;
    writeln!(io::stdout(), "the database is up to date").map_err(StartError::Output)
}

async fn build(settings: Settings, folder: &DataFolder) -> Result<AppState, StartError> {
    let store = open_store(&settings, folder).await?;
    let blobs = Blobs::open(folder.blobs())?;
    binding::bind(&store, &blobs).await?;
    let datasets = Arc::new(Datasets::default());
    let forecaster = Forecaster::new(ForecasterParts {
        store: store.clone(),
        blobs: blobs.clone(),
        datasets: Arc::clone(&datasets),
        cache_bytes: settings.forecast.cache.0,
        threads: settings.forecast.threads.get(),
    });
    let uploads = Uploads::new(settings.limits.uploads());
    Ok(Arc::new(App {
        settings,
        store,
        blobs,
        forecaster,
        trainers: Arc::new(Trainers::beside(std::env::current_exe().map_err(StartError::Program)?)),
        datasets,
        loops: Arc::default(),
        scratch: folder.scratch(),
        uploads,
        readers: Arc::new(Semaphore::new(LONG_BODIES)),
        stopping: CancellationToken::new(),
        tasks: TaskTracker::new(),
    }))
}

async fn open_store(settings: &Settings, folder: &DataFolder) -> Result<Store, StartError> {
    let url = match &settings.database {
        Some(url) => url.parse()?,
        None => DatabaseUrl::Sqlite(folder.database()),
    };
    Ok(Store::open(&url).await?)
}

fn start_pool(app: &App, folder: &DataFolder) -> Pool {
    let config = PoolConfig {
        workers: app.settings.jobs.workers(),
        threads: app.settings.jobs.threads.get(),
        niceness: app.settings.jobs.niceness,
        health: Arc::clone(&app.loops),
        ..PoolConfig::new(folder, Arc::clone(&app.trainers))
    };
    Pool::start(app.store.clone(), app.blobs.clone(), config)
}

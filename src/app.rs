//! Builds the server's parts, starts them, and ends them in order.

use std::io::Write;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Settings;
use crate::http::{self, App};

/// Why the server could not start; one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: std::net::SocketAddr, source: std::io::Error },
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(std::io::Error),
}

/// Serves until SIGTERM or SIGINT.
pub async fn serve(settings: Settings) -> Result<(), StartError> {
    let stopping = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let address = settings.listen;
    let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
    let address = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
    let tasks = TaskTracker::new();
    let app = Arc::new(App { settings, stopping: stopping.clone(), tasks: tasks.clone() });

    let server = tasks.spawn({
        let (app, stopping) = (app.clone(), stopping.clone());
        async move { http::server::serve(listener, http::router(app.clone()), &app.settings.limits, stopping).await }
    });
    writeln!(std::io::stdout(), "gatecast listens on http://{address}").map_err(StartError::Output)?;

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("shutting down");
    stopping.cancel();
    tasks.close();
    tasks.wait().await;
    drop(server);
    Ok(())
}

/// Brings the database to this version's form.
pub async fn migrate(_settings: Settings) -> Result<(), StartError> {
    Ok(())
}

//! Accepts connections, limits the time and size of a request's head, and drains connections at shutdown.
//!
//! `axum::serve` sets no header timeout, so this module drives hyper directly. When `stopping` is cancelled,
//! no more connections are accepted, idle ones are closed, and open requests get `shutdown_time` to finish;
//! event streams end on the same signal.

use std::io;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Limits;

/// The maximum size of a request's head, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Serves until `stopping` is cancelled and open requests have ended or timed out.
pub async fn serve(listener: TcpListener, router: Router, limits: &Limits, stopping: &CancellationToken) {
    let tracker = TaskTracker::new();
    let graceful = GracefulShutdown::new();
    let abandoned = CancellationToken::new();
    loop {
        let stream = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    pause_after(&error).await;
                    continue;
                }
            },
        };
        let connection = graceful.watch(connection(stream, router.clone(), limits));
        let abandoned = abandoned.clone();
        tracker.spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                },
                () = abandoned.cancelled() => {}
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.shutdown_time(), graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still open at shutdown were cut off");
        abandoned.cancel();
    }
    tracker.close();
    tracker.wait().await;
}

type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router, limits: &Limits) -> Connection {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY not set");
    }
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time())
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}

/// Waits before the next attempt, which would fail at once as well if, for example, file descriptors have run out.
async fn pause_after(error: &io::Error) {
    tracing::warn!(%error, "could not take a connection");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}

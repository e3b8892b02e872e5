//! Passes a request's body to the blocking reader that ingests it.
//!
//! A bounded channel holds a few chunks, so memory use stays constant and a slow disk slows down the client.
//! The data ends only with an explicit end marker. If the handler is dropped (the client disconnects, the
//! body is cut off, the server shuts down), the reader gets an error, and its output is removed with its
//! folder.

use std::io::{self, Read};

use axum::extract::multipart::Field;
use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use crate::http::AppState;
use crate::http::body::{Chunks, broken_form};
use crate::http::problem::Problem;
use crate::http::uploads::{Admission, on_own_thread};
use gatecast_data::{self, Encoding, Ingested, UploadOptions};

/// The number of chunks that may be queued for the reader.
const WAITING: usize = 16;

/// The source of the data.
pub(super) enum Pieces<'a> {
    Body(Chunks),
    /// The file part of a form.
    Part(Box<Field<'a>>),
}

impl Pieces<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match self {
            Self::Body(chunks) => chunks.next().await,
            Self::Part(part) => part.chunk().await.map_err(|error| broken_form(&error)),
        }
    }
}

/// Ingests the data while it arrives.
pub(super) async fn ingest(
    app: &AppState,
    admission: Admission,
    mut pieces: Pieces<'_>,
    encoding: Encoding,
    options: UploadOptions,
) -> Result<Ingested, Problem> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let scratch = app.scratch.clone();
    let work = move || gatecast_data::ingest(Incoming::new(receiver), encoding, &options, &scratch);
    let reading = on_own_thread(app, admission, work)?;
    // Stops early if the reader has rejected the data: its result gives the reason.
    while let Some(piece) = pieces.next().await? {
        if sender.send(Some(piece)).await.is_err() {
            break;
        }
    }
    // A reader that has already stopped needs no end marker.
    let _ = sender.send(None).await;
    let read = reading.await.map_err(|error| Problem::internal(&error))?;
    Ok(read?)
}

/// The reader's side of the channel: `None` is the end marker.
struct Incoming {
    receiver: mpsc::Receiver<Option<Bytes>>,
    piece: Bytes,
    ended: bool,
}

impl Incoming {
    fn new(receiver: mpsc::Receiver<Option<Bytes>>) -> Self {
        Self { receiver, piece: Bytes::new(), ended: false }
    }
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Some(piece)) => self.piece = piece,
                Some(None) => self.ended = true,
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upload was broken off")),
            }
        }
        let length = self.piece.len().min(into.len());
        self.piece.split_to(length).copy_to_slice(into.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}

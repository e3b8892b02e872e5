//! A proxy to a PostgreSQL server. The test can cut or freeze it, which looks to clients like a
//! server that is down or hangs.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream, unix};
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Bytes are accepted, and forwarded once the proxy is open again.
    Frozen,
    /// Connections are closed, and new ones are refused.
    Cut,
}

pub(crate) struct Proxy {
    folder: TempDir,
    target: PathBuf,
    state: Arc<watch::Sender<State>>,
    listening: JoinSet<()>,
}

const SOCKET: &str = ".s.PGSQL.5432";

impl Proxy {
    /// A proxy in front of the server that the URL names by its socket's folder, and the URL through
    /// the proxy. `None` if the URL names a host.
    pub(crate) fn before(url: &str) -> Option<(Self, String)> {
        let (base, folder) = url.split_once("?host=")?;
        let own = tempfile::tempdir().unwrap();
        let through = format!("{base}?host={}", own.path().display());
        let state = Arc::new(watch::Sender::new(State::Open));
        let target = PathBuf::from(folder).join(SOCKET);
        let mut proxy = Self { folder: own, target, state, listening: JoinSet::new() };
        proxy.listen();
        Some((proxy, through))
    }

    fn listen(&mut self) {
        let path = self.folder.path().join(SOCKET);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(path).unwrap();
        let (state, target) = (Arc::clone(&self.state), self.target.clone());
        self.listening.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = UnixStream::connect(&target).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                connections.spawn(pass(from_client, to_server, state.subscribe()));
                connections.spawn(pass(from_server, to_client, state.subscribe()));
            }
        });
    }

    pub(crate) fn freeze(&self) {
        self.state.send_replace(State::Frozen);
    }

    pub(crate) fn thaw(&self) {
        self.state.send_replace(State::Open);
    }

    pub(crate) async fn cut(&mut self) {
        self.state.send_replace(State::Cut);
        self.listening.shutdown().await;
    }

    pub(crate) fn restore(&mut self) {
        self.state.send_replace(State::Open);
        self.listen();
    }
}

/// Forwards bytes until either side closes.
async fn pass(mut from: unix::OwnedReadHalf, mut to: unix::OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            cut = state.wait_for(|state| *state == State::Cut) => { drop(cut); return }
        };
        if read == 0 {
            return;
        }
        match state.wait_for(|state| *state != State::Frozen).await.map(|state| *state) {
            Ok(State::Open) => {}
            _ => return,
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

//! Runs the program on a free port with a temporary data folder.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::contract;

/// Much longer than any step takes; a test that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A started `gatecast serve`; killed when dropped.
pub(crate) struct TestServer {
    child: Child,
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
    folder: Arc<TempDir>,
    settings: Settings,
}

#[derive(Clone, Default)]
pub(crate) struct Settings {
    flags: Vec<String>,
    environment: Vec<(String, String)>,
}

/// The response to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the JSON body; panics if the status differs.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Returns the body as text; panics if the status differs.
    #[track_caller]
    pub(crate) fn expect_text(self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.text
    }

    /// Checks that the body is a problem document with this status and code; returns its detail.
    #[track_caller]
    pub(crate) fn expect_problem(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{problem}");
        let detail = problem["detail"].as_str().unwrap().to_owned();
        for secret in ["/tmp", "src/", "SELECT", "gatecast::", "struct ", "panicked"] {
            assert!(!detail.contains(secret), "{detail}");
        }
        detail
    }
}

impl Settings {
    pub(crate) fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.extend([format!("--{name}"), value.to_owned()]);
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn start(self) -> TestServer {
        TestServer::launch(self, Arc::new(TempDir::new().unwrap())).await
    }
}

/// Whether the LibTorch trainer is installed beside the program. If `GATECAST_TEST_LIBTORCH` is set,
/// as by `make test`, a missing trainer is an error.
pub(crate) fn libtorch_installed() -> bool {
    let installed = Path::new(env!("CARGO_BIN_EXE_gatecast")).with_file_name("gatecast-libtorch").is_file();
    assert!(installed || std::env::var_os("GATECAST_TEST_LIBTORCH").is_none(), "gatecast-libtorch is not built");
    installed
}

/// The program, without the `GATECAST_` variables of the tests' environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatecast"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GATECAST_")) {
        command.env_remove(name);
    }
    command.kill_on_drop(true);
    command
}

impl TestServer {
    pub(crate) fn with() -> Settings {
        Settings::default()
    }

    pub(crate) async fn start() -> Self {
        Self::with().start().await
    }

    /// Starts a server in the given folder; its data folder is `data` within it.
    pub(crate) async fn launch(settings: Settings, folder: Arc<TempDir>) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(folder.path().join("log")).unwrap();
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
        command.args(&settings.flags).envs(settings.environment.clone());
        let mut child = command.stdout(Stdio::piped()).stderr(log).stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("no ready line in time").unwrap();
        let told = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        let ready = ready.unwrap_or_else(|| panic!("the server did not start:\n{}", told()));
        let url = ready.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { child, url, client, folder, settings }
    }

    /// The folder given as `--data`.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Sends a request, and checks it and its answer against the OpenAPI document.
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method.clone(), path);
        let request = if let Some(body) = body { request.json(body) } else { request };
        let answer = Answer::of(request.send().await.unwrap()).await;
        contract::check(&method, path, body, &answer);
        answer
    }

    /// Sends raw bytes and reads until the server closes.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(self.address()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A server that refuses a body may reset the connection after its response.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Uploads CSV and returns the response with the dataset.
    pub(crate) async fn upload(&self, query: &str, csv: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::POST, &format!("/v1/datasets{query}"));
        let answer = Answer::of(request.header("content-type", "text/csv").body(csv).send().await.unwrap()).await;
        contract::check(&Method::POST, "/v1/datasets", None, &answer);
        answer
    }

    /// Polls the job until `enough` returns true.
    pub(crate) async fn job_when(&self, id: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let job = self.get(&format!("/v1/jobs/{id}")).await.expect(200);
            if enough(&job) {
                return job;
            }
            assert!(start.elapsed() < PATIENCE, "the job is still {job}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the job has ended and returns it.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        self.job_when(id, |job| ["succeeded", "failed", "cancelled"].contains(&job["status"].as_str().unwrap())).await
    }

    /// Sends SIGKILL, which is like a power cut to the process.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// The process ids of the server's children.
    pub(crate) fn children(&self) -> Vec<String> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let of_thread = |thread: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default()
        };
        threads.map(of_thread).flat_map(|ids| ids.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Waits until no process has this id, or only a zombie does.
    pub(crate) async fn until_gone(&self, process: &str) {
        let start = Instant::now();
        let state = || {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            stat.rsplit(')').next()?.split_whitespace().next().map(str::to_owned)
        };
        while state().is_some_and(|state| state != "Z") {
            assert!(start.elapsed() < PATIENCE, "process {process} is still there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the program exits by itself.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the server did not end").unwrap()
    }

    /// Sends SIGTERM and waits for the exit.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.exit().await
    }

    /// Kills this server and starts another on the same data.
    pub(crate) async fn restart(mut self) -> Self {
        self.kill().await;
        self.start_again().await
    }

    /// Kills this server and starts another on the same data, with one flag changed.
    pub(crate) async fn restart_with(mut self, name: &str, value: &str) -> Self {
        let name = format!("--{name}");
        if let Some(at) = self.settings.flags.iter().position(|flag| *flag == name) {
            self.settings.flags.drain(at..at + 2);
        }
        self.settings.flags.extend([name, value.to_owned()]);
        self.restart().await
    }

    /// Starts another server on the data of this one, which must have exited.
    pub(crate) async fn start_again(self) -> Self {
        let (settings, folder) = (self.settings.clone(), self.folder.clone());
        drop(self);
        Self::launch(settings, folder).await
    }

    /// The files below the data folder's `part`, except the blob store's id.
    pub(crate) fn files(&self, part: &str) -> Vec<PathBuf> {
        let is_storage_id = |path: &PathBuf| path.ends_with("storage-id");
        files(&self.data().join(part)).into_iter().filter(|path| !is_storage_id(path)).collect()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

//! A PostgreSQL server for the tests: the one at `GATECAST_TEST_POSTGRES`, otherwise a private server
//! started from the installed programs, otherwise none, which is reported once on stderr.
//!
//! The private server has a temporary folder and listens only on a socket in it. It stops when this
//! process ends for any reason: a shell that runs beside it waits for EOF on a pipe that this process
//! holds open.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Much longer than a start takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// `$1` is the folder of the programs, `$2` the server's folder.
const SERVE: &str = r#"
    set -e
    "$1/initdb" -D "$2/data" -U gatecast -A trust -E UTF8 --locale=C --no-sync >"$2/log" 2>&1
    "$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c max_connections=300 >>"$2/log" 2>&1 &
    cat >/dev/null
    kill -QUIT $!
    wait $! || true
    cd / && rm -rf "$2"
"#;

struct Server {
    /// The URL of its maintenance database.
    url: String,
    /// Its stdin is closed when this process ends.
    _running: Option<Child>,
}

static SERVER: OnceCell<Option<Server>> = OnceCell::const_new();

/// The URL of a new database; `None` if there is no PostgreSQL.
pub(crate) async fn database() -> Option<String> {
    let server = SERVER.get_or_init(start).await.as_ref()?;
    let name = format!("gatecast_test_{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server.url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    Some(sibling(&server.url, &name))
}

/// Drops a database that [`database`] created.
pub(crate) async fn drop_database(url: &str) {
    let Some(Some(server)) = SERVER.get() else { return };
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
    assert!(name.starts_with("gatecast_test_"));
    let mut connection = PgConnection::connect(&server.url).await.unwrap();
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
}

/// The same server's URL with another database's name.
fn sibling(url: &str, name: &str) -> String {
    let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
    let (scheme, rest) = path.split_once("://").unwrap();
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{host}/{name}{query}")
}

async fn start() -> Option<Server> {
    if let Ok(url) = std::env::var("GATECAST_TEST_POSTGRES") {
        return Some(Server { url, _running: None });
    }
    let Some(programs) = programs() else {
        // Not `eprintln!`, whose output the test harness hides if tests pass.
        let said = "the PostgreSQL tests are skipped: set GATECAST_TEST_POSTGRES to a URL, or install PostgreSQL";
        let mut output = std::io::stderr();
        writeln!(output, "{said}").unwrap();
        return None;
    };
    let folder = tempfile::Builder::new().prefix("gatecast-postgres-").tempdir().unwrap().keep();
    let mut shell = as_nobody_special(&folder);
    let running = shell
        .args(["sh", "-c", SERVE, "sh"])
        .args([&programs, &folder])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The socket's folder cannot be used as the host part of the URL.
    let url = format!("postgres://gatecast@localhost/postgres?host={}", folder.display());
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = PgConnection::connect(&url).await {
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "PostgreSQL does not start: {error}\n{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Some(Server { url, _running: Some(running) })
}

/// A command that runs another as an ordinary user who owns the folder, because PostgreSQL refuses to
/// run as root.
fn as_nobody_special(folder: &Path) -> Command {
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700)).unwrap();
    if !rustix::process::geteuid().is_root() {
        return Command::new("env");
    }
    let number = |flag: &str, user: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, user]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let (user, uid, gid) = ["postgres", "nobody"]
        .into_iter()
        .find_map(|user| Some((user, number("-u", user)?, number("-g", user)?)))
        .expect("a user other than root");
    std::os::unix::fs::chown(folder, Some(uid), Some(gid)).unwrap();
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={gid}")).arg("--clear-groups");
    command.current_dir(folder);
    command
}

/// The folder with the newest server programs.
fn programs() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut installed: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    installed.sort();
    let folders: Vec<PathBuf> = [on_path, installed].concat();
    folders.into_iter().rev().find(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
}

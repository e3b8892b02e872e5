//! The program: parses the command line, starts the log, and calls the library.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use gatecast::config::{self, DataFlags, ServeFlags, Settings};
use gatecast::{app, health, http, telemetry};

/// Upload time series, train recurrent networks on them, and serve forecasts.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and run its jobs.
    Serve(Box<ServeFlags>),
    /// Apply the migrations of this version to the database, and exit.
    Migrate(DataFlags),
    /// Print the OpenAPI document.
    Openapi,
    /// Print the default settings, with comments.
    Config,
    /// Check whether a running server is ready: exit code 0 or 1.
    Health {
        /// The server's address.
        #[arg(long, env = "GATECAST_URL", default_value = "http://127.0.0.1:8080")]
        url: String,
    },
    /// Run one job for the server that started this process (internal).
    #[command(hide = true)]
    Train,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, there is nothing left to report to.
            let _ = writeln!(io::stderr(), "gatecast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        Command::Serve(flags) => serve(&flags, app::serve),
        Command::Migrate(data) => serve(&ServeFlags { data, ..ServeFlags::default() }, app::migrate),
        Command::Openapi => Ok(writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&http::document())?)?),
        Command::Config => Ok(write!(io::stdout(), "{}", config::DEFAULTS)?),
        Command::Health { url } => Ok(health::check(&url)?),
        Command::Train => Ok(gatecast_learn::child::run(gatecast_nn::engine::build)?),
    }
}

/// Loads the settings, starts the log and the runtime, then runs `work`.
fn serve<F, E>(flags: &ServeFlags, work: impl FnOnce(Settings) -> F) -> Result<(), Box<dyn std::error::Error>>
where
    F: Future<Output = Result<(), E>>,
    E: std::error::Error + 'static,
{
    let settings = Settings::load(flags)?;
    telemetry::start(&settings.log)?;
    config::environment::warn_of_unknown(&variables(&Cli::command()));
    let runtime = tokio::runtime::Runtime::new()?;
    Ok(runtime.block_on(work(settings))?)
}

/// The environment variables of a command and of all its subcommands.
fn variables(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env()).filter_map(|name| name.to_str());
    let mut names: Vec<String> = own.map(str::to_owned).collect();
    names.extend(command.get_subcommands().flat_map(variables));
    names
}

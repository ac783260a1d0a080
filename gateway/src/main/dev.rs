//! `sluice dev …`: an author's loop, on a terminal or not.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use sluice_gateway::dev::{Asked, Dev, Screen};

use super::{said, serve};

/// What it takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The plugin: its project's folder, or a component's file.
    plugin: PathBuf,
    /// The configuration to serve, as for `run`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The use that the plugin stands for. Default: those of the plugin that has its file or its name, or the only use.
    #[arg(long = "use", value_name = "NAME")]
    used: Option<String>,
    /// A scenario that it has to keep; may be repeated. Default: every `scenario*.toml` beside it.
    #[arg(long, value_name = "FILE")]
    scenario: Vec<PathBuf>,
    /// Serve versions that were not tested.
    #[arg(long, conflicts_with = "scenario")]
    no_test: bool,
    /// Where compiled plugins and keys are kept, as for `run`.
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
}

/// Works on a plugin until the process ends.
pub(crate) fn run(asked: Arguments) -> Result<(), String> {
    let Arguments { plugin, config, used, scenario, no_test, state_dir } = asked;
    let asked = Asked { plugin, config, used, tests: !no_test, scenarios: scenario, state_dir };
    let (out, shows_log) = (std::io::stdout(), std::io::stderr().is_terminal());
    let screen = Screen::new(out, std::io::stdout().is_terminal(), shows_log);
    let prepare = move || Dev::open(asked, screen).and_then(Dev::first).map_err(|error| error.to_string());
    serve(None, prepare, |(dev, prepared)| {
        let gateway = prepared.serve().map_err(said)?;
        dev.go_on(gateway.handle()).map_err(|error| error.to_string())?;
        Ok(gateway)
    })
}

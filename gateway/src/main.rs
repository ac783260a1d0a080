//! The program: arguments, load, build, run, drain. The only file that prints, and that ends the process.

#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "main/dev.rs"]
mod dev;
#[path = "main/explain.rs"]
mod explain;
#[path = "main/plugin.rs"]
mod plugin;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use sluice_gateway::author::simulate;
use sluice_gateway::config::{Problems, Source};
use sluice_gateway::plugin::compile;
use sluice_gateway::{Gateway, Prepared, StartError, demo};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A gateway whose decisions are plugins.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what it does: sample backends, a certificate made on the spot, and what to try.
    Demo {
        /// Where the demo writes its files.
        #[arg(long, default_value = "sluice-demo")]
        folder: PathBuf,
    },
    /// Serve what a configuration file says.
    Run {
        /// The configuration, TOML, or JSON if its name ends in `.json`.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Where compiled plugins and keys are kept. Default: what systemd gives, or sluice below the user's state folder.
        #[arg(long, value_name = "FOLDER")]
        state_dir: Option<PathBuf>,
        /// Take the place of a gateway that runs with this file and state folder, if there is one: its sockets, and what its
        /// plugins keep. It finishes what it has begun. SIGUSR2 makes a gateway start such a one itself.
        #[arg(long)]
        take_over: bool,
    },
    /// Say what is wrong with a configuration: its keys, certificates, and every plugin, loaded, configured and tried.
    Check {
        /// The configuration, TOML, or JSON if its name ends in `.json`.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Where compiled plugins and keys are kept, as for `run`.
        #[arg(long, value_name = "FOLDER")]
        state_dir: Option<PathBuf>,
    },
    /// Say where a request would go, and why: each hook that is asked, and what it says, by the real components.
    Explain(explain::Arguments),
    /// Print the JSON Schema of a configuration, with those of the plugins' own configurations; for editors.
    Schema {
        /// A configuration whose plugins are to be included; without it, the built-in ones are.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Where compiled plugins are kept, as for `run`.
        #[arg(long, value_name = "FOLDER")]
        state_dir: Option<PathBuf>,
    },
    /// Play policies against each other in a made-up world, before they see traffic.
    Simulate {
        /// What is played: docs/simulator.md tells how to write it. TOML, or JSON if its name ends in `.json`.
        scenario: PathBuf,
        /// A policy: one of the scenario, a built-in plugin, or a file; a chain of these with `+` between them. May be given several
        /// times. Default: all of the scenario.
        #[arg(long, value_name = "NAME|FILE")]
        policy: Vec<String>,
        /// Where random numbers come from, in place of the scenario's.
        #[arg(long)]
        seed: Option<u64>,
        /// Print all figures as JSON in place of a table. The same scenario, seed and program give the same bytes.
        #[arg(long)]
        json: bool,
        /// Write a report with plots, one page that needs nothing else.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Where compiled plugins are kept, as for `run`.
        #[arg(long, value_name = "FOLDER")]
        state_dir: Option<PathBuf>,
    },
    /// Work on a plugin: each change is built, tested, and swapped into a gateway that this serves with.
    Dev(dev::Arguments),
    /// Print what a shell needs to complete these commands.
    Completions {
        /// bash, elvish, fish, powershell or zsh.
        shell: clap_complete::Shell,
    },
    /// Write a plugin, build it, look at it, test it and measure it, before it sees traffic.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Compile a component from standard input; for the gateway itself.
    #[command(name = compile::COMMAND, hide = true)]
    Compile {
        output: PathBuf,
        #[arg(long)]
        metered: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo { folder } => show(&folder),
        Command::Run { config, state_dir, take_over } => run(config, state_dir, take_over),
        Command::Check { config, state_dir } => check(&config, state_dir),
        Command::Explain(asked) => explain::run(asked),
        Command::Schema { config, state_dir } => schema(config.as_deref(), state_dir),
        Command::Simulate { scenario, policy, seed, json, html, state_dir } => {
            simulate(&simulate::Asked { scenario, policies: policy, seed, state_dir }, json, html.as_deref())
        }
        Command::Dev(asked) => dev::run(asked),
        Command::Completions { shell } => completions(shell),
        Command::Plugin(asked) => plugin::run(asked),
        Command::Compile { output, metered } => compile::child(&output, metered),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: PathBuf, state_dir: Option<PathBuf>, take_over: bool) -> Result<(), String> {
    let serving = |prepared: Prepared| prepared.serve().map_err(said);
    serve(
        Some("--take-over"),
        move || Prepared::new(Source::file(&config), state_dir, take_over).map_err(said),
        serving,
    )
}

fn check(config: &std::path::Path, state_dir: Option<PathBuf>) -> Result<(), String> {
    let found = sluice_gateway::check(config, state_dir).map_err(|error| error.to_string())?;
    for warning in &found.warnings {
        eprintln!("warning: {warning}");
    }
    if found.problems.is_empty() {
        for asked in &found.asks {
            println!("{asked}");
        }
        println!("{}", found.summary);
        return Ok(());
    }
    Err(Problems(found.problems).to_string())
}

fn schema(config: Option<&std::path::Path>, state_dir: Option<PathBuf>) -> Result<(), String> {
    let schema = sluice_gateway::schema(config, state_dir).map_err(|error| error.to_string())?;
    println!("{schema:#}");
    Ok(())
}

fn completions(shell: clap_complete::Shell) -> Result<(), String> {
    let (all, mut text) = (Arguments::command(), Vec::new());
    // clap's own completes inner commands, too.
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut shown = clap::Command::new("sluice").version(env!("CARGO_PKG_VERSION")).subcommands(shown);
    clap_complete::generate(shell, &mut shown, "sluice", &mut text);
    say(&text)
}

/// On standard output; a reader that has seen enough is no failure.
fn say(text: &[u8]) -> Result<(), String> {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn simulate(asked: &simulate::Asked, json: bool, html: Option<&std::path::Path>) -> Result<(), String> {
    let mut bar = simulate::Bar::begin(std::io::stderr().is_terminal());
    let simulated = simulate::simulate(asked, &mut |part| {
        if let Some(bar) = bar.at(part) {
            eprint!("{bar}");
        }
    });
    eprint!("{}", bar.end());
    let outcomes = simulated.map_err(|error| error.to_string())?;
    if let Some(file) = html {
        std::fs::write(file, outcomes.html()).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    match json {
        true => say(&[serde_json::to_string(&outcomes).map_err(|error| error.to_string())?.as_bytes(), b"\n"].concat()),
        false => say(outcomes.to_string().as_bytes()),
    }
}

fn show(folder: &std::path::Path) -> Result<(), String> {
    let demo = demo::prepare(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let (config, state_dir) = (demo.config.clone(), demo.state_dir.clone());
    let serving = move |prepared: Prepared| {
        let gateway = prepared.serve().map_err(said)?;
        println!("{}", demo.guide());
        Ok(gateway)
    };
    serve(None, move || Prepared::new(Source::file(&config), Some(state_dir), false).map_err(said), serving)
}

/// Looks at all files on SIGHUP, drains on the first SIGTERM or SIGINT; the second one does not wait. On SIGUSR2 another gateway
/// is started to take over, this program with one argument more. Heard from the very beginning: a start may take a while,
/// and a signal that nobody hears would end it.
fn serve<P: Send + 'static>(
    taking_over: Option<&'static str>,
    prepare: impl FnOnce() -> Result<P, String> + Send + 'static,
    serving: impl FnOnce(P) -> Result<Gateway, String> + Send + 'static,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
        let mut hang_up = signal(SignalKind::hangup()).map_err(|error| error.to_string())?;
        let mut hand_over = signal(SignalKind::user_defined2()).map_err(|error| error.to_string())?;
        let mut asked_to_end = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        let prepared = tokio::select! {
            prepared = spawn_blocking(prepare) => prepared.map_err(|error| error.to_string())??,
            // Nothing is served yet, so nothing is to be drained.
            () = asked_to_end() => std::process::exit(0),
        };
        // From here on clients may wait for their answers.
        let serving = spawn_blocking(move || serving(prepared));
        let mut gateway = serving.await.map_err(|error| error.to_string())??;
        // One that has a successor was not asked to end.
        let mut asked = loop {
            tokio::select! {
                () = asked_to_end() => break true,
                () = gateway.handed_over() => break false,
                _ = hang_up.recv() => gateway.reload(),
                _ = hand_over.recv() => succeed(taking_over),
            }
        };
        let mut drained = spawn_blocking(move || gateway.drain());
        loop {
            tokio::select! {
                drained = &mut drained => return drained.map_err(|error| error.to_string()),
                () = asked_to_end() => if std::mem::replace(&mut asked, true) { std::process::exit(1) },
            }
        }
    })
}

/// Starts this program again, by the name that it was started by: another version may be there now. If that one does not come to
/// serve, it says why, and this one serves on.
fn succeed(taking_over: Option<&'static str>) {
    let Some(taking_over) = taking_over else { return };
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let arguments: Vec<_> = arguments.filter(|argument| argument != taking_over).collect();
    match std::process::Command::new(program).args(arguments).arg(taking_over).spawn() {
        Ok(mut successor) => {
            tracing::info!(target: "sluice", process = successor.id(), "successor started");
            // It outlives this process, or ends before it.
            std::thread::spawn(move || {
                if let Ok(status) = successor.wait() {
                    tracing::warn!(target: "sluice", %status, "the successor has ended");
                }
            });
        }
        Err(error) => tracing::warn!(target: "sluice", %error, "no successor started"),
    }
}

fn said(error: StartError) -> String {
    error.to_string()
}
